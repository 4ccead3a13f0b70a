"""`prime query subgraph ID...`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import ENTITY_ID, Settings, as_of, at_option, note, open_store, option, valid_at_option
from primecore.cli.render import Column

EXAMPLE = "prime query subgraph node:person:alice --depth 2"
COLUMNS = [
    Column("entity_id", "id"),
    Column("source", "id"),
    Column("relation"),
    Column("target", "id"),
    Column("weight", "number"),
]


@click.command("subgraph", cls=PrimeCommand, examples=[EXAMPLE])
@click.argument("ids", type=ENTITY_ID, nargs=-1, required=True, metavar="ID...")
@option("subgraph", "depth")
@option("subgraph", "limit")
@at_option
@valid_at_option
@click.pass_obj
def command(
    settings: Settings, /, ids: tuple[str, ...], depth: int, limit: int, when: int | str | None, valid_at: str | None
) -> None:
    """Show the nodes around some nodes, then the edges among them.

    A node's line holds its id only, an edge's line also its ends, relation and weight; --json has everything.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        view = as_of(prime, when, valid_at)
        found = view.subgraph(list(ids), depth=depth, limit=limit)
        document = shapes.subgraph(view.position, found)
    rows: list[tuple[object, ...]] = [(node.id, None, None, None, None) for node in found.nodes]
    rows += [(edge.id, edge.source, edge.relation, edge.target, edge.weight) for edge in found.edges]
    render.table(settings, document, COLUMNS, rows)
    if found.truncated and not settings.json:
        note(f"cut short at {limit:,} nodes; --limit takes more")
