"""While vectors go over to another model: each answer is of one of them, whoever asks and whatever breaks off."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from support.children import child
from test_embedders import Letters
from test_reembed import Vowels

import primecore
from primecore import Prime, ReembedUnfinished, embeds

COUNT = 60


class Backwards(Letters):
    """As many numbers as Letters has, in the other order: what mixes the two finds the wrong things and no error."""

    name = "backwards"

    def __call__(self, texts):
        return super().__call__(texts)[:, ::-1] * np.arange(1, 6, dtype=np.float32)


class Changing(Letters):
    """Letters that puts another model into `prime`, once that is set, before it has embedded what it was given."""

    def __init__(self, other: type[Letters]) -> None:
        self.other, self.prime = other, None

    def __call__(self, texts):
        prime, self.prime = self.prime, None
        if prime is not None:
            prime.reembed(self.other())
        return super().__call__(texts)


def fill(prime: Prime) -> None:
    for at in range(COUNT):
        node = prime.add_node("t", {}, id=str(at))
        prime.embed(node, text="abcde"[at % 5] * (at // 5 + 1) + "e")


def answers(prime: Prime) -> list[list[tuple[str, float]]]:
    found = [prime.similar("aab", k=5), prime.recall("aab", k=5, weights={"words": 0})]
    return [[(hit.id, round(hit.score, 5)) for hit in hits] for hits in found]


@pytest.mark.parametrize("other", [Backwards, Vowels])
@pytest.mark.parametrize("ask", [0, 1])
def test_a_model_that_changes_while_a_question_is_embedded(other, ask):
    model = Changing(other)
    with primecore.open(":memory:", embedder=model) as prime:
        fill(prime)
        before = answers(prime)
        model.prime = prime
        found = prime.recall("aab", k=5, weights={"words": 0}) if ask else prime.similar("aab", k=5)
        after = answers(prime)
        assert model.prime is None and before != after
        assert [(hit.id, round(hit.score, 5)) for hit in found] == after[ask]


@pytest.mark.parametrize("other", [Backwards, Vowels])
def test_a_model_that_changes_while_a_fact_is_embedded(other):
    model = Changing(other)
    with primecore.open(":memory:", embedder=model) as prime:
        fill(prime)
        model.prime = prime
        fact = prime.remember("dddd")
        assert fact.created and prime.similar("dddd", k=1)[0].score == pytest.approx(1.0)
        expected = np.asarray(other()(["dddd"])[0], np.float32)
        assert np.array_equal(np.asarray(prime._vectors.vector(fact.id)), expected)


def test_questions_beside_a_change_of_model_are_of_one_or_the_other(monkeypatch):
    monkeypatch.setattr(embeds, "BATCH_BYTES", 2500)
    with primecore.open(":memory:", embedder=Letters()) as prime:
        fill(prime)
        expected = {"letters": answers(prime)}
        with primecore.open(":memory:", embedder=Backwards()) as other:
            fill(other)
            expected["backwards"] = answers(other)
        allowed = [tuple(map(tuple, part)) for part in zip(*expected.values(), strict=True)]
        wrong, seen, done = [], set(), threading.Event()

        def ask() -> None:
            while not done.is_set():
                for at, verb in enumerate((prime.similar, prime.recall)):
                    how = {} if at == 0 else {"weights": {"words": 0}}
                    try:
                        found = tuple((hit.id, round(hit.score, 5)) for hit in verb("aab", k=5, **how))
                    except ReembedUnfinished:
                        seen.add("unfinished")
                        continue
                    seen.add(found)
                    if found not in allowed[at]:
                        wrong.append((at, found))

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(10):
                for model in (Backwards(), Letters()):
                    prime.reembed(model)
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert not wrong and len(seen) >= 2


KILLED = """
import sys, time
import primecore
from primecore import embeds
from test_reembed import Vowels

embeds.BATCH_BYTES = 2500
append_many, calls = embeds._batch.append_many, []

def append(*arguments):
    answer = append_many(*arguments)
    calls.append(1)
    if len(calls) == int(sys.argv[2]):
        print("now", flush=True)
        time.sleep(600)
    return answer

with primecore.open(sys.argv[1], embedder=Vowels()) as prime:
    embeds._batch.append_many = append
    prime.reembed()
    print("done", flush=True)
"""


@pytest.mark.parametrize("batches", [1, 2, 4])
def test_killed_in_the_midst_it_goes_on_where_it_was(tmp_path, batches):
    with primecore.open(tmp_path / "store", embedder=Letters()) as prime:
        fill(prime)
    with primecore.open(":memory:", embedder=Vowels()) as other:
        fill(other)
        expected = answers(other)
    with child("-c", KILLED, tmp_path / "store", batches) as process:
        assert process.stdout.readline() == b"now\n"
        process.kill()
        process.wait()
    with primecore.open(tmp_path / "store", embedder=Vowels()) as prime:
        for query in ("aab", [1.0, 0.0, 0.0]):
            with pytest.raises(ReembedUnfinished):
                prime.similar(query)
        with pytest.raises(ReembedUnfinished):
            prime.recall("aab")
        made = []
        report = prime.reembed(progress=lambda done, of, _: made.append((done, of)))
        assert 0 < report.embedded == made[-1][1] < COUNT  # what was appended before the kill is not made again
        assert answers(prime) == expected and prime.stats().vectors == COUNT
        assert prime.replay(verify=True).equal
