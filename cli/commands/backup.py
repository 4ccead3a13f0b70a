"""`prime backup DIR`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings
from primecore.cli.progress import Progress

EXAMPLES = ["prime backup saved"]


@click.command("backup", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("target", type=click.Path(), metavar="DIR")
@click.pass_obj
def command(settings: Settings, /, target: str) -> None:
    """Let the backup in DIR hold every event of the store, copying only what is new since the last run.

    Works while another process writes: all it has appended when this begins is in the backup. A crash leaves the
    previous backup as it was.
    """
    import primecore
    from primecore.cli import shapes

    with Progress("backup") as progress:
        report = primecore.backup(settings.data_dir, target, progress=progress)
    render.record(settings, shapes.backup(report), figures=True)
