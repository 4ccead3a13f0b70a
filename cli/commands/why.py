"""`prime why ENTITY [FIELD]`."""

from __future__ import annotations

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import ENTITY_ID, TEXT, Settings, as_of, at_option, note, open_store
from primecore.cli.render import Column
from primecore.operations import EXIT_FINE, EXIT_NO

EXAMPLES = ["prime why node:person:alice", "prime why edge:1 weight --json"]
COLUMNS = [
    Column("field"),
    Column("value", "text"),
    Column("position", "number"),
    Column("timestamp"),
    Column("event_type"),
    Column("metadata", "text"),
]


@click.command("why", cls=PrimeCommand, examples=EXAMPLES)
@click.argument("entity", type=ENTITY_ID)
@click.argument("field", type=TEXT, required=False)
@at_option
@click.pass_obj
def command(settings: Settings, /, entity: str, field: str | None, when: int | str | None) -> int:
    """Show which event set each field of a node or an edge, when, and with which metadata.

    FIELD is domain, labels, weight ... or a path below properties: name, address.city, or /properties/a.b for keys with
    dots. A field that was taken away shows who did so; one that never was is exit code 1.
    """
    from primecore.cli import shapes

    with open_store(settings) as prime:
        view = as_of(prime, when)
        document = shapes.why(entity, view.position, view.why(entity, field))
    found = document["fields"]
    if found or settings.json:
        rows = (
            (
                it["field"],
                it["value"],
                *(it["event"][name] for name in ("position", "timestamp", "event_type", "metadata")),
            )
            for it in found
        )
        render.table(settings, document, COLUMNS, rows)
    if found:
        return EXIT_FINE
    if not settings.json:
        note(f"{entity} never had a field {field}")
    return EXIT_NO
