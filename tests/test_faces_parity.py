"""The same questions through Python, the command line, HTTP and MCP: the same answers, and the same errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
from mcp.client.client import Client as McpClient
from support.command_line import Shell
from support.serving import Served, segment, serving

import primecore
from primecore.faces import values
from primecore.faces.mcp.server import Face
from primecore.operations import ERRORS

ALICE, BOB, AUTH = "node:person:alice", "node:person:bob", "node:project:auth/v2 ü"


class Case(NamedTuple):
    """One question in four languages. `key` is where the answer lies, None for all of it."""

    name: str
    python: Any
    cli: list[str]
    http: tuple[str, str, Any]
    tool: tuple[str, dict[str, Any]]
    key: str | None


def node(id: str) -> str:
    return f"/nodes/{segment(id)}"


CASES = [
    Case("node", lambda p: p.node(AUTH), ["query", "node", AUTH], ("GET", node(AUTH), None),
         ("prime_get_node", {"node_id": AUTH}), None),
    Case("edge", lambda p: p.edge("edge:1"), ["query", "edge", "edge:1"], ("GET", "/edges/edge:1", None),
         ("prime_get_edge", {"edge_id": "edge:1"}), None),
    Case("neighbors", lambda p: p.neighbors(AUTH), ["query", "neighbors", AUTH],
         ("GET", node(AUTH) + "/neighbors", None), ("prime_neighbors", {"node_id": AUTH}), "neighbors"),
    Case("neighbors in, one relation", lambda p: p.neighbors(AUTH, direction="in", relation="works_on"),
         ["query", "neighbors", AUTH, "--direction", "in", "--relation", "works_on"],
         ("GET", node(AUTH) + "/neighbors?direction=incoming&relation=works_on", None),
         ("prime_neighbors", {"node_id": AUTH, "direction": "incoming", "relation": "works_on"}), "neighbors"),
    Case("neighbors, two steps", lambda p: p.neighbors(ALICE, depth=2), ["query", "neighbors", ALICE, "--depth", "2"],
         ("GET", node(ALICE) + "/neighbors?depth=2", None), ("prime_neighbors", {"node_id": ALICE, "depth": 2}),
         "neighbors"),
    Case("nodes", lambda p: p.nodes(type="person"), ["query", "nodes", "--type", "person"],
         ("GET", "/nodes?type=person", None), ("prime_search", {"type": "person"}), "nodes"),
    Case("nodes, one page", lambda p: p.nodes(limit=2, after=ALICE),
         ["query", "nodes", "--limit", "2", "--after", ALICE], ("GET", f"/nodes?limit=2&after={ALICE}", None),
         ("prime_search", {"limit": 2, "after": ALICE}), "nodes"),
    Case("subgraph", lambda p: p.subgraph([ALICE], depth=2).nodes, ["query", "subgraph", ALICE, "--depth", "2"],
         ("GET", node(ALICE) + "/subgraph", None), ("prime_subgraph", {"node_ids": [ALICE], "depth": 2}), "nodes"),
    Case("path", lambda p: list(p.shortest_path(ALICE, BOB).edges), ["query", "path", ALICE, BOB],
         ("POST", "/shortest-path", {"from": ALICE, "to": BOB}), ("prime_shortest_path", {"from": ALICE, "to": BOB}),
         "edges"),
    Case("history", lambda p: list(p.history(AUTH)), ["query", "history", AUTH], ("GET", node(AUTH) + "/history", None),
         ("prime_history", {"entity_id": AUTH}), "events"),
    Case("events", lambda p: list(p.events(after=2, event_type="prime.edge.created")),
         ["events", "--after", "2", "--type", "prime.edge.created"],
         ("GET", "/events?after=2&event_type=prime.edge.created", None),
         ("prime_events", {"after": 2, "event_type": "prime.edge.created"}), "events"),
    Case("search", lambda p: p.search("alice bob", k=5, explain=True), ["query", "search", "alice bob", "--k", "5"],
         ("POST", "/search", {"query": "alice bob", "top_k": 5, "explain": True}),
         ("prime_search_text", {"query": "alice bob", "top_k": 5, "explain": True}), "hits"),
    Case("domains", lambda p: p.domains(), ["query", "domains"], ("GET", "/domains", None), ("prime_domains", {}),
         "domains"),
    Case("stats", lambda p: p.stats(), ["stats"], ("GET", "/stats", None), ("prime_stats", {}), None),
]  # fmt: skip
# What differs from process to process, and the names that AllSource gave things beside ours.
OWN = {
    "memory_bytes",
    "oldest_unsynced_ms",
    "worst_unsynced_ms",
    "wal_bytes",
    "durable_position",
    "projections",
    "fsync",
}
OTHER_NAMES = {"total_nodes", "total_edges", "event_count", "entity_id", "next"}


class Four(NamedTuple):
    served: Served
    shell: Shell


@pytest.fixture
def four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Four]:
    shell = Shell(tmp_path, monkeypatch)
    with primecore.open(shell.store) as prime, serving(prime) as served:
        prime.add_node("person", {"name": "Alice", "domain": "engineering", "n": 12345678901234567890}, id="alice")
        prime.add_node("person", {"name": "Bob", "domain": "engineering"}, id="bob", labels=["old", "new"])
        prime.add_node("project", {"name": "Auth <b>"}, id="auth/v2 ü", domain="product")
        prime.add_edge(ALICE, AUTH, "works_on", weight=0.9, id="1", valid_from="2026-01-01T00:00:00+01:00")
        prime.add_edge(BOB, AUTH, "works_on", id="2", properties={"role": "lead"})
        prime.update_node(AUTH, {"status": "running"})
        yield Four(served, shell)


def tool(prime: primecore.Prime, name: str, arguments: dict[str, Any]) -> tuple[bool, Any]:
    async def call() -> tuple[bool, Any]:
        async with McpClient(Face(prime).server) as client:
            answer = await client.call_tool(name, arguments)
            if answer.is_error:
                return True, json.loads(answer.content[0].text)
            text = answer.content[0].text
            if text.startswith("<prime-data-"):
                text = text.splitlines()[1]
            assert json.loads(text) == answer.structured_content
            return False, answer.structured_content

    return anyio.run(call)


def bare(found: Any) -> Any:
    """An answer without what only one face says: our `id` is `entity_id` on the command line."""
    if isinstance(found, list):
        return [bare(it) for it in found]
    if isinstance(found, dict):
        renamed = dict(found)
        if "entity_id" in found and "event_id" not in found:
            renamed["id"] = found["entity_id"]
        if "event_id" in found:
            renamed.pop("type", None)
            return renamed
        return {name: bare(it) for name, it in renamed.items() if name not in OWN | OTHER_NAMES}
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_four_faces_give_one_answer(four: Four, case: Case) -> None:
    prime = four.served.prime
    expected = bare(json.loads(values.dumps(case.python(prime))))
    assert expected, "a case that finds nothing shows nothing"
    method, path, body = case.http
    over_http = four.served.client.ask(method, path, **({"json": body} if body is not None else {}))
    failed, over_mcp = tool(prime, *case.tool)
    shown = four.shell(*case.cli, "--json")
    assert not failed and shown.code == 0, shown.err
    lines = [json.loads(line) for line in shown.out.splitlines()]
    on_the_line: Any = lines[0] if len(lines) == 1 and (case.key is None or case.key in lines[0]) else lines
    for found in (over_http, over_mcp, on_the_line):
        part = found[case.key] if case.key is not None and isinstance(found, dict) else found
        assert bare(part) == expected


@pytest.mark.parametrize(
    ("code", "cli", "http", "call"),
    [
        ("node_not_found", ["query", "node", "node:a:b"], ("GET", "/nodes/node:a:b", None),
         ("prime_get_node", {"node_id": "node:a:b"})),
        ("edge_not_found", ["query", "edge", "edge:x"], ("GET", "/edges/edge:x", None),
         ("prime_get_edge", {"edge_id": "edge:x"})),
        ("invalid_argument", ["query", "nodes", "--after", "node:a:b"], ("GET", "/nodes?after=node:a:b", None),
         ("prime_search", {"after": "node:a:b"})),
    ],
)  # fmt: skip
def test_errors_have_the_same_code_everywhere(four: Four, code: str, cli: list, http: tuple, call: tuple) -> None:
    shown = four.shell(*cli, "--json")
    assert (shown.error["code"], shown.code) == (code, ERRORS[code].exit_code)
    assert four.served.client.refused(http[0], http[1]) == (ERRORS[code].http_status, code)
    failed, answer = tool(four.served.prime, *call)
    assert failed and answer["error"]["code"] == code


def test_what_one_face_writes_all_others_read(four: Four) -> None:
    served, prime = four.served, four.served.prime
    made = served.client.ask("POST", "/nodes", 201, json={"type": "person", "id": "carol", "properties": {"name": "C"}})
    failed, _ = tool(prime, "prime_update_node", {"node_id": made["entity_id"], "properties": {"by": "mcp"}})
    assert not failed
    prime.update_node(made["entity_id"], {"also": "python"})
    assert prime.node("node:person:carol").properties == {"name": "C", "by": "mcp", "also": "python"}
    assert four.shell("query", "node", "node:person:carol", "--json").document["version"] == 3
    assert tool(prime, "prime_forget", {"node_id": "node:person:carol"})[1]["deleted"] is True
    assert served.client.refused("GET", "/nodes/node:person:carol") == (404, "node_not_found")
