"""What each operation answers as JSON, and the schema of that: AllSource Prime's names first, then all that we know.

Knows the service's results, not who asked. An operation without a row here answers by the type it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import orjson

from primecore.errors import EdgeNotFound, NodeNotFound
from primecore.faces import shapes
from primecore.faces.shapes import Schema
from primecore.model import CrossDomain, Domain, Edge, Event, Hit, Neighbor, Node, Receipt, Stats

Arguments = Mapping[str, Any]
Body = dict[str, Any]


class Look(NamedTuple):
    """One call seen from inside: the store (or its past), its position before, arguments, result, next page."""

    source: Any
    position: int
    arguments: Arguments
    result: Any
    next: Any
    truncated: bool


class Answer(NamedTuple):
    """How an operation answers: the function that makes the body, and the schema of the body."""

    body: Callable[[Look], Body]
    schema: Schema


def _node(look: Look) -> Body:
    if look.result is None:
        wanted = look.arguments["id"]
        raise NodeNotFound(
            f"no live node {wanted}", hint="node ids look like node:person:alice; list them to see which"
        )
    return {**look.result._asdict(), "entity_id": look.result.id}


def _edge(look: Look) -> Body:
    if look.result is None:
        raise EdgeNotFound(f"no live edge {look.arguments['id']}", hint="edge ids look like edge:1")
    return {**look.result._asdict(), "entity_id": look.result.id}


def _page(name: str) -> Callable[[Look], Body]:
    def body(look: Look) -> Body:
        return {"position": look.position, name: look.result, "next": look.next}

    return body


def _page_schema(name: str, kind: type, cursor: str) -> Schema:
    following = {"type": [cursor, "null"], "description": "pass it as `after` for what follows; null at the end"}
    return shapes.thing({"position": shapes.POSITION, name: shapes.many(shapes.record(kind)), "next": following})


_BRIEF: Schema = shapes.thing(
    {"id": {"type": "string"}, "type": {"type": "string"}, "properties": {"type": "object"}},
)
_NEIGHBOR = shapes.record(Neighbor)
_NEIGHBOR["properties"]["depth"] = {"type": "integer"}


def _neighbors(look: Look) -> Body:
    """AllSource answers the nodes, which leaves out by which edges; here is both."""
    found: list[Body]
    if look.arguments.get("depth", 1) == 1:
        found = [
            {"peer": peer, "edge_id": edge_id, "relation": relation, "direction": direction, "weight": weight}
            for peer, edge_id, relation, direction, weight in look.result
        ]
    else:
        found = [it._asdict() for it in look.result]
    peers = list({it["peer"]: None for it in found})
    nodes = _briefs(look.source, peers)
    if "depth" in look.arguments:
        depths = {it["peer"]: it["depth"] for it in found if "depth" in it}
        nodes = [{**node, "depth": depths[node["id"]]} if depths else node for node in nodes]
    return {
        "id": look.arguments["id"],
        "position": look.position,
        "neighbors": found,
        "nodes": nodes,
        "truncated": look.truncated,
    }


def _briefs(source: Any, ids: list[str]) -> list[Body]:
    """The live ones of these nodes, in AllSource's shape; of the present, properties stay the text they are kept as."""
    if hasattr(source, "properties_json"):
        return [
            {"id": id, "type": id.split(":", 2)[1], "properties": orjson.Fragment(text)}
            for id, text in zip(ids, source.properties_json(ids), strict=True)
            if text is not None
        ]
    nodes = (source.node(id) for id in ids)
    return [{"id": it.id, "type": it.type, "properties": it.properties} for it in nodes if it is not None]


def _many_neighbors(look: Look) -> Body:
    rows = [list(look.result[at]) for at in range(len(look.result))]
    position = getattr(look.result, "position", look.position)  # the past answers a plain list
    return {"position": position, "ids": list(look.arguments["ids"]), "neighbors": rows}


def _subgraph(look: Look) -> Body:
    return {"position": look.position, **look.result._asdict()}


def _path(look: Look) -> Body:
    found = look.result
    if found is None:
        return {"position": look.position, "path": None, "edges": [], "cost": None, "message": "No path found"}
    known = {brief["id"]: brief for brief in _briefs(look.source, list(found.nodes))}
    path = [known.get(id, {"id": id}) for id in found.nodes]
    return {"position": look.position, "path": path, "edges": list(found.edges), "cost": found.cost}


def _history(look: Look) -> Body:
    """`type` is AllSource's name for `event_type`."""
    return {
        "position": look.position,
        "events": [{"type": it.event_type, **it._asdict()} for it in look.result],
        "next": look.next,
    }


def _hits(look: Look) -> Body:
    return {"query": look.arguments["query"], "position": look.position, "hits": look.result}


def _stats(look: Look) -> Body:
    """AllSource's names, then ours."""
    it = look.result
    return {"total_nodes": it.nodes, "total_edges": it.edges, "event_count": it.events, **it._asdict()}


def _added_node(look: Look) -> Body:
    return {"node_id": look.result.split(":", 2)[2], "entity_id": look.result}


def _added_edge(look: Look) -> Body:
    return {"edge_id": look.result.removeprefix("edge:"), "entity_id": look.result}


def _done(word: str) -> Callable[[Look], Body]:
    def body(look: Look) -> Body:
        return {word: True, **look.result._asdict()}

    return body


def _done_answer(word: str) -> Answer:
    return Answer(_done(word), shapes.thing({word: {"const": True}, **shapes.record(Receipt)["properties"]}))


def _receipts(look: Look) -> Body:
    return {"receipts": look.result, "position": max((it.position for it in look.result), default=look.position)}


def _digest(look: Look) -> Body:
    return {"digest": look.result}


def _flush(look: Look) -> Body:
    return {"durable_position": look.result}


_TEXT: Schema = {"type": "string"}
_NULLABLE_NUMBER: Schema = {"type": ["number", "null"]}

ANSWERS: dict[str, Answer] = {
    "node": Answer(_node, shapes.thing({**shapes.record(Node)["properties"], "entity_id": _TEXT})),
    "edge": Answer(_edge, shapes.thing({**shapes.record(Edge)["properties"], "entity_id": _TEXT})),
    "nodes": Answer(_page("nodes"), _page_schema("nodes", Node, "string")),
    "edges": Answer(_page("edges"), _page_schema("edges", Edge, "string")),
    "events": Answer(_page("events"), _page_schema("events", Event, "integer")),
    "history": Answer(_history, _page_schema("events", Event, "integer")),
    "neighbors": Answer(
        _neighbors,
        shapes.thing(
            {
                "id": _TEXT,
                "position": shapes.POSITION,
                "neighbors": shapes.many(_NEIGHBOR),
                "nodes": shapes.many(_BRIEF),
                "truncated": {"type": "boolean"},
            }
        ),
    ),
    "neighbors_many": Answer(
        _many_neighbors,
        shapes.thing(
            {
                "position": shapes.POSITION,
                "ids": shapes.many(_TEXT),
                "neighbors": shapes.many(shapes.many(_NEIGHBOR)),
            }
        ),
    ),
    "subgraph": Answer(
        _subgraph,
        shapes.thing(
            {
                "position": shapes.POSITION,
                "nodes": shapes.many(shapes.record(Node)),
                "edges": shapes.many(shapes.record(Edge)),
                "truncated": {"type": "boolean"},
            }
        ),
    ),
    "shortest_path": Answer(
        _path,
        shapes.thing(
            {
                "position": shapes.POSITION,
                "path": {"anyOf": [shapes.many(shapes.thing({"id": _TEXT})), {"type": "null"}]},
                "edges": shapes.many(_TEXT),
                "cost": _NULLABLE_NUMBER,
            }
        ),
    ),
    "search": Answer(
        _hits,
        shapes.thing({"query": _TEXT, "position": shapes.POSITION, "hits": shapes.many(shapes.record(Hit))}),
    ),
    "domains": Answer(_page("domains"), _page_schema("domains", Domain, "string")),
    "cross_domain": Answer(_page("cross_domain"), _page_schema("cross_domain", CrossDomain, "string")),
    "stats": Answer(
        _stats,
        shapes.thing(
            {
                **{name: {"type": "integer"} for name in ("total_nodes", "total_edges", "event_count")},
                **shapes.record(Stats)["properties"],
            }
        ),
    ),
    "digest": Answer(_digest, shapes.thing({"digest": _TEXT})),
    "flush": Answer(_flush, shapes.thing({"durable_position": {"type": "integer"}})),
    "add_node": Answer(_added_node, shapes.thing({"node_id": _TEXT, "entity_id": _TEXT})),
    "add_edge": Answer(_added_edge, shapes.thing({"edge_id": _TEXT, "entity_id": _TEXT})),
    "update_node": _done_answer("updated"),
    "update_edge": _done_answer("updated"),
    "delete_node": _done_answer("deleted"),
    "delete_edge": _done_answer("deleted"),
    "delete_vector": _done_answer("deleted"),
    "embed": _done_answer("stored"),
    "append_many": Answer(
        _receipts,
        shapes.thing({"receipts": shapes.many(shapes.record(Receipt)), "position": {"type": "integer"}}),
    ),
}


def _derived(look: Look) -> Body:
    result = look.result
    if hasattr(result, "_asdict"):
        return {"position": look.position, **result._asdict()}
    if isinstance(result, dict):
        return {"position": look.position, **result}
    if isinstance(result, list):
        return {"position": look.position, "results": result, "next": look.next}
    return {"position": look.position, "result": result}


def _derived_schema(operation: str) -> Schema:
    kind = shapes.returned(operation)
    schema = shapes.of(kind)
    if shapes.is_list(kind):
        schema = shapes.thing({"results": schema, "next": {}})
    elif schema.get("type") != "object":
        schema = shapes.thing({"result": schema})
    properties = {"position": shapes.POSITION, **schema.get("properties", {})}
    return {**schema, "properties": properties}


@cache  # a schema read from types takes a third of a recall
def answer(operation: str) -> Answer:
    """How an operation answers."""
    return ANSWERS.get(operation) or Answer(_derived, _derived_schema(operation))
