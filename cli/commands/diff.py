"""`prime diff FIRST [SECOND]`."""

from __future__ import annotations

from typing import Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import POINT, Settings, open_store
from primecore.cli.render import Column

EXAMPLES = ["prime diff 3", "prime diff 2026-01-01T00:00:00Z --json"]
COLUMNS = [
    Column("change"),
    Column("entity_id", "id"),
    Column("field"),
    Column("before", "text"),
    Column("after", "text"),
]


@click.command("diff", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("first", type=POINT)
@click.argument("second", type=POINT, required=False)
@click.pass_obj
def command(settings: Settings, /, first: int | str, second: int | str | None) -> None:
    """Show what changed between two points: nodes and edges added, changed field by field, removed.

    A point is a position or a time; the second is now where none is given. What came and went in between does not
    show: prime timeline has that.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        document = shapes.diff(prime.diff(first, second))
    rows: list[tuple[Any, ...]] = []
    for kind in ("nodes", "edges"):
        rows += [("added", it["entity_id"], None, None, None) for it in document[f"{kind}_added"]]
        for it in document[f"{kind}_changed"]:
            for field in it["fields"]:
                rows.append((field["kind"], it["entity_id"], field["field"], field["before"], field["after"]))
        rows += [("removed", it["entity_id"], None, None, None) for it in document[f"{kind}_removed"]]
    render.table(settings, document, COLUMNS, rows)
