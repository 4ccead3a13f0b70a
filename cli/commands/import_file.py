"""`prime import FILE`."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import TEXT, Settings, open_store, option
from primecore.cli.progress import Progress

STDIN = "-"
EXAMPLE = """\
prime import - <<'END'
{"type":"entity","name":"Zoe","entityType":"person","observations":["likes tea"]}
{"type":"entity","name":"Auth","entityType":"project","observations":[]}
{"type":"relation","from":"Zoe","to":"Auth","relationType":"works_on"}
END"""


@click.command("import", cls=PrimeCommand, examples=[EXAMPLE], standalone=True)
@click.argument("file")
@option("import_from", "format")
@click.option("--source", "name", type=TEXT, metavar="NAME", help="Name of the source, instead of the file's path.")
@option("import_from", "on_error")
@click.pass_obj
def command(settings: Settings, /, file: str, **how: Any) -> None:
    """Take in what prime export wrote, or another memory: and make the store if there is none.

    FILE may end in .gz or .zst; - is stdin. Formats: prime (JSON lines of events), mcp-memory (the file of the MCP
    reference memory server), allsource (the export of AllSource Prime). Imported twice it appends nothing the second
    time. A broken line stops with exit code 65; everything before it is kept.
    """
    from primecore.cli import shapes

    if file != STDIN:
        with open(file, "rb"):  # before a store is made for it
            pass
    with open_store(settings, write=True) as prime, Progress(os.path.basename(file)) as progress:
        report = prime.import_from(sys.stdin.buffer if file == STDIN else file, progress=progress, **how)
    render.record(settings, shapes.imported(file, report), figures=True)
