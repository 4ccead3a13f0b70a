"""What every benchmark shares: arguments, pinning, commit, results. Measuring itself is that of `primecore.bench`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from primecore.bench import measure
from primecore.bench.measure import (
    NOISY,
    Span,
    clock_ns,
    cores,
    each_ns,
    fresh,
    middle,
    noise_now,
    percentiles,
    run_on,
    scaled,
    timed,
)

__all__ = [
    "Span",
    "child",
    "clock_ns",
    "cores",
    "each_ns",
    "finish",
    "fresh",
    "keep",
    "memory_kib",
    "middle",
    "parser",
    "percentiles",
    "run_on",
    "say",
    "scaled",
    "start",
    "timed",
    "workplace",
]
HERE = Path(__file__).resolve().parent


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


def start(arguments: argparse.Namespace) -> dict[str, Any]:
    """Pin the process, look at the machine's noise, and return the head of the result."""
    # Children are to find byte code, as in every installation: compiling all of it takes longer than most questions.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    allowed = cores()
    core = arguments.core if arguments.core is not None else max(allowed, default=-1)
    if core >= 0 and allowed:
        run_on({core})
    head = {"machine": machine(), "core": core, "scale": arguments.scale, "rounds": arguments.rounds}
    return {**head, "noise_before": noise()}


def noise() -> dict[str, float]:
    """How equal pieces of work differ now, said aloud where they differ much."""
    found = noise_now()
    ratio = found["slowest_over_fastest"]
    if ratio > NOISY:
        say(f"the machine is noisy (slowest/fastest = {ratio:.2f}): trust ratios, not figures")
    return found


def machine() -> dict[str, Any]:
    """What the figures were measured on, with the commit."""
    return {**measure.machine(), "commit": commit()}


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


def memory_kib(field: str) -> int:
    """A field of /proc/self/status in KiB, e.g. RssAnon."""
    found = measure.status_kib(field)
    if found is None:
        raise SystemExit(f"this system does not tell {field}: the benchmark of memory needs Linux")
    return found


def child(script: str, *arguments: object) -> dict[str, Any]:
    """Run a script of this folder in a process of its own, and return the JSON document it prints."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return dict(json.loads(done.stdout))


def finish(name: str, arguments: argparse.Namespace, head: dict[str, Any], figures: dict[str, Any]) -> None:
    """Print the result as JSON; keep it where the published workload was measured, or where --output says."""
    print(keep(name, arguments, head, figures))


def keep(name: str, arguments: argparse.Namespace, head: dict[str, Any], figures: dict[str, Any]) -> str:
    """The result as JSON, kept where it belongs: what a long run has so far, too."""
    result = {"benchmark": name, **head, "noise_after": noise(), "figures": figures}
    text = json.dumps(result, indent=2, ensure_ascii=False)
    folder = arguments.output or (HERE / "results" if arguments.scale == 1 else None)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return text


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)
