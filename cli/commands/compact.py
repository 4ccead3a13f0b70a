"""`prime compact`."""

from __future__ import annotations

import time

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, open_store, option

EXAMPLES = ["prime compact", "prime compact --codec snappy --json"]
WATCH_SECONDS = 5.0


@click.command("compact", cls=PrimeCommand, examples=EXAMPLES)
@option("compact", "codec")
@option("compact", "gently")
@click.option("--watch", is_flag=True, help="Go on until interrupted, gently; one report for each time there was work.")
@click.pass_obj
def command(settings: Settings, /, codec: str, gently: bool, watch: bool) -> None:
    """Turn closed segments of the log into Parquet files in history/, which take about a fifth of the room.

    Nothing else changes: history, events and replay read on from there, and so can DuckDB, Polars or pandas. The
    segment that takes appends stays as it is. A crash at any point loses nothing.
    """
    from primecore.cli import shapes

    with open_store(settings, write=True) as prime:
        while True:
            report = prime.compact(codec=codec, gently=gently or watch)
            if report.files or not watch:
                render.record(settings, shapes.compact(report), figures=True)
            if not watch:
                return
            time.sleep(WATCH_SECONDS)
