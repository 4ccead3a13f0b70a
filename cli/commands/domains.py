"""`prime query domains`."""

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, as_of, at_option, open_store, valid_at_option
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
@at_option
@valid_at_option
@click.pass_obj
def command(settings: Settings, /, cross: bool, when: int | str | None, valid_at: str | None) -> None:
    """List domains and how many live nodes each has."""
    from primecore.cli import shapes

    with open_store(settings) as prime:
        view = as_of(prime, when, valid_at)
        if cross:
            document = shapes.cross_domain(view.position, view.cross_domain())
        else:
            document = shapes.domains(view.position, view.domains())
    columns = CROSS_COLUMNS if cross else COLUMNS
    rows = [[item[column.name] for column in columns] for item in document["cross_domain" if cross else "domains"]]
    render.table(settings, document, columns, rows)
