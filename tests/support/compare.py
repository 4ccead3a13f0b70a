"""Holds an open store against the naive fold: everything that can be asked must be answered alike.

Knows the public reads of the engine and the fold's views; nothing of how the engine works.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

import pytest

from primecore import VectorNotFound
from support import views
from support.fold import Fold, event_id_of, instant
from support.jsonrules import json_equal

NEVER = ["node:t:never", "edge:never", "vec:never", "nothing at all", "node:", ""]


def assert_same(prime: Any, fold: Fold) -> None:
    """Compare everything. Call it on states whose whole content may be listed."""
    assert prime.position == fold.position
    assert_same_stats(prime, fold)
    assert_same_nodes(prime, fold)
    assert_same_edges(prime, fold)
    assert_same_neighbors(prime, fold)
    assert_same_domains(prime, fold)
    assert_same_vectors(prime, fold)
    assert_same_history(prime, fold)
    assert_same_log(prime, fold)


def assert_same_stats(prime: Any, fold: Fold) -> None:
    found, expected = prime.stats()._asdict(), views.stats(fold)
    assert {name: found[name] for name in expected} == expected
    assert found["durable_position"] <= found["position"]


def assert_same_nodes(prime: Any, fold: Fold) -> None:
    for node_id in fold.history:
        if node_id not in fold.nodes:
            assert prime.node(node_id) is None, node_id
    found = prime.nodes()
    assert [n.id for n in found] == list(fold.nodes)
    for node in found:
        assert_fields(node._asdict(), views.node(fold, node.id))
        assert prime.node(node.id) == node
    for node_type in {n.type for n in found}:
        assert prime.nodes(type=node_type) == [n for n in found if n.type == node_type]
    for domain in {n.domain for n in found if n.domain is not None}:
        assert prime.nodes(domain=domain) == [n for n in found if n.domain == domain]
    for label in {label for n in found for label in n.labels}:
        assert prime.nodes(label=label) == [n for n in found if label in n.labels]


def assert_same_edges(prime: Any, fold: Fold) -> None:
    for edge_id in fold.history:
        if edge_id not in fold.edges:
            assert prime.edge(edge_id) is None, edge_id
    found = prime.edges()
    assert [e.id for e in found] == list(fold.edges)
    for edge in found:
        assert_fields(edge._asdict(), views.edge(fold, edge.id))
        assert prime.edge(edge.id) == edge
    for relation in {e.relation for e in found}:
        assert prime.edges(relation=relation) == [e for e in found if e.relation == relation]


def assert_fields(found: dict[str, Any], expected: dict[str, Any] | None) -> None:
    """Field by field: properties as JSON, and a time that was not given is any time until now."""
    assert expected is not None and found.keys() == expected.keys()
    for name, value in expected.items():
        if name == "properties":
            assert json_equal(found[name], value), (found["id"], found[name], value)
        elif name in ("created_at", "updated_at") and value is None:
            assert found[name].tzinfo is not None and found[name] <= datetime.now(UTC)
        else:
            assert found[name] == value and type(found[name]) is type(value), (found["id"], name, found[name], value)


def assert_same_neighbors(prime: Any, fold: Fold, ids: list[str] | None = None) -> None:
    """Both directions of every id that ever was anything, dangling and dead ones too."""
    lists = views.neighbor_lists(fold)
    if ids is None:
        ids = list(dict.fromkeys([*fold.nodes, *lists, *fold.history, *NEVER]))
    for direction in ("both", "out", "in"):
        expected = [views.neighbors(lists, entity, direction) for entity in ids]
        for entity, wanted in zip(ids, expected, strict=True):
            found = prime.neighbors(entity, direction=direction)
            assert list(found) == wanted, (entity, direction)
            assert len(found) == len(wanted)
        many = prime.neighbors_many(ids, direction=direction)
        assert [list(one) for one in many] == expected, direction
    for entity in ids[:40]:
        for relation in {n[2] for n in views.neighbors(lists, entity)} | {"no such relation"}:
            wanted = views.neighbors(lists, entity, "both", relation)
            assert list(prime.neighbors(entity, relation=relation)) == wanted, (entity, relation)


def assert_same_domains(prime: Any, fold: Fold) -> None:
    counts = views.stats(fold)["domains"]
    assert {d.name: d.nodes for d in prime.domains()} == counts and len(prime.domains()) == len(counts)
    expected = views.cross_domain(fold)
    found = {(c.source_domain, c.target_domain): c for c in prime.cross_domain()}
    assert found.keys() == expected.keys()
    for pair, edge_ids in expected.items():
        cross = found[pair]
        relations = [fold.edges[edge_id]["relation"] for edge_id in edge_ids]
        assert cross.edges == len(edge_ids)
        assert sorted(cross.edge_ids) == sorted(edge_ids)
        assert cross.relations == {relation: relations.count(relation) for relation in relations}
        assert prime.cross_domain(*pair) == [cross]


def assert_same_vectors(prime: Any, fold: Fold) -> None:
    shown = views.shown_vectors(fold)
    for entity in {*fold.vectors, *fold.nodes, *NEVER[:3]} - set(shown):
        with pytest.raises(VectorNotFound):
            prime.similar(id=entity)
    for entity in shown:
        held = fold.vectors[entity]
        expected = [it for it in views.similar(fold, held["numbers"], len(shown)) if it[0] != entity]
        found = prime.similar(id=entity, k=len(shown))
        assert len(found) == len(expected)
        scores = dict(expected)
        for hit, (_, score) in zip(found, expected, strict=True):
            assert hit.score == pytest.approx(score, abs=1e-9) and scores[hit.id] == pytest.approx(score, abs=1e-9)
            assert hit.text == fold.vectors[hit.id]["text"]
            assert json_equal(hit.metadata, fold.vectors[hit.id]["metadata"])
        assert len({hit.id for hit in found}) == len(found)


def assert_same_history(prime: Any, fold: Fold) -> None:
    for entity, positions in fold.history.items():
        found = list(prime.history(entity))
        assert [e.position for e in found] == positions, entity
        assert [e.version for e in found] == list(range(1, len(positions) + 1)), entity
        assert {e.entity_id for e in found} == {entity}
    for entity in NEVER[:4]:
        assert list(prime.history(entity)) == []


def assert_same_log(prime: Any, fold: Fold) -> None:
    """Every event as it was given, the ids and times that were not given apart."""
    ids = set()
    for position, (found, given) in enumerate(zip_longest(prime.events(), fold.log), start=1):
        assert (found.position, found.event_type, found.entity_id) == (
            position,
            given["event_type"],
            given["entity_id"],
        )
        assert json_equal(found.payload, given.get("payload") or {}), position
        assert json_equal(found.metadata, given.get("metadata")), position
        assert event_id_of(given) in (found.event_id, None), position
        assert instant(given.get("timestamp")) in (found.timestamp, None), position
        ids.add(found.event_id)
    assert len(ids) == fold.position
