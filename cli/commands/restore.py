"""`prime restore DIR`."""

from __future__ import annotations

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, option
from primecore.cli.progress import Progress

EXAMPLES = ["prime backup saved\nprime restore saved --into again"]


@click.command("restore", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("path", type=click.Path(), metavar="DIR")
@option("restore", "into", metavar="DIR")
@click.pass_obj
def command(settings: Settings, /, path: str, into: str | None) -> None:
    """Make a new store out of the backup in DIR, at --into or else --data-dir, where none may be.

    Every hash is checked first. The new store has the same events at the same positions, and an identity of its own.
    """
    import primecore
    from primecore.cli import shapes

    with Progress("restore") as progress:
        report = primecore.restore(path, into if into is not None else settings.data_dir, progress=progress)
    render.record(settings, shapes.restore(report), figures=True)
