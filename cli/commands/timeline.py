"""`prime timeline [ENTITY]`."""

from __future__ import annotations

from typing import Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import ENTITY_ID, Settings, open_store, option

EXAMPLES = ["prime timeline node:person:alice", "prime timeline --since 3 --json"]


@click.command("timeline", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("entity", type=ENTITY_ID, required=False)
@option("timeline", "since", metavar="POINT")
@option("timeline", "until", metavar="POINT")
@option("timeline", "limit")
@click.pass_obj
def command(settings: Settings, /, entity: str | None, **which: Any) -> None:
    """Show what happened, to one entity or to all: each event, and what it changed.

    A point is a position or a time. Where prime events shows what was said, this shows what it did: the fields that
    changed, the edges that went with a node, or that nothing changed.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        render.stream(
            settings,
            prime.timeline(entity, **which),
            shapes.timeline_entry,
            shapes.TIMELINE_COLUMNS,
            shapes.timeline_row,
        )
