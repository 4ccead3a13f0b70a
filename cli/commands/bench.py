"""`prime bench`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings

EXAMPLES = ["prime bench --quick --scale 0.01"]
COLUMNS = [
    render.Column("what", "text"),
    render.Column("prime"),
    render.Column("p99"),
    render.Column("p99.9"),
    render.Column("verdict", "text"),
]


def _section(_ctx: click.Context, _param: click.Parameter, wanted: tuple[str, ...]) -> tuple[str, ...]:
    from primecore.bench.run import names

    unknown = [name for name in wanted if name not in names()] if wanted else []
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of: {', '.join(names())}")
    return wanted


@click.command("bench", cls=PrimeCommand, examples=EXAMPLES, standalone=True)
@click.option("--quick", is_flag=True, help="Smaller workloads: some twenty seconds.")
@click.option("--only", metavar="SECTION", multiple=True, callback=_section, help="Only this section; repeatable.")
@click.option("--dir", "directory", metavar="DIR", help="Where temporary stores lie. Default: beside the store.")
@click.option("--plot", metavar="FILE", type=click.Path(dir_okay=False), help="Draw the figures into an SVG file.")
@click.option(
    "--scale",
    type=click.FloatRange(min=0, max=100, min_open=True),
    default=1.0,
    show_default=True,
    help="Multiply the sizes of all workloads.",
)
@click.pass_obj
def command(
    settings: Settings, /, quick: bool, only: tuple[str, ...], directory: str | None, plot: str | None, scale: float
) -> None:
    """Measure Prime on this machine, beside dicts, SQLite and the raw disk.

    It makes stores of its own in a temporary folder and removes them; yours is not touched. A verdict in words stands
    behind each figure, also where the other is faster.
    """
    from primecore.bench import run

    # Whoever ends it ends it cleanly: gigabytes of temporary files would stay behind.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        document = run.run(
            quick=quick, scale=scale, only=only, directory=directory, data_dir=settings.data_dir, say=_progress
        )
    finally:
        signal.signal(signal.SIGTERM, before)
        _progress("")
    if plot is not None:
        from primecore.bench import versus

        Path(plot).write_text(versus.picture(document), encoding="utf-8")
    if render.for_people() and not settings.json:
        from primecore.cli import bench_table

        bench_table.show(document)
        return
    render.table(settings, document, COLUMNS, map(_row, document["lines"]))
    if not settings.json:
        render.write(document["verdict"])


def _row(line: dict[str, Any]) -> tuple[str, ...]:
    from primecore.bench.words import quantity

    unit, prime = line["unit"], line["prime"]
    tails = [quantity(prime[name], unit) if name in prime else "" for name in ("p99", "p99.9")]
    return line["what"], quantity(prime.get("p50", prime.get("value")), unit), *tails, line["verdict"]


def _progress(text: str) -> None:
    """What is being done, on one line of stderr that the next one overwrites; nothing where no one watches."""
    if sys.stderr.isatty():
        print("\r\x1b[2K" + (f"bench: {text}" if text else ""), end="", file=sys.stderr, flush=True)
