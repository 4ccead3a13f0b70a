"""`prime verify`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, note, option
from primecore.cli.progress import Progress
from primecore.operations import EXIT_FINE, EXIT_NO

EXAMPLES = ["prime verify", "prime verify --log-only --json"]


@click.command("verify", cls=PrimeCommand, examples=EXAMPLES)
@option("verify", "log_only")
@click.pass_obj
def command(settings: Settings, /, log_only: bool) -> int:
    """Check every byte of the store's files, and that the views are what the log says.

    Reads only, also a store that refuses to open, and beside a process that writes. If anything is damaged, the exit
    code is 1, and each finding says where, what is safe, and what to do next.
    """
    import primecore
    from primecore.cli import shapes

    with Progress("verify") as progress:
        report = primecore.verify(settings.data_dir, log_only=log_only, progress=progress)
    document = shapes.verify(report)
    render.record(settings, document, omit=["findings"], figures=True)
    if not settings.json and report.findings:
        render.table(settings, document, shapes.FINDING_COLUMNS, shapes.finding_rows(report))
    if report.ok:
        return EXIT_FINE
    if not settings.json:
        damaged = sum(finding.severity == "damage" for finding in report.findings)
        places = "1 place is" if damaged == 1 else f"{damaged} places are"
        note(f"{places} damaged" if damaged else "the views are not what the log says: report this")
    return EXIT_NO
