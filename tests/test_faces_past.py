"""`at` on every route and tool that reads: what a store answers that holds no more than was there then."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.serving import serving

import primecore
from primecore.faces import asking, limits, values
from primecore.faces.http import graph, routes
from primecore.faces.mcp import tools

ALICE, BOB, EDGE = "node:person:alice", "node:person:bob", "edge:1"
THEN = 8
GIVEN = {"id": ALICE, "ids": [ALICE], "entity": ALICE, "from": ALICE, "to": BOB, "source": ALICE, "target": BOB}
GIVEN |= {"query": "Alice"}
ASKED_TOO = {"similar": {"id": ALICE}, "/vectors/search": {"id": ALICE}}
ASKED_TOO |= {"recall": {"query": "Alice"}, "/recall": {"query": "Alice"}}
# What a process says of itself, and not of its past.
OWN = {"memory_bytes", "wal_bytes", "projections", "oldest_unsynced_ms", "worst_unsynced_ms", "durable_position"}
ROUTES = [route for route in routes.table() if any(field is asking.AT or field.name == "at" for field in route.fields)]


def fill(prime: primecore.Prime) -> None:
    prime.add_node("person", {"name": "Alice"}, id="alice", domain="a", timestamp="2025-01-01T00:00:00Z")
    prime.add_node("person", {"name": "Bob"}, id="bob", domain="b", timestamp="2025-01-02T00:00:00Z")
    prime.add_edge(ALICE, BOB, "knows", id="1", timestamp="2025-01-03T00:00:00Z")
    prime.add_node("person", {"name": "Carol"}, id="carol", timestamp="2025-01-04T00:00:00Z")
    prime.add_edge(ALICE, "node:person:carol", "knows", id="2", timestamp="2025-01-05T00:00:00Z")
    space = {"dimensions": 2, "model": None}
    prime.append("prime.space.defined", "space:default", space, timestamp="2025-01-06T00:00:00Z")
    prime.embed(ALICE, [1.0, 2.0], timestamp="2025-01-07T00:00:00Z")
    prime.embed(BOB, [2.0, 1.0], timestamp="2025-01-08T00:00:00Z")


def go_on(prime: primecore.Prime) -> None:
    prime.update_node(ALICE, {"name": "Alicia", "more": 1}, timestamp="2025-02-01T00:00:00Z")
    prime.update_edge(EDGE, weight=0.5, timestamp="2025-02-02T00:00:00Z")
    prime.delete_node("node:person:carol", timestamp="2025-02-03T00:00:00Z")
    prime.embed(BOB, [1.0, 1.0], timestamp="2025-02-03T00:00:00Z")
    prime.add_node("place", {"name": "Ulm"}, id="ulm", domain="c", timestamp="2025-02-04T00:00:00Z")


def bare(found: Any) -> Any:
    if isinstance(found, list):
        return [bare(it) for it in found]
    if isinstance(found, dict):
        return {name: bare(it) for name, it in found.items() if name not in OWN | {"event_id"}}
    return found


def test_every_question_the_past_answers_has_a_route() -> None:
    asked = {route.operation.name for route in ROUTES} | routes.BY_HAND
    assert asking.past_methods() & {route.operation.name for route in routes.table()} <= asked
    assert len(ROUTES) > 10


@pytest.mark.parametrize("at", [str(THEN), "2025-01-20T12:00:00Z"])
def test_every_route_answers_as_it_was(at: str) -> None:
    with primecore.open(":memory:") as then, primecore.open(":memory:") as now:
        fill(then)
        fill(now)
        go_on(now)
        with serving(then) as before, serving(now) as after:
            for method, path, fields in [
                *((route.method, route.path, [(it.name, it) for it in route.fields]) for route in ROUTES),
                ("GET", graph.PATH, [(it.name, it) for it in graph.fields()]),
            ]:
                path = path.removeprefix(routes.PREFIX)
                path = path.replace("{id}", EDGE if path.startswith("/edges/") else ALICE)
                outer = {"source": "from", "target": "to"} if path == "/shortest-path" else {}
                given = {outer.get(name, name): GIVEN[outer.get(name, name)] for name, it in fields if it.required}
                given.update(ASKED_TOO.get(path, {}))

                def ask(client: Any, method: str = method, path: str = path, given: Any = given, **more: Any) -> Any:
                    how = {"params": {**given, **more}} if method == "GET" else {"json": {**given, **more}}
                    return bare(client.ask(method, path, **how))

                assert ask(after.client, at=at) == ask(before.client), path
                if path not in ("/edges", "/subgraph"):  # a question that sees no difference shows nothing
                    assert ask(after.client) != ask(before.client), path


def test_every_tool_answers_as_it_was() -> None:
    with primecore.open(":memory:") as then, primecore.open(":memory:") as now:
        fill(then)
        fill(now)
        go_on(now)
        asked = 0
        for tool in tools.table():
            if not asking.has_past(tool.operation) or "at" not in {field.name for field in tool.fields}:
                continue
            given = {it.name: GIVEN[it.name] for it in tool.fields if it.required}
            given.update(ASKED_TOO.get(tool.operation.name, {}))
            if tool.operation.name == "edge":
                given = {"id": EDGE}
            found = [
                bare(json.loads(values.dumps(asking.ask(prime, tool.operation, {**given, **more}, limits.MCP_PAGE))))
                for prime, more in ((now, {"at": THEN}), (then, {}))
            ]
            assert found[0] == found[1], tool.name
            asked += 1
        assert asked > 8


@pytest.mark.parametrize("point", [THEN, str(THEN), "2025-01-20T12:00:00Z"])
def test_points_are_positions_or_times_also_as_text(point: int | str) -> None:
    with primecore.open(":memory:") as prime, serving(prime) as served:
        fill(prime)
        go_on(prime)
        expected = bare(json.loads(values.dumps(prime.diff(THEN))))
        found = served.client.ask("GET", "/diff", params={"from": point})
        assert {name: bare(found[name]) for name in expected} == expected
        found = served.client.ask("GET", "/timeline", params={"entity": ALICE, "until": point})["results"]
        assert found == json.loads(values.dumps(list(prime.timeline(ALICE, until=THEN))))
        for wrong in ("-1", "1.5", "yesterday", "", "9" * 30):
            assert served.client.refused("GET", f"/stats?at={wrong}") == (400, "invalid_argument")
