"""`prime query edge ID`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import ENTITY_ID, Settings, open_store

EXAMPLE = "prime query edge edge:1"


@click.command("edge", cls=PrimeCommand, examples=[EXAMPLE])
@click.argument("id", type=ENTITY_ID)
@click.pass_obj
def command(settings: Settings, /, id: str) -> None:
    """Show one live edge: its ends, relation, weight, properties, validity.

    ID is whole: edge:NAME. An edge that is not there is exit code 66.
    """
    from primecore.cli import shapes
    from primecore.errors import EdgeNotFound

    with open_store(settings) as prime:
        found = prime.edge(id)
    if found is None:
        raise EdgeNotFound(f"no live edge {id}", hint="prime query neighbors NODE shows the ids of a node's edges")
    document = shapes.edge(found)
    render.record(settings, document)
