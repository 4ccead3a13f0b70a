"""Draws bars and curves as SVG: panels of one unit each, one above the other. Knows figures, nothing of Prime."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from primecore.bench.words import quantity

WIDTH, LEFT, RIGHT, BAR, GAP = 760, 270, 110, 18, 8
CURVE_HEIGHT, CURVE_LEFT, LETTER = 190, 90, 8
COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#cf222e", "#9a6700")
DARK_COLOURS = ("#4493f8", "#f0883e", "#3fb950", "#ab7df8", "#f85149", "#d29922")


class Bar(NamedTuple):
    """One bar: what it stands for, how long it is, what is written at its end, and whether it is Prime's."""

    label: str
    value: float
    told: str
    ours: bool


class Panel(NamedTuple):
    """Bars of one unit under a title; logarithmic ones begin at the power of ten below the least."""

    title: str
    bars: list[Bar]
    logarithmic: bool = False


class Curve(NamedTuple):
    """A figure by size: points with x and y over zero."""

    label: str
    points: list[tuple[float, float]]


class Chart(NamedTuple):
    """Curves of one unit under a title, both scales logarithmic."""

    title: str
    unit: str
    curves: list[Curve]


STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .ours { fill: #0969da }
  .other { fill: #afb8c1 }
  .grid { stroke: #d1d9e0 }
  .curve { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ours { fill: #4493f8 } .other { fill: #57606a }
    .grid { stroke: #3d444d } }
"""
BYTES = ("B", "kB", "MB", "GB", "TB", "PB")


def picture(shown: Sequence[Panel | Chart]) -> str:
    """The panels one above the other. Bars of one panel share a scale that begins at zero."""
    parts: list[str] = []
    y = 10
    for panel in shown:
        y += 18
        parts.append(f'<text class="title" x="0" y="{y}">{escape(panel.title)}</text>')
        y += 10
        y = _bars(panel, y, parts) if isinstance(panel, Panel) else _curves(panel, y, parts)
        y += 12
    style = STYLE + _colours() if any(isinstance(panel, Chart) for panel in shown) else STYLE
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" role="img">'
    title = escape("; ".join(panel.title for panel in shown))
    return "\n".join([head, f"<title>{title}</title>", f"<style>{style}</style>", *parts, "</svg>", ""])


def _bars(panel: Panel, y: int, parts: list[str]) -> int:
    lengths = [bar.value for bar in panel.bars]
    if panel.logarithmic:
        low, _ = _decades(lengths)
        lengths = [math.log10(value) - low for value in lengths]
    for bar, length in zip(panel.bars, lengths, strict=True):
        width = max(1.0, (WIDTH - LEFT - RIGHT) * length / max(lengths))
        middle = y + BAR - 5
        parts.append(f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>')
        kind = "ours" if bar.ours else "other"
        parts.append(f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}"/>')
        parts.append(f'<text x="{LEFT + width + 6:.1f}" y="{middle}">{escape(bar.told)}</text>')
        y += BAR + GAP
    return y


def _curves(chart: Chart, y: int, parts: list[str]) -> int:
    every = [point for curve in chart.curves for point in curve.points]
    low_x, high_x = _decades(x for x, _ in every)
    low_y, high_y = _decades(value for _, value in every)
    right, bottom = WIDTH - LETTER * max(len(curve.label) for curve in chart.curves) - 24, y + CURVE_HEIGHT

    def across(x: float) -> float:
        return CURVE_LEFT + (math.log10(x) - low_x) / (high_x - low_x) * (right - CURVE_LEFT)

    def up(value: float) -> float:
        return bottom - (math.log10(value) - low_y) / (high_y - low_y) * CURVE_HEIGHT

    for power in range(low_y, high_y + 1):
        at = up(10.0**power)
        parts.append(f'<line class="grid" x1="{CURVE_LEFT}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>')
        told = escape(_power_of_bytes(power) if chart.unit == "bytes" else quantity(10.0**power, chart.unit))
        parts.append(f'<text x="{CURVE_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{told}</text>')
    for power in range(low_x, high_x + 1):
        at = across(10.0**power)
        parts.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{10**power:,}</text>')
    taken: list[float] = []
    for number, curve in enumerate(sorted(chart.curves, key=lambda curve: curve.points[-1][1])):
        colour = f"c{number % len(COLOURS)}"
        drawn = " ".join(f"{across(x):.1f},{up(value):.1f}" for x, value in curve.points)
        parts.append(f'<polyline class="curve {colour}" points="{drawn}"/>')
        end_x, end_y = curve.points[-1]
        # Labels climb from the lowest curve up, each at least a line above the one before.
        label_y = min([up(end_y) + 4, *(at - 16 for at in taken)])
        taken.append(label_y)
        x = across(end_x) + 8
        parts.append(f'<text class="{colour}" x="{x:.1f}" y="{label_y:.1f}">{escape(curve.label)}</text>')
    return bottom + 24


def _colours() -> str:
    def rules(colours: Sequence[str]) -> str:
        return " ".join(f"polyline.c{n} {{ stroke: {it} }} text.c{n} {{ fill: {it} }}" for n, it in enumerate(colours))

    return f"  {rules(COLOURS)}\n  @media (prefers-color-scheme: dark) {{ {rules(DARK_COLOURS)} }}\n"


def _power_of_bytes(power: int) -> str:
    """
    >>> _power_of_bytes(7)
    '10 MB'
    """
    step = min(max(power, 0) // 3, len(BYTES) - 1)
    return f"{10.0 ** (power - 3 * step):g} {BYTES[step]}"


def _decades(values: Iterable[float]) -> tuple[int, int]:
    """The powers of ten around the values, two different ones at least."""
    logs = [math.log10(value) for value in values]
    low, high = math.floor(min(logs)), math.ceil(max(logs))
    return low, max(high, low + 1)
