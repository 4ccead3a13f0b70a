"""`prime events`."""

from __future__ import annotations

from typing import Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, as_of, at_option, open_store, option

EXAMPLES = ["prime events --limit 3", "prime events --entity node:person:alice --json", "prime events --at 3"]


@click.command("events", cls=PrimeCommand, examples=EXAMPLES)
@option("events", "after", metavar="POSITION")
@option("events", "until", metavar="POSITION")
@option("events", "event_type", "--type")
@option("events", "entity_id", "--entity")
@option("events", "limit")
@at_option
@click.pass_obj
def command(settings: Settings, /, when: int | str | None, **which: Any) -> None:
    """Show the log, oldest first.

    With --json each line is an envelope that `prime ingest` takes back. With --at TIME, events that are not later,
    wherever in the log they stand.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        found = as_of(prime, when).events(**which)
        render.stream(settings, found, shapes.event, shapes.EVENT_COLUMNS, shapes.event_row)
