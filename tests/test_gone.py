"""What was deleted, forgotten or replaced is in no answer of any index, whatever happens to the store afterwards."""

from __future__ import annotations

import random

import pytest
from test_embedders import Letters
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
    with opened(Letters()) as prime:
        assert prime.digest() == digest
        check(prime, gone)
        prime.reembed(Vowels())
        check(prime, gone)
        prime.checkpoint()
    with opened(Vowels()) as prime:
        check(prime, gone)
    with primecore.open(tmp_path / "store", embedder=Vowels(), read_only=True) as prime:
        check(prime, gone)


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
