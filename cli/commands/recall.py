"""`prime query recall TEXT`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import TEXT, Settings, as_of, at_option, open_store, option
from primecore.cli.render import Column

if TYPE_CHECKING:
    from primecore.model import Hit

EXAMPLES = ['prime query recall "who works on auth?"', "prime query recall alice --type person --explain"]


@click.command("recall", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("query", type=TEXT, metavar="TEXT")
@option("recall", "k")
@option("recall", "depth")
@option("recall", "type")
@option("recall", "domain")
@option("recall", "label")
@option("recall", "conversation")
@option("recall", "since", metavar="TIME")
@option("recall", "until", metavar="TIME")
@option("recall", "valid_at", metavar="TIME")
@option("recall", "min_score")
@option("recall", "diversity")
@option("recall", "half_life_days", metavar="DAYS")
@option("recall", "importance", metavar="PROPERTY")
@click.option("--explain", is_flag=True, help="Show what each part adds to the score, and the edges that brought it.")
@at_option
@click.pass_obj
def command(settings: Settings, /, query: str, explain: bool, when: int | str | None, **how: Any) -> None:
    """Find what is known about a question, the best first.

    Words, vectors and edges all count: what is joined to a hit may be one, too.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        asked = as_of(prime, when)
        hits = asked.recall(query, **how)
        document = shapes.recall(query, asked.position, hits)
    people = render.for_people()
    columns = [Column("score", "word" if people else "number"), Column("id", "id"), Column("text", "text")]
    if explain:
        columns += [Column("parts", "text"), Column("edges", "text")]
    best = max((hit.score for hit in hits), default=1.0)
    rows = [_row(hit, best, explain, people) for hit in hits]
    render.table(settings, document, columns, rows)


def _row(hit: Hit, best: float, explain: bool, people: bool) -> list[object]:
    row: list[object] = [hit.score, hit.id, hit.text]
    if people:
        row = [render.bar(hit.score / best, hit.score), hit.id, render.told(hit.text)]
    if explain:
        row.append(", ".join(f"{name} {part:.3f}" for name, part in hit.parts.items() if part))
        row.append("; ".join(f"{it.source} {it.relation} {it.target}" for it in hit.edges))
    return row
