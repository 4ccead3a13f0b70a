"""The routes of `prime serve`: AllSource's bodies and answers, ids of every kind, pages, limits, errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.serving import API, Client, Served, segment, serving

import primecore
from primecore.faces import limits
from primecore.faces.http import openapi
from primecore.operations import OPERATIONS

ALICE, AUTH = "node:person:alice", "node:project:auth"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with primecore.open(":memory:") as prime, serving(prime) as it:
        prime.add_node("person", {"name": "Alice", "domain": "engineering"}, id="alice")
        prime.add_node("project", {"name": "Auth", "domain": "product"}, id="auth")
        prime.add_edge(ALICE, AUTH, "works_on", weight=0.9, id="1")
        yield it


@pytest.fixture
def client(served: Served) -> Client:
    return served.client


def test_a_node_is_made_read_changed_and_deleted_as_allsource_does(client: Client) -> None:
    made = client.ask("POST", "/nodes", 201, json={"type": "person", "properties": {"name": "Zoe"}})
    assert made["entity_id"] == f"node:person:{made['node_id']}"
    path = f"/nodes/{made['entity_id']}"
    assert client.ask("GET", path)["properties"] == {"name": "Zoe"}
    assert client.ask("PATCH", path, json={"properties": {"role": "engineer"}, "domain": "x"})["updated"] is True
    assert client.ask("GET", path)["properties"] == {"name": "Zoe", "role": "engineer"}
    assert client.ask("GET", path)["domain"] == "x"
    assert client.ask("PATCH", path, json={"domain": None})["updated"] is True
    assert client.ask("GET", path)["domain"] is None
    assert client.ask("DELETE", path)["deleted"] is True
    assert client.refused("GET", path) == (404, "node_not_found")
    assert client.refused("DELETE", path) == (404, "node_not_found")
    events = client.ask("GET", f"{path}/history")["events"]
    assert [it["type"] for it in events] == [
        "prime.node.created",
        "prime.node.updated",
        "prime.node.updated",
        "prime.node.deleted",
    ]


def test_an_edge_likewise(client: Client, served: Served) -> None:
    body = {"source": ALICE, "target": AUTH, "relation": "knows", "weight": 0.5, "properties": {"since": 2026}}
    made = client.ask("POST", "/edges", 201, json=body)
    path = f"/edges/{made['entity_id']}"
    found = client.ask("GET", path)
    assert {name: found[name] for name in body} == body
    client.ask("PATCH", path, json={"weight": 0.25})
    assert served.prime.edge(made["entity_id"]).weight == 0.25
    assert client.ask("DELETE", path)["deleted"] is True
    assert client.refused("GET", path) == (404, "edge_not_found")
    assert client.refused("POST", "/edges", json={**body, "target": "node:person:nobody"}) == (404, "node_not_found")


def test_neighbours_carry_edges_and_nodes(client: Client) -> None:
    found = client.ask("GET", f"/nodes/{ALICE}/neighbors")
    assert found["neighbors"] == [
        {"peer": AUTH, "edge_id": "edge:1", "relation": "works_on", "direction": "out", "weight": 0.9}
    ]
    assert found["nodes"] == [{"id": AUTH, "type": "project", "properties": {"name": "Auth", "domain": "product"}}]
    for query, count in (
        ("direction=in", 0),
        ("direction=incoming", 0),
        ("direction=outgoing", 1),
        ("relation=nothing", 0),
        ("depth=2", 1),
        ("limit=1", 1),
    ):
        assert len(client.ask("GET", f"/nodes/{ALICE}/neighbors?{query}")["neighbors"]) == count, query
    assert client.ask("GET", "/nodes/node:person:nobody/neighbors")["neighbors"] == []


def test_paths_subgraphs_and_the_graph(client: Client) -> None:
    found = client.ask("POST", "/shortest-path", json={"from": ALICE, "to": AUTH})
    assert [it["id"] for it in found["path"]] == [ALICE, AUTH]
    assert found["edges"] == ["edge:1"]
    none = client.ask("POST", "/shortest-path", json={"source": ALICE, "target": "node:person:nobody"})
    assert (none["path"], none["message"]) == (None, "No path found")
    around = client.ask("GET", f"/nodes/{ALICE}/subgraph")
    assert {it["id"] for it in around["nodes"]} == {ALICE, AUTH}
    assert client.ask("POST", "/subgraph", json={"ids": [AUTH], "depth": 1})["edges"][0]["id"] == "edge:1"
    graph = client.ask("GET", "/graph")
    assert [it["node_type"] for it in graph["nodes"]] == ["person", "project"]
    assert graph["stats"] == {"node_count": 2, "edge_count": 1, "nodes_by_type": {"person": 1, "project": 1}}
    first = client.ask("GET", "/graph?limit=1")
    assert (first["has_more"], first["next"], first["edges"]) == (True, ALICE, [])
    assert client.ask("GET", f"/graph?after={first['next']}")["nodes"][0]["id"] == AUTH
    assert client.ask("GET", "/graph?node_type=project")["stats"]["node_count"] == 1


def test_stats_have_both_names(client: Client, served: Served) -> None:
    found = client.ask("GET", "/stats")
    stats = served.prime.stats()
    assert (found["total_nodes"], found["total_edges"], found["event_count"]) == (2, 1, stats.events)
    assert set(stats._fields) <= set(found)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_operation_has_a_route_or_a_reason(operation: str, served: Served) -> None:
    routed = {route.operation.name for route in served.app.routes}
    by_hand = {"append", "append_many", "events", "at", "subscribe"}
    files = {it.name for it in OPERATIONS.values() if any(f.type == "path" and f.required for f in it.fields)}
    assert operation in routed | by_hand | files


@pytest.mark.parametrize(
    "id", ["a/b", "a:b/c?d#e", "æ–ø 漢", "%2F", "..", ".", "a b+c", "{}", "x" * 500, "a//b", "/", "?", "\u00a0"]
)
def test_ids_may_hold_anything(id: str, client: Client, served: Served) -> None:
    whole = served.prime.add_node("doc", {"is": id}, id=id)
    assert client.ask("GET", f"/nodes/{segment(whole)}")["id"] == whole
    assert client.ask("GET", f"/nodes/{segment(whole)}/neighbors")["id"] == whole
    assert len(client.ask("GET", f"/nodes/{segment(whole)}/history")["events"]) == 1
    client.ask("DELETE", f"/nodes/{segment(whole)}")
    assert served.prime.node(whole) is None


@given(id=st.text(min_size=1, max_size=40))
def test_any_id_is_served_or_refused_cleanly(served: Served, id: str) -> None:
    answer = served.client.get(f"{API}/nodes/{segment(id.encode('utf-8', 'ignore').decode() or 'x')}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "node_not_found"


def test_numbers_come_back_exactly(client: Client) -> None:
    big = '{"a":123456789012345678901234567890,"b":0.1234567890123456789012345,"c":1e400,"d":-0.0}'
    made = client.ask("POST", "/nodes", 201, content=f'{{"type":"n","properties":{big}}}')
    assert f'"properties":{big}' in client.get(f"{API}/nodes/{made['entity_id']}").text.replace(" ", "").replace(
        "E+", "e"
    )
    client.ask("DELETE", f"/nodes/{made['entity_id']}")


def test_lists_come_in_pages(client: Client, served: Served) -> None:
    ids = [served.prime.add_node("page", {}, id=str(at)) for at in range(7)]
    seen, query = [], ""
    while True:
        page = client.ask("GET", f"/nodes?type=page&limit=3{query}")
        seen += [it["id"] for it in page["nodes"]]
        if page["next"] is None:
            break
        query = f"&after={page['next']}"
    assert seen == ids
    first = client.ask("GET", "/events?limit=2")
    assert first["next"] == 2
    assert client.ask("GET", f"/events?limit=1&after={first['next']}")["events"][0]["position"] == 3
    for id in ids:
        served.prime.delete_node(id)


@pytest.mark.parametrize(
    ("method", "path", "how", "expected"),
    [
        ("GET", "/nothing", {}, (404, "route_not_found")),
        ("GET", "/nodes/a/b/c", {}, (404, "route_not_found")),
        ("GET", "/nodes//neighbors", {}, (404, "route_not_found")),
        ("GET", "/nodes/%ff", {}, (400, "invalid_argument")),
        ("PUT", "/nodes", {}, (405, "method_not_allowed")),
        ("DELETE", "/stats", {}, (405, "method_not_allowed")),
        ("GET", f"/nodes/{ALICE}/neighbors?depth=0x1", {}, (400, "invalid_argument")),
        ("GET", f"/nodes/{ALICE}/neighbors?depth={limits.MAX_DEPTH + 1}", {}, (400, "invalid_argument")),
        ("GET", f"/nodes/{ALICE}/neighbors?limit={limits.MAX_PAGE + 1}", {}, (400, "invalid_argument")),
        ("GET", f"/nodes/{ALICE}/neighbors?limit=0", {}, (400, "invalid_argument")),
        ("GET", f"/nodes/{ALICE}/neighbors?limit={'9' * 400}", {}, (400, "invalid_argument")),
        ("GET", f"/nodes/{ALICE}/neighbors?direction=up", {}, (400, "invalid_argument")),
        ("GET", f"/nodes/{ALICE}/neighbors?limit=1&limit=2", {}, (400, "invalid_argument")),
        ("GET", f"/nodes/{ALICE}/neighbors?colour=red", {}, (400, "invalid_argument")),
        ("GET", "/stats?a=%ff", {}, (400, "invalid_argument")),
        ("GET", "/nodes?after=node:person:nobody", {}, (400, "invalid_argument")),
        ("POST", "/nodes", {"content": b"{"}, (400, "invalid_argument")),
        ("POST", "/nodes", {"content": b'{"type":"a","type":"b"}'}, (400, "invalid_argument")),
        ("POST", "/nodes", {"content": b'{"type":"a","properties":{"x":NaN}}'}, (400, "invalid_argument")),
        ("POST", "/nodes", {"content": b"\xff"}, (400, "invalid_argument")),
        ("POST", "/nodes", {"content": b"[" * 100_000}, (413, "limit_exceeded")),
        ("POST", "/nodes", {"content": b"[]"}, (400, "invalid_argument")),
        ("POST", "/nodes", {"json": {}}, (400, "invalid_argument")),
        ("POST", "/nodes", {"json": {"type": "a:b"}}, (400, "invalid_argument")),
        ("POST", "/nodes", {"json": {"type": "a", "properties": [1]}}, (400, "invalid_argument")),
        ("POST", "/nodes", {"json": {"type": "a", "expected_version": True}}, (400, "invalid_argument")),
        ("POST", "/nodes", {"json": {"type": "a", "tenant": "b"}}, (400, "invalid_argument")),
        ("POST", "/nodes", {"content": b'{"type":"\\ud800"}'}, (400, "invalid_argument")),
        ("POST", "/nodes", {"data": {"type": "a"}}, (415, "unsupported_media_type")),
        ("POST", "/nodes", {"content": b"x", "headers": {"content-encoding": "gzip"}}, (415, "unsupported_media_type")),
        ("POST", "/edges", {"json": {"source": ALICE, "target": AUTH}}, (400, "invalid_argument")),
        ("POST", "/edges", {"content": b'{"source":"a","target":"b","relation":"c","weight":1e999}'},
         (400, "invalid_argument")),
        ("PATCH", "/nodes/x", {"json": {"properties": {}}}, (404, "node_not_found")),
        ("PATCH", f"/nodes/{ALICE}", {"json": {"properties": {}, "expected_version": 9}}, (409, "version_conflict")),
        ("POST", "/subgraph", {"json": {"ids": "a"}}, (400, "invalid_argument")),
        ("POST", "/subgraph", {"json": {"ids": ["a"] * (limits.MAX_PATH_IDS + 1)}}, (400, "invalid_argument")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_shape(client: Client, method: str, path: str, how: dict, expected: tuple) -> None:
    before = client.ask("GET", "/stats")["position"]
    if "content" in how and "headers" not in how:
        how = {**how, "headers": {"content-type": "application/json"}}
    assert client.refused(method, path, **how) == expected
    assert client.ask("GET", "/stats")["position"] == before


def test_allowed_methods_are_named(client: Client) -> None:
    answer = client.put(f"{API}/nodes/x")
    assert answer.headers["allow"] == "DELETE, GET, PATCH"


def test_head_is_get_without_a_body(client: Client) -> None:
    answer = client.head(f"{API}/stats")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


def test_an_idempotency_key_makes_a_repeated_write_one(client: Client, served: Served) -> None:
    key = {"Idempotency-Key": "first try"}
    made = [client.ask("POST", "/nodes", 201, json={"type": "once"}, headers=key) for _ in range(3)]
    assert made[0] == made[1] == made[2]
    assert len(served.prime.nodes(type="once")) == 1
    assert client.refused("POST", "/nodes", json={"type": "other"}, headers=key) == (409, "idempotency_conflict")
    assert client.refused("POST", "/nodes", json={"type": "x"}, headers={"Idempotency-Key": "x" * 300}) == (
        400,
        "invalid_argument",
    )
    client.ask("DELETE", f"/nodes/{made[0]['entity_id']}")


def test_the_page_the_metrics_and_the_document(served: Served) -> None:
    client = served.client
    page = client.get("/")
    assert page.status_code == 200 and "/openapi.json" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("x-content-type-options", "x-frame-options", "referrer-policy"):
        assert page.headers[name] and client.get("/health").headers[name]
    assert "server" not in page.headers
    assert client.get("/health").json()["status"] == "ok"
    metrics = client.get("/metrics").text
    assert f"prime_events {served.prime.stats().events}" in metrics
    assert 'prime_http_requests_total{route="/health",method="GET",status="200"}' in metrics
    document = client.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) >= {f"{API}/nodes/{{id}}/neighbors", f"{API}/events", f"{API}/graph", "/health"}
    assert document == openapi.document(served.app.routes) | {"servers": [{"url": "/"}]}
