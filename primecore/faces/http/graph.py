"""`GET /graph`, AllSource's view of all there is: nodes, the edges among them, and how many. Knows the service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from primecore.faces import limits
from primecore.faces.asking import AT, has_past, past
from primecore.faces.fields import check, from_text
from primecore.faces.http.request import Core, Request, Target
from primecore.faces.http.wire import Refusal, Reply, json_reply
from primecore.operations import OPERATIONS, Field

PATH = "/api/v1/prime/graph"
FIELDS = (
    Field("node_type", "string", "only nodes of this type"),
    Field("limit", "integer", "at most this many nodes", default=limits.MAX_PAGE),
    Field("after", "entity_id", "go on behind this node"),
)


def fields() -> tuple[Field, ...]:
    """What may be asked."""
    return (*FIELDS, AT) if has_past(OPERATIONS["nodes"]) else FIELDS


class Graph:
    """The route, over a store."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def routes(self) -> Iterable[Target]:
        """Method, path, handler, and whether it writes."""
        return [("GET", PATH, self._graph, False)]

    async def _graph(self, request: Request) -> Reply:
        known = {field.name: field for field in fields()}
        asked: dict[str, Any] = {}
        for name, texts in request.query().items():
            if name not in known:
                raise Refusal("invalid_argument", f"{name}: no such field", f"it takes {', '.join(known)}")
            asked[name] = check(known[name], from_text(known[name], texts))
        return await request.read(lambda: json_reply(self._look(**asked)))

    def _look(
        self,
        node_type: str | None = None,
        limit: int = limits.MAX_PAGE,
        after: str | None = None,
        at: int | str | None = None,
    ) -> dict[str, Any]:
        source: Any = self._core.prime if at is None else past(self._core.prime, at)
        nodes = source.nodes(type=node_type, limit=limit + 1, after=after)
        more, nodes = len(nodes) > limit, nodes[:limit]
        edges = source.subgraph([node.id for node in nodes], depth=0, limit=max(1, limit)).edges if nodes else ()
        types: dict[str, int] = {}
        for node in nodes:
            types[node.type] = types.get(node.type, 0) + 1
        return {
            "nodes": [{"node_type": node.type, **node._asdict()} for node in nodes],
            "edges": edges,
            "stats": {"node_count": len(nodes), "edge_count": len(edges), "nodes_by_type": types},
            "has_more": more,
            "next": nodes[-1].id if more else None,
        }
