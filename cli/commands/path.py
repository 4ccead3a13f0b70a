"""`prime query path SOURCE TARGET`."""

from __future__ import annotations

from typing import Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import ENTITY_ID, Settings, as_of, at_option, note, open_store, option, valid_at_option
from primecore.cli.render import Column
from primecore.operations import EXIT_FINE, EXIT_NO

EXAMPLES = [
    "prime query path node:person:alice node:person:bob",
    "prime query path node:person:alice node:person:bob --weighted --json",
]
COLUMNS = [Column("step", "number"), Column("node", "id"), Column("edge_id", "id")]


@click.command("path", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("source", type=ENTITY_ID)
@click.argument("target", type=ENTITY_ID)
@option("shortest_path", "weighted")
@option("shortest_path", "relation")
@option("shortest_path", "direction")
@option("shortest_path", "max_depth")
@at_option
@valid_at_option
@click.pass_obj
def command(
    settings: Settings, /, source: str, target: str, when: int | str | None, valid_at: str | None, **how: Any
) -> int:
    """Find the shortest path from one node to another.

    Each line is a node and the edge that led to it. Where there is no path, the exit code is 1.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        view = as_of(prime, when, valid_at)
        found = view.shortest_path(source, target, **how)
        document = shapes.path(source, target, view.position, found)
    edges = [None, *document["edges"]]
    if found is not None or settings.json:
        render.table(settings, document, COLUMNS, zip(range(len(edges)), document["nodes"], edges, strict=False))
    if found is not None:
        return EXIT_FINE
    if not settings.json:
        note(f"no path from {source} to {target}")
    return EXIT_NO
