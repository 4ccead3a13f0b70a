"""`prime query neighbors ID`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import ENTITY_ID, Settings, as_of, at_option, open_store, option, valid_at_option
from primecore.cli.render import Column

EXAMPLES = [
    "prime query neighbors node:person:alice",
    "prime query neighbors node:project:auth --relation works_on --direction in --json",
]
COLUMNS = [
    Column("peer", "id"),
    Column("edge_id", "id"),
    Column("relation"),
    Column("direction"),
    Column("weight", "number"),
]


@click.command("neighbors", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("id", type=ENTITY_ID)
@option("neighbors", "relation")
@option("neighbors", "direction")
@option("neighbors", "depth")
@option("neighbors", "limit")
@at_option
@valid_at_option
@click.pass_obj
def command(
    settings: Settings,
    /,
    id: str,
    relation: str | None,
    direction: str,
    depth: int,
    limit: int | None,
    when: int | str | None,
    valid_at: str | None,
) -> None:
    """Show what an entity is connected to, edge by edge: out first, then in, oldest first.

    With a depth over 1 each peer is shown once, nearest first, with its depth. An id that nothing is known of has
    no neighbours, which is no error.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        view = as_of(prime, when, valid_at)
        found = view.neighbors(id, relation=relation, direction=direction, depth=depth, limit=limit)
        document = shapes.neighbors(id, view.position, found)
    columns = [*COLUMNS, Column("depth", "number")] if depth > 1 else COLUMNS
    rows = ([item[column.name] for column in columns] for item in document["neighbors"])
    render.table(settings, document, columns, rows)
