"""Single JSONL lines for ingest tests. Knows nothing of the engine."""

from __future__ import annotations

import json
from typing import Any


def line(entity: str = "node:t:a", **fields: object) -> bytes:
    """The creation of a node, or any other event by its fields."""
    event = {"event_type": "prime.node.created", "entity_id": entity, "payload": {"properties": {}}, **fields}
    return json.dumps(event).encode()


A, B = line("node:t:a"), line("node:t:b")
GOOD = A + b"\n", B + b"\n"


def counts(report: Any) -> tuple[int, ...]:
    """(read, appended, duplicates, refused)"""
    return tuple(report[:4])
