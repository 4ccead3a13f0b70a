"""`prime query domains`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, open_store
from primecore.cli.render import Column
from primecore.operations import OPERATIONS

EXAMPLES = ["prime query domains", "prime query domains --cross"]
COLUMNS = [Column("name"), Column("nodes", "count")]
CROSS_COLUMNS = [
    Column("source_domain"),
    Column("target_domain"),
    Column("edges", "count"),
    Column("relations", "text"),
]


@click.command("domains", cls=PrimeCommand, examples=EXAMPLES)
@click.option("--cross", is_flag=True, help=OPERATIONS["cross_domain"].summary + ".")
@click.pass_obj
def command(settings: Settings, /, cross: bool) -> None:
    """List domains and how many live nodes each has."""
    from primecore.cli import shapes

    with open_store(settings) as prime:
        if cross:
            document = shapes.cross_domain(prime.position, prime.cross_domain())
        else:
            document = shapes.domains(prime.position, prime.domains())
    columns = CROSS_COLUMNS if cross else COLUMNS
    rows = [[item[column.name] for column in columns] for item in document["cross_domain" if cross else "domains"]]
    render.table(settings, document, columns, rows)
