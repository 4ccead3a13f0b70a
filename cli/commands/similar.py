"""`prime query similar TEXT|ID`."""

from __future__ import annotations

from typing import Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import TEXT, Settings, as_of, at_option, open_store, option
from primecore.cli.render import Column

EXAMPLES = ['prime query similar "who works on auth?" --json']
COLUMNS = [Column("id", "id"), Column("score", "number"), Column("text", "text"), Column("metadata", "text")]


@click.command("similar", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("query", metavar="TEXT|ID", type=TEXT)
@option("similar", "k")
@option("similar", "type")
@option("similar", "domain")
@option("similar", "label")
@option("similar", "prefix")
@option("similar", "min_score")
@at_option
@click.pass_obj
def command(settings: Settings, /, query: str, when: int | str | None, **arguments: Any) -> None:
    """Find what is most alike in meaning: by the cosine of vectors, the best first.

    An id that has a vector stands for that vector; any other text is embedded by the model that the store's vectors
    are of, or by the one that $PRIME_EMBEDDER names.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        asked = as_of(prime, when)
        document = shapes.similar(asked.position, asked.similar(query, **arguments))
    rows = ([hit[column.name] for column in COLUMNS] for hit in document["hits"])
    render.table(settings, document, COLUMNS, rows)
