"""Verdicts in words: who is ahead, by how much, and how far figures can be trusted. Measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

from primecore.bench.line import PRIME, Line
from primecore.bench.measure import NOISY

LEVEL = 1.1
"""Within this factor two contenders count as level, on a quiet machine."""

WORST = 6
"""Of the comparisons that Prime loses, so many stand in the verdict at the end."""


def times(line: Line, baseline: str) -> float:
    """How many times better Prime is than the baseline: over 1 it is ahead, under 1 behind."""
    ours, theirs = line.head(PRIME), line.head(baseline)
    return ours / theirs if line.unit == "per_second" else theirs / ours


def tolerance(noise: float) -> float:
    """The factor within which two contenders count as level: medians of a noisy run differ by chance."""
    return LEVEL if noise <= NOISY else max(LEVEL, min(noise**0.5, 1.5))


def compared(factor: float, baseline: str, level: float, *, size: bool = False) -> str:
    """One comparison in words."""
    if 1 / level < factor < level:
        return f"level with {baseline}"
    if size:
        ahead, behind = f"smaller than {baseline}", "smaller"
    else:
        ahead, behind = f"faster than {baseline}", "faster"
    return f"{_factor(factor)} {ahead}" if factor > 1 else f"{baseline} is {_factor(factor)} {behind}"


def of_line(line: Line, level: float) -> str:
    """The verdict on a line."""
    said = [compared(times(line, name), name, level, size=line.unit == "bytes") for name in line.baselines]
    return "; ".join(said)


def of_all(lines: Sequence[Line], noise: float) -> str:
    """The verdict at the end, where Prime is behind said first and whole."""
    level = tolerance(noise)
    ahead, even, behind = 0, 0, []
    for line in lines:
        for name in line.baselines:
            factor = times(line, name)
            if factor >= level:
                ahead += 1
            elif factor > 1 / level:
                even += 1
            else:
                behind.append((factor, f"{line.what} ({name} {_factor(factor)})"))
    if not ahead + even + len(behind):
        return "Nothing was compared."
    said = f"Prime is ahead in {ahead} of {ahead + even + len(behind)} comparisons and level in {even}."
    if behind:
        listed = "; ".join(text for _, text in sorted(behind)[:WORST])
        more = f" and {len(behind) - WORST} more" if len(behind) > WORST else ""
        said += f" It is behind in {len(behind)}, the worst first: {listed}{more}."
    if noise > NOISY:
        said += f" The machine was noisy (equal work differed {noise:.1f} times): trust ratios, not figures."
    else:
        said += f" The machine was quiet (equal work differed {noise:.2f} times)."
    return said


def _factor(factor: float) -> str:
    """`1.5x` or `12x`, always over 1."""
    factor = max(factor, 1 / factor)
    return f"{factor:.1f}x" if factor < 9.95 else f"{factor:,.0f}x"
