"""Holds a view of the past against a store that was built from its events alone, and against the naive fold.

Knows the public reads of both; nothing of how either works.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from primecore.errors import PrimeError
from support import views
from support.compare import (
    assert_fields,
    assert_same,
    assert_same_domains,
    assert_same_edges,
    assert_same_neighbors,
)
from support.fold import Fold


def envelope(event: Any) -> dict[str, Any]:
    """An event of a store as the naive fold takes it."""
    return {
        "event_type": event.event_type,
        "entity_id": event.entity_id,
        "payload": event.payload,
        "metadata": event.metadata,
        "timestamp": event.timestamp.isoformat(),
        "event_id": event.event_id,
    }


def folded(events: Iterable[Any]) -> Fold:
    """The naive fold of events that a store holds, without judging them again."""
    fold = Fold()
    for event in events:
        given = envelope(event)
        fold._append(given, given["event_id"])
    return fold


def assert_view_at_position(view: Any, events: list[Any]) -> None:
    """Everything that a view by position shows."""
    assert_same(view, folded(events[: view.position]))


def assert_view_at_time(view: Any, events: list[Any]) -> None:
    """Everything that a view by time shows, of a log that ended with `events` when it was made."""
    shown = [event for event in events if event.timestamp <= view.point.time]
    fold = folded(shown)
    last = {event.entity_id: event for event in shown}
    assert view.position == (shown[-1].position if shown else 0)
    found, expected = view.stats()._asdict(), views.stats(fold)
    spaces = [event for event in events if event.entity_id == "space:default"]
    if any(event.timestamp > view.point.time for event in spaces[1:]):
        del expected["vectors"]  # vectors of a space that is not defined yet are none, which the fold does not judge
    assert {name: found[name] for name in expected} == expected | {"position": view.position}
    for node_id in fold.history:
        node, wanted = view.node(node_id), views.node(fold, node_id)
        if wanted is None:
            assert node is None
        else:
            latest = last[node_id]
            assert_fields(node._asdict(), wanted | {"version": latest.version, "position": latest.position})
    assert [node.id for node in view.nodes()] == list(fold.nodes)
    assert all(view.node(node.id) == node for node in view.nodes())
    assert_same_edges(view, fold)
    assert_same_neighbors(view, fold)
    assert_same_domains(view, fold)
    assert list(view.events()) == shown
    for entity in fold.history:
        assert list(view.history(entity)) == [event for event in shown if event.entity_id == entity]
    assert_walks(view, fold)


def assert_walks(view: Any, fold: Fold) -> None:
    """Distant neighbours, subgraphs and path costs as the fold has them."""
    lists = views.neighbor_lists(fold)
    ids = sorted({*fold.nodes, *lists})[:6]
    for entity in ids:
        assert view.neighbors(entity, depth=2) == views.distant_neighbors(lists, entity, 2)
        around = view.subgraph(entity, depth=1)
        near = [entity, *(n[0] for n in views.distant_neighbors(lists, entity, 1))]
        assert [node.id for node in around.nodes] == [id for id in near if id in fold.nodes]
        inside = {node.id for node in around.nodes}
        joined = {id for id, edge in fold.edges.items() if edge["source"] in inside and edge["target"] in inside}
        assert sorted(edge.id for edge in around.edges) == sorted(joined)
    for source in ids:
        for target in ids:
            found, cost = view.shortest_path(source, target), views.path_cost(lists, source, target, False)
            assert (found.cost if found else None) == cost


def assert_same_reads(view: Any, other: Any, rng: random.Random) -> None:
    """Every read of a view, with random arguments, gives what a store of those events alone gives."""
    ids = [event.entity_id for event in other.events()] + ["node:t:never"]
    ends = sorted({*ids, *(edge.source for edge in other.edges()), *(edge.target for edge in other.edges())})
    relations = [None, "no such", *sorted({edge.relation for edge in other.edges()})]

    def both(name: str, *args: Any, **kwargs: Any) -> None:
        answers = []
        for store in (view, other):
            try:
                found = getattr(store, name)(*args, **kwargs)
                answers.append(list(found) if name in ("neighbors", "history", "events") else found)
            except PrimeError as error:
                answers.append(str(error))
        assert answers[0] == answers[1], (name, args, kwargs, answers)

    for _ in range(12):
        one, two = rng.choice(ends), rng.choice(ends)
        how = {"relation": rng.choice(relations), "direction": rng.choice(("out", "in", "both"))}
        both("node", one)
        both("edge", rng.choice(ids))
        both("neighbors", one, **how, limit=rng.choice((None, 0, 1, 3)))
        both("neighbors", one, **how, depth=rng.choice((2, 3, 9)), limit=rng.choice((None, 2)))
        both("subgraph", [one, two], depth=rng.randrange(3), limit=rng.choice((1, 3, 1000)))
        both("shortest_path", one, two, **how, max_depth=rng.choice((None, 0, 1, 2)))
        both("shortest_path", one, two, **how, weighted=True)
        both("edges", source=one, relation=how["relation"], limit=rng.choice((None, 1)))
        both("edges", target=one)
        both("edges", source=one, target=two)
        both("history", one, limit=rng.choice((None, 1)), after=rng.choice((None, 3)))
    live = other.nodes()
    words = sorted({word for node in live for word in str(node.properties).split()})
    texts = [event.payload.get("text") for event in other.events(event_type="prime.vector.stored")]
    for _ in range(4):
        both("search", rng.choice([*words, "a", "no such word"]), rng.choice((1, 100)), explain=True)
        both("search", str(rng.choice([*texts, "x"])), 100, type=rng.choice([None, "t"]), stem=True)
        both("recall", rng.choice([*words, "what it says"]), k=30, depth=rng.randrange(3), floor=0.0)
        both("similar", id=rng.choice(ids).removeprefix("vec:"), k=rng.choice((1, 100)))
        both("similar", id=rng.choice([*(node.id for node in live), "x", "memory:1"]), k=100)
    both("nodes", label=rng.choice([None, "a", "b"]), after=rng.choice(live).id if live else None, limit=2)
    edges = other.edges()
    if edges:
        at = rng.choice(edges)
        both("edges", after=at.id, limit=3)
        both("edges", source=at.source, after=at.id)
    both("events", after=rng.randrange(5), until=rng.randrange(40), limit=rng.choice((None, 2)))
    both("events", event_type="prime.node.updated")
    both("events", entity_id=rng.choice(ids), event_type=rng.choice((None, "prime.node.created")))
    both("domains")
    both("cross_domain")
