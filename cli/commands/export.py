"""`prime export [FILE]`."""

from __future__ import annotations

import sys

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, open_store
from primecore.cli.progress import Progress

EXAMPLES = ["prime export", "prime export memory.jsonl.gz"]
STDOUT = "-"


@click.command("export", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("file", default=STDOUT)
@click.pass_obj
def command(settings: Settings, /, file: str) -> None:
    """Write the whole log to FILE, or to stdout, as JSON lines: every event, byte by byte.

    prime import and prime ingest take it back; in an empty store that gives the same digest. FILE may end in .gz. It
    appears under its name only once it is whole.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime, Progress("export") as progress:
        if file == STDOUT:
            prime.export(sys.stdout.buffer, progress=progress)
            return
        report = prime.export(file, progress=progress)
    render.record(settings, shapes.export(file, report), figures=True)
