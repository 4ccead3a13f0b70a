"""`prime query edge ID`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import ENTITY_ID, Settings, as_of, at_option, open_store, valid_at_option

EXAMPLE = "prime query edge edge:1"


@click.command("edge", cls=PrimeCommand, examples=[EXAMPLE])
@click.argument("id", type=ENTITY_ID)
@at_option
@valid_at_option
@click.pass_obj
def command(settings: Settings, /, id: str, when: int | str | None, valid_at: str | None) -> None:
    """Show one live edge: its ends, relation, weight, properties, validity.

    ID is whole: edge:NAME. An edge that is not there is exit code 66.
    """
    from primecore.cli import shapes
    from primecore.errors import EdgeNotFound

    with open_store(settings) as prime:
        found = as_of(prime, when, valid_at).edge(id)
    if found is None:
        raise EdgeNotFound(
            f"no live edge {id}" + ("" if when is None else f" at {when}"),
            hint="prime query neighbors NODE shows the ids of a node's edges",
        )
    document = shapes.edge(found)
    render.record(settings, document)
