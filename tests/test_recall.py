"""Recall: the compiled fusion beside a naive one, filters, forgetting, and what may be asked of it."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fusion import fused

import primecore
from primecore import InvalidArgument, ModelMismatch

WORDS = ("auth", "login", "token", "lunch", "tea")


def ids(hits: list[primecore.Hit]) -> list[str]:
    return [hit.id for hit in hits]


def reference(prime, query, vector, edges, live, depth, floor):
    bm25, weights = {}, 0.0
    if query:
        hits = prime.search(query, 10_000)
        bm25 = {hit.id: hit.score for hit in hits}
        count = prime._engine.views.words.index.postings.count
        for word in set(query.split()):
            holders = sum(word in hit.parts for hit in hits)
            if holders:
                weights += query.split().count(word) * math.log(1 + (count - holders + 0.5) / (holders + 0.5))
    cosine = {hit.id: hit.score for hit in prime.similar(vector=vector, k=10_000)} if vector else {}
    return fused(
        bm25, cosine, weights, edges, live, asks_words=bool(query), asks_vectors=bool(vector), depth=depth, floor=floor
    )


numbers = st.tuples(*[st.integers(-3, 3)] * 3).filter(any)
stories = st.lists(st.tuples(st.lists(st.sampled_from(WORDS), max_size=4), st.none() | numbers), min_size=1, max_size=9)
joins = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8), st.sampled_from([-1.0, 0.0, 0.25, 1.0, 7.0])), max_size=14
)


@given(
    stories, joins, st.lists(st.sampled_from(WORDS), max_size=3), st.none() | numbers, st.integers(0, 3),
    st.sampled_from([0.0, 0.1, 0.6]), st.lists(st.integers(0, 8), max_size=3),
)  # fmt: skip
def test_it_is_what_the_naive_one_says(nodes, edges, query, vector, depth, floor, gone):
    if not query and vector is None:
        return
    with primecore.open(":memory:") as prime:
        for at, (words, own) in enumerate(nodes):
            prime.add_node("n", {"text": " ".join(words)}, id=str(at))
            if own is not None:
                prime.embed(f"node:n:{at}", own)
        prime.embed("note", (1, 1, 1), text="auth tea")
        kept = []
        for a, b, weight in edges:
            if max(a, b) < len(nodes):
                kept.append((prime.add_edge(f"node:n:{a}", f"node:n:{b}", "r", weight=weight), a, b, weight))
        for at in set(gone):
            if at < len(nodes):
                prime.delete_node(f"node:n:{at}")
        live = {f"node:n:{at}" for at in range(len(nodes)) if at not in gone}
        joined = [(f"node:n:{a}", f"node:n:{b}", w) for _, a, b, w in kept if a not in gone and b not in gone]
        asked = " ".join(query)
        expected = reference(prime, asked, vector, joined, live, depth, floor)
        found = prime.recall(asked or None, vector=vector, k=1000, depth=depth, floor=floor)
        assert {hit.id for hit in found} == set(expected)
        for hit in found:
            told = expected[hit.id]
            assert hit.parts == pytest.approx(told._asdict() | {"recency": 0.0}, abs=1e-9)
            assert hit.score == pytest.approx(sum(hit.parts.values()))
            assert bool(hit.edges) == (told.graph > 0)
        assert [(-hit.score, hit.id) for hit in found] == sorted((-hit.score, hit.id) for hit in found)
        assert prime.recall(asked or None, vector=vector, k=2, depth=depth, floor=floor) == found[:2]


@pytest.fixture
def prime():
    with primecore.open(":memory:") as store:
        alice = store.add_node("person", {"name": "Alice", "domain": "eng"}, id="alice", labels=["lead"])
        auth = store.add_node("project", {"name": "Auth"}, id="auth")
        store.add_edge(alice, auth, "works_on", id="aa", valid_from="2025-01-01T00:00:00Z")
        store.add_node("person", {"name": "Carol", "conversation_id": "c1"}, id="carol")
        yield store


def test_an_edge_brings_what_words_do_not(prime):
    hits = prime.recall("auth")
    assert ids(hits) == ["node:project:auth", "node:person:alice"]
    assert hits[1].edges == (primecore.Link("node:person:alice", "works_on", "node:project:auth", "edge:aa"),)
    assert ids(prime.recall("auth", depth=0)) == ["node:project:auth"]
    assert ids(prime.recall("auth", weights={"graph": 0})) == ["node:project:auth"]


def test_what_is_deleted_is_in_no_answer(prime):
    prime.embed("node:person:alice", [1.0, 0.0], text="auth auth")
    prime.embed("note", [1.0, 0.1], text="auth")
    assert {"node:person:alice", "note"} <= set(ids(prime.recall("auth", vector=[1.0, 0.0])))
    prime.delete_node("node:person:alice")
    prime.delete_vector("note")
    assert ids(prime.recall("auth", vector=[1.0, 0.0], depth=3)) == ["node:project:auth"]


def test_filters_hold_for_hits_and_for_what_brings_them(prime):
    assert ids(prime.recall("auth alice", type="person")) == ["node:person:alice"]
    assert ids(prime.recall("auth", type="person")) == []
    assert ids(prime.recall("alice carol auth", domain="eng")) == ["node:person:alice"]
    assert ids(prime.recall("alice carol auth", label="lead")) == ["node:person:alice"]
    assert ids(prime.recall("alice carol auth", conversation="c1")) == ["node:person:carol"]
    assert prime.recall("alice", domain="nobody") == [] and prime.recall("alice", label="no") == []
    assert ids(prime.recall("auth", valid_at="2024-01-01T00:00:00Z")) == []
    assert len(prime.recall("auth", valid_at="2100-01-01T00:00:00Z")) == 2
    assert prime.recall("alice", until="2020-01-01T00:00:00Z") == []
    assert ids(prime.recall("alice", since="2020-01-01T00:00:00Z", depth=0)) == ["node:person:alice"]
    for at, conversation in enumerate(("c2", "c1", None)):
        about = None if conversation is None else {"conversation_id": conversation}
        prime.embed(f"note:{at}", [1.0, at / 10], metadata=about)
    assert ids(prime.recall(vector=[1.0, 0.0], conversation="c1")) == ["note:1"]
    assert prime.recall(vector=[1.0, 0.0], conversation="c1", k=1)[0].metadata == {"conversation_id": "c1"}


def test_nothing_rather_than_noise(prime):
    prime.embed("note", [1.0, 0.0])
    assert prime.recall("zebra") == [] and prime.recall(vector=[0.0, 1.0]) == [] and prime.recall("!?") == []
    assert ids(prime.recall(vector=[0.2, 1.0])) == ["note"]
    assert prime.recall(vector=[0.2, 1.0], floor=0.5) == []
    assert prime.recall("auth", min_score=1.1) == [] and len(prime.recall("auth", min_score=0.9)) == 1


def test_equal_scores_stand_by_id():
    with primecore.open(":memory:") as prime:
        for name in ("b", "ab", "é", "a"):
            prime.add_node("n", {"name": "same"}, id=name)
        assert ids(prime.recall("same")) == [f"node:n:{name}" for name in ("a", "ab", "b", "é")]
        assert ids(prime.recall("same", k=2)) == ["node:n:a", "node:n:ab"]


def test_seeds_do_not_drown_what_edges_bring():
    with primecore.open(":memory:") as prime:
        prime.add_node("n", {"text": "who leads the login project"}, id="best")
        prime.add_node("n", {"text": "Zoe"}, id="joined")
        prime.add_edge("node:n:best", "node:n:joined", "led_by")
        for at in range(200):
            prime.add_node("n", {"text": "the weather was fine and the lunch was late " * 3}, id=f"far{at}")
        assert ids(prime.recall("who leads the login project"))[:2] == ["node:n:best", "node:n:joined"]


@pytest.mark.parametrize(("model", "share"), [("hashing", 0.3), ("hashing-512", 0.1), ("own", 0.5), (None, 0.5)])
def test_vectors_count_for_what_their_model_is_worth(model, share):
    def own(texts: list[str]) -> list[list[float]]:
        return [[1.0, float(len(text))] for text in texts]

    with primecore.open(":memory:", embedder=own if model == "own" else model) as prime:
        node = prime.add_node("note", {"text": "tea at four"}, id="1")
        prime.embed(node, *([[1.0, 2.0]] if model is None else []), text="tea at four")
        vector = {"vector": [1.0, 2.0]} if model is None else {}
        found = prime.recall("tea at four", **vector)[0].parts
        assert found["vector"] == pytest.approx(share) and found["words"] == pytest.approx(1 - share)
        found = prime.recall("tea at four", weights={"vector": 1, "words": 3}, **vector)[0].parts
        assert found["vector"] == pytest.approx(0.25) and found["words"] == pytest.approx(0.75)


def test_diversity_spreads_what_is_alike():
    with primecore.open(":memory:") as prime:
        for name, numbers in (("a", [1, 0, 0]), ("b", [1, 0.01, 0]), ("c", [1, 0, 0.01]), ("d", [0.7, 0.7, 0])):
            prime.embed(name, numbers)
        assert ids(prime.recall(vector=[1, 0.2, 0], k=2)) == ["b", "a"]
        assert ids(prime.recall(vector=[1, 0.2, 0], k=2, diversity=0.9)) == ["b", "d"]


def test_recency_and_importance_add_to_what_is_found():
    with primecore.open(":memory:") as prime:
        for name, year, weight in (("old", 2020, 0.9), ("new", 2026, 0.1)):
            prime.add_node("n", {"text": "tea", "weight": weight}, id=name, timestamp=f"{year}-01-01T00:00:00Z")
        now = "2026-01-02T00:00:00Z"
        hits = prime.recall("tea", half_life_days=1, valid_at=now)
        assert ids(hits) == ["node:n:new", "node:n:old"] and hits[0].parts["recency"] == pytest.approx(0.1)
        hits = prime.recall("tea", importance="weight")
        assert ids(hits) == ["node:n:old", "node:n:new"] and hits[0].parts["importance"] == pytest.approx(0.18)
        assert prime.recall("zebra", half_life_days=1, importance="weight") == []


def test_texts_and_vectors_of_ones_own():
    with primecore.open(":memory:") as prime:
        prime.embed("note", [1.0, 0.0], text="auth")
        assert ids(prime.recall("auth")) == ["note"]  # no model to compare the text by: words alone
        assert set(prime.recall("auth", vector=[1.0, 0.0])[0].parts) == {"vector", "words", "graph", "recency"}
    with primecore.open(":memory:", embedder="hashing") as prime:
        prime.embed("note", text="login project")
        assert prime.recall("login projects")[0].parts["vector"] > 0
        prime._chosen = None
        prime._engine.settings = prime._engine.settings._replace(embedder=lambda texts: [[1.0, 2.0] for _ in texts])
        with pytest.raises(ModelMismatch):
            prime.recall("login")


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"query": 7}, {"query": "a", "k": 0}, {"query": "a", "k": 1001}, {"query": "a", "k": True},
        {"query": "a", "depth": 6}, {"query": "a", "depth": -1}, {"query": "a", "weights": {"colour": 1}},
        {"query": "a", "weights": {"graph": 2}}, {"query": "a", "weights": {"words": float("nan")}},
        {"query": "a", "floor": 2}, {"query": "a", "min_score": "x"}, {"query": "a", "diversity": 1.5},
        {"query": "a", "half_life_days": 0}, {"query": "a", "type": 7}, {"query": "a", "since": "yesterday"},
        {"vector": [1.0, 2.0, 3.0]}, {"vector": [0.0, 0.0]}, {"vector": [float("nan"), 0.0]}, {"vector": "text"},
    ],
)  # fmt: skip
def test_what_cannot_be_asked(wrong):
    with primecore.open(":memory:") as prime:
        prime.embed("note", [1.0, 0.0])
        with pytest.raises(InvalidArgument):
            prime.recall(**wrong)


def stored(name: str, payload: dict) -> dict:
    return {"event_type": "prime.vector.stored", "entity_id": f"vec:{name}", "payload": payload}


def test_an_answer_is_of_one_position():
    # Each batch moves the word and the vector from one node to the other: never both, never none.
    with primecore.open(":memory:") as prime:
        one, two = {"text": "token", "embedding": [1, 0]}, {"text": "none", "embedding": [0, 1]}
        stop = threading.Event()

        def write() -> None:
            turn = 0
            while not stop.is_set():
                turn ^= 1
                prime.append_many([stored(name, one if turn == at else two) for at, name in enumerate("ab")])

        prime.append_many([stored("a", one), stored("b", two)])
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(300):
                [hit] = prime.recall("token", vector=np.array([1, 0], np.float32))
                assert hit.text == "token" and hit.parts["vector"] == hit.parts["words"] == 0.5
        finally:
            stop.set()
            writer.join()
