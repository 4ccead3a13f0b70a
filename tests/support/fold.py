"""The rules of Prime told naively: events go in, plain dicts come out. Knows nothing of the engine.

Where it and the engine differ, one of them is wrong, and this one is easier to read. Its events are valid alone.
"""

from __future__ import annotations

import base64
import struct
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from support.jsonrules import json_equal, merge

Json = dict[str, Any]


class Outcome(NamedTuple):
    """What became of an event. `verdict` is "appended", "duplicate", "conflict" (its id is taken) or "refused"."""

    verdict: str
    position: int
    version: int


def instant(text: str | None) -> datetime | None:
    """RFC 3339 text as an aware datetime in UTC; digits beyond microseconds are cut."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def event_id_of(event: Json) -> str | None:
    given = event.get("event_id") or event.get("id")
    return given.lower() if given else None


def same_content(a: Json, b: Json) -> bool:
    """Whether two events with one id say the same: times count only where both were given."""
    times = instant(a.get("timestamp")), instant(b.get("timestamp"))
    return (
        a["event_type"] == b["event_type"]
        and a["entity_id"] == b["entity_id"]
        and json_equal(a.get("payload") or {}, b.get("payload") or {})
        and json_equal(a.get("metadata"), b.get("metadata"))
        and (None in times or times[0] == times[1])
    )


def numbers_of(event: Json) -> list[float]:
    """The vector of an event, as float32 has it."""
    payload, metadata = event.get("payload") or {}, event.get("metadata") or {}
    vector = payload["embedding"] if payload.get("embedding") is not None else metadata["embedding"]
    raw = base64.b64decode(vector) if isinstance(vector, str) else struct.pack(f"<{len(vector)}f", *vector)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def space_defined(dimensions: int) -> Json:
    head = {"event_type": "prime.space.defined", "entity_id": "space:default"}
    return {**head, "payload": {"dimensions": dimensions, "model": None}}


def named_domain(payload: Json, otherwise: str | None) -> str | None:
    """The domain after an event: what it names, where it names one; what is not a string is no domain."""
    for holder in (payload, payload.get("properties") or {}):
        if "domain" in holder:
            return holder["domain"] if isinstance(holder["domain"], str) else None
    return otherwise


class Fold:
    """The state that a sequence of events leads to. Times that were not given are None here."""

    def __init__(self) -> None:
        self.log: list[Json] = []  # log[position - 1]
        self.history: dict[str, list[int]] = defaultdict(list)  # entity id -> positions; a version is an index + 1
        self.taken: dict[str, int] = {}  # event id -> position
        self.nodes: dict[str, Json] = {}  # live ones, in the order of their births
        self.edges: dict[str, Json] = {}  # live ones, in the order of their creation
        self.vectors: dict[str, Json] = {}  # by entity id: numbers, text, metadata; shown or hidden
        self.dimensions: int | None = None
        self.ignored = 0

    @property
    def position(self) -> int:
        return len(self.log)

    def apply(self, event: Json) -> Outcome:
        """Judge one event, then log and fold it. A repeated id is judged before all else."""
        event_id = event_id_of(event)
        if event_id in self.taken:
            first = self.taken[event_id]
            entity = self.log[first - 1]["entity_id"]
            verdict = "duplicate" if same_content(self.log[first - 1], event) else "conflict"
            return Outcome(verdict, first, self.history[entity].index(first) + 1)
        if event["event_type"] == "prime.vector.stored":
            dimensions = len(numbers_of(event))
            if self.dimensions is None:  # the engine defines the space itself, with an event of its own
                self._append(space_defined(dimensions), None)
            elif dimensions != self.dimensions:
                return Outcome("refused", 0, 0)
        return self._append(event, event_id)

    def _append(self, event: Json, event_id: str | None) -> Outcome:
        entity = event["entity_id"]
        self.log.append(event)
        self.history[entity].append(self.position)
        if event_id:
            self.taken[event_id] = self.position
        rule = RULES.get(event["event_type"])
        if rule and not rule(self, entity, event.get("payload") or {}, instant(event.get("timestamp"))):
            self.ignored += 1
        return Outcome("appended", self.position, len(self.history[entity]))

    # Each rule says whether the event changed what it speaks of; if not, it counts as ignored.

    def _node_created(self, node_id: str, payload: Json, time: datetime | None) -> bool:
        born = self.nodes[node_id]["created_at"] if node_id in self.nodes else time
        self.nodes[node_id] = {
            "properties": payload["properties"],
            "domain": named_domain(payload, None),
            "labels": tuple(payload.get("labels") or ()),
            "created_at": born,
            "updated_at": time,
        }
        return True

    def _node_updated(self, node_id: str, payload: Json, time: datetime | None) -> bool:
        if node_id not in self.nodes:
            return False
        node = self.nodes[node_id]
        node["properties"] = merge(node["properties"], payload.get("properties", {}))
        node["domain"] = named_domain(payload, node["domain"])
        if payload.get("labels") is not None:
            node["labels"] = tuple(payload["labels"])
        node["updated_at"] = time
        return True

    def _node_deleted(self, node_id: str, payload: Json, time: datetime | None) -> bool:
        if node_id not in self.nodes:
            return False
        del self.nodes[node_id]
        self.vectors.pop(node_id, None)
        for edge_id in [k for k, e in self.edges.items() if e["source"] == node_id or e["target"] == node_id]:
            del self.edges[edge_id]
        return True

    def _edge_created(self, edge_id: str, payload: Json, time: datetime | None) -> bool:
        self.edges.pop(edge_id, None)  # created again: it moves to the end, ends and all
        self.edges[edge_id] = {
            "source": payload["source"],
            "target": payload["target"],
            "relation": payload["relation"],
            "weight": float(payload["weight"]) if payload.get("weight") is not None else 1.0,
            "properties": payload.get("properties") or {},
            "valid_from": instant(payload.get("valid_from")),
            "valid_to": instant(payload.get("valid_to")),
        }
        return True

    def _edge_updated(self, edge_id: str, payload: Json, time: datetime | None) -> bool:
        if edge_id not in self.edges:
            return False
        edge = self.edges[edge_id]
        if payload.get("weight") is not None:
            edge["weight"] = float(payload["weight"])
        edge["properties"] = merge(edge["properties"], payload.get("properties") or {})
        edge |= {key: instant(payload[key]) for key in ("valid_from", "valid_to") if key in payload}
        return True

    def _edge_deleted(self, edge_id: str, payload: Json, time: datetime | None) -> bool:
        return self.edges.pop(edge_id, None) is not None

    def _vector_stored(self, vector_id: str, payload: Json, time: datetime | None) -> bool:
        said = {"text": payload.get("text") or None, "metadata": payload.get("metadata")}
        self.vectors[vector_id.removeprefix("vec:")] = {"numbers": numbers_of(self.log[-1]), **said}
        return True

    def _vector_deleted(self, vector_id: str, payload: Json, time: datetime | None) -> bool:
        return self.vectors.pop(vector_id.removeprefix("vec:"), None) is not None

    def _space_defined(self, space_id: str, payload: Json, time: datetime | None) -> bool:
        self.dimensions = payload["dimensions"]
        self.vectors.clear()
        return True


RULES = {
    "prime.node.created": Fold._node_created,
    "prime.node.updated": Fold._node_updated,
    "prime.node.deleted": Fold._node_deleted,
    "prime.edge.created": Fold._edge_created,
    "prime.edge.updated": Fold._edge_updated,
    "prime.edge.deleted": Fold._edge_deleted,
    "prime.vector.stored": Fold._vector_stored,
    "prime.vector.deleted": Fold._vector_deleted,
    "prime.space.defined": Fold._space_defined,
}
