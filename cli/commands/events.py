"""`prime events`."""

from __future__ import annotations

from typing import Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, open_store, option

EXAMPLES = ["prime events --limit 3", "prime events --entity node:person:alice --json"]


@click.command("events", cls=PrimeCommand, examples=EXAMPLES)
@option("events", "after", metavar="POSITION")
@option("events", "until", metavar="POSITION")
@option("events", "event_type", "--type")
@option("events", "entity_id", "--entity")
@option("events", "limit")
@click.pass_obj
def command(settings: Settings, /, **which: Any) -> None:
    """Show the log, oldest first.

    With --json each line is an envelope that `prime ingest` takes back.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        render.stream(settings, prime.events(**which), shapes.event, shapes.EVENT_COLUMNS, shapes.event_row)
