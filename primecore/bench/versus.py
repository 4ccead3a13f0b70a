"""Draws a document of `prime bench` as one picture: a bar to the right where Prime is ahead, to the left where behind.

Knows the shape of the document, and nothing of how it was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import Any

from primecore.bench.words import quantity

Document = dict[str, Any]
WIDTH, ROW, BAR, HEAD, SECTION = 1080, 21, 13, 86, 34
PRIME_END, NAME, FIGURE_END, LEFT, RIGHT = 500, 516, 722, 790, 1000
"""Where columns end or begin: Prime's figure, the baseline and its figure, the bars. What is asked begins at MARGIN."""
MARGIN = 16

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .back { fill: #ffffff } .title { font-size: 17px; font-weight: 600 } .section { font-weight: 600 }
  .dim, .dim tspan { fill: #59636e } .figure { font-variant-numeric: tabular-nums }
  .ahead { fill: #0969da } .behind { fill: #bc4c00 } .level { fill: #818b98 }
  .grid { stroke: #d1d9e0 } .middle { stroke: #59636e }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .back { fill: #0d1117 } .dim { fill: #9198a1 }
    .ahead { fill: #4493f8 } .behind { fill: #db6d28 } .level { fill: #656c76 } .grid { stroke: #3d444d }
    .middle { stroke: #9198a1 } }
"""


def picture(document: Document) -> str:
    """The whole document as SVG. Bars are logarithmic; within a tenth of each other two contenders are level."""
    factors = [one["times"] for line in document["lines"] for one in line["baselines"]]
    low = min(-1, math.floor(min(map(math.log10, factors), default=0)))
    high = max(1, math.ceil(max(map(math.log10, factors), default=0)))

    def across(factor: float) -> float:
        return LEFT + (math.log10(factor) - low) / (high - low) * (RIGHT - LEFT)

    parts: list[str] = []
    y = HEAD
    for name, lines in groupby(document["lines"], lambda line: line["section"]):
        parts.append(_text(MARGIN, y + 18, name, "section"))
        y += 24
        for line in lines:
            for text in _line(line, y, across):
                parts.append(text)
            y += ROW * len(line["baselines"]) + 4
        y += SECTION - 24
    return "\n".join([*_frame(document, y, range(low, high + 1), across), *parts, "</svg>", ""])


def _frame(document: Document, y: int, powers: range, across: Any) -> Iterator[str]:
    """The head of the file, the grid, and what stands above the bars."""
    told = "How many times better Prime is than each baseline of the same run"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" role="img">'
        f"<title>{told}. {escape(document['verdict'])}</title><style>{STYLE}</style>"
        f'<rect class="back" width="{WIDTH}" height="{y}"/>'
    )
    yield _text(MARGIN, 28, told, "title")
    machine = document["machine"]
    where = f"{machine['cpu']}, {machine['cpus']} CPUs, one core used, {document['filesystem'] or 'an unknown disk'}"
    quiet = "quiet" if document["quiet"] else "noisy: trust ratios, not figures"
    yield _text(MARGIN, 50, f"{where}; {quiet}. Medians of {document['rounds']} rounds; bars are logarithmic.", "dim")
    yield _text(PRIME_END, 78, "Prime", "dim", "end")
    yield _text(NAME, 78, "baseline", "dim")
    for power in powers:
        x, kind = across(10.0**power), "grid" if power else "middle"
        yield f'<line class="{kind}" x1="{x:.1f}" y1="{HEAD}" x2="{x:.1f}" y2="{y - 8}"/>'
        yield _text(x, 78, f"{10 ** abs(power):,}x" if power else "level", "dim", "middle")


def _line(line: Document, y: int, across: Any) -> Iterator[str]:
    """A row for each baseline; the first also says what was asked, and Prime's figure."""
    yield _text(MARGIN, y + 15, line["what"])
    yield _text(PRIME_END, y + 15, quantity(_head(line["prime"]), line["unit"]), "figure", "end")
    for number, one in enumerate(line["baselines"]):
        top, times = y + ROW * number, one["times"]
        yield _text(NAME, top + 15, one["name"], "dim")
        yield _text(FIGURE_END, top + 15, quantity(_head(one), line["unit"]), "figure dim", "end")
        kind = "level" if 1 / 1.1 < times < 1.1 else "ahead" if times > 1 else "behind"
        begin, end = sorted((across(1.0), across(times)))
        width = max(end - begin, 2.0)
        yield f'<rect class="{kind}" x="{begin:.1f}" y="{top + 4}" width="{width:.1f}" height="{BAR}" rx="2"/>'
        factor = max(times, 1 / times)
        told = "level" if kind == "level" else f"{factor:.1f}x" if factor < 9.95 else f"{factor:,.0f}x"
        if times < 1 and kind != "level":
            yield _text(begin - 5, top + 15, told, "figure", "end")
        else:
            yield _text(end + 6, top + 15, told, "figure")


def _head(figures: Document) -> float:
    """The figure that counts."""
    return float(figures.get("p50", figures.get("value")))


def _text(x: float, y: float, told: str, kind: str = "", anchor: str = "start") -> str:
    mark = f' class="{kind}"' if kind else ""
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{mark} x="{x:g}" y="{y:g}"{at}>{escape(told)}</text>'
