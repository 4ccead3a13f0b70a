"""`prime stats`."""

from __future__ import annotations

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, as_of, at_option, open_store

EXAMPLES = ["prime stats", "prime stats --json", "prime stats --at 3"]


@click.command("stats", cls=PrimeCommand, examples=EXAMPLES)
@at_option
@click.pass_obj
def command(settings: Settings, /, when: int | str | None) -> None:
    """Show what the store holds and how it fares: counts, positions, bytes, durability, parked projections.

    With --at, counts are those of then; bytes and durability are always those of now.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        document = shapes.stats(as_of(prime, when).stats())
    render.record(settings, document, figures=True)
