"""The lines of `prime bench` for a terminal: sections, a row for each baseline, who is ahead in colour.

Knows the shape of the document, and nothing of how it was measured.
"""

from __future__ import annotations

import os
import re
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from primecore.bench.words import quantity

AHEAD, BEHIND, LEVEL = "green", "yellow", "dim"
WHAT_CELLS = 34


def show(document: dict[str, Any]) -> None:
    """Prints the lines, then the verdict and what it was measured on."""
    console = Console(color_system=None if os.environ.get("NO_COLOR") else "auto", highlight=False, emoji=False)
    console.print(_table(document["lines"]), crop=False)
    console.print()
    for sentence in re.split(r"(?<=\.) (?=[A-Z])", document["verdict"]):
        # What Prime loses stands in a list of its own.
        head, colon, listed = sentence.partition(", the worst first: ")
        console.print(Text(head + (":" if colon else ""), style="bold" if colon or "ahead" in head else ""))
        for one in filter(None, re.split(r"; (?=[a-z])", listed)):
            console.print(Text("  " + one.removesuffix("."), style=BEHIND))
    machine = document["machine"]
    versions = machine["versions"]
    parts = [
        f"{machine['cpu']}, {machine['cpus']} CPUs, on CPU {document['core']}",
        document["filesystem"],
        f"Python {versions['python']}",
        f"{document['seconds']:.0f} seconds",
    ]
    console.print(Text(" · ".join(filter(None, parts)), style="dim"))


def _table(lines: list[dict[str, Any]]) -> Table:
    drawn = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    drawn.add_column("", min_width=WHAT_CELLS, overflow="fold")
    for name in ("Prime", "p99", "p99.9"):
        drawn.add_column(name, justify="right", no_wrap=True)
    drawn.add_column("beside", no_wrap=True)
    drawn.add_column("", justify="right", no_wrap=True)
    drawn.add_column("", no_wrap=True)
    section = None
    for line in lines:
        if line["section"] != section:
            if section is not None:
                drawn.add_row()
            section = line["section"]
            drawn.add_row(Text(section, style="bold"))
        for row in _rows(line):
            drawn.add_row(*row)
    return drawn


def _rows(line: dict[str, Any]) -> list[list[Text]]:
    """A row for each baseline; the first says what was asked, and Prime's figures."""
    unit, prime = line["unit"], line["prime"]
    own = [Text(line["what"]), Text(quantity(_head(prime), unit), style="bold")]
    own += [Text(quantity(prime[name], unit) if name in prime else "", style="dim") for name in ("p99", "p99.9")]
    said, rows = line["verdict"].split("; "), []
    for one, verdict in zip(line["baselines"], said, strict=True):
        words = verdict.replace(f"than {one['name']}", "").replace(f"with {one['name']}", "").strip()
        colour = LEVEL if words == "level" else AHEAD if one["times"] > 1 else BEHIND
        if colour == BEHIND:  # "dict is 2.0x faster": the name stands before it
            words = re.sub(r"(\S+)x (faster|smaller)", _behind, words.rpartition(" is ")[2])
        rows.append([*own, Text(one["name"]), Text(quantity(_head(one), unit)), Text(words, style=colour)])
        own = [Text("") for _ in own]
    return rows


def _behind(found: re.Match[str]) -> str:
    return f"{found[1]}x {'slower' if found[2] == 'faster' else 'larger'}"


def _head(figures: dict[str, Any]) -> float:
    """The figure that counts."""
    return float(figures.get("p50", figures.get("value")))

