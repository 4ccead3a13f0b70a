"""embed, similar, delete_vector: what is stored, who shows, what filters keep, what is refused."""

from __future__ import annotations

import base64
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.stores import unchanged

import primecore
from primecore import InvalidArgument, InvalidEvent, NodeNotFound, VectorNotFound


@pytest.fixture
def prime():
    with primecore.open(":memory:") as store:
        yield store


def ids(hits: list[primecore.Hit]) -> list[str]:
    return [hit.id for hit in hits]


def test_a_hit_tells_what_was_stored(prime):
    receipt = prime.embed("note:1", [3.0, 4.0], "three and four", {"page": 7})
    assert (receipt.position, receipt.version) == (2, 1)  # the space was defined first
    assert prime.similar([3.0, 4.0]) == [primecore.Hit("note:1", 1.0, "three and four", {"page": 7}, {"vector": 1.0})]
    event = next(iter(prime.history("vec:note:1")))
    assert event.payload["text"] == "three and four" and event.payload["metadata"] == {"page": 7}
    assert struct.unpack("<2f", base64.b64decode(event.payload["embedding"])) == (3.0, 4.0)


def test_a_text_is_kept_to_the_letter(prime):
    for at, text in enumerate(['"quoted" \\ and\nlines', "日本 🙂", "nul \x00 in it", "x" * 100_000]):
        prime.embed(f"m:{at}", [1.0, at + 1.0], text)
        assert prime.similar(id=f"m:{at}", k=0) == []
        assert next(hit.text for hit in prime.similar([1.0, 1.0], k=9) if hit.id == f"m:{at}") == text


def test_another_vector_replaces_the_first_text_and_all(prime):
    prime.embed("m", [1.0, 0.0], "first", {"a": 1})
    prime.embed("m", [0.0, 1.0])
    assert prime.similar([0.0, 1.0]) == [primecore.Hit("m", 1.0, None, None, {"vector": 1.0})]
    assert prime.stats().vectors == 1


def test_deleted_is_gone(prime):
    prime.embed("m", [1.0, 0.0], "text")
    prime.delete_vector("m")
    assert prime.similar([1.0, 0.0]) == [] and prime.stats().vectors == 0
    with unchanged(prime), pytest.raises(VectorNotFound, match="there is no vector of m"):
        prime.delete_vector("m")
    with pytest.raises(VectorNotFound):
        prime.similar(id="m")


def test_a_node_takes_its_vector_along_and_a_new_life_has_none(prime):
    alice = prime.add_node("person", {}, id="alice")
    prime.embed(alice, [1.0, 0.0], "secret")
    prime.delete_node(alice)
    assert prime.similar([1.0, 0.0]) == []
    prime.add_node("person", {}, id="alice")
    assert prime.similar([1.0, 0.0]) == []
    prime.embed(alice, [1.0, 0.0])
    assert ids(prime.similar([1.0, 0.0])) == [alice]


def test_a_vector_before_its_node_shows_when_the_node_comes(prime):
    fact = {"event_type": "prime.vector.stored", "entity_id": "vec:node:t:x", "payload": {"embedding": [1.0, 0.0]}}
    prime.append_many([fact])
    assert prime.similar([1.0, 0.0]) == []
    prime.add_node("t", {"domain": "d"}, id="x")
    assert ids(prime.similar([1.0, 0.0], domain="d", type="t")) == ["node:t:x"]
    assert ids(prime.similar([1.0, 0.0], domain="e")) == []


def test_embedding_what_is_not_there_is_refused(prime):
    prime.embed("m", [1.0, 0.0])
    with unchanged(prime):
        with pytest.raises(NodeNotFound):
            prime.embed("node:person:nobody", [1.0, 0.0])
        with pytest.raises(NodeNotFound):
            prime.embed("node:person:nobody")
        with pytest.raises(InvalidArgument):
            prime.embed("m", text="   ")
        with pytest.raises(InvalidArgument):
            prime.embed("", [1.0, 0.0])
        with pytest.raises(TypeError, match="colour"):
            prime.embed("m", [1.0, 0.0], colour="red")
        with pytest.raises(InvalidArgument, match="metadata"):
            prime.embed("m", [1.0, 0.0], metadata={"a": float("nan")})


@pytest.mark.parametrize(
    "bad", [[], [1.0], [1.0, 2.0, 3.0], [0.0, 0.0], [1.0, float("nan")], [float("-inf"), 1.0], [1e39, 1.0]], ids=repr
)
def test_bad_vectors_are_refused_alike_by_every_door(prime, bad):
    prime.embed("m", [1.0, 0.0])
    packed = base64.b64encode(
        struct.pack(f"<{len(bad)}f", *(min(it, 3e38) if it == 1e39 else it for it in bad))
    ).decode()
    packed = packed if 1e39 not in bad else base64.b64encode(struct.pack("<2f", float("inf"), 1.0)).decode()
    with unchanged(prime):
        with pytest.raises(InvalidEvent, match="embedding"):
            prime.embed("n", bad)
        with pytest.raises(InvalidEvent, match="embedding"):
            prime.append("prime.vector.stored", "vec:n", {"embedding": packed})
        if np.all(np.isfinite(bad)):
            with pytest.raises(InvalidEvent, match="embedding"):
                prime.append("prime.vector.stored", "vec:n", {"embedding": bad})


def test_the_envelope_of_a_vector(prime):
    same = "0192f0c1-2345-7890-abcd-ef0123456789"
    first = prime.embed("m", [1.0, 0.0], event_id=same, expected_version=0, timestamp="2024-01-01T00:00:00Z")
    assert prime.embed("m", [1.0, 0.0], event_id=same).duplicate
    with pytest.raises(primecore.IdempotencyConflict):
        prime.embed("m", [1.0, 0.5], event_id=same)
    with pytest.raises(primecore.VersionConflict):
        prime.embed("m", [1.0, 0.5], expected_version=0)
    assert prime.events(entity_id="vec:m").__next__().position == first.position


def team(prime) -> None:
    for name, domain, labels in (("a", "x", ["old"]), ("b", "y", ["old", "new"]), ("c", "x", [])):
        node = prime.add_node("person", {"name": name, "age": len(labels)}, id=name, domain=domain, labels=labels)
        prime.embed(node, [1.0, ord(name) / 100], metadata={"lang": name, "n": 1})
    prime.embed("note:a", [1.0, 0.9], metadata={"lang": "a", "big": 10**30})
    prime.embed("node:person:a", [1.0, 0.97], metadata={"lang": "a", "n": 1.0})


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({}, {"node:person:a", "node:person:b", "node:person:c", "note:a"}),
        ({"type": "person"}, {"node:person:a", "node:person:b", "node:person:c"}),
        ({"type": "per"}, set()),
        ({"domain": "x"}, {"node:person:a", "node:person:c"}),
        ({"domain": "nowhere"}, set()),
        ({"label": "old"}, {"node:person:a", "node:person:b"}),
        ({"label": "ol"}, set()),
        ({"prefix": "no"}, {"node:person:a", "node:person:b", "node:person:c", "note:a"}),
        ({"prefix": "note:"}, {"note:a"}),
        ({"prefix": "note:a", "type": "person"}, set()),
        ({"properties": {"age": 1}}, {"node:person:a"}),
        ({"properties": {"age": 1.0, "name": "a"}}, {"node:person:a"}),
        ({"properties": {"age": True}}, set()),
        ({"properties": {"missing": None}}, set()),
        ({"metadata": {"lang": "a"}}, {"node:person:a", "note:a"}),
        ({"metadata": {"n": 1}}, {"node:person:a", "node:person:b", "node:person:c"}),
        ({"metadata": {"big": 10**30}}, {"note:a"}),
        ({"metadata": {"big": 10**30 + 1}}, set()),
        ({"metadata": {"lang": "a"}, "domain": "x", "label": "old"}, {"node:person:a"}),
    ],
    ids=lambda it: str(it) if isinstance(it, dict) else f"{len(it)} found",
)
def test_filters(prime, filters, kept):
    team(prime)
    found = prime.similar([1.0, 0.0], **filters)
    assert set(ids(found)) == kept
    assert ids(prime.similar([1.0, 0.0], k=1, **filters)) == ids(found)[:1]  # filters come before k


def test_filters_never_cost_an_answer(prime):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((600, 8)).astype(np.float32)
    for at, row in enumerate(rows):
        prime.embed(f"m:{at}", row, metadata={"rare": at % 100 == 0})
    query = rng.standard_normal(8).astype(np.float32)
    order = np.argsort(-(rows @ query) / np.linalg.norm(rows, axis=1))
    expected = [f"m:{at}" for at in order if at % 100 == 0]
    assert ids(prime.similar(query, k=5, metadata={"rare": True})) == expected[:5]
    assert ids(prime.similar(query, k=50, metadata={"rare": True})) == expected


def test_domains_that_move_move_the_filter(prime):
    team(prime)
    prime.update_node("node:person:a", domain="y")
    assert ids(prime.similar([1.0, 0.0], domain="x")) == ["node:person:c"]
    prime.update_node("node:person:c", domain=None)
    assert prime.similar([1.0, 0.0], domain="x") == []


def test_scores_have_a_least(prime):
    for at in range(5):
        prime.embed(f"m:{at}", [1.0, float(at)])
    exact = prime.similar([1.0, 0.0], k=5)[2].score
    assert ids(prime.similar([1.0, 0.0], min_score=exact)) == ["m:0", "m:1", "m:2"]
    assert prime.similar([1.0, 0.0], min_score=1.5) == []
    for bad in ("1", True, float("nan")):
        with pytest.raises(InvalidArgument, match="min_score"):
            prime.similar([1.0, 0.0], min_score=bad)


def test_a_query_is_one_thing(prime):
    prime.embed("m", [1.0, 0.0])
    for wrong in ({}, {"query": [1.0, 0.0], "id": "m"}, {"text": "a", "vector": [1.0, 0.0]}):
        with pytest.raises(InvalidArgument, match="expected one of"):
            prime.similar(**wrong)
    with pytest.raises(InvalidArgument, match="k"):
        prime.similar([1.0, 0.0], k=-1)
    with pytest.raises(VectorNotFound):
        prime.similar("node:person:nobody")
    assert prime.similar("vec:m") == [] and prime.similar("m") == []  # by id, itself left out


def test_nothing_is_stored_yet(prime):
    assert prime.similar([1.0, 0.0]) == [] and prime.similar("a text") == []
    with pytest.raises(InvalidArgument):
        prime.similar([0.0, 0.0])


def test_defining_the_space_anew_empties_it(prime):
    prime.embed("m", [1.0, 0.0], "text")
    prime.append("prime.space.defined", "space:default", {"dimensions": 3, "model": "other"})
    assert prime.similar([1.0, 0.0, 0.0]) == [] and prime.stats().vectors == 0
    prime.embed("m", [1.0, 0.0, 0.0])
    assert ids(prime.similar([1.0, 0.0, 0.0])) == ["m"]
    assert prime.replay(verify=True).equal


VARIATIONS = [
    {}, {"numbers": [1.0, 0.5000001]}, {"text": "other"}, {"text": None}, {"metadata": {"a": 2}}, {"metadata": None},
    {"id": "n"}, {"numbers": [2.0, 1.0]},
]  # fmt: skip


def test_the_digest_tells_every_difference_and_nothing_else():
    digests = []
    for change in [*VARIATIONS, {}]:
        told = {"id": "m", "numbers": [1.0, 0.5], "text": "t", "metadata": {"a": 1, "b": [2.0]}, **change}
        with primecore.open(":memory:") as prime:
            prime.embed(told["id"], told["numbers"], told["text"], told["metadata"], timestamp="2024-01-01T00:00:00Z")
            digests.append(prime._views.vectors.digest())
    assert len(set(digests)) == len(VARIATIONS) and digests[0] == digests[-1]


def test_rows_are_used_again(prime):
    for at in range(2000):
        prime.embed(f"m:{at % 10}", [1.0, float(at)], f"text {at}")
    space = prime._views.graph.vectors.current
    assert space.live == 10 and space.count < 40
    assert sorted(hit.text for hit in prime.similar([1.0, 0.0], k=20)) == [f"text {at}" for at in range(1990, 2000)]


class Churn(RuleBasedStateMachine):
    """Random adds, replacements, deletions, lives and deaths, against a dict and numpy."""

    names = st.sampled_from(["m:1", "m:2", "m:3", "node:t:a", "node:t:b", "node:t:c"])
    vectors = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 3.0]), min_size=3, max_size=3).filter(any)

    @initialize()
    def begin(self) -> None:
        self.prime = primecore.open(":memory:")
        self.held: dict[str, tuple[list[float], str]] = {}
        self.live: set[str] = set()
        self.clock = 0

    @rule(name=names, vector=vectors)
    def put(self, name: str, vector: list[float]) -> None:
        self.clock += 1
        text = f"text {self.clock}"
        if name.startswith("node:") and name not in self.live:
            with pytest.raises(NodeNotFound):
                self.prime.embed(name, vector, text)
        else:
            self.prime.embed(name, vector, text)
            self.held[name] = vector, text

    @rule(name=names)
    def take(self, name: str) -> None:
        if name in self.held:
            self.prime.delete_vector(name)
            del self.held[name]
        else:
            with pytest.raises(VectorNotFound):
                self.prime.delete_vector(name)

    @rule(name=names.filter(lambda it: it.startswith("node:")))
    def bear(self, name: str) -> None:
        self.prime.add_node("t", {}, id=name[-1])
        self.live.add(name)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def kill(self, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.live)))
        self.prime.delete_node(name)
        self.live.discard(name)
        self.held.pop(name, None)

    @rule()
    def empty(self) -> None:
        self.prime.append("prime.space.defined", "space:default", {"dimensions": 3})
        self.held.clear()

    @invariant()
    def answers_are_right(self) -> None:
        query = np.array([1.0, 0.25, -2.0])
        rows = {name: np.array(vector) for name, (vector, _) in self.held.items()}
        scores = {name: row @ query / np.linalg.norm(row) / np.linalg.norm(query) for name, row in rows.items()}
        found = self.prime.similar([1.0, 0.25, -2.0], k=4)
        assert len(found) == min(4, len(rows))
        assert np.allclose([hit.score for hit in found], sorted(scores.values(), reverse=True)[:4], atol=1e-9)
        assert all(hit.text == self.held[hit.id][1] for hit in found)
        assert self.prime.stats().vectors == len(self.held)

    def teardown(self) -> None:
        assert self.prime.replay(verify=True).equal
        self.prime.close()


TestChurn = Churn.TestCase
TestChurn.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("seed", range(5))
def test_a_plain_question_is_answered_as_any_other(prime, seed):
    # An array and no filters take a way of their own.
    rng = np.random.default_rng(seed)
    rows = rng.integers(-2, 3, (300, 5)).astype(np.float32)  # many are equal, so that ids decide
    rows[np.all(rows == 0, axis=1)] = 1
    for at, row in enumerate(rows):
        id = prime.add_node("n", {}, id=str(at)) if at % 3 else f"m:{at}"
        prime.embed(id, row, *([f"text {at}"] if at % 5 else []), metadata={"at": at} if at % 7 else None)
        if at % 4 == 3:
            prime.delete_vector(id) if at % 8 == 3 else prime.embed(id, -row)
        if at % 3 and at % 10 == 1:
            prime.delete_node(id)
    for row in rows[::9]:
        for k in (1, 2, 10, 100, 1000):
            hits = prime.similar(row, k)
            assert hits == prime.similar(vector=row, k=k) == prime.similar(row.tolist(), k)
            assert hits == prime.similar(row, k, min_score=-1.5) == prime.similar(row, k, prefix="")
            assert [(-hit.score, hit.id) for hit in hits] == sorted((-hit.score, hit.id) for hit in hits)
    infinite = np.array([1, 2, 3, 4, np.inf], "f4")
    for bad in (rows[0][:4], np.zeros(5, "f4"), np.full(5, np.nan, "f4"), infinite, rows[:1]):
        with pytest.raises(InvalidArgument, match="vector"):
            prime.similar(bad)
    for k in (-1, True, 1.5, None):
        with pytest.raises(InvalidArgument, match="k"):
            prime.similar(rows[0], k)
    assert prime.similar(rows[0], 0) == []
