"""How things are measured: pinning, noise, machine, spans, percentiles. Knows nothing of workloads or of Prime."""

from __future__ import annotations

import array
import contextlib
import gc
import importlib.metadata
import math
import os
import platform
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

NOISY = 1.25
"""Slowest over fastest of equal pieces of work, above which figures are marked as noisy."""


def cores() -> set[int]:
    """The processors this process may run on; empty where the system does not say."""
    return set(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else set()


def run_on(wanted: set[int]) -> None:
    """Moves every thread of this process to these processors."""
    for task in os.listdir("/proc/self/task") if wanted else ():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task), wanted)


def noise_now() -> dict[str, float]:
    """How equal pieces of work differ now: 1.0 is a quiet machine."""
    spans = []
    for _ in range(20):
        begun = time.perf_counter()
        sum(range(100_000))
        spans.append(time.perf_counter() - begun)
    ratio = max(spans) / min(spans)
    return {"slowest_over_fastest": round(ratio, 3), "load_1_minute": round(os.getloadavg()[0], 2)}


def machine(packages: tuple[str, ...] = ("primecore", "orjson", "numpy")) -> dict[str, Any]:
    """What the figures were measured on: processor, system, and versions of the packages that are there."""
    model = platform.processor()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    versions = {"python": platform.python_version()}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {"cpu": model, "cpus": os.cpu_count(), "system": platform.platform(), "versions": versions}


def fresh(path: Path) -> Path:
    """The path, with nothing there."""
    shutil.rmtree(path, ignore_errors=True)
    return path


def scaled(count: int, scale: float) -> int:
    """A count of the published workload at this scale, never under 100."""
    return max(100, round(count * scale))


class Span(NamedTuple):
    """Seconds on the wall, and of the CPU in all threads of this process (steadier on a machine that is shared)."""

    wall: float
    cpu: float


def timed(work: Callable[[], Any]) -> Span:
    """What one call takes, the garbage collector being off."""
    gc.collect()
    gc.disable()
    try:
        begun, begun_cpu = time.perf_counter(), time.process_time()
        work()
        return Span(time.perf_counter() - begun, time.process_time() - begun_cpu)
    finally:
        gc.enable()


def each_ns(call: Callable[[Any], Any], items: list[Any], budget_s: float = math.inf) -> array.array[int]:
    """Nanoseconds of each call, clock included: take `clock_ns()` off. After the budget no further call begins."""
    spans, clock = array.array("q", bytes(8 * len(items))), time.perf_counter_ns
    gc.collect()
    gc.disable()
    try:
        until = clock() + budget_s * 1e9
        for index, item in enumerate(items):
            begun = clock()
            call(item)
            ended = clock()
            spans[index] = ended - begun
            if ended > until:
                return spans[: index + 1]
    finally:
        gc.enable()
    return spans


@contextlib.contextmanager
def set_aside() -> Iterator[None]:
    """What lives now is no business of the garbage collector's: going through millions of objects takes seconds."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def clock_ns() -> float:
    """What `each_ns` measures around a call that does nothing, less the call itself: the median of many."""
    clock = time.perf_counter_ns
    spans = []
    for _ in range(20_000):
        begun = clock()
        spans.append(clock() - begun)
    return statistics.median(spans)


def percentiles(spans: array.array[int], clock: float) -> dict[str, float]:
    """p50, p99, p99.9 and mean in nanoseconds, with the clock's own time taken off."""
    ordered = sorted(spans)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] - clock, 1)

    mean = round(sum(ordered) / len(ordered) - clock, 1)
    return {"p50": at(0.5), "p99": at(0.99), "p99.9": at(0.999), "mean": mean}


def middle(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Median of each figure over the rounds."""
    return {name: round(statistics.median(one[name] for one in rounds), 4) for name in rounds[0]}


def status_kib(field: str) -> int | None:
    """A field of /proc/self/status in KiB, e.g. RssAnon; None where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return None


def disk_bytes(path: Path) -> int:
    """What a file, or all files below a directory, take on the disk."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_blocks * 512 for one in files)
