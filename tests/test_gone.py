"""What was deleted, forgotten or replaced is in no answer of any index, whatever happens to the store afterwards."""

from __future__ import annotations

import random

import numpy as np
import pytest
from support.serving import serving
from test_embedders import Letters
from test_faces_parity import tool
from test_reembed import Vowels

import primecore
from primecore import Prime

SECRETS = ("zebra", "quokka")  # words that only what is gone ever held
QUESTIONS = (*SECRETS, "zeb*", '"quokka"', "lemming", "a", "ei")
MOST = 500


def hits(prime: Prime, question: str) -> list[primecore.Hit]:
    """What every door that finds anything says."""
    found = prime.search(question, k=MOST) + prime.similar(question, k=MOST)
    found += prime.recall(question, k=MOST, depth=3, floor=0.0)
    return found + [again for hit in found[:3] for again in prime.similar(hit.id, k=MOST)]


def check(prime: Prime, gone: set[str]) -> None:
    seen = set()
    for question in QUESTIONS:
        for hit in hits(prime, question):
            seen.add(hit.id)
            assert hit.id not in gone, (question, hit)
            assert not any(word in (hit.text or "") for word in SECRETS), (question, hit)
            assert not any(end in gone for edge in hit.edges or () for end in edge[:3]), (question, hit)
        said = prime.context(question, max_tokens=50_000).markdown
        assert not any(id in said for id in gone), question
        assert question in SECRETS or not any(word in said for word in SECRETS), question
    assert all(prime.search(word, k=MOST) == [] for word in (*SECRETS, "zeb*", "quok*"))
    assert all(prime.node(id) is None for id in gone)
    assert len(seen) == 80  # and what is left is found
    assert prime.stats().vectors == 60


def filled(prime: Prime, seed: int) -> set[str]:
    """Ids of what is gone by now, in one way or another; as many nodes lost their words, or their vector."""
    chance = random.Random(seed)
    ids = []
    for at in range(120):
        text = f"{'lemming' if at % 3 == 2 else SECRETS[at % 2]} {'aei'[at % 3] * (at % 7 + 1)}"
        ids.append(prime.add_node("note", {"name": f"n{at}", "text": text}, id=f"n{at:03}"))
        prime.embed(ids[-1], text=text)
    for id in ids:
        prime.add_edge(id, chance.choice(ids), "about")
    facts = [prime.remember(f"{SECRETS[at % 2]} {'aei' * (at + 1)}", near=None).id for at in range(10)]
    gone = {*facts, *ids[::3]}
    order = [*facts, *ids]
    chance.shuffle(order)
    for id in order:
        if id in facts:
            prime.reject(id) if chance.random() < 0.5 else prime.delete_node(id)
        elif id in gone:
            prime.delete_node(id) if chance.random() < 0.5 else prime.append("prime.node.deleted", id, {})
        elif ids.index(id) % 3 == 1:
            prime.update_node(id, {"text": "lemming e"})
            if ids.index(id) % 2:
                prime.embed(id, text="lemming e")
            else:
                prime.delete_vector(id)
        if chance.random() < 0.1:
            prime.add_node("passing", {"text": SECRETS[0]}, id="p")
            prime.delete_node("node:passing:p")
    return {*gone, "node:passing:p"}


@pytest.mark.parametrize("exact_vectors", (10**9, 40))
@pytest.mark.parametrize("seed", (1, 2))
def test_what_is_gone_is_in_no_answer(tmp_path, exact_vectors, seed):
    def opened(embedder) -> Prime:
        return primecore.open(tmp_path / "store", embedder=embedder, exact_vectors=exact_vectors)

    with opened(Letters()) as prime:
        gone = filled(prime, seed)
        check(prime, gone)
        digest = prime.digest()
    with opened(Letters()) as prime:
        assert prime.digest() == digest
        check(prime, gone)
        assert prime.replay(verify=True).equal
        check(prime, gone)
        prime.checkpoint()
    with opened(Letters()) as prime:
        check(prime, gone)
        prime.compact()
        check(prime, gone)
        check(prime.at(prime.position), gone)
    with opened(Letters()) as prime:
        assert prime.digest() == digest
        check(prime, gone)
        prime.add_edge("node:note:n001", "node:note:n002", "late")
        check(prime.at(prime.position - 1), gone)
        prime.reembed(Vowels())
        check(prime, gone)
        prime.checkpoint()
    with opened(Vowels()) as prime:
        check(prime, gone)
    with primecore.open(tmp_path / "store", embedder=Vowels(), read_only=True) as prime:
        check(prime, gone)


def asked_everywhere(prime: Prime, questions: list[str]) -> dict[str, dict[str, str]]:
    """What each door of each face says to a question, as text."""
    said: dict[str, dict[str, str]] = {}
    with serving(prime) as served:
        for question in questions:
            words = {"query": question, "top_k": 50}
            alike, prompt = {**words, "min_score": 0.2}, {"query": question, "max_tokens": 5000}
            said[question] = {
                "similar": str(prime.similar(question, k=50, min_score=0.2)),
                "search": str(prime.search(question, k=50)),
                "recall": str(prime.recall(question, k=50)),
                "context": str(prime.context(question, 5000)),
            }
            for path, how in (("vectors/search", alike), ("search", words), ("recall", words), ("context", prompt)):
                said[question][f"http {path}"] = str(served.client.ask("POST", "/" + path, json=how))
            tools = {"similar": alike, "search_text": words, "recall": words, "context": prompt}
            for name, how in tools.items():
                name = f"prime_{name}"
                failed, said[question][name] = tool(prime, name, how)
                assert not failed, said
    return {question: {door: str(it) for door, it in found.items()} for question, found in said.items()}


class Known:
    """A number for each of some words: what shares none is not alike at all."""

    name = "known"
    words = ("zebra", "quokka", "lemming", "walrus", "bystander")
    dimensions = len(words)

    def __call__(self, texts):
        return np.array([[(word in text) + 0.001 for word in self.words] for text in texts], np.float32)


class KnownAnew(Known):
    name = "known anew"
    words = ("bystander", "walrus", "lemming", "zebra", "stripes", "quokka")
    dimensions = len(words)


def test_every_face_finds_the_new_words_and_not_the_old(tmp_path):
    one, two, three = "node:note:one", "node:note:two", "node:note:three"

    def check_faces(prime: Prime) -> None:
        said = asked_everywhere(prime, ["zebra", "quokka", "lemming", "walrus"])
        found = {
            question: {id: {door for door, it in doors.items() if id in it} for id in (one, two, three)}
            for question, doors in said.items()
        }
        everywhere = set(said["zebra"])
        assert len(everywhere) == 12
        assert found["zebra"] == found["quokka"] == {one: set(), two: set(), three: set()}
        assert found["lemming"] == {one: everywhere, two: set(), three: set()}
        assert found["walrus"] == {one: set(), two: set(), three: everywhere}

    with primecore.open(tmp_path / "store", embedder=Known()) as prime:
        for id, text in ((one, "zebra stripes"), (two, "quokka smiles"), (three, "zebra crossing")):
            prime.add_node("note", {"text": text}, id=id.split(":")[-1])
            prime.embed(id)
        prime.add_node("note", {"text": "bystander"}, id="four")
        prime.add_edge("node:note:four", two, "about")
        assert all(two in it for it in asked_everywhere(prime, ["quokka"])["quokka"].values())
        prime.update_node(one, {"text": "lemming leaps"})
        prime.delete_node(two)
        prime.update_node(three, {"text": None, "name": "walrus weighs"})
        check_faces(prime)
        prime.checkpoint()
        prime.compact()
    with primecore.open(tmp_path / "store", embedder=Known()) as prime:
        check_faces(prime)
        prime.reembed(KnownAnew())
    with primecore.open(tmp_path / "store", embedder=KnownAnew(), read_only=True) as prime:
        check_faces(prime)


def test_a_node_in_its_second_life_has_nothing_of_the_first():
    with primecore.open(":memory:", embedder=Letters()) as prime:
        other = prime.add_node("note", {"text": "lemming"}, id="other")
        id = prime.add_node("note", {"text": "zebra"}, id="one")
        prime.embed(id, text="zebra")
        prime.add_edge(other, id, "about")
        prime.delete_node(id)
        prime.add_node("note", {"text": "quokka"}, id="one")
        assert prime.search("zebra") == [] and prime.similar("zebra") == []
        assert [hit.id for hit in prime.recall("lemming", depth=2)] == [other]
        assert [hit.id for hit in prime.search("quokka")] == [id]
