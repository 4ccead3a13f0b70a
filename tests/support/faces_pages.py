"""The tables of docs/http.md and docs/mcp.md, made from the routes and tools that there are.

`python tests/support/faces_pages.py` writes them into the pages; a test holds that they are what it would write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from primecore.faces.asking import inputs
from primecore.faces.fields import schema
from primecore.faces.http import events, graph, routes, stream
from primecore.faces.mcp import export
from primecore.faces.mcp.tools import LEFT_OUT, table
from primecore.operations import OPERATIONS, Field

ROOT = Path(__file__).resolve().parents[2]
BY_HAND = [
    ("POST", events.PATH, "Append one event, a batch, or JSONL of any length", events.WRITE_FIELDS),
    ("GET", events.PATH, OPERATIONS["events"].summary, inputs(OPERATIONS["events"])),
    ("GET", stream.PATH, "Follow the log (server-sent events)", stream.FIELDS),
    ("GET", graph.PATH, "Show all nodes, and the edges among them", graph.fields()),
]


def _field(field: Field, name: str) -> str:
    choices = schema(field).get("enum")
    shown = f"`{name}`" if field.required else f"`{name}`?"
    if choices:
        shown += " (" + ", ".join(f"`{it}`" for it in choices) + ")"
    return shown


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def http_table() -> str:
    """Every route under the API: method, path, what it does, fields (? where they may be left out)."""
    rows: list[tuple[str, str, str, Iterable[tuple[Field, str]]]] = []
    for route in routes.table():
        outer = {inner: name for name, inner in route.renames.items()}
        rows.append(
            (
                route.method,
                route.path,
                route.operation.summary,
                [(field, outer.get(field.name, field.name)) for field in route.fields],
            )
        )
    rows += [(method, path, told, [(it, it.name) for it in known]) for method, path, told, known in BY_HAND]
    lines = [_row("route", "does", "fields"), "|---|---|---|"]
    for method, path, told, known in sorted(rows, key=lambda row: (row[1], row[0])):
        envelope = _envelope(field for field, _ in known)
        shown = ", ".join(_field(field, name) for field, name in known if field.name not in envelope)
        if envelope:
            shown += (", " if shown else "") + "*envelope*"
        lines.append(_row(f"`{method} {path.removeprefix(routes.PREFIX)}`", told, shown))
    return "\n".join(lines)


_ENVELOPE = ("expected_version", "event_id", "timestamp", "metadata", "durable")


def _envelope(known: Iterable[Field]) -> tuple[str, ...]:
    """Those of the envelope's fields that are one: `metadata` of a question is no envelope."""
    names = [field.name for field in known]
    writes = "event_id" in names or "durable" in names
    return tuple(name for name in _ENVELOPE if writes and name in names)


def mcp_table() -> str:
    """Every tool: name, what it does, arguments."""
    lines = [_row("tool", "reads", "does", "arguments"), "|---|---|---|---|"]
    for tool in table():
        envelope = _envelope(tool.fields)
        known = [field for field in tool.fields if field.name not in (*envelope, *LEFT_OUT)]
        shown = ", ".join(_field(field, tool.argument(field)) for field in known)
        if envelope:
            shown += (", " if shown else "") + "*envelope*"
        if tool.is_budgeted:
            shown += (", " if shown else "") + "`max_tokens`?"
        lines.append(_row(f"`{tool.name}`", "yes" if tool.reads else "", tool.operation.summary, shown))
    if "index" not in OPERATIONS:
        shown = "`agent_id`?, `at`?"
        lines.append(_row("`prime_index`", "yes", "Show what the memory holds, as a page of Markdown", shown))
    shown = ", ".join(_field(field, field.name) for field in export.FIELDS)
    lines.append(_row(f"`{export.TOOL.name}`", "yes", export.TOOL.title or "", shown))
    return "\n".join(lines)


TABLES = {"docs/http.md": http_table, "docs/mcp.md": mcp_table}
_PLACE = re.compile(r"(<!-- table: begin[^\n]*-->\n).*?(<!-- table: end -->)", re.DOTALL)


def written(page: str) -> str:
    """A page as it should be."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return _PLACE.sub(lambda found: found[1] + TABLES[page]() + "\n" + found[2], text)


if __name__ == "__main__":
    for page in TABLES:
        (ROOT / page).write_text(written(page), encoding="utf-8")
