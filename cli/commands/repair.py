"""`prime repair --salvage NEWDIR`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings
from primecore.cli.progress import Progress

EXAMPLES = ["prime repair --salvage saved"]


@click.command("repair", cls=PrimeCommand, examples=EXAMPLES)
@click.option(
    "--salvage",
    "newdir",
    type=click.Path(),
    metavar="NEWDIR",
    required=True,
    help="Directory of the new store, which does not exist yet.",
)
@click.pass_obj
def command(settings: Settings, /, newdir: str) -> None:
    """Copy what holds of a damaged store into a new one, and say exactly what was lost. The old one stays as it is.

    Positions do not move: where an event is lost, the new store holds one that says so. A batch is copied whole or not
    at all.
    """
    import primecore
    from primecore.cli import shapes

    with Progress("repair") as progress:
        report = primecore.salvage(settings.data_dir, newdir, progress=progress)
    document = shapes.salvage(report)
    render.record(settings, document, omit=["lost_ranges"], figures=True)
    if not settings.json:
        if report.lost_ranges:
            rows = [tuple(lost) for lost in report.lost_ranges]
            render.table(settings, document, shapes.LOST_COLUMNS, rows)
        render.remark(f"{report.events:,} events copied, {report.lost:,} lost; next: prime --data-dir {newdir} verify")
