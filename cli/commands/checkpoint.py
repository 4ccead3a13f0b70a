"""`prime checkpoint`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, open_store

EXAMPLES = ["prime checkpoint", "prime checkpoint --json"]


@click.command("checkpoint", cls=PrimeCommand, examples=EXAMPLES)
@click.pass_obj
def command(settings: Settings, /) -> None:
    """Write the tables to a file, so that the next opening maps them back instead of replaying the log.

    It happens by itself, too: when a store is closed after 50,000 new events, and meanwhile in long runs.
    """
    from primecore.cli import shapes

    with open_store(settings, write=True) as prime:
        document = shapes.checkpoint(prime.checkpoint())
    render.record(settings, document, figures=True)
