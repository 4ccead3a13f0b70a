"""What every benchmark shares: arguments, pinning, noise, machine, percentiles, results. Knows nothing of workloads."""

from __future__ import annotations

import argparse
import array
import contextlib
import gc
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
NOISY = 1.25  # slowest over fastest of equal pieces of work, above which figures are marked as noisy


def parser(description: str) -> argparse.ArgumentParser:
    """Arguments that all benchmarks take."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--scale", type=float, default=1.0, help="size of the workload, 1.0 being the published one")
    made.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts")
    made.add_argument("--core", type=int, default=None, help="CPU to pin to (default: the last allowed; -1: none)")
    made.add_argument(
        "--dir", type=Path, default=None, help="where stores and workloads lie (default: a temporary one)"
    )
    made.add_argument("--output", type=Path, default=None, help="folder of the result (default: results, at scale 1)")
    return made


def cores() -> set[int]:
    """The processors this process may run on; empty where the system does not say."""
    return set(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else set()


def run_on(wanted: set[int]) -> None:
    """Moves every thread of this process to these processors."""
    for task in os.listdir("/proc/self/task") if wanted else ():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task), wanted)


def start(arguments: argparse.Namespace) -> dict[str, Any]:
    """Pin the process, look at the machine's noise, and return the head of the result."""
    allowed = cores()
    core = arguments.core if arguments.core is not None else max(allowed, default=-1)
    if core >= 0 and allowed:
        run_on({core})
    head = {"machine": machine(), "core": core, "scale": arguments.scale, "rounds": arguments.rounds}
    return {**head, "noise_before": noise()}


def noise() -> dict[str, float]:
    """How equal pieces of work differ now: 1.0 is a quiet machine."""
    spans = []
    for _ in range(20):
        begun = time.perf_counter()
        sum(range(100_000))
        spans.append(time.perf_counter() - begun)
    ratio = max(spans) / min(spans)
    if ratio > NOISY:
        say(f"the machine is noisy (slowest/fastest = {ratio:.2f}): trust ratios, not figures")
    return {"slowest_over_fastest": round(ratio, 3), "load_1_minute": round(os.getloadavg()[0], 2)}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    versions = {"python": platform.python_version()}
    for package in ("primecore", "orjson", "numpy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "versions": versions,
        "commit": commit(),
    }


def commit() -> str:
    """The commit that was measured, with a plus sign where files differ from it; empty outside a clone."""
    try:
        git = ["git", "-C", str(HERE), "describe", "--always", "--dirty=+", "--abbrev=12"]
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


@contextlib.contextmanager
def workplace(arguments: argparse.Namespace) -> Iterator[Path]:
    """A folder for stores and workloads: the one named by --dir, which stays, or a temporary one, which goes."""
    if arguments.dir is not None:
        arguments.dir.mkdir(parents=True, exist_ok=True)
        yield arguments.dir
        return
    path = Path(tempfile.mkdtemp(prefix="prime-benchmark-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


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


def each_ns(call: Callable[[Any], Any], items: list[Any]) -> array.array[int]:
    """Nanoseconds of each call, clock included: take `clock_ns()` off."""
    spans, clock = array.array("q", bytes(8 * len(items))), time.perf_counter_ns
    gc.collect()
    gc.disable()
    try:
        for index, item in enumerate(items):
            begun = clock()
            call(item)
            spans[index] = clock() - begun
    finally:
        gc.enable()
    return spans


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


def memory_kib(field: str) -> int:
    """A field of /proc/self/status in KiB, e.g. RssAnon."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise SystemExit(f"this system does not tell {field}: the benchmark of memory needs Linux")


def child(script: str, *arguments: object) -> dict[str, Any]:
    """Run a script of this folder in a process of its own, and return the JSON document it prints."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return dict(json.loads(done.stdout))


def finish(name: str, arguments: argparse.Namespace, head: dict[str, Any], figures: dict[str, Any]) -> None:
    """Print the result as JSON; keep it where the published workload was measured, or where --output says."""
    result = {"benchmark": name, **head, "noise_after": noise(), "figures": figures}
    text = json.dumps(result, indent=2, ensure_ascii=False)
    print(text)
    folder = arguments.output or (HERE / "results" if arguments.scale == 1 else None)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)
