"""The generic append: envelopes, expected versions, idempotent event ids, atomic batches."""

from __future__ import annotations

import math
import uuid
from datetime import timedelta

import pytest
from support import stores
from support.stores import WHEN, new_id, note, unchanged

import primecore
from primecore.errors import IdempotencyConflict, InvalidEvent, LimitExceeded, MisuseError, VersionConflict


@pytest.fixture
def prime():
    with primecore.open(":memory:") as prime:
        yield prime


@pytest.fixture
def pair(prime):
    """(prime, alice, auth, edge)"""
    return prime, *stores.pair(prime)


def test_append_takes_any_event(prime):
    receipt = prime.append("chat.said", "conversation:1", {"text": "hi"}, metadata={"agent_id": "a"}, timestamp=WHEN)
    assert receipt == primecore.Receipt(1, 1, receipt.event_id, False)
    assert uuid.UUID(receipt.event_id).version == 7
    assert list(prime.events()) == [
        primecore.Event(1, 1, receipt.event_id, "chat.said", "conversation:1", WHEN, {"text": "hi"}, {"agent_id": "a"})
    ]
    assert prime.append("chat.said", "conversation:1")[:2] == (2, 2)
    assert prime.append("chat.said", "conversation:2", {})[:2] == (3, 1)
    assert [e.payload for e in prime.events(after=1)] == [{}, {}]
    assert [e.metadata for e in prime.events(after=1)] == [None, None]


def test_append_takes_facts_in_any_order(prime):
    prime.append("prime.node.updated", "node:t:a", {"properties": {"a": 1}})
    prime.append("prime.node.deleted", "node:t:a")
    prime.append("prime.edge.deleted", "edge:e", {})
    prime.append("prime.edge.created", "edge:e", {"source": "node:t:a", "target": "b", "relation": "r"})
    stats = prime.stats()
    assert (stats.ignored_events, stats.dangling_edges, stats.edges, stats.nodes) == (3, 1, 1, 0)
    assert prime.neighbors("b") == [("node:t:a", "edge:e", "r", "in", 1.0)]


@pytest.mark.parametrize(
    ("event_type", "entity_id", "payload", "field"),
    [
        ("", "x", {}, "event_type"),
        ("Upper", "x", {}, "event_type"),
        ("a b", "x", {}, "event_type"),
        ("x" * 129, "x", {}, "event_type"),
        ("x", "", {}, "entity_id"),
        ("x", "x" * 1025, {}, "entity_id"),
        ("x", "a\tb", {}, "entity_id"),
        ("prime.node.created", "edge:x", {"properties": {}}, "entity_id"),
        ("prime.node.created", "node:x", {"properties": {}}, "entity_id"),
        ("prime.node.created", "node:t:x", {}, "payload.properties"),
        ("prime.node.created", "node:t:x", {"properties": {}, "node_type": "u"}, "payload.node_type"),
        ("prime.node.updated", "node:t:x", {}, "payload.properties"),
        ("prime.edge.created", "edge:x", {"target": "a", "relation": "r"}, "payload.source"),
        ("prime.edge.created", "edge:x", {"source": "", "target": "a", "relation": "r"}, "payload.source"),
        ("prime.edge.updated", "edge:x", {"weight": "heavy"}, "payload.weight"),
        ("prime.vector.stored", "node:t:x", {"embedding": [1]}, "entity_id"),
        ("prime.vector.stored", "vec:x", {"embedding": [0.0]}, "payload.embedding"),
        ("prime.space.defined", "space:default", {"dimensions": 0}, "payload.dimensions"),
        ("prime.space.defined", "space:default", {"dimensions": 65_537}, "payload.dimensions"),
    ],
)
def test_append_names_the_field_that_is_wrong(prime, event_type, entity_id, payload, field):
    for call in (
        lambda: prime.append(event_type, entity_id, payload),
        lambda: prime.append_many([{"event_type": event_type, "entity_id": entity_id, "payload": payload}]),
    ):
        with unchanged(prime), pytest.raises(InvalidEvent) as caught:
            call()
        assert caught.value.field == field and str(caught.value)


@pytest.mark.parametrize("arguments", [{"event_id": "x"}, {"event_id": 5}, {"metadata": []}, {"expected_version": -1}])
def test_append_refuses_wrong_envelopes(prime, arguments):
    with unchanged(prime), pytest.raises((MisuseError, TypeError)):
        prime.append("x", "x", {}, **arguments)


@pytest.mark.parametrize("payload", [[], "{}", 5, b"{}"])
def test_append_refuses_payloads_that_are_no_dict(prime, payload):
    with unchanged(prime), pytest.raises((MisuseError, TypeError)):
        prime.append("x", "x", payload)


def test_payload_limits(prime):
    with unchanged(prime), pytest.raises(MisuseError, match="16"):
        prime.append("x", "x", {"a": "y" * (17 << 20)})
    with unchanged(prime), pytest.raises(MisuseError):
        prime.append("x", "x", {}, metadata={"a": "y" * (1 << 20)})
    prime.append("x", "x", {"a": "y" * ((16 << 20) - 8)}, metadata={"a": "y" * ((1 << 20) - 8)})


def test_vectors_define_their_space(prime):
    prime.add_node("t", id="a")
    receipt = prime.append("prime.vector.stored", "vec:node:t:a", {"embedding": [1, 0.5], "text": "x"})
    assert receipt[:2] == (3, 1) and prime.stats().vectors == 1
    (space,) = prime.history("space:default")
    assert (space.event_type, space.payload) == ("prime.space.defined", {"dimensions": 2, "model": None})
    with unchanged(prime), pytest.raises(MisuseError):
        prime.append("prime.vector.stored", "vec:x", {"embedding": [1, 2, 3]})
    prime.append("prime.space.defined", "space:default", {"dimensions": 3, "model": "m"})
    assert prime.stats().vectors == 0
    assert prime.append("prime.vector.stored", "vec:x", {}, metadata={"embedding": [1, 2, 3]})[:2] == (5, 1)


def test_a_space_comes_with_its_first_vector_in_a_batch(prime):
    stored = {"event_type": "prime.vector.stored", "payload": {"embedding": [1]}}
    events = [{**stored, "entity_id": "vec:a"}, {**stored, "entity_id": "vec:b"}]
    assert [r.position for r in prime.append_many(events)] == [2, 3]
    with primecore.open(":memory:") as other:
        broken = {"event_type": "prime.vector.stored", "entity_id": "vec:c", "payload": {"embedding": [1, 2]}}
        with unchanged(other), pytest.raises(MisuseError):
            other.append_many([*events, broken])
        assert other.append_many([broken])[0].position == 2


def test_expected_version(pair):
    prime, alice, auth, edge = pair
    assert prime.append("note", alice, expected_version=1).version == 2
    for wrong in (0, 1, 3, 2**40):
        with unchanged(prime), pytest.raises(VersionConflict) as caught:
            prime.append("note", alice, expected_version=wrong)
        assert (caught.value.entity_id, caught.value.expected, caught.value.actual) == (alice, wrong, 2)
    assert prime.append("note", "new", expected_version=0).version == 1
    assert prime.update_node(alice, {"a": 1}, expected_version=2).version == 3
    assert prime.update_edge(edge, weight=2, expected_version=1).version == 2
    assert prime.delete_edge(edge, expected_version=2).version == 3
    assert prime.delete_node(auth, expected_version=1).version == 2
    for call in (
        lambda: prime.update_node(alice, {"a": 2}, expected_version=1),
        lambda: prime.delete_node(alice, expected_version=1),
        lambda: prime.add_node("person", id="alice", expected_version=0),
        lambda: prime.add_node("project", id="auth", expected_version=0),  # a deleted entity has its history
        lambda: prime.add_edge(alice, alice, "r", id=edge.removeprefix("edge:"), expected_version=0),
    ):
        with unchanged(prime), pytest.raises(VersionConflict):
            call()
    assert prime.add_node("project", id="auth", expected_version=2) == auth
    assert prime.add_edge(alice, auth, "r", id="fresh", expected_version=0) == "edge:fresh"


def test_expected_version_of_an_edge_does_not_move_with_its_node(pair):
    prime, _, auth, edge = pair
    prime.delete_node(auth)
    assert prime.append("prime.edge.deleted", edge, expected_version=1).version == 2


def test_the_same_event_again_is_no_second_event(prime):
    event_id = new_id()
    first = prime.append("x", "e", {"a": 1}, event_id=event_id, metadata={"m": 1})
    prime.append("x", "e", {"a": 2})
    for payload in ({"a": 1}, {"a": 1.0}):
        with unchanged(prime):
            again = prime.append("x", "e", payload, event_id=event_id.upper(), metadata={"m": 1})
        assert again == first._replace(duplicate=True) and again.event_id == event_id


@pytest.mark.parametrize(
    "change",
    [
        {"event_type": "y"},
        {"entity_id": "f"},
        {"payload": {"a": 2}},
        {"payload": {"a": True}},
        {"payload": {"a": 1, "b": None}},
        {"metadata": {"m": 2}},
        {"metadata": None},
        {"timestamp": WHEN + timedelta(microseconds=1)},
    ],
)
def test_the_same_id_with_other_content_is_a_conflict(prime, change):
    event = {"event_type": "x", "entity_id": "e", "payload": {"a": 1}, "metadata": {"m": 1}, "timestamp": WHEN}
    event["event_id"] = new_id()
    prime.append("first", "e")
    prime.append(**event)
    with unchanged(prime), pytest.raises(IdempotencyConflict) as caught:
        prime.append(**{**event, **change})
    assert caught.value.position == 2 and caught.value.event_id == event["event_id"]
    with unchanged(prime), pytest.raises(IdempotencyConflict):
        prime.append_many([{**event, **change}])


def test_times_are_compared_only_where_both_were_given(prime):
    event_ids = new_id(), new_id()
    prime.append("x", "e", event_id=event_ids[0])
    prime.append("x", "e", event_id=event_ids[1], timestamp=WHEN)
    assert prime.append("x", "e", event_id=event_ids[0], timestamp=WHEN).duplicate
    assert prime.append("x", "e", event_id=event_ids[1]).duplicate
    assert prime.append("x", "e", event_id=event_ids[1], timestamp="2024-05-06T09:08:09.1234567+02:00").duplicate


def test_a_repeated_id_is_judged_before_everything_else(pair):
    prime, alice, *_ = pair
    ids = [new_id() for _ in range(6)]
    made = prime.add_node("person", {"n": 1}, id="bo", event_id=ids[0], expected_version=0)
    prime.update_node(made, {"n": 2}, event_id=ids[1], expected_version=1)
    linked = prime.add_edge(alice, made, "knows", id="ab", event_id=ids[2])
    prime.update_edge(linked, weight=3, event_id=ids[3], expected_version=1)
    deleted = prime.delete_edge(linked, event_id=ids[4])
    prime.delete_node(made, event_id=ids[5], expected_version=2)
    with unchanged(prime):  # every one of these would be refused by now if it were new
        assert prime.add_node("person", {"n": 1}, id="bo", event_id=ids[0], expected_version=0) == made
        assert prime.update_node(made, {"n": 2}, event_id=ids[1], expected_version=1).duplicate
        assert prime.add_edge(alice, made, "knows", id="ab", event_id=ids[2]) == linked
        assert prime.update_edge(linked, weight=3, event_id=ids[3], expected_version=1).duplicate
        assert prime.delete_edge(linked, event_id=ids[4]) == deleted._replace(duplicate=True)
        assert prime.delete_node(made, event_id=ids[5], expected_version=77).duplicate
    for call in (
        lambda: prime.update_node("node:person:zoe", {"n": 3}, event_id=ids[1], expected_version=9),
        lambda: prime.delete_node("node:person:zoe", event_id=ids[1]),
        lambda: prime.add_edge("node:person:zoe", alice, "r", event_id=ids[1]),
        lambda: prime.delete_edge("edge:zoe", event_id=ids[1]),
    ):
        with unchanged(prime), pytest.raises(IdempotencyConflict):
            call()


def test_a_retry_needs_no_entity_id(pair):
    """Whoever gives an event_id and lets Prime name the entity retries with the same call, and must get the same."""
    prime, alice, auth, _ = pair
    event_ids = new_id(), new_id()
    node_id = prime.add_node("t", {"a": 1}, event_id=event_ids[0])
    edge_id = prime.add_edge(alice, auth, "r", event_id=event_ids[1])
    with unchanged(prime):
        assert prime.add_node("t", {"a": 1}, event_id=event_ids[0]) == node_id
        assert prime.add_edge(alice, auth, "r", event_id=event_ids[1]) == edge_id


def test_append_many_returns_a_receipt_each(prime):
    event_id = new_id()
    batch = [note("a", event_id=event_id), note("b"), note("a"), note("a", event_id=event_id), note("b", id=new_id())]
    receipts = prime.append_many(batch)
    assert [(r.position, r.version, r.duplicate) for r in receipts] == [
        (1, 1, False),
        (2, 1, False),
        (3, 2, False),
        (1, 1, True),
        (4, 2, False),
    ]
    assert receipts[3].event_id == receipts[0].event_id == event_id
    assert prime.append_many([]) == [] and prime.append_many(iter([note()]))[0].position == 5


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (note("\n"), InvalidEvent),
        (note(colour=1), InvalidEvent),
        (note(tenant_id="acme"), InvalidEvent),
        ({"event_type": "prime.node.created", "entity_id": "node:t:x"}, InvalidEvent),
        (note(payload={"a": math.nan}), (MisuseError, TypeError)),
        (note("known", event_id="00000000-0000-4000-8000-000000000001"), IdempotencyConflict),
        (note("other", event_id="00000000-0000-4000-8000-000000000002"), IdempotencyConflict),
        (note("known", expected_version=0), VersionConflict),
        (note("mine", expected_version=1), VersionConflict),
        ("note", (MisuseError, TypeError)),
        (None, (MisuseError, TypeError)),
    ],
)
def test_append_many_is_all_or_none(prime, bad, error):
    prime.append("note", "known", {"a": 1}, event_id="00000000-0000-4000-8000-000000000001")
    node = {"event_type": "prime.node.created", "entity_id": "node:t:a", "payload": {"properties": {}}}
    batch = [note("mine", event_id="00000000-0000-4000-8000-000000000002"), note("mine"), node, bad, note("more")]
    with unchanged(prime), pytest.raises(error):
        prime.append_many(batch)
    assert prime.node("node:t:a") is None and list(prime.history("mine")) == []
    assert prime.stats().nodes == 0
    batch.remove(bad)  # nothing of the failed attempt sticks, its ids least of all
    assert [r.duplicate for r in prime.append_many(batch)] == [False] * 4


def test_append_many_of_an_iterable_that_raises(prime):
    def events():
        yield note()
        raise ZeroDivisionError

    with unchanged(prime), pytest.raises(ZeroDivisionError):
        prime.append_many(events())


def test_expected_versions_count_the_batch_itself(prime):
    batch = [note(expected_version=0), note(expected_version=1), note("f", expected_version=0)]
    assert [r.version for r in prime.append_many(batch)] == [1, 2, 1]
    batch = [note(expected_version=2), note(expected_version=2)]
    with unchanged(prime), pytest.raises(VersionConflict):
        prime.append_many(batch)


def test_append_many_takes_events_from_another_store(pair):
    prime, *_ = pair
    prime.append("note", "x", {"a": 10**30}, metadata={"b": None}, timestamp=WHEN)
    with primecore.open(":memory:") as other:
        other.append("note", "first")  # so that positions differ
        receipts = other.append_many(prime.events())
        assert [r.position for r in receipts] == [2, 3, 4, 5]
        pairs = list(zip(prime.events(), other.events(after=1), strict=True))
        assert all(a._replace(position=0) == b._replace(position=0) for a, b in pairs)
        assert all(r.duplicate for r in other.append_many(list(prime.events())))


def test_append_many_has_a_limit_in_bytes(prime):
    batch = [note(payload={"a": "y" * (3 << 20)}) for _ in range(11)]
    with unchanged(prime), pytest.raises(LimitExceeded, match="32"):
        prime.append_many(batch)
    assert len(prime.append_many(batch[:10])) == 10


def test_append_many_of_many(prime):
    receipts = prime.append_many([note(f"e{n % 1000}") for n in range(30_000)])
    assert receipts[-1][:2] == (30_000, 30)
