"""`prime replay`."""

from __future__ import annotations

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, note, open_store, option
from primecore.cli.progress import Progress
from primecore.operations import EXIT_FINE, EXIT_NO

EXAMPLES = ["prime replay", "prime replay --verify"]


@click.command("replay", cls=PrimeCommand, examples=EXAMPLES)
@option("replay", "verify")
@option("replay", "to", metavar="POSITION")
@option("replay", "into", metavar="DIR")
@click.pass_obj
def command(settings: Settings, /, verify: bool, to: int | None, into: str | None) -> int:
    """Rebuild all views from the log, beside the live ones, and say how fast that was.

    With --verify the two are compared by their digests; if they differ, the exit code is 1.
    """
    from primecore.cli import shapes

    if verify and to is not None:
        raise click.UsageError(
            "--verify compares with the live state, which is that of the last position: leave out --to"
        )
    with open_store(settings) as prime, Progress("replay") as progress:
        report = prime.replay(verify=verify, into=into, to=to, progress=progress)
    document = shapes.replay(report)
    render.record(settings, document, figures=True)
    if not verify or report.equal:
        return EXIT_FINE
    if not settings.json:
        note("the replayed state differs from the live one; keep a copy of the store and report this")
    return EXIT_NO
