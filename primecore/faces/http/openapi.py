"""The OpenAPI document: every route with its fields, answers and errors, made from the table. Knows no store.

Source: the OpenAPI Specification 3.1.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import primecore
from primecore.faces import shapes
from primecore.faces.answers import answer
from primecore.faces.asking import inputs
from primecore.faces.fields import schema
from primecore.faces.http import events, graph, stream
from primecore.faces.http.routes import PREFIX, Route
from primecore.model import Edge, IngestReport, Node, Receipt
from primecore.operations import OPERATIONS, Field

Json = dict[str, Any]

_ERROR: Json = shapes.thing(
    {
        "error": shapes.thing(
            {
                "code": {"type": "string", "description": "stable; docs/errors.md lists them"},
                "message": {"type": "string"},
                "hint": {"type": "string", "description": "what to do next, may be empty"},
                "details": {"type": "object", "description": "where, as far as it is known"},
            },
            ["code", "message", "hint"],
        )
    }
)
_REFUSALS: Json = {"default": {"$ref": "#/components/responses/Error"}}


def document(table: Iterable[Route]) -> Json:
    """The whole document."""
    paths: dict[str, Json] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    paths[events.PATH] = {"post": _post_events(), "get": _get_events()}
    paths[stream.PATH] = {"get": _stream()}
    paths[graph.PATH] = {"get": _graph()}
    paths["/health"] = {"get": _plain("health", "Say that the server is there", _ok(shapes.thing({"status": {}})))}
    paths["/metrics"] = {"get": _plain("metrics", "Show metrics for Prometheus", _text("text/plain"))}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Prime",
            "version": primecore.__version__,
            "description": "An embedded, event-sourced memory for AI agents. Ids in paths are percent-encoded.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}, {"key": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Error": _ERROR},
            "responses": {"Error": _body({"$ref": "#/components/schemas/Error"}, "What went wrong, and what to do")},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _operation(route: Route) -> Json:
    operation = route.operation
    found = _plain(
        f"{route.method.lower()}_{route.path.removeprefix(PREFIX + '/').replace('/', '_').translate(_NAMES)}",
        operation.summary,
        {"201" if route.created else "200": _body(answer(operation.name).schema, operation.summary)},
    )
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in route.names
    ]
    outer = {inner: name for name, inner in route.renames.items()}
    if route.has_body:
        found["requestBody"] = _request(route)
    else:
        parameters += [_parameter(field, outer.get(field.name, field.name)) for field in route.fields]
    if operation.writes and any(field.name == "event_id" for field in operation.fields):
        parameters.append(_IDEMPOTENCY)
    if parameters:
        found["parameters"] = parameters
    return found


_NAMES = str.maketrans({"{": None, "}": None, "-": "_"})
_IDEMPOTENCY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "the same key again repeats nothing",
    "schema": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-~]+$"},
}


def _request(route: Route) -> Json:
    outer = {inner: name for name, inner in route.renames.items()}
    properties, required = {}, []
    for field in route.fields:
        name = outer.get(field.name, field.name)
        properties[name] = _nullable(schema(field)) if not field.required else schema(field)
        if field.required:
            required.append(name)
    body: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        body["required"] = required
    return {"required": bool(required), "content": {"application/json": {"schema": body}}}


def _nullable(shape: Json) -> Json:
    """null means absent, or clears the field where that means something."""
    if "enum" in shape:
        shape = {**shape, "enum": [*shape["enum"], None]}
    return {**shape, "type": [shape["type"], "null"]} if "type" in shape else shape


def _parameter(field: Field, name: str) -> Json:
    found: Json = {"name": name, "in": "query", "description": field.summary}
    if field.required:
        found["required"] = True
    shape = schema(field, described=False)
    if field.type in ("object", "events", "numbers", "vector", "array"):
        return {**found, "content": {"application/json": {"schema": shape}}}
    return {**found, "schema": shape}


def _plain(name: str, summary: str, responses: Json) -> Json:
    return {"operationId": name, "summary": summary, "responses": {**responses, **_REFUSALS}}


def _body(shape: Json, description: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": shape}}}


def _ok(shape: Json) -> Json:
    return {"200": _body(shape, "The answer")}


def _text(kind: str) -> Json:
    return {"200": {"description": "The answer", "content": {kind: {"schema": {"type": "string"}}}}}


def _post_events() -> Json:
    envelope: Json = {
        "type": "object",
        "properties": {
            "event_type": {"type": "string", "minLength": 1, "maxLength": 128},
            "entity_id": {"type": "string", "minLength": 1, "maxLength": 1024},
            "payload": {"type": "object"},
            "event_id": {"type": "string", "format": "uuid"},
            "timestamp": {"type": "string", "format": "date-time"},
            "metadata": {"type": "object"},
            "expected_version": {"type": "integer", "minimum": 0, "maximum": 2**53 - 1},
        },
        "required": ["event_type", "entity_id"],
    }
    receipts = shapes.thing({"receipts": shapes.many(shapes.record(Receipt)), "position": {"type": "integer"}})
    receipt = shapes.record(Receipt)
    found = _plain(
        "post_events",
        "Append one event, a batch of events (all or none), or JSONL of any length",
        {
            "201": _body({"anyOf": [receipt, receipts]}, "What was appended"),
            "200": _body(
                {"anyOf": [receipt, shapes.record(IngestReport)]}, "It was there already, or JSONL was taken in"
            ),
        },
    )
    lines = {"schema": {"type": "string", "description": "one event a line"}}
    found["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {"schema": {"anyOf": [envelope, shapes.many(envelope)]}},
            "application/x-ndjson": lines,
        },
    }
    found["parameters"] = [*(_parameter(field, field.name) for field in events.WRITE_FIELDS), _IDEMPOTENCY]
    return found


def _get_events() -> Json:
    operation = OPERATIONS["events"]
    found = _plain("get_events", operation.summary, _ok(answer("events").schema))
    found["responses"]["200"]["content"]["application/x-ndjson"] = {"schema": {"type": "string"}}
    found["parameters"] = [_parameter(field, field.name) for field in inputs(operation)]
    return found


def _stream() -> Json:
    found = _plain("get_events_stream", "Follow the log (server-sent events)", _text("text/event-stream"))
    found["parameters"] = [_parameter(field, field.name) for field in stream.FIELDS]
    position = {"type": "integer", "minimum": 0}
    found["parameters"].append(
        {"name": "Last-Event-ID", "in": "header", "description": "go on after it", "schema": position}
    )
    return found


def _graph() -> Json:
    shape = shapes.thing(
        {
            "nodes": shapes.many(shapes.record(Node)),
            "edges": shapes.many(shapes.record(Edge)),
            "stats": shapes.thing({"node_count": {"type": "integer"}, "edge_count": {"type": "integer"}}),
            "has_more": {"type": "boolean"},
            "next": {"type": ["string", "null"]},
        }
    )
    found = _plain("get_graph", "Show all nodes, and the edges among them", _ok(shape))
    found["parameters"] = [_parameter(field, field.name) for field in graph.fields()]
    return found
