"""`prime query history ID`."""

from __future__ import annotations

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import ENTITY_ID, Settings, as_of, at_option, open_store, option

EXAMPLE = "prime query history node:person:alice"


@click.command("history", cls=PrimeCommand, examples=[EXAMPLE])
@click.argument("id", type=ENTITY_ID)
@option("history", "after", metavar="POSITION")
@option("history", "limit")
@at_option
@click.pass_obj
def command(settings: Settings, /, id: str, after: int | None, limit: int | None, when: int | str | None) -> None:
    """Show every event of one entity, oldest first, also of one that was deleted."""
    from primecore.cli import shapes

    with open_store(settings) as prime:
        render.stream(
            settings,
            as_of(prime, when).history(id, limit=limit, after=after),
            shapes.event,
            shapes.EVENT_COLUMNS,
            shapes.event_row,
        )
