"""`prime query search TEXT`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import TEXT, Settings, as_of, at_option, open_store, option
from primecore.cli.render import Column

if TYPE_CHECKING:
    from primecore.model import Hit

EXAMPLES = ["prime query search alice", "prime query search 'auth* alice' --type person --explain"]


@click.command("search", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("query", type=TEXT, metavar="TEXT")
@option("search", "k")
@option("search", "type")
@option("search", "domain")
@option("search", "label")
@option("search", "since", metavar="TIME")
@option("search", "until", metavar="TIME")
@option("search", "created_since", metavar="TIME")
@option("search", "created_until", metavar="TIME")
@option("search", "stem")
@option("search", "explain", help="Show what each word adds to the score.")
@at_option
@click.pass_obj
def command(settings: Settings, /, query: str, explain: bool, when: int | str | None, **how: Any) -> None:
    """Find nodes and texts by their words, the best first.

    One word is enough. Words in "quotes" must stand side by side, and auth* is
    every word that begins so. Scores are BM25.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        asked = as_of(prime, when)
        hits = asked.search(query, explain=True, **how)
        document = shapes.search(query, asked.position, hits)
    people = render.for_people()
    columns = [Column("score", "word" if people else "number"), Column("id", "id"), Column("snippet", "text")]
    if explain:
        columns.append(Column("words", "text"))
    best = hits[0].score if hits else 1.0
    rows = [_row(hit, render.bar(hit.score / best, hit.score) if people else hit.score, explain) for hit in hits]
    render.table(settings, document, columns, rows)


def _row(hit: Hit, score: object, explain: bool) -> list[object]:
    row = [score, hit.id, hit.snippet]
    if explain:
        by_weight = sorted(hit.parts.items(), key=lambda part: -part[1])
        row.append(", ".join(f"{word} {part:.3f}" for word, part in by_weight))
    return row
