"""One line of the benchmark: a question, Prime's figures, those of its baselines. Knows how to measure, not what."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from primecore.bench import measure

Figures = dict[str, float]
Call = Callable[[Any], Any]
Work = Callable[[], float]
Unit = Literal["ns", "per_second", "s", "bytes"]
PRIME = "prime"

BASELINES = {
    "dict": "dicts and lists in this process: no log, no lock, gone at its end",
    "json.loads": "parses the same text and keeps nothing",
    "orjson.loads": "parses the same text and keeps nothing",
    "sqlite": "SQLite in a file, WAL, synchronous=NORMAL: what power loss takes is what was not checkpointed",
    "sqlite FULL": "SQLite in a file, WAL, synchronous=FULL: a sync for each transaction",
    "sqlite FTS5": "SQLite's full-text index, in memory",
    "pwrite + fdatasync": "as many bytes into room that is there already, and a sync: what the disk itself takes",
    "numpy": "one matrix of float32 in this process, multiplied by the query: no log, no ids, no filters",
    "by hand": "numpy, SQLite's FTS5 and lists of neighbours in one process: no log, no locks, no filters",
    "the present": "Prime, asked the same of the present",
}
"""What each baseline is, and what it does not do."""


class Line(NamedTuple):
    """Figures by contender, Prime's first. Latencies have p50, p99, p99.9 and calls, everything else a value."""

    section: str
    what: str
    unit: Unit
    figures: dict[str, Figures]

    @property
    def baselines(self) -> list[str]:
        """The contenders but Prime."""
        return [name for name in self.figures if name != PRIME]

    def head(self, name: str) -> float:
        """The figure that counts: the median of a latency, or the value."""
        one = self.figures[name]
        return one["p50"] if "p50" in one else one["value"]


class Setting(NamedTuple):
    """What a section is given: where, how large, how often, and whom to tell how far it is."""

    folder: Path
    quick: bool
    scale: float
    rounds: int
    every_core: set[int]
    say: Callable[[str], None]

    @property
    def calls_s(self) -> float:
        """Seconds that the calls of one contender may take in one round: slow ones are asked less often."""
        return 0.1 if self.quick else 0.3

    @property
    def work_s(self) -> float:
        """Seconds after which a contender whose rounds are whole pieces of work gets no further one."""
        return 1.0 if self.quick else 3.0

    def size(self, full: int, quick: int) -> int:
        """The size of a workload at this scale."""
        return measure.scaled(quick if self.quick else full, self.scale)


def latencies(
    setting: Setting, section: str, what: str, items: Callable[[int], list[Any]], contenders: Mapping[str, Call]
) -> Line:
    """Contenders take turns, each with items of its own in every round, for as long as the budget lasts.

    `items(round)` makes what is asked. Medians of rounds count; the time of an empty call comes off all figures alike.
    """
    rounds: dict[str, list[Figures]] = {name: [] for name in contenders}
    for number in range(setting.rounds):
        nothing = statistics.median(measure.each_ns(lambda item: None, items(number)))
        for name, call in contenders.items():
            spans = measure.each_ns(call, items(number), setting.calls_s)
            found = measure.percentiles(spans, nothing)
            rounds[name].append({key: max(found[key], 1.0) for key in ("p50", "p99", "p99.9")} | {"calls": len(spans)})
    return Line(section, what, "ns", {name: measure.middle(found) for name, found in rounds.items()})


def values(setting: Setting, section: str, what: str, unit: Unit, contenders: Mapping[str, Work]) -> Line:
    """Contenders take turns; each gives one figure a round, for as long as its budget lasts. The median counts."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    spent = dict.fromkeys(contenders, 0.0)
    for _ in range(setting.rounds):
        for name, work in contenders.items():
            if spent[name] < setting.work_s:
                begun = time.perf_counter()
                found[name].append(work())
                spent[name] += time.perf_counter() - begun
    return Line(section, what, unit, {name: {"value": statistics.median(each)} for name, each in found.items()})
