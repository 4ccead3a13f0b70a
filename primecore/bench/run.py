"""Runs the sections and makes one document of what they found. The shape is that of `prime bench --json`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from primecore.bench import measure, place, verdict
from primecore.bench.line import BASELINES, PRIME, Figures, Line, Setting
from primecore.bench.sections import sections

Document = dict[str, Any]
ROUNDS = 3
NEEDED_BYTES, NEEDED_BYTES_QUICK = 4 << 30, 1 << 30


def names() -> list[str]:
    """The sections that can run here."""
    return [section.name for section in sections()]


def run(
    *,
    quick: bool = False,
    scale: float = 1.0,
    only: Collection[str] = (),
    directory: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Document:
    """Measures, on one core, in a temporary folder below `directory` (default: beside the store, on a real disk).

    `only` names sections. `scale` multiplies all sizes. `say` hears what is being done. Raises DiskFull, OSError.
    """
    begun, every_core = time.monotonic(), measure.cores()
    before = measure.noise_now()
    parent = Path(directory) if directory is not None else place.choose(data_dir).folder
    needed = round((NEEDED_BYTES_QUICK if quick else NEEDED_BYTES) * scale)
    core = max(every_core, default=-1)
    lines: list[Line] = []
    try:
        measure.run_on({core} & every_core)
        with place.temporary(parent, needed) as where:
            setting = Setting(where.folder, quick, scale, ROUNDS, every_core, say)
            for section in sections():
                if not only or section.name in only:
                    lines += section.run(setting)
    finally:
        measure.run_on(every_core)
    after = measure.noise_now()
    noise = max(it["slowest_over_fastest"] for it in (before, after))
    return {
        "quick": quick,
        "scale": scale,
        "rounds": setting.rounds,
        "seconds": round(time.monotonic() - begun, 1),
        "machine": measure.machine(),
        "core": core,
        "filesystem": where.filesystem,
        "in_memory": where.in_memory,
        "noise_before": before,
        "noise_after": after,
        "quiet": noise <= measure.NOISY,
        "baselines": {name: BASELINES[name] for name in _used(lines)},
        "lines": [document(line, verdict.tolerance(noise)) for line in lines],
        "verdict": verdict.of_all(lines, noise) + disclaimer(where),
    }


def disclaimer(where: place.Place) -> str:
    """What must be said of figures that saw no disk."""
    if not where.in_memory:
        return ""
    return " The files lay in memory: durable figures say nothing of a disk (name a folder on one with --dir)."


def document(line: Line, level: float) -> Document:
    """A line as plain values."""
    baselines = [
        {"name": name, **_rounded(line.figures[name]), **_rounded({"times": verdict.times(line, name)})}
        for name in line.baselines
    ]
    return {
        "section": line.section,
        "what": line.what,
        "unit": line.unit,
        "prime": _rounded(line.figures[PRIME]),
        "baselines": baselines,
        "verdict": verdict.of_line(line, level),
    }


def _rounded(figures: Figures) -> Figures:
    return {name: float(f"{value:.4g}") for name, value in figures.items()}


def _used(lines: list[Line]) -> list[str]:
    found = {name for line in lines for name in line.baselines}
    return [name for name in BASELINES if name in found]
