"""The naive fold is the yardstick of the engine, so it is held to published counts and to the words of the rules."""

from __future__ import annotations

import pytest
from support import views
from support.fold import Fold
from support.jsonrules import json_equal, merge
from support.realdata import KNOWN, real_events


def fold_of(*events: tuple) -> Fold:
    """A fold of (event_type without "prime.", entity_id, payload) triples."""
    fold = Fold()
    for kind, entity, payload in events:
        event = {"event_type": "prime." + kind, "entity_id": entity, "payload": payload}
        assert fold.apply(event).verdict == "appended"
    return fold


def born(node_id: str, **properties: object) -> tuple:
    return ("node.created", node_id, {"properties": properties})


def linked(edge_id: str, source: str, target: str, relation: str = "r") -> tuple:
    return ("edge.created", edge_id, {"source": source, "target": target, "relation": relation})


A, B = "node:t:a", "node:t:b"


@pytest.mark.parametrize("name", KNOWN)
def test_published_counts_of_the_real_logs(name):
    fold = Fold()
    for event in real_events(name):
        assert fold.apply(event).verdict == "appended"
    found = views.stats(fold)
    counts = (found["events"], found["nodes"], found["edges"], found["dangling_edges"], found["ignored_events"])
    assert counts == KNOWN[name]


def test_an_edge_may_come_before_its_nodes_and_dangles_until_both_are_there():
    events = [linked("edge:1", A, B), born(A), born(B)]
    assert [views.stats(fold_of(*events[:n]))["dangling_edges"] for n in (1, 2, 3)] == [1, 1, 0]
    assert views.neighbors(views.neighbor_lists(fold_of(events[0])), B) == [(A, "edge:1", "r", "in", 1.0)]


def test_deleting_a_node_takes_its_edges_of_both_directions_without_events():
    fold = fold_of(born(A), born(B), linked("edge:1", A, B), linked("edge:2", B, A), ("node.deleted", B, {}))
    assert fold.edges == {} and fold.position == 5 and len(fold.history["edge:1"]) == 1


def test_deleting_what_never_was_leaves_dangling_edges_and_is_counted():
    fold = fold_of(linked("edge:1", A, B), ("node.deleted", B, {}))
    assert list(fold.edges) == ["edge:1"] and fold.ignored == 1


def test_a_new_life_keeps_only_the_edges_made_since_the_deletion():
    fold = fold_of(
        born(A), born(B, old=1), linked("edge:1", A, B), ("node.deleted", B, {}), linked("edge:2", A, B), born(B, new=1)
    )
    assert list(fold.edges) == ["edge:2"] and fold.nodes[B]["properties"] == {"new": 1}
    assert views.node(fold, B)["version"] == 3


def test_a_second_creation_replaces_content_and_keeps_birth_and_edges():
    fold = Fold()
    for hour, payload in ((1, {"properties": {"a": 1}, "domain": "x", "labels": ["l"]}), (2, {"properties": {"b": 2}})):
        event = {"event_type": "prime.node.created", "entity_id": A, "timestamp": f"2024-01-01T0{hour}:00:00Z"}
        fold.apply({**event, "payload": payload})
    node = views.node(fold, A)
    assert (node["properties"], node["domain"], node["labels"]) == ({"b": 2}, None, ())
    assert (node["created_at"].hour, node["updated_at"].hour) == (1, 2)


@pytest.mark.parametrize(
    ("payload", "domain"),
    [
        ({"properties": {}}, "was"),
        ({"properties": {"domain": "now"}}, "now"),
        ({"properties": {"domain": None}}, None),
        ({"properties": {"domain": 7}}, None),
        ({"properties": {"domain": "inner"}, "domain": "outer"}, "outer"),
        ({"properties": {"domain": "inner"}, "domain": None}, None),
    ],
)
def test_the_domain_is_what_the_last_event_that_names_one_says(payload, domain):
    fold = fold_of(("node.created", A, {"properties": {}, "domain": "was"}), ("node.updated", A, payload))
    assert fold.nodes[A]["domain"] == domain


def test_cross_domain_follows_the_domains_of_nodes():
    events = [born(A, domain="x"), born(B, domain="y"), linked("edge:1", A, B)]
    assert views.cross_domain(fold_of(*events)) == {("x", "y"): ["edge:1"]}
    moved = ("node.updated", B, {"properties": {"domain": "x"}})
    assert views.cross_domain(fold_of(*events, moved)) == {}


def test_a_replaced_edge_moves_to_the_end_with_its_new_ends():
    fold = fold_of(linked("edge:1", A, B), linked("edge:2", A, B), linked("edge:1", A, A, "loop"))
    lists = views.neighbor_lists(fold)
    assert [n[1] for n in views.neighbors(lists, A)] == ["edge:2", "edge:1"]
    assert [n[1] for n in views.neighbors(lists, A, "in")] == ["edge:1"]
    assert [n[1] for n in views.neighbors(lists, B)] == ["edge:2"]


def test_vectors_live_and_die_with_their_nodes_and_spaces():
    stored = ("vector.stored", "vec:" + A, {"embedding": [1.0, 0.5]})
    hidden = fold_of(stored)
    assert (hidden.position, views.shown_vectors(hidden)) == (2, [])
    assert views.shown_vectors(fold_of(stored, born(A))) == [A]
    gone = fold_of(born(A), stored, ("node.deleted", A, {}), ("vector.deleted", "vec:" + A, {}), born(A))
    assert (gone.ignored, views.shown_vectors(gone)) == (1, [])
    space = ("space.defined", "space:default", {"dimensions": 3, "model": None})
    assert views.shown_vectors(fold_of(born(A), stored, space)) == []


def test_a_vector_of_another_dimension_is_refused():
    fold = fold_of(("vector.stored", "vec:x", {"embedding": [1, 2]}))
    other = {"event_type": "prime.vector.stored", "entity_id": "vec:y", "payload": {"embedding": "AACAPwAAgD8AAIA/"}}
    assert fold.apply(other).verdict == "refused" and fold.position == 2


def test_repeated_ids_are_judged_by_content():
    fold, event_id = Fold(), "0190A8E2-0000-7000-8000-00000000000A"
    event = {"event_type": "note", "entity_id": "x", "payload": {"n": 1}, "event_id": event_id}
    assert fold.apply(event) == ("appended", 1, 1)
    assert fold.apply({**event, "payload": {"n": 1.0}}) == ("duplicate", 1, 1)
    assert fold.apply({**event, "event_id": event_id.lower(), "timestamp": "2024-01-01T00:00:00Z"})[0] == "duplicate"
    assert fold.apply({**event, "payload": {"n": True}})[0] == "conflict"
    assert fold.position == 1


def test_types_that_only_resemble_known_ones_are_custom():
    fold = fold_of(("node_created", A, {}), ("apply", A, {}), ("node.created.again", A, {}))
    assert fold.nodes == {} and fold.ignored == 0 and fold.position == 3


def test_merge_patch_examples_of_the_rfc():
    # RFC 7396, appendix A.
    table = [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ]
    for target, patch, result in table:
        assert json_equal(merge(target, patch), result)
