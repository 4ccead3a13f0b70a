"""`prime query similar TEXT|ID`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import TEXT, Settings, as_of, at_option, open_store, option
from primecore.cli.render import Column

if TYPE_CHECKING:
    from primecore.model import Hit

EXAMPLES = ['prime query similar "who works on auth?" --json']
PIPED = [Column("id", "id"), Column("score", "number"), Column("text", "text"), Column("metadata", "text")]


@click.command("similar", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("query", metavar="TEXT|ID", type=TEXT)
@option("similar", "k")
@option("similar", "type")
@option("similar", "domain")
@option("similar", "label")
@option("similar", "prefix")
@option("similar", "min_score")
@click.option("--explain", is_flag=True, help="Show the metadata that was stored with the vectors.")
@at_option
@click.pass_obj
def command(settings: Settings, /, query: str, explain: bool, when: int | str | None, **arguments: Any) -> None:
    """Find what is most alike in meaning: by the cosine of vectors, the best first.

    An id that has a vector stands for that vector; any other text is embedded by the model that the store's vectors
    are of, or by the one that $PRIME_EMBEDDER names.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        asked = as_of(prime, when)
        hits = asked.similar(query, **arguments)
        document = shapes.similar(asked.position, hits)
    if render.for_people():
        _for_people(settings, document, hits, explain)
    else:
        render.table(settings, document, PIPED, ([hit[column.name] for column in PIPED] for hit in document["hits"]))


def _for_people(settings: Settings, document: dict[str, Any], hits: list[Hit], explain: bool) -> None:
    columns = [Column("score"), Column("id", "id"), Column("text", "text")]
    if explain:
        columns.append(Column("metadata", "text"))
    # The whole length of a bar is the cosine of what is the same, so that bars of different questions compare.
    rows = ([render.bar(hit.score, hit.score), hit.id, render.told(hit.text), hit.metadata] for hit in hits)
    render.table(settings, document, columns, (row[: len(columns)] for row in rows))
