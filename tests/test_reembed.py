"""A change of model: whole or said to be unfinished, resumable, and beside other writers."""

from __future__ import annotations

import numpy as np
import pytest
from test_embedders import Letters

import primecore
from primecore import InvalidArgument, ReembedUnfinished, embeds


class Vowels(Letters):
    name = "vowels"
    dimensions = 3

    def __call__(self, texts):
        return np.array([[text.count(letter) + 0.01 for letter in "aei"] for text in texts], np.float32)


class Broken(Exception):
    """The process is gone."""


def filled(path=":memory:", count=50) -> primecore.Prime:
    prime = primecore.open(path, embedder=Letters())
    for at in range(count):
        node = prime.add_node("t", {}, id=str(at))
        prime.embed(node, text="a" * (at + 1) + "e", metadata={"at": at})
    return prime


def test_every_text_gets_a_new_vector():
    with filled() as prime:
        seen = []
        report = prime.reembed(Vowels(), progress=lambda *args: seen.append(args))
        assert (report.model, report.dimensions, report.embedded, report.dropped) == ("vowels", 3, 50, 0)
        assert report.position == prime.position and seen[-1] == (50, 50, 50)
        hit = prime.similar("aaae", k=1)[0]
        assert hit.id == "node:t:2" and hit.text == "aaae" and hit.metadata == {"at": 2}
        assert prime.stats().vectors == 50
        assert prime.reembed(Vowels()).embedded == 0  # nothing left to do
        assert prime.replay(verify=True).equal


def test_vectors_without_a_text_are_not_lost_unasked():
    with filled(count=3) as prime:
        prime.embed("bare", [1.0] * 5)
        before = prime.digest()
        with pytest.raises(InvalidArgument, match="1 vectors have no text"):
            prime.reembed(Vowels())
        assert prime.digest() == before
        report = prime.reembed(Vowels(), drop=True)
        assert (report.embedded, report.dropped) == (3, 1) and prime.stats().vectors == 3


@pytest.mark.parametrize("fails_at", (1, 2, 4))
def test_broken_off_it_says_so_and_goes_on(tmp_path, monkeypatch, fails_at):
    monkeypatch.setattr(embeds, "BATCH_BYTES", 2000)
    append_many, calls = embeds._batch.append_many, []

    def append(*arguments):
        calls.append(1)
        if len(calls) == fails_at:
            raise Broken
        return append_many(*arguments)

    with filled(tmp_path / "store") as prime:
        monkeypatch.setattr(embeds._batch, "append_many", append)
        with pytest.raises(Broken):
            prime.reembed(Vowels())
        monkeypatch.setattr(embeds._batch, "append_many", append_many)
        digest = prime.digest()
    with primecore.open(tmp_path / "store", embedder=Vowels()) as prime:
        assert prime.digest() == digest
        if fails_at == 1:  # nothing was appended yet: all is as it was
            assert prime.stats().vectors == 50
        else:
            for query in ("aaa", [1.0, 0.0, 0.0]):
                with pytest.raises(ReembedUnfinished, match="wait for vectors of vowels") as refused:
                    prime.similar(query)
            assert "prime reembed" in refused.value.hint
            # What is forgotten meanwhile stays forgotten; what is stored meanwhile stays.
            prime.delete_node("node:t:49")
            prime.embed("node:t:48", text="iiii")
        prime.reembed()
        assert prime.replay(verify=True).equal
        expected = 50 if fails_at == 1 else 49
        assert prime.stats().vectors == expected == len(prime.similar("aaa", k=100))
        if fails_at > 1:
            assert prime.similar("iiii", k=1)[0].id == "node:t:48"
            assert "node:t:49" not in {hit.id for hit in prime.similar("aaa", k=100)}


def test_a_third_model_takes_over_what_a_second_left(tmp_path, monkeypatch):
    monkeypatch.setattr(embeds, "BATCH_BYTES", 2000)
    with filled() as prime:
        append_many, calls = embeds._batch.append_many, []

        def append(*arguments):
            calls.append(1)
            if len(calls) == 3:
                raise Broken
            return append_many(*arguments)

        monkeypatch.setattr(embeds._batch, "append_many", append)
        with pytest.raises(Broken):
            prime.reembed(Vowels())
        report = prime.reembed("hashing")
        assert report.embedded == 50 and prime.stats().vectors == 50
        assert prime.similar("aaae", k=1)[0].id == "node:t:2"
        assert prime.replay(verify=True).equal


def test_writes_meanwhile_are_kept(monkeypatch):
    with filled(count=20) as prime:
        made = []

        class Slow(Vowels):
            def __call__(self, texts):
                if not made:
                    made.append(1)
                    prime.delete_node("node:t:3")
                    prime.embed("node:t:4", text="eeee")
                    prime.embed("late", text="ii")
                return super().__call__(texts)

        report = prime.reembed(Slow())
        assert report.model == "vowels"
        found = {hit.id: hit.text for hit in prime.similar("aaa", k=100)}
        assert "node:t:3" not in found and found["node:t:4"] == "eeee" and found["late"] == "ii"
        assert len(found) == 20 == prime.stats().vectors
        assert prime.replay(verify=True).equal


def test_vectors_that_wait_for_their_node_are_made_anew_too():
    with filled(count=2) as prime:
        fact = {"embedding": [1.0] * 5, "text": "aei"}
        prime.append("prime.vector.stored", "vec:node:t:later", fact)
        prime.reembed(Vowels())
        assert prime.stats().vectors == 2
        prime.add_node("t", {}, id="later")
        assert prime.similar("aei", k=1)[0].id == "node:t:later"


def test_words_come_back_with_the_new_vector() -> None:
    with primecore.open(":memory:") as prime:
        prime.add_node("person", {"name": "Alice"}, id="alice")
        prime.embed("node:person:alice", [1.0, 0.0], text="leads the login")
        prime.embed("note:1", [0.0, 1.0], text="the login is slow")

        def found() -> list[str]:
            return sorted(hit.id for hit in prime.search("login"))

        assert found() == ["node:person:alice", "note:1"]
        prime.append("prime.space.defined", "space:default", {"dimensions": 3, "model": "m", "reembed": True})
        assert found() == [] and [hit.id for hit in prime.search("alice")] == ["node:person:alice"]
        for entity, text in (("note:1", "the login is slow"), ("node:person:alice", "leads the login")):
            prime.append("prime.vector.stored", f"vec:{entity}", {"text": text, "embedding": [1, 2, 3]})
            assert entity in found()
        assert len(found()) == 2
        prime.append("prime.space.defined", "space:default", {"dimensions": 2})
        assert found() == []
