"""`prime query node ID`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import ENTITY_ID, Settings, as_of, at_option, open_store

EXAMPLE = "prime query node node:person:alice"


@click.command("node", cls=PrimeCommand, examples=[EXAMPLE])
@click.argument("id", type=ENTITY_ID)
@at_option
@click.pass_obj
def command(settings: Settings, /, id: str, when: int | str | None) -> None:
    """Show one live node: type, properties, domain, labels, times.

    ID is whole: node:TYPE:NAME. A node that is not there is exit code 66.
    """
    from primecore.cli import shapes
    from primecore.errors import NodeNotFound

    with open_store(settings) as prime:
        found = as_of(prime, when).node(id)
    if found is None:
        hint = "prime query nodes lists those there are"
        raise NodeNotFound(
            f"no live node {id}" + ("" if when is None else f" at {when}"),
            hint=hint if id.startswith("node:") else f"node ids look like node:person:alice; {hint}",
        )
    document = shapes.node(found)
    render.record(settings, document)
