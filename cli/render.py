"""Results on stdout, in one of three ways: tables for people, tab-separated lines for pipes, JSON for machines.

Knows columns and rows, and nothing of what they mean. rich is loaded only for a terminal.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from primecore.cli.jsontext import dumps

if TYPE_CHECKING:
    from rich.table import Table

    from primecore.cli.options import Settings

T = TypeVar("T")
Row = Sequence[Any]

TABLE_ROWS = 200
"""A list that streams to a terminal is laid out this many rows at a time, so that it begins at once."""

GAP = 2
TEXT_CELLS = 32
"""Text folds when the terminal is narrow, but keeps this much."""

TOLD_CHARACTERS = 240
BAR_CELLS = 8
EIGHTHS = " ▏▎▍▌▋▊▉█"

# Controls could move the cursor or recolour the terminal, and bidirectional overrides could make an id read as another.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


class Column(NamedTuple):
    """A column of a table: "id" and "word" are shown whole, whatever the width; "text" may fold.

    Counts ("count") and data ("number") stand to the right; counts are grouped, data is left as it is.
    """

    name: str
    kind: str = "word"



def for_people() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def printable(text: str) -> str:
    """`text` on one line, with control characters spelled out."""
    return _UNPRINTABLE.sub(lambda found: _SHORT_ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text)


def cell(value: Any) -> str:
    """A value as text: nothing for None, strings bare, everything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return printable(value)
    return printable(dumps(value))


def write(text: str) -> None:
    """One line on stdout: always UTF-8 where no terminal says otherwise."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None or for_people():
        print(text)
        return
    buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")  # a lone surrogate becomes its JSON escape


def table(settings: Settings, document: dict[str, Any], columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """A list that is one JSON document."""
    if settings.json:
        write(dumps(document))
    else:
        _rows(columns, rows)


def stream(
    settings: Settings,
    items: Iterable[T],
    shape: Callable[[T], dict[str, Any]],
    columns: Sequence[Column],
    row: Callable[[T], Row],
) -> None:
    """A list of any length: JSON one object a line, and memory for a page of it at most."""
    if settings.json:
        for item in items:
            write(dumps(shape(item)))
    else:
        _rows(columns, map(row, items))


def record(settings: Settings, document: dict[str, Any], *, omit: Sequence[str] = (), figures: bool = False) -> None:
    """One thing, a field a line; objects in it as `name.key`.

    `omit` names what JSON alone shows. `figures` says that numbers are measurements, to be rounded and grouped for
    people, and not somebody's data.
    """
    if settings.json:
        write(dumps(document))
        return
    shown = {name: value for name, value in document.items() if name not in omit}
    if for_people():
        _print_record(shown, _figure if figures else _for_people)
        return
    for name, value in shown.items():
        if isinstance(value, dict):
            for key, item in value.items():
                write(f"{name}.{printable(key)}\t{cell(item)}")
        else:
            write(f"{name}\t{cell(value)}")


def remark(text: str) -> None:
    """A word for people only, on stderr: in a pipe an empty result speaks for itself."""
    if for_people():
        print(text, file=sys.stderr)


def _rows(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    if not for_people():
        for row in rows:
            write("\t".join(map(cell, row)))
        return
    remaining = iter(rows)
    page = list(itertools.islice(remaining, TABLE_ROWS))
    if not page:
        remark("nothing found")
    first = True
    while page:
        _print_table(columns, page, show_header=first)
        first = False
        page = list(itertools.islice(remaining, TABLE_ROWS))


def _print_table(columns: Sequence[Column], rows: Sequence[Row], *, show_header: bool) -> None:
    """Print at the terminal's width, or wider where ids would not be whole: a terminal wraps and copies them right."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, show_header=show_header, header_style="dim", pad_edge=False, padding=(0, GAP, 0, 0))
    shown = [_figure if column.kind == "count" else _for_people for column in columns]
    texts = [[text(value) for text, value in zip(shown, row, strict=True)] for row in rows]
    least = 0
    for number, column in enumerate(columns):
        widest = max(cell_len(column.name), *(cell_len(row[number]) for row in texts))
        width = min(widest, max(len(column.name), TEXT_CELLS)) if column.kind == "text" else widest
        least += width + GAP
        drawn.add_column(
            column.name.replace("_", " "),
            style="cyan" if column.kind == "id" else "",
            justify="right" if column.kind in ("count", "number") else "left",
            no_wrap=column.kind != "text",
            overflow="fold",
            min_width=width,
        )
    for row in texts:
        drawn.add_row(*map(Text, row))  # Text, not str: what looks like markup in somebody's data is data
    _print(drawn, least)


def _print_record(shown: dict[str, Any], text: Callable[[Any], str]) -> None:
    """Names dim, objects indented below their name, nothing where there is nothing. Only what lies in objects folds."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, GAP))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    widest = 0
    for name, value in shown.items():
        label = name.replace("_", " ")
        if isinstance(value, dict) and value:
            grid.add_row(Text(label))
            for key, item in value.items():
                grid.add_row(Text("  " + printable(key)), Text(text(item)))
                widest = max(widest, len(key) + 2)
        elif value not in (None, "", [], {}):
            grid.add_row(Text(label), Text(text(value)))
            widest = max(widest, len(label))
    whole = max((cell_len(value) for value in shown.values() if isinstance(value, str)), default=0)
    _print(grid, widest + GAP + max(TEXT_CELLS, whole))


def _for_people(value: Any) -> str:
    """As `cell`, with lists of words easier on the eye."""
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return printable(", ".join(value))
    return cell(value)


def _figure(value: Any) -> str:
    """A measurement: in groups of three digits, fractions only where they say something."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return _for_people(value)


def _print(drawn: Table, least: int) -> None:
    from rich.console import Console

    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    console = Console(color_system=colours, highlight=False, emoji=False, markup=False)
    console.width = max(console.width, least)
    console.print(drawn, crop=False)


def told(text: str | None) -> str | None:
    """What a hit says, for people: its first lines as one, `--json` has the whole."""
    if text is None:
        return None
    line = " ".join(text[: 8 * TOLD_CHARACTERS].split())
    return line if len(line) <= TOLD_CHARACTERS else line[: TOLD_CHARACTERS - 1] + "…"


def bar(share: float, score: float) -> str:
    """A score beside a bar, as long as its share of a whole one, and never none."""
    eighths = min(max(1, round(share * BAR_CELLS * 8)), BAR_CELLS * 8)
    return f"{score:6.2f} " + EIGHTHS[8] * (eighths // 8) + EIGHTHS[eighths % 8].strip()
