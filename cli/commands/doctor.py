"""`prime doctor`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings
from primecore.operations import EXIT_FINE, EXIT_NO

EXAMPLES = ["prime doctor", "prime doctor --json"]


@click.command("doctor", cls=PrimeCommand, examples=EXAMPLES)
@click.pass_obj
def command(settings: Settings, /) -> int:
    """Say what is wrong with the store or around it, and what to do.

    Works where the store does not open, and where there is none. The exit code is 1 if something needs doing.
    """
    import primecore
    from primecore.cli import shapes

    report = primecore.doctor(settings.data_dir)
    document = shapes.doctor(report)
    rows = [(it.status, it.name, it.message, it.next) for it in report.symptoms]
    render.table(settings, document, shapes.SYMPTOM_COLUMNS, rows)
    return EXIT_FINE if report.ok else EXIT_NO
