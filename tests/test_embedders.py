"""Embedders: the built-in ones, callables, how one is chosen, and that a store knows what its vectors are of."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from support.sharing import wait_until
from support.stores import unchanged

import primecore
from primecore import InvalidArgument, ModelMismatch, embedders
from primecore.embedders.hashing import FirstHashing, Hashing


class Letters:
    """How often each of five letters stands in a text."""

    name = "letters"
    dimensions = 5

    def __call__(self, texts):
        return np.array([[text.count(letter) + 0.01 for letter in "abcde"] for text in texts], np.float32)


def test_hashing_is_the_same_in_every_process():
    text = "Déjà vu: the Login project, 日本語"
    script = f"from primecore.embedders.hashing import Hashing; print(Hashing()([{text!r}])[0].tobytes().hex())"
    found = {
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
        ).stdout.strip()
        for seed in ("0", "1")
    }  # fmt: skip
    assert found == {Hashing()([text])[0].tobytes().hex()}


def test_hashing_finds_shared_words_and_stems():
    asked, same, stem, other = Hashing()(
        ["who leads the login", "Alice LEADS the login!", "leading logins", "quarterly numbers of sales"]
    )

    def cosine(a, b):
        return math.fsum(x * y for x, y in zip(a, b, strict=True))

    assert cosine(asked, asked) == pytest.approx(1, abs=1e-6)
    assert cosine(asked, same) > cosine(asked, stem) > cosine(asked, other)
    assert Hashing()(["!!!"])[0] != Hashing()(["???"])[0]
    with pytest.raises(InvalidArgument, match="white space"):
        Hashing()([" \n\t"])


def test_hashing_makes_the_same_numbers_for_ever():
    # Stores hold vectors of both editions: an edition whose numbers changed would compare what cannot be compared.
    for edition, told in ((FirstHashing, "8c825ab23777a058"), (Hashing, "5f77285cf5761756")):
        made = b"".join(it.tobytes() for it in edition()(["Who leads the Login?", "a b a 日本語", "é", "!!!"]))
        assert hashlib.sha256(made).hexdigest()[:16] == told, edition.name


def test_short_words_do_not_make_texts_alike():
    asked, shared, other = Hashing()(["what is it that she is to do", "invoices that she is to do it", "invoices"])
    before = FirstHashing()(["invoices that she is to do it", "invoices"])

    def cosine(a, b):
        return math.fsum(x * y for x, y in zip(a, b, strict=True))

    assert cosine(shared, other) > 0.8 > cosine(*before)
    assert cosine(asked, shared) < 0.5
    tokyo, kyoto = Hashing()(["Anna 東京", "Anna 京都"])
    assert cosine(tokyo, kyoto) < 0.7  # two signs say no less than a name


@pytest.mark.parametrize("named", [None, "hashing"])
def test_a_store_of_the_first_edition_is_answered_by_it(tmp_path, named):
    texts = ["who leads the login project", "the numbers of the sales of the year", "tea is hot"]
    with primecore.open(tmp_path / "store", embedder="hashing-512") as prime:
        for at, text in enumerate(texts):
            prime.embed(f"note:{at}", text=text)
        assert prime._vectors.model == "hashing-512"
    with primecore.open(tmp_path / "store", embedder=named) as prime:
        for text in texts:
            assert prime.similar(text, k=1)[0].score == pytest.approx(1.0, abs=1e-6)
        prime.embed("note:new", text="coffee is cold")
        assert prime._vectors.model == "hashing-512" and prime.reembed().embedded == 0
        assert prime.recall("who leads the login project")[0].parts["vector"] == pytest.approx(0.1)
        report = prime.reembed("hashing")
        assert (report.model, report.embedded) == ("hashing-512-2", 4)
        assert prime.similar("coffee is cold", k=1)[0].score == pytest.approx(1.0, abs=1e-6)
    with primecore.open(tmp_path / "store", embedder=named) as prime:
        assert prime.similar("tea is hot", k=1)[0].score == pytest.approx(1.0, abs=1e-6)
    with primecore.open(tmp_path / "store", embedder="hashing-512") as prime, pytest.raises(ModelMismatch):
        prime.similar("tea is hot")


def test_a_follower_goes_over_to_the_new_model_by_itself(tmp_path):
    with primecore.open(tmp_path / "store", embedder="hashing-512") as prime:
        prime.embed("note:1", text="tea is hot")
        with primecore.open(tmp_path / "store", read_only=True) as follower:
            assert follower.similar("tea is hot")[0].score == pytest.approx(1.0, abs=1e-6)
            prime.reembed("hashing")
            wait_until(lambda: follower.position >= prime.position)
            assert follower.similar("tea is hot")[0].score == pytest.approx(1.0, abs=1e-6)


def test_wordllama_needs_no_network(tmp_path):
    pytest.importorskip("wordllama", reason="the extra `embed` is not installed")
    script = (
        "import socket\n"
        "def none(*a, **k): raise OSError('no network')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = none\n"
        "from primecore import embedders\n"
        "model = embedders.find('wordllama')\n"
        "a, b, c = embedders.vectors(model, ['the cat sat', 'a kitten was sitting', 'interest rates'])\n"
        "dot = lambda x, y: sum(i * j for i, j in zip(x, y))\n"
        "assert len(a) == model.dimensions == 256 and dot(a, b) > dot(a, c)\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", ["", "nothing", "hashing-7", "nowhere:thing", "math:nothing", 5, {}], ids=repr)
def test_what_is_no_embedder_is_refused(wrong):
    with pytest.raises(InvalidArgument, match="embedder"):
        embedders.find(wrong)


@pytest.mark.parametrize(
    "made",
    [[], [[1.0, 2.0]] * 2, [[1.0]], [[0.0, 0.0]], [[float("nan"), 1.0]]],
    ids=["none", "two", "short", "0", "nan"],
)
def test_an_embedder_that_gives_nonsense_is_told_so(made):
    def bad(texts):
        return made

    bad.dimensions = 2
    with primecore.open(":memory:", embedder=bad) as prime:
        with unchanged(prime), pytest.raises(InvalidArgument, match="embedder bad"):
            prime.embed("m", text="text")


def test_a_function_is_an_embedder():
    def two(texts):
        return [[float(len(text)), 1.0] for text in texts]

    with primecore.open(":memory:", embedder=two) as prime:
        prime.embed("m", text="four")
        defined = next(prime.events(event_type="prime.space.defined")).payload
        assert defined == {"dimensions": 2, "model": "two"}
        assert prime.similar("four")[0].score == pytest.approx(1.0)


def test_the_store_remembers_its_model(tmp_path, monkeypatch):
    with primecore.open(tmp_path / "store", embedder=Letters()) as prime:
        prime.embed("m", text="abc")
    with primecore.open(tmp_path / "store") as prime:  # nothing said: letters is not to be found by name
        with unchanged(prime):
            for call in (lambda: prime.embed("n", text="abc"), lambda: prime.similar("abc")):
                with pytest.raises(ModelMismatch, match="letters") as refused:
                    call()
                assert "prime reembed" in refused.value.hint
        assert prime.similar([1.0, 1.0, 1.0, 0.0, 0.0])[0].id == "m"  # numbers need no model
    with primecore.open(tmp_path / "store", embedder=Letters()) as prime:
        assert prime.similar("abc")[0].id == "m"
    monkeypatch.setenv("PRIME_EMBEDDER", "hashing")
    with primecore.open(tmp_path / "hashed") as prime:
        prime.embed("m", text="abc")
    monkeypatch.setenv("PRIME_EMBEDDER", "test_embedders:Letters")
    with primecore.open(tmp_path / "hashed") as prime, pytest.raises(ModelMismatch, match="letters"):
        prime.similar("abc")
    monkeypatch.delenv("PRIME_EMBEDDER")
    with primecore.open(tmp_path / "hashed") as prime:  # found by the name that the store has
        assert prime.similar("abc")[0].id == "m"


def test_vectors_of_unknown_origin_want_a_word():
    with primecore.open(":memory:") as prime:
        prime.embed("m", [1.0] * 512)
        with pytest.raises(ModelMismatch):
            prime.similar("text")
    with primecore.open(":memory:", embedder=Letters()) as prime:
        prime.embed("m", [1.0, 2.0, 3.0, 4.0, 5.0])
        prime.embed("n", text="abc")  # whoever names an embedder vouches for it, if the sizes agree
        assert prime.similar("abc")[0].id == "n"


# --- vectors that follow their node ----------------------------------------------------------------------------------


@pytest.fixture
def prime():
    with primecore.open(":memory:", embedder=Letters()) as store:
        yield store


def vectors(prime) -> int:
    return len(list(prime.events(event_type="prime.vector.stored")))


def test_a_vector_follows_what_its_node_says(prime):
    node = prime.add_node("t", {"name": "aaa", "n": 1, "domain": "d"}, id="x")
    prime.embed(node)
    assert prime.similar("aaa")[0].text == "aaa"
    receipt = prime.update_node(node, {"name": "bbb"})
    assert prime.similar("bbb")[0].text == "bbb" and prime.position == receipt.position + 1
    assert prime.similar("bbb")[0].score == pytest.approx(1.0)
    stored = vectors(prime)
    prime.update_node(node, {"n": 2, "domain": "e"})  # what it says is the same
    assert vectors(prime) == stored
    prime.add_node("t", {"title": "ccc"}, id="x")
    assert prime.similar("ccc")[0].text == "ccc"
    prime.update_node(node, {"title": None})  # nothing left to say
    assert prime.similar("ccc") == []
    assert prime.replay(verify=True).equal


def test_a_text_that_was_given_stays(prime):
    node = prime.add_node("t", {"name": "aaa"}, id="x")
    prime.embed(node, text="eee")
    prime.update_node(node, {"name": "bbb"})
    assert prime.similar("eee")[0].text == "eee" and vectors(prime) == 1


def test_the_same_update_again_makes_no_vector(prime):
    node = prime.add_node("t", {"name": "aaa"}, id="x")
    prime.embed(node)
    same = "0192f0c1-2345-7890-abcd-ef0123456789"
    prime.update_node(node, {"name": "bbb"}, event_id=same)
    prime.update_node(node, {"name": "ccc"})
    with unchanged(prime):
        assert prime.update_node(node, {"name": "bbb"}, event_id=same).duplicate
        with pytest.raises(primecore.IdempotencyConflict):
            prime.update_node(node, {"name": "ddd"}, event_id=same)
        with pytest.raises(primecore.VersionConflict):
            prime.update_node(node, {"name": "ddd"}, expected_version=1)
    assert prime.similar("ccc")[0].text == "ccc"


def test_many_writers_of_one_node_leave_a_vector_of_its_last_words(prime):
    import threading

    node = prime.add_node("t", {"name": "a", "title": "a"}, id="x")
    prime.embed(node)

    def write(field: str) -> None:
        for at in range(40):
            prime.update_node(node, {field: "abcde"[at % 5] * (at % 7 + 1)})

    threads = [threading.Thread(target=write, args=(field,)) for field in ("name", "title", "name")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = prime.node(node).properties
    assert prime.similar(id=node, k=5) == []
    assert prime.similar("x")[0].text == f"{said['name']}\n{said['title']}"
