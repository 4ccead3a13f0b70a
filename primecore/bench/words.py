"""Figures with units that people read. Knows units and which figure counts, not what is measured."""

from __future__ import annotations

from typing import Any


def quantity(value: float, unit: str) -> str:
    """`410 ns`, `1.6 us`, `12 ms`, `0.87 s`, `816,528/s` or `113 B`; units as in a line of the benchmark."""
    if unit == "per_second":
        return f"{value:,.0f}/s"
    if unit == "bytes":
        return f"{value:,.0f} B"
    return duration(value * 1e9 if unit == "s" else value)


def duration(ns: float) -> str:
    """Nanoseconds in the unit that leaves the fewest digits."""
    for limit, divisor, name in ((1e3, 1, "ns"), (1e6, 1e3, "us"), (1e9, 1e6, "ms")):
        if ns < limit:
            digits = 0 if divisor == 1 or ns / divisor >= 100 else 1
            return f"{ns / divisor:,.{digits}f} {name}"
    return f"{ns / 1e9:,.2f} s"


def head(figures: dict[str, Any]) -> float:
    """The figure that counts: the median where there is one."""
    return float(figures["p50"] if "p50" in figures else figures["value"])
