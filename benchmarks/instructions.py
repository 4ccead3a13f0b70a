"""Instructions of the hot paths on fixed inputs, counted by callgrind: the same on a busy machine as on a quiet one.

    python benchmarks/instructions.py            counts and prints
    python benchmarks/instructions.py --check    says which paths differ from results/instructions.json (exit code 1)
    python benchmarks/instructions.py --update   writes that file

Counts depend on compiler, interpreter and processor family, so each has its own baseline. Only what runs inside the
named compiled functions counts: no start-up, no reading of files by Python.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import workloads

HERE = Path(__file__).resolve().parent
BASELINE = HERE / "results" / "instructions.json"
TOLERANCE = 0.10  # of a count: seeds of tables are random, and libraries differ a little between releases
ADDRESS_SPACE = 32 << 30  # bytes: valgrind cannot keep track of the terabytes that a store reserves otherwise
EVENTS = 10_000
CALLS = 2_000


class HotPath(NamedTuple):
    """One hot path: the compiled function whose inside counts, how often it is entered, and what is run."""

    function: str
    operations: int
    program: str


OPEN = """
import sys, primecore
prime = primecore.open(sys.argv[1])
ids = [f"node:person:{n:08d}" for n in range(1000)]
"""
PATHS = {
    "ingest an event": HotPath(
        "__pyx_pw_*_lines_*ingest",
        EVENTS,
        "import sys, primecore\nwith primecore.open(':memory:') as prime: prime.ingest(sys.argv[2])",
    ),
    "replay an event": HotPath("__pyx_pw_*_replay_*replay", 6000, OPEN),
    "append": HotPath(
        "__pyx_pw_*append_ordinary",
        CALLS,
        "import primecore\nprime = primecore.open(':memory:')\n"
        f"for n in range({CALLS}): prime.append('note.taken', f'note:{{n}}', {{'text': 'a short note', 'n': n}})",
    ),
    "neighbors(id), its length": HotPath(
        "__pyx_pw_*Reader_*neighbors",
        CALLS,
        OPEN + f"for n in range({CALLS}): len(prime.neighbors(ids[n % 1000]))",
    ),
    "list(neighbors(id)), 10 entries": HotPath(
        "__pyx_pw_*Neighbors_*__iter__",
        CALLS,
        OPEN + f"for n in range({CALLS}): list(prime.neighbors(ids[n % 1000]))",
    ),
    "node(id)": HotPath(
        "__pyx_pw_*Reader_??node",
        CALLS,
        OPEN + f"for n in range({CALLS}): prime.node(ids[n % 1000])",
    ),
}


def machine() -> str:
    """What a baseline is good for."""
    compiler = re.search(r"(GCC|Clang) (\d+)", platform.python_compiler())
    built = "-".join(compiler.groups()).lower() if compiler else "other"
    return f"{platform.machine()} {built} python{sys.version_info.major}.{sys.version_info.minor}"


def limit(core: int | None) -> None:
    """In the child, before valgrind starts. On one core nothing goes to a helper, where it would not be counted."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    if core is not None:
        os.sched_setaffinity(0, {core})


def count(name: str, store: Path, lines: Path, folder: Path, options: tuple[str, ...] = ()) -> float:
    """Instructions of one operation."""
    path = PATHS[name]
    command = [
        "valgrind", "--tool=callgrind", *options, f"--toggle-collect={path.function}", "--collect-atstart=no",
        f"--callgrind-out-file={folder}/callgrind.%p", sys.executable, "-c", path.program, store, lines,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": ":".join(filter(None, sys.path))}
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]
    core = cores[list(PATHS).index(name) % len(cores)]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=environment, preexec_fn=lambda: limit(core)
    )
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or collected is None or collected[1] == "0":
        raise SystemExit(f"{name}: valgrind counted nothing in {path.function}\n{done.stderr[-2000:]}")
    return int(collected[1]) / path.operations


def prepare(folder: Path) -> tuple[Path, dict[str, Path]]:
    """A file of lines, and a store for each path."""
    import primecore

    lines = workloads.file_of(folder, "mixed", EVENTS)
    with primecore.open(folder / "store") as prime:
        for kind in ("nodes", "edges"):
            with workloads.stream(kind, 1000) as stream:
                prime.ingest(stream)
    stores = {path: folder / f"store-{at}" for at, path in enumerate(PATHS)}
    for store in stores.values():
        subprocess.run(["cp", "-r", folder / "store", store], check=True)
    return lines, stores


def measure() -> dict[str, float]:
    """Instructions an operation, by path."""
    with tempfile.TemporaryDirectory(prefix="prime-instructions-") as name:
        folder = Path(name)
        lines, stores = prepare(folder)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            counted = pool.map(lambda path: count(path, stores[path], lines, folder), PATHS)
            return {path: round(value, 1) for path, value in zip(PATHS, counted, strict=True)}


def verdict(found: dict[str, float], baseline: dict[str, float]) -> list[str]:
    """What differs by more than the tolerance, in words."""
    complaints = []
    for path, value in found.items():
        before = baseline.get(path)
        if before is None:
            complaints.append(f"{path}: {value:,.0f} instructions, and nothing to compare with")
        elif abs(value / before - 1) > TOLERANCE:
            complaints.append(f"{path}: {value:,.0f} instructions, was {before:,.0f} ({value / before - 1:+.1%})")
    return complaints


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the baseline of such a machine")
    parser.add_argument("--update", action="store_true", help="make what is counted the baseline")
    arguments = parser.parse_args()
    baselines = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    if arguments.check and machine() not in baselines:
        print(f"no baseline for {machine()}: {', '.join(baselines)} have one", file=sys.stderr)
        return 2
    found = measure()
    for path, value in found.items():
        print(f"{value:10,.1f}  {path}")
    if arguments.update:
        BASELINE.write_text(json.dumps({**baselines, machine(): found}, indent=2) + "\n")
    complaints = verdict(found, baselines.get(machine(), {})) if arguments.check else []
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
