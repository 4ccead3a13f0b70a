"""Operations that the service gains have routes and tools at once, under AllSource's names where it has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import anyio
import jsonschema
import pytest
from mcp.client.client import Client as McpClient
from support.serving import Served, serving

import primecore
from primecore import operations
from primecore.faces import answers, shapes
from primecore.faces.http import openapi, routes
from primecore.faces.mcp import server as mcp_server
from primecore.faces.mcp import tools
from primecore.model import Node, Receipt
from primecore.operations import Field, Operation
from primecore.service import Prime


class Found(NamedTuple):
    """A hit, as a service to come might have it."""

    id: str
    score: float
    text: str | None


class Past:
    """A store as it was, as a service to come might have it."""

    def __init__(self, prime: Prime, position: int) -> None:
        self.prime, self.position = prime, position

    def node(self, id: str) -> Node | None:
        node = self.prime.node(id)
        return node if node and node.position <= self.position else None


def at(self: Prime, when: str | None = None, *, position: int | None = None) -> Past:
    return Past(self, self.position if position is None else position)


def recall(self: Prime, text: str, *, k: int = 10, type: str | None = None) -> list[Found]:
    return [Found(node.id, 1.0, text) for node in self.nodes(type=type, limit=k)]


def embed(self: Prime, id: str, vector: list[float], *, text: str | None = None, **envelope: Any) -> Receipt:
    return self.append("note.embedded", id, {"vector": vector, "text": text}, **envelope)


def centrality(self: Prime, id: str) -> float:
    return float(len(self.neighbors(id)))


NEW = (
    (recall, Operation("recall", "Recall", (Field("text", "string", "what about", required=True),
        Field("k", "integer", "how many", default=10), Field("type", "string", "only these")), False)),
    (embed, Operation("embed", "Store a vector", (Field("id", "entity_id", "of what", required=True),
        Field("vector", "numbers", "the numbers", required=True), Field("text", "string", "its text"),
        Field("event_id", "string", "its id")), True)),
    (centrality, Operation("centrality", "Count neighbours",
        (Field("id", "entity_id", "of what", required=True),), False)),
)  # fmt: skip


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    for method, operation in NEW:
        monkeypatch.setattr(Prime, operation.name, method, raising=False)
        monkeypatch.setitem(operations.OPERATIONS, operation.name, operation)
        method.__globals__.update(Prime=Prime, Receipt=Receipt)
    monkeypatch.setattr(Prime, "at", at, raising=False)
    forget_answers()
    with primecore.open(":memory:") as prime, serving(prime) as it:
        prime.add_node("person", {"name": "Alice"}, id="alice")
        prime.add_node("person", {"name": "Bob"}, id="bob")
        yield it
    forget_answers()


def forget_answers() -> None:
    """What was read of the methods that answered until now."""
    shapes.returned.cache_clear()
    answers.answer.cache_clear()


def test_routes_come_by_themselves(served: Served) -> None:
    ask = served.client.ask
    found = ask("POST", "/recall", json={"text": "who", "top_k": 1, "node_type": "person"})
    assert found["results"] == [{"id": "node:person:alice", "score": 1.0, "text": "who"}]
    stored = ask("POST", "/vectors", 201, json={"id": "x:1", "vector": [1, 2.5]}, headers={"Idempotency-Key": "v"})
    assert stored["stored"] is True and stored["position"] == 3
    assert ask("GET", "/centrality?id=node:person:alice")["result"] == 0.0
    assert served.client.refused("POST", "/vectors", json={"id": "x", "vector": ["a"]}) == (400, "invalid_argument")
    document = openapi.document(routes.table())
    assert {"/api/v1/prime/recall", "/api/v1/prime/vectors", "/api/v1/prime/centrality"} <= set(document["paths"])


def test_the_past_comes_by_itself(served: Served) -> None:
    path = "/nodes/node:person:bob"
    assert served.client.ask("GET", f"{path}?at=2")["id"] == "node:person:bob"
    assert served.client.refused("GET", f"{path}?at=1") == (404, "node_not_found")
    assert served.client.refused("GET", "/stats?at=1") == (400, "invalid_argument")  # no question of the past's


def test_tools_come_by_themselves(served: Served) -> None:
    async def run() -> None:
        async with McpClient(mcp_server.Face(served.prime).server) as client:
            there = {tool.name: tool for tool in (await client.list_tools()).tools}
            for name, arguments in (
                ("prime_recall", {"text": "who", "top_k": 1, "node_type": "person"}),
                ("prime_embed", {"id": "x:1", "vector": [1.0]}),
                ("prime_centrality", {"id": "node:person:alice"}),
                ("prime_get_node", {"node_id": "node:person:bob", "at": "2"}),
            ):
                jsonschema.validate(arguments, there[name].input_schema)
                answer = await client.call_tool(name, arguments)
                assert not answer.is_error
                jsonschema.validate(answer.structured_content, there[name].output_schema)
            past = await client.call_tool("prime_get_node", {"node_id": "node:person:bob", "at": "1"})
            assert past.is_error

    anyio.run(run)


def test_without_them_there_is_nothing() -> None:
    assert "/api/v1/prime/centrality" not in {route.path for route in routes.table()}
    assert "prime_centrality" not in {tool.name for tool in tools.table()}
