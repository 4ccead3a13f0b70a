"""Typed writes: what nodes and edges keep of what they are told, and what is refused with nothing appended."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from support import stores
from support.stores import WHEN, unchanged

import primecore
from primecore.errors import EdgeNotFound, InvalidEvent, MisuseError, NodeNotFound


@pytest.fixture
def prime():
    with primecore.open(":memory:") as prime:
        yield prime


@pytest.fixture
def pair(prime):
    """(prime, alice, auth, edge)"""
    return prime, *stores.pair(prime)


def test_the_example_of_the_specification(pair):
    prime, alice, auth, edge = pair
    assert (alice, auth) == ("node:person:alice", "node:project:auth")
    assert edge.startswith("edge:")
    assert prime.neighbors(alice) == [primecore.Neighbor(auth, edge, "works_on", "out", 0.9)]
    assert prime.neighbors(auth) == [(alice, edge, "works_on", "in", 0.9)]
    assert [e.event_type for e in prime.history(alice)] == ["prime.node.created"]


def test_add_node_says_everything_it_was_told(prime):
    node_id = prime.add_node(
        "person", {"a": [1, None]}, id="x:y", domain="d", labels=["l", "m"], timestamp=WHEN, metadata={"agent_id": "z"}
    )
    node = prime.node(node_id)
    assert node == ("node:person:x:y", "person", {"a": [1, None]}, "d", ("l", "m"), WHEN, WHEN, 1, 1)
    assert node == primecore.Node(**node._asdict()) and "x:y" in repr(node)
    (event,) = prime.history(node_id)
    assert event.metadata == {"agent_id": "z"} and event.timestamp == WHEN and event.timestamp.tzinfo is UTC


def test_add_node_needs_little(prime):
    before = datetime.now(UTC)
    ids = {prime.add_node("person") for _ in range(100)}
    assert len(ids) == 100 and all(node_id.startswith("node:person:") for node_id in ids)
    node = prime.node(ids.pop())
    assert (node.properties, node.domain, node.labels, node.version) == ({}, None, (), 1)
    assert before - timedelta(seconds=1) < node.created_at <= datetime.now(UTC)


@pytest.mark.parametrize("node_type", ["", "a:b", "a\n", "t" * 1030, None, 5, b"person", "\ud800"])
def test_types_that_cannot_be(prime, node_type):
    with unchanged(prime), pytest.raises((MisuseError, TypeError)):
        prime.add_node(node_type, {}, id="x")


@pytest.mark.parametrize("node_id", ["", "a\x00", "x" * 1024, "\udfff", 5])
def test_ids_that_cannot_be(prime, node_id):
    with unchanged(prime), pytest.raises((MisuseError, TypeError)):
        prime.add_node("person", {}, id=node_id)


def circle():
    value: list = []
    value.append(value)
    return value


def deep(levels):
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, object(), {1, 2}, b"bytes", 1j, "\ud800", {"\udfff": 1}, circle(), deep(600), deep(100_000)],
    ids=["nan", "inf", "object", "set", "bytes", "complex", "surrogate", "surrogate key", "circle", "600", "100000"],
)
def test_values_that_json_cannot_say(prime, value):
    with unchanged(prime), pytest.raises((MisuseError, TypeError)):
        prime.add_node("t", {"a": value}, id="x")
    with unchanged(prime), pytest.raises((MisuseError, TypeError)):
        prime.append("x", "x", {"a": value})
    with unchanged(prime), pytest.raises((MisuseError, TypeError)):
        prime.append_many([{"event_type": "x", "entity_id": "x", "metadata": {"a": value}}])


VALUES = [0, -1, 2**63, 2**64, 10**40, 0.1, 5e-324, 1e308, True, None, "", "\x00é\u2028🙂", [{}]]


@pytest.mark.parametrize("value", VALUES)
def test_values_come_back_as_they_went_in(prime, value):
    found = prime.node(prime.add_node("t", {"v": value, "": value})).properties
    assert found == {"v": value, "": value} and type(found["v"]) is type(value)
    (event,) = prime.events()
    assert event.payload["properties"] == found


@pytest.mark.parametrize("properties", [[], "x", 5, {1: 2}, {None: 1}])
def test_properties_that_are_no_json_object(prime, properties):
    with unchanged(prime), pytest.raises((MisuseError, TypeError)):
        prime.add_node("t", properties)


def test_what_is_handed_out_is_the_callers_own(prime):
    given = {"a": {"b": [1]}}
    node_id = prime.add_node("t", given)
    given["a"]["b"].append(2)
    prime.node(node_id).properties["a"]["b"].append(3)
    next(prime.events()).payload["properties"]["a"] = 4
    assert prime.node(node_id).properties == {"a": {"b": [1]}}


def test_a_second_add_replaces_the_content(prime):
    prime.add_node("t", {"a": 1}, id="x", domain="d", labels=["l"], timestamp=WHEN)
    later = WHEN + timedelta(days=1)
    assert prime.add_node("t", {"b": 2}, id="x", timestamp=later) == "node:t:x"
    assert prime.node("node:t:x") == ("node:t:x", "t", {"b": 2}, None, (), WHEN, later, 2, 2)


def test_update_node_merges(prime):
    node_id = prime.add_node("t", {"a": 1, "n": {"x": 1, "y": 2}}, domain="d", labels=["l"])
    receipt = prime.update_node(node_id, {"n": {"x": None, "z": 3}, "a": None, "b": [None]})
    assert receipt[:2] == (2, 2) and receipt.duplicate is False and uuid.UUID(receipt.event_id)
    node = prime.node(node_id)
    assert node.properties == {"n": {"y": 2, "z": 3}, "b": [None]}
    assert (node.domain, node.labels, node.version, node.position) == ("d", ("l",), 2, 2)


def test_update_node_of_domain_and_labels_alone(prime):
    node_id = prime.add_node("t", {"a": 1}, domain="d", labels=["l"])
    prime.update_node(node_id, domain="e")
    assert prime.node(node_id).domain == "e"
    prime.update_node(node_id, domain=None)
    assert prime.node(node_id).domain is None
    prime.update_node(node_id, labels=["m", "l"])
    prime.update_node(node_id, {}, labels=None)
    assert prime.node(node_id).labels == ("m", "l")
    prime.update_node(node_id, labels=[])
    assert prime.node(node_id).labels == () and prime.node(node_id).properties == {"a": 1}


def test_timestamps_may_be_text_and_must_have_an_offset(prime):
    node_id = prime.add_node("t", timestamp="2024-05-06T09:08:09.1234569+02:00")
    assert prime.node(node_id).created_at == WHEN
    offset = WHEN.astimezone(timezone(timedelta(hours=-7)))
    assert prime.node(prime.add_node("t", timestamp=offset)).created_at == WHEN
    for wrong in (WHEN.replace(tzinfo=None), "2024-05-06T09:08:09", "yesterday", 5, WHEN.date()):
        with unchanged(prime), pytest.raises((MisuseError, TypeError)):
            prime.add_node("t", timestamp=wrong)


def test_assigned_times_never_decrease(prime):
    for _ in range(2000):
        prime.append("x", "x")
    times = [e.timestamp for e in prime.events()]
    assert times == sorted(times)


def test_imported_times_may_be_out_of_order(prime):
    for day in ("2030-01-01", "1970-01-01", "0001-01-01", "9999-12-31"):
        prime.append("x", "x", timestamp=day + "T23:59:59.999999Z")
    prime.append("x", "x")
    assert [e.timestamp.year for e in prime.events()][:4] == [2030, 1970, 1, 9999]
    assert abs(list(prime.events())[4].timestamp - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("way", ["never was", "deleted", "an edge", "no id at all"])
def test_typed_writes_to_a_node_that_is_not_live(pair, way):
    prime, alice, auth, edge = pair
    prime.delete_node(auth)
    missing = {"never was": "node:person:zoe", "deleted": auth, "an edge": edge, "no id at all": "zoe"}[way]
    for call in (
        lambda: prime.update_node(missing, {"a": 1}),
        lambda: prime.delete_node(missing),
        lambda: prime.add_edge(alice, missing, "r"),
        lambda: prime.add_edge(missing, alice, "r"),
        lambda: prime.add_edge(missing, missing, "r"),
    ):
        with unchanged(prime), pytest.raises((NodeNotFound, InvalidEvent)) as caught:
            call()
        if missing.startswith("node:"):  # an id that could not be a node's may also be called wrong
            assert isinstance(caught.value, NodeNotFound) and isinstance(caught.value, KeyError)
            assert missing in str(caught.value)


def test_delete_node_takes_its_edges(pair):
    prime, alice, auth, edge = pair
    receipt = prime.delete_node(auth, metadata={"why": "done"})
    assert receipt[:2] == (4, 2)
    assert prime.node(auth) is None and prime.edge(edge) is None
    assert prime.neighbors(alice) == [] and prime.neighbors(auth) == []
    assert [e.version for e in prime.history(auth)] == [1, 2]
    with pytest.raises(EdgeNotFound):
        prime.delete_edge(edge)


def test_add_edge_says_everything_it_was_told(pair):
    prime, alice, auth, _ = pair
    until = WHEN + timedelta(days=1)
    edge_id = prime.add_edge(
        alice, auth, "r", weight=2, properties={"a": 1}, id="e1", valid_from=WHEN, valid_to=until.isoformat()
    )
    edge = prime.edge(edge_id)
    assert edge == ("edge:e1", alice, auth, "r", 2.0, {"a": 1}, WHEN, until)
    assert isinstance(edge.weight, float) and edge == primecore.Edge(**edge._asdict())


def test_edges_default_to_weight_one_and_an_id_of_their_own(pair):
    prime, alice, auth, _ = pair
    edge = prime.edge(prime.add_edge(auth, alice, "r"))
    assert (edge.weight, edge.properties, edge.valid_from, edge.valid_to) == (1.0, {}, None, None)
    assert len({prime.add_edge(alice, auth, "r") for _ in range(50)}) == 50
    assert len(prime.neighbors(alice)) == 52


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf, True, "1", 10**400, [1]])
def test_weights_that_cannot_be(pair, weight):
    prime, alice, auth, edge = pair
    with unchanged(prime), pytest.raises((MisuseError, TypeError)):
        prime.add_edge(alice, auth, "r", weight=weight)
    with unchanged(prime), pytest.raises((MisuseError, TypeError)):
        prime.update_edge(edge, weight=weight)


@pytest.mark.parametrize("relation", ["", "a\n", "r" * 1025, None, 5, "\ud800"])
def test_relations_that_cannot_be(pair, relation):
    prime, alice, auth, _ = pair
    with unchanged(prime), pytest.raises((MisuseError, TypeError)):
        prime.add_edge(alice, auth, relation)


def test_update_edge(pair):
    prime, alice, auth, edge = pair
    receipt = prime.update_edge(edge, properties={"a": {"b": 1}}, valid_from=WHEN)
    assert receipt[:2] == (4, 2)
    prime.update_edge(edge, weight=0.0, properties={"a": {"c": None, "d": 2}})
    assert prime.edge(edge) == (edge, alice, auth, "works_on", 0.0, {"a": {"b": 1, "d": 2}}, WHEN, None)
    prime.update_edge(edge, valid_from=None, valid_to=WHEN)
    assert prime.edge(edge)[6:] == (None, WHEN)
    assert prime.neighbors(alice)[0].weight == 0.0


def test_typed_writes_to_an_edge_that_is_not_live(pair):
    prime, alice, _, edge = pair
    prime.delete_edge(edge)
    assert prime.neighbors(alice) == []
    for missing in (edge, "edge:never", alice, "x"):
        for call in (prime.update_edge, prime.delete_edge):
            with unchanged(prime), pytest.raises((EdgeNotFound, InvalidEvent)) as caught:
                call(missing)
            if missing.startswith("edge:"):
                assert isinstance(caught.value, EdgeNotFound) and missing in str(caught.value)


def test_an_edge_added_again_is_replaced(pair):
    prime, alice, auth, _ = pair
    prime.add_edge(alice, auth, "r", id="e", properties={"a": 1}, weight=5)
    prime.add_edge(auth, alice, "s", id="e")
    assert prime.edge("edge:e") == ("edge:e", auth, alice, "s", 1.0, {}, None, None)
    assert [n.direction for n in prime.neighbors(alice, relation="s")] == ["in"]
