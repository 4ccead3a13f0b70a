"""Search by example: what is found and what is not, filters, phrases, hostile text, threads, stores opened again."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from support.finding import compare
from support.fold import Fold

import primecore

DAY = "2026-01-0{}T00:00:00Z"


def ids(hits: list[primecore.Hit]) -> list[str]:
    return [hit.id for hit in hits]


def told(event_type: str, entity: str, text: str) -> dict[str, object]:
    return {"event_type": event_type, "entity_id": entity, "payload": {"properties": {"text": text}}}


def store_text(prime: primecore.Prime, entity: str, text: str | None, **fields: str) -> None:
    payload = {"embedding": [1.0, 2.0]} if text is None else {"embedding": [1.0, 2.0], "text": text}
    prime.append("prime.vector.stored", "vec:" + entity, payload, **fields)


@pytest.fixture
def prime():
    with primecore.open(":memory:") as prime:
        yield prime


def test_what_is_indexed_of_a_node(prime):
    properties = {"name": "N ame", "text": "t ext", "deep": {"list": ["d eep", {"x": "d eeper"}]}, "domain": "dom"}
    node = prime.add_node("kind", {**properties, "n": 12, "b": True, "z": None}, id="ident", labels=["l abel"])
    for word in ("ame", "ext", "eep", "eeper", "abel"):
        assert ids(prime.search(word)) == [node], word
    for word in ("dom", "kind", "ident", "name", "deep", "12", "true", "null"):
        assert prime.search(word) == [], word
    nested = prime.add_node("kind", {"x": {"domain": "inner"}, "domain": ["outer"]}, id="other")
    assert ids(prime.search("inner outer")) == [nested]


def test_an_update_is_found_by_its_new_words_only(prime):
    node = prime.add_node("n", {"text": "old words", "keep": "kept"}, id="1")
    assert ids(prime.search("old")) == [node]
    prime.update_node(node, {"text": "new words"})
    assert prime.search("old") == []
    assert ids(prime.search("new")) == ids(prime.search("words")) == ids(prime.search("kept")) == [node]
    prime.add_node("n", {"text": "again"}, id="1")
    assert prime.search("kept") == [] and ids(prime.search("again")) == [node]
    prime.delete_node(node)
    assert prime.search("again") == []
    prime.add_node("n", {}, id="1")
    assert prime.search("again") == []


def test_the_text_of_a_vector_lives_and_dies_with_it(prime):
    store_text(prime, "node:n:1", "early bird")
    store_text(prime, "memo:1", "free bird")
    assert ids(prime.search("bird")) == ["memo:1"]
    node = prime.add_node("n", {"text": "own"}, id="1")
    assert ids(prime.search("early")) == [node]
    assert prime.search("own")[0].text == "early bird"
    store_text(prime, "node:n:1", "late")
    assert prime.search("early") == [] and ids(prime.search("late own")) == [node]
    store_text(prime, "node:n:1", None)
    assert prime.search("late") == [] and prime.search("own")[0].text == "own"
    store_text(prime, "node:n:1", "secret")
    prime.delete_node(node)
    prime.add_node("n", {}, id="1")
    assert prime.search("secret") == []
    prime.append("prime.vector.deleted", "vec:memo:1")
    assert prime.search("bird") == []
    store_text(prime, "memo:1", "second")
    prime.append("prime.space.defined", "space:default", {"dimensions": 3})
    assert prime.search("second") == []


def test_filters_come_before_the_best_are_chosen(prime):
    for number in range(60):
        prime.add_node(
            "good" if number % 3 == 0 else "bad",
            {"name": "word " * (60 - number if number % 3 else 1) + "x " * number},
            id=f"{number:02}",
            domain="even" if number % 2 == 0 else "odd",
            labels=["tenth"] if number % 10 == 0 else [],
            timestamp=DAY.format(1 + number // 20),
        )
    found = prime.search("word", 3, type="good", domain="even")
    assert ids(found) == ["node:good:00", "node:good:06", "node:good:12"]
    assert ids(prime.search("word", 2, label="tenth", type="good")) == ["node:good:00", "node:good:30"]
    day = datetime(2026, 1, 2, tzinfo=UTC)
    assert len(prime.search("word", 100, since=day, until=DAY.format(3))) == 20
    prime.update_node("node:good:00", {"a": 1}, timestamp=DAY.format(5))
    assert ids(prime.search("word", 9, since=DAY.format(4))) == ["node:good:00"]
    assert prime.search("word", 9, created_since=DAY.format(4)) == []
    assert len(prime.search("word", 100, created_until=day)) == 20
    prime.update_node("node:good:00", {"a": 2}, domain="new", labels=["fresh"])
    assert ids(prime.search("word", domain="new")) == ids(prime.search("word", label="fresh")) == ["node:good:00"]
    assert prime.search("word", type="never") == prime.search("word", label="gone") == []


def test_phrases_stand_in_one_string_and_in_order(prime):
    one = prime.add_node("n", {"text": "the quick brown fox", "more": "jumps over"}, id="1")
    two = prime.add_node("n", {"text": "brown quick the fox refreshAccessToken"}, id="2")
    assert ids(prime.search('"quick brown"')) == [one]
    assert ids(prime.search('"brown quick" the')) == [two]
    assert prime.search('"fox jumps"') == []
    assert ids(prime.search('"fox refresh access token"')) == ids(prime.search('"fox refreshAccessToken"')) == [two]
    assert ids(prime.search('"quick brown" "jumps over"')) == [one]
    assert ids(prime.search('"quick brown')) == [one]  # a quote that nobody closed
    assert ids(prime.search('"fox"')) == [two, one] or ids(prime.search('"fox"')) == [one, two]


def test_beginnings_and_plurals(prime):
    for number, text in enumerate(["token", "tokens tokenizer", "to", "ponies", "pony", "boss"]):
        prime.add_node("n", {"text": text}, id=str(number))
    assert set(ids(prime.search("tok*"))) == {"node:n:0", "node:n:1"}
    assert [hit.parts.keys() for hit in prime.search("TOK*")] == [{"tok*"}] * 2
    assert ids(prime.search("token")) == ["node:n:0"]
    assert set(ids(prime.search("token", stem=True))) == {"node:n:0", "node:n:1"}
    assert set(ids(prime.search("ponies", stem=True))) == {"node:n:3", "node:n:4"}
    assert prime.search("bos", stem=True) == [] and prime.search("*") == [] and prime.search("zz*") == []


def test_a_name_counts_twice_and_equal_scores_are_ordered_by_id(prime):
    for name in "cab":
        prime.add_node("n", {"text": "same"}, id=name)
    prime.add_node("n", {"name": "same", "text": "more words to be longer"}, id="z")
    found = prime.search("same")
    assert ids(found) == ["node:n:a", "node:n:b", "node:n:c", "node:n:z"]
    assert ids(prime.search("same", 2)) == ["node:n:a", "node:n:b"]
    prime.add_node("n", {"text": "same more words to be longer"}, id="y")
    assert ids(prime.search("same"))[-2:] == ["node:n:z", "node:n:y"]


def test_a_compound_is_found_whole_and_in_parts_and_adds_no_length(prime):
    prime.add_node("n", {"text": "getUserName"}, id="compound")
    prime.add_node("n", {"text": "get user name"}, id="parts")
    for word in ("get", "user", "name"):
        first, second = prime.search(word)
        assert first.score == second.score
    assert ids(prime.search("getUserName")) == ["node:n:compound", "node:n:parts"]
    assert ids(prime.search("getusername")) == ["node:n:compound"]


def test_a_hit_says_why(prime):
    prime.add_node("n", {"name": "Title", "text": "lorem " * 100 + "the needle is here" + " ipsum" * 100}, id="1")
    (hit,) = prime.search("needle title", explain=True)
    assert hit.parts.keys() == {"needle", "title"} and sum(hit.parts.values()) == pytest.approx(hit.score)
    assert hit.snippet == "Title"  # where the words weigh most
    (hit,) = prime.search("needle", explain=True)
    assert "needle" in hit.snippet and len(hit.snippet) < 250 and hit.snippet.startswith("… ")
    assert prime.search("needle")[0].snippet is None
    prime.add_node("n", {"domain": "needle", "tags": ["many ponies"]}, id="2")
    assert prime.search("pony", stem=True, explain=True)[0].snippet == "many ponies"
    assert prime.search("pon*", explain=True)[0].snippet == "many ponies"


HOSTILE = {
    "long": "word" * 262_144,
    "many": "many " * 200_000,
    "blob": "aB3+/" * 200_000,
    "marks": "a" + "\u0301" * 100_000,
    "nothing": ".,;:!?-" * 1000,
    "nulls": "null\x00byte \x00 \x1f",
    "rtl": "\u202eabc שלום\u202c مرحبا",
    "emoji": "👨‍👩‍👧‍👦" * 1000,
    "quotes": 'say "hi" back\\slash',
    "cjk": "東京" * 5000,
    "underscores": "_" * 100_000 + "_".join("xy" for _ in range(50_000)),
}


def test_hostile_text_is_taken_as_it_is(prime):
    for name, text in HOSTILE.items():
        prime.add_node("n", {"text": text}, id=name)
    prime.add_node("n", {"text": {"a": [[[["deep"]]]]}}, id="nested")
    for query, name in [
        ("many", "many"), ("null", "nulls"), ("byte", "nulls"), ("שלום", "rtl"), ("مرحبا", "rtl"), ("👩", "emoji"),
        ("slash", "quotes"), ("東京", "cjk"), ("deep", "nested"), ("word*", "long"),
    ]:  # fmt: skip
        assert ids(prime.search(query)) == [f"node:n:{name}"], query
    for query in ["", " ", "...", '"', '""', "*", "\x00", "\ud800", "\u0301", *HOSTILE.values()]:
        try:
            prime.search(query, explain=True)
        except primecore.InvalidArgument as error:
            assert "words" in str(error)


def test_hostile_text_scores_as_told(prime):
    fold = Fold()
    for name, text in HOSTILE.items():
        payload = {"properties": {"text": text[:3000]}}
        fold.apply({"event_type": "prime.node.created", "entity_id": f"node:n:{name}", "payload": payload})
        prime.append("prime.node.created", f"node:n:{name}", payload)
    assert compare(prime, fold, ["many null", "東京", "xy", "deep wo* שלום", "👩 say", '"hi back"'])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"query": 3}, "query"),
        ({"k": 0}, "k"),
        ({"k": 10_001}, "k"),
        ({"k": True}, "k"),
        ({"type": 3}, "type"),
        ({"label": ["a"]}, "label"),
        ({"since": "yesterday"}, "since"),
        ({"until": datetime(2026, 1, 1)}, "until"),
        ({"created_since": 5}, "created_since"),
        ({"query": " ".join(f"w{n}" for n in range(1025))}, "query"),
    ],
)
def test_a_wrong_argument_is_named(prime, arguments, named):
    with pytest.raises(primecore.InvalidArgument, match=named):
        prime.search(**{"query": "x", **arguments})


def test_a_store_opened_again_finds_and_hashes_the_same(tmp_path):
    with primecore.open(tmp_path / "s") as prime:
        prime.search("nothing yet")
        prime.add_node("n", {"text": "first text"}, id="1", labels=["label"])
        store_text(prime, "memo:1", "second text")
        store_text(prime, "node:n:1", "third text")
        found, digest = prime.search("text"), prime.digest()
        assert len(found) == 2 and prime.replay(verify=True).equal
        assert prime.stats().projections["words"] == prime.position
    for read_only in (True, False):
        with primecore.open(tmp_path / "s", read_only=read_only) as prime:
            assert prime.digest() == digest
            assert prime.stats().projections["words"] == 0
            assert prime.search("text") == found
    with primecore.open(tmp_path / "s") as prime:
        before = prime.digest()
        store_text(prime, "memo:1", "second")
        assert prime.digest() != before
    with pytest.raises(primecore.StoreClosed):
        prime.search("text")


def test_a_batch_is_seen_whole_by_threads_that_search():
    # Every batch moves one word from one node to the other: at any position exactly one of them has it.
    wrong: list[object] = []
    stop = threading.Event()
    with primecore.open(":memory:") as prime:
        for name in ("a", "b"):
            prime.add_node("n", {"text": "token" if name == "a" else "none"}, id=name)
        filler = (told("prime.node.created", f"node:x:{number}", f"filler {number} words") for number in range(3000))
        prime.append_many(filler)

        def look() -> None:
            while not stop.is_set():
                hits = prime.search("token", explain=True)
                if len(hits) != 1 or hits[0].text != "token" or "token" not in (hits[0].snippet or ""):
                    wrong.append(hits)
                if len(prime.search("filler", 5)) != 5:
                    wrong.append("filler")

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(1500):
            texts = ("none", "token") if number % 2 == 0 else ("token", "none")
            prime.append_many([
                told("prime.node.updated", f"node:n:{name}", text) for name, text in zip("ab", texts, strict=True)
            ])  # fmt: skip
        stop.set()
        for thread in threads:
            thread.join()
        assert not wrong
        assert ids(prime.search("token")) == ["node:n:a"]


def test_words_that_nobody_has_any_more_do_not_stay_for_ever(prime):
    node = prime.add_node("n", {"text": "x"}, id="1")
    prime.search("x")
    for turn in range(3):
        prime.update_node(node, {"text": " ".join(f"w{turn}n{number}" for number in range(60_000))})
        assert ids(prime.search(f"w{turn}n7")) == [node]
    assert prime.search("w0n7") == [] and ids(prime.search("w2n59999")) == [node]
    assert len(prime._views.words.index.postings.terms) < 150_000
