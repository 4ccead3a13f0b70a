"""`prime stats`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, open_store

EXAMPLES = ["prime stats", "prime stats --json"]


@click.command("stats", cls=PrimeCommand, examples=EXAMPLES)
@click.pass_obj
def command(settings: Settings, /) -> None:
    """Show what the store holds and how it fares: counts, positions, bytes, durability, parked projections."""
    from primecore.cli import shapes

    with open_store(settings) as prime:
        document = shapes.stats(prime.stats())
    render.record(settings, document, figures=True)
