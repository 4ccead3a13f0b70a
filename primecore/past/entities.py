"""What one node or edge was, folded from its own events. Knows events and the result types; no tables, no log.

The rules are those of docs/architecture.md, "The rules of the fold"; the compiled fold follows the same ones. What
other entities do to an edge (a node takes its edges along) is not told here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from primecore import codec
from primecore._facts import moment
from primecore.model import Edge, Event, Node

Read = Callable[[int], Event]
Shows = Callable[[Event], bool]


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: objects merge, null removes, all else replaces. Changes neither argument."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def named_domain(payload: dict[str, Any], otherwise: str | None) -> str | None:
    """The domain after an event: what it names where it names one; what is not a string is no domain."""
    for holder in (payload, payload.get("properties") or {}):
        if "domain" in holder:
            domain = holder["domain"]
            return domain if isinstance(domain, str) else None
    return otherwise


def step_node(node: Node | None, event: Event) -> Node | None:
    """A node after one more of its own events; None while it is not live."""
    kind, payload = event.event_type, event.payload
    if kind == "prime.node.created":
        return Node(
            event.entity_id,
            event.entity_id.split(":", 2)[1],
            payload["properties"],
            named_domain(payload, None),
            tuple(payload.get("labels") or ()),
            event.timestamp if node is None else node.created_at,
            event.timestamp,
            event.version,
            event.position,
        )
    if node is None or kind == "prime.node.deleted":
        return None
    if kind != "prime.node.updated":
        return node._replace(version=event.version, position=event.position)
    labels = payload.get("labels")
    return node._replace(
        properties=merge_patch(node.properties, payload.get("properties") or {}),
        domain=named_domain(payload, node.domain),
        labels=node.labels if labels is None else tuple(labels),
        updated_at=event.timestamp,
        version=event.version,
        position=event.position,
    )


def node_events(read: Read, newest_first: list[int], shows: Shows | None) -> list[Event]:
    """The events of a node since it was last deleted, oldest first."""
    events = []
    for position in newest_first:
        event = read(position)
        if shows is not None and not shows(event):
            continue
        if event.event_type == "prime.node.deleted":
            break
        events.append(event)
    events.reverse()
    return events


def node_of(events: list[Event]) -> Node | None:
    """The node that these events lead to."""
    node = None
    for event in events:
        node = step_node(node, event)
    return node


def step_edge(edge: Edge | None, event: Event) -> Edge | None:
    """An edge after one more of its own events; None while it is not live."""
    kind, payload = event.event_type, event.payload
    if kind == "prime.edge.created":
        weight = payload.get("weight")
        return Edge(
            event.entity_id,
            payload["source"],
            payload["target"],
            payload["relation"],
            1.0 if weight is None else float(weight),
            payload.get("properties") or {},
            _time(payload.get("valid_from")),
            _time(payload.get("valid_to")),
        )
    if edge is None or kind == "prime.edge.deleted":
        return None
    if kind != "prime.edge.updated":
        return edge
    weight = payload.get("weight")
    return edge._replace(
        weight=edge.weight if weight is None else float(weight),
        properties=merge_patch(edge.properties, payload.get("properties") or {}),
        valid_from=_time(payload["valid_from"]) if "valid_from" in payload else edge.valid_from,
        valid_to=_time(payload["valid_to"]) if "valid_to" in payload else edge.valid_to,
    )


def edge_events(read: Read, newest_first: list[int], shows: Shows | None) -> list[Event]:
    """The events of an edge since it was last created or deleted, oldest first: the creation leads if it lives."""
    events = []
    for position in newest_first:
        event = read(position)
        if shows is not None and not shows(event):
            continue
        if event.event_type == "prime.edge.deleted":
            break
        events.append(event)
        if event.event_type == "prime.edge.created":
            break
    events.reverse()
    return events


def edge_of(events: list[Event]) -> Edge | None:
    """The edge that these events lead to."""
    edge = None
    for event in events:
        edge = step_edge(edge, event)
    return edge


def _time(text: str | None) -> datetime | None:
    return None if text is None else moment(codec.encode_time(text))
