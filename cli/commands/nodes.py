"""`prime query nodes`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, as_of, at_option, open_store, option
from primecore.cli.render import Column

if TYPE_CHECKING:
    from primecore import Prime, View
    from primecore.model import Node

EXAMPLES = ["prime query nodes --type person", "prime query nodes --domain product --json"]
COLUMNS = [Column("entity_id", "id"), Column("domain"), Column("labels", "text"), Column("properties", "text")]
PAGE = 1000


@click.command("nodes", cls=PrimeCommand, examples=EXAMPLES)
@option("nodes", "type")
@option("nodes", "domain")
@option("nodes", "label")
@option("nodes", "limit")
@option("nodes", "after", metavar="ID")
@at_option
@click.pass_obj
def command(
    settings: Settings, /, limit: int | None, after: str | None, when: int | str | None, **filters: Any
) -> None:
    """List live nodes, oldest first."""
    from primecore.cli import shapes

    with open_store(settings) as prime:
        render.stream(
            settings,
            _paged(as_of(prime, when), limit, after, filters),
            shapes.node,
            COLUMNS,
            lambda node: (node.id, node.domain, node.labels, node.properties),
        )


def _paged(prime: Prime | View, limit: int | None, after: str | None, filters: dict[str, Any]) -> Iterator[Node]:
    """All of them, a page at a time: a list of millions starts at once and takes little memory."""
    while limit is None or limit > 0:
        asked = PAGE if limit is None else min(limit, PAGE)
        page = prime.nodes(limit=asked, after=after, **filters)
        yield from page
        if len(page) < asked:
            return
        after = page[-1].id
        limit = None if limit is None else limit - asked
