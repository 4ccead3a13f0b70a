"""`prime reembed`."""

from __future__ import annotations

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, open_store, option
from primecore.cli.progress import Progress

EXAMPLES = ["prime reembed --model hashing"]


@click.command("reembed", cls=PrimeCommand, examples=EXAMPLES)
@option("reembed", "model")
@option("reembed", "drop")
@click.pass_obj
def command(settings: Settings, /, model: str | None, drop: bool) -> None:
    """Give every stored text a vector of another model.

    Broken off, it goes on where it was when it is called again; until then searches say that they are not whole.
    """
    from primecore.cli import shapes

    with open_store(settings, write=True) as prime, Progress("reembed", "texts") as progress:
        report = prime.reembed(model, drop=drop, progress=progress)
        prime.flush()
    render.record(settings, shapes.reembed(report), figures=True)
