"""The log as lines of JSON, a page at a time, for an agent that keeps a copy. Knows the service."""

from __future__ import annotations

from itertools import islice
from typing import Any

import mcp_types as types

from primecore.errors import LimitExceeded
from primecore.faces import limits
from primecore.faces.fields import check, schema
from primecore.faces.mcp.tools import MAX_TOKENS
from primecore.faces.values import dumps
from primecore.operations import Field

FIELDS = (
    Field("after", "position", "events after this position", default=0),
    Field("until", "position", "events up to this position; default: all there are"),
    Field("limit", "integer", "at most this many events", default=limits.MAX_PAGE),
    MAX_TOKENS,
)
TOOL = types.Tool(
    name="prime_export",
    title="Export the log as lines of JSON",
    description="Every event as one line of JSON, oldest first, a page at a time: what `prime import` and prime_batch "
    "take back. To read what happened, prime_events or prime_timeline say it better.",
    input_schema={
        "type": "object",
        "properties": {
            **{field.name: schema(field) for field in FIELDS},
            MAX_TOKENS.name: {**schema(MAX_TOKENS), "minimum": 100, "maximum": limits.MAX_TOKENS},
        },
        "additionalProperties": False,
    },
    output_schema={
        "type": "object",
        "properties": {
            "lines": {"type": "array", "items": {"type": "string"}, "description": "one event each"},
            "position": {"type": "integer", "description": "how far the log went"},
            "next": {"type": ["integer", "null"], "description": "pass it as `after`; null at the end"},
        },
        "required": ["lines", "position", "next"],
    },
    annotations=types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
)


def export(prime: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """A page. Raises LimitExceeded for an event that alone is longer than an answer may be, InvalidArgument."""
    known = {field.name: field for field in FIELDS}
    given = {name: check(known[name], value) for name, value in asked.items() if value is not None}
    room = min(max(given.get(MAX_TOKENS.name, limits.MCP_TOKENS), 100), limits.MAX_TOKENS) * limits.BYTES_PER_TOKEN
    after, until = given.get("after", 0), min(given.get("until", prime.position), prime.position)
    most = given.get("limit", limits.MAX_PAGE)
    lines: list[str] = []
    last = after
    room -= 100
    for event in islice(prime.events(after=after, until=until), most):
        line = dumps(event).decode()
        room -= len(dumps(line)) + 1
        if room < 0:
            if not lines:
                raise LimitExceeded(
                    f"max_tokens: the event at position {event.position} alone takes more",
                    hint="ask for more, or take the log with `prime export`",
                )
            break
        lines.append(line)
        last = event.position
    return {"lines": lines, "position": prime.position, "next": last if last < until else None}
