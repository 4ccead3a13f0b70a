"""`prime tail`."""

from __future__ import annotations

import sys
from typing import Any

import click

from primecore.cli import render
from primecore.cli.jsontext import dumps
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import COUNT, Interrupted, Settings, open_store, option

EXAMPLES = ["prime tail --after 0 --limit 3", "prime tail --after 0 --entity-prefix node: --timeout 1 --json"]


@click.command("tail", cls=PrimeCommand, examples=EXAMPLES)
@option("subscribe", "after", metavar="POSITION")
@option("subscribe", "event_type", "--type")
@option("subscribe", "type_prefix")
@option("subscribe", "entity_id", "--entity")
@option("subscribe", "entity_prefix")
@click.option("--limit", type=COUNT, help="End after this many.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="End when none came for so long.")
@click.pass_obj
def command(settings: Settings, /, limit: int | None, timeout: float | None, **which: Any) -> None:
    """Follow the log: show events as they come, once they are on stable storage.

    It ends with ctrl-C, which says the position to go on from with --after. With --json each line is an envelope that
    prime ingest takes back.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime, prime.subscribe(**which) as events:
        try:
            while limit is None or limit > 0:
                event = events.next(timeout)
                if event is None:
                    return
                if settings.json:
                    render.write(dumps(shapes.event(event)))
                else:
                    render.write("\t".join(map(render.cell, shapes.event_row(event))))
                sys.stdout.flush()
                limit = None if limit is None else limit - 1
        except KeyboardInterrupt:
            raise Interrupted(f"go on with --after {events.position}") from None
