"""Climbs the ladder for TORTURE_SECONDS (600), with seeds that were not tried before, and writes down what was done.

    python -m torture              all rungs, by turns
    python -m torture RUNG SEED    one rung with one seed, to repeat a failure

TORTURE_SEED is the first seed (default: the time). The result goes to benchmarks/results/torture.json, or to the file
that TORTURE_RESULT names. Exits with 1 when anything failed; each failure is printed with the command that repeats it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from torture import (
    chores,
    crowd,
    faults,
    flips,
    fuzz,
    kills,
    memory,
    metamorphic,
    owners,
    processes,
    servers,
    simulation,
)
from torture.processes import NotAllowed

ROOT = Path(__file__).resolve().parents[2]


class Rung(NamedTuple):
    """`run(seed, folder)` gives how much of `unit` was tried; `share` is its part of the time."""

    share: float
    unit: str
    run: Callable[[int, Path], int]


def flip(seed: int, folder: Path) -> int:
    return sum(flips.run(bool(seed % 2), (seed // 2) % 50, 50).values())


def fail_sync(seed: int, folder: Path) -> int:
    processes.may_trace()
    processes.failing_sync(seed, folder, ("mapping", "pwrite")[seed % 2])
    return 1


def run_out(seed: int, folder: Path) -> int:
    return memory.run(seed, folder) != "nothing failed"


RUNGS = {
    "simulation": Rung(2, "lives", lambda seed, _: simulation.run(seed)["lives"]),
    "faults": Rung(1, "failed operations", lambda seed, _: faults.in_memory(seed)),
    "faults-mapping": Rung(0.5, "failed operations", lambda seed, folder: faults.on_disk(seed, folder, "mapping", 5)),
    "faults-pwrite": Rung(0.5, "failed operations", lambda seed, folder: faults.on_disk(seed, folder, "pwrite", 11)),
    "chores": Rung(1, "operations, many of them failing", lambda seed, _: chores.run(seed)),
    "flips": Rung(0.5, "bytes", flip),
    "metamorphic": Rung(0.5, "variants", metamorphic.run),
    "fuzz-segments": Rung(1, "inputs", lambda seed, _: fuzz.run("segments", seed, 500)),
    "fuzz-lines": Rung(0.5, "inputs", lambda seed, _: fuzz.run("lines", seed, 2000)),
    "memory": Rung(0.5, "failures", run_out),
    "crowd": Rung(1, "events", crowd.run),
    "owners": Rung(1, "kills", owners.run),
    "servers": Rung(1, "kills", servers.run),
    "kills": Rung(6, "kills", kills.run),
    "kills-at-calls": Rung(3, "kills", kills.points),
    "failing-syncs": Rung(0.5, "runs", fail_sync),
    "full-disk": Rung(0.5, "refusals", processes.full_disk),
    "power-cuts": Rung(2, "cuts", lambda seed, folder: processes.power_cut(seed, folder) >= 0),
}


class Tally:
    def __init__(self) -> None:
        self.seconds, self.turns, self.runs, self.tried = 0.0, 0, 0, 0
        self.failures: list[str] = []
        self.not_allowed = ""


def climb(name: str, seed: int, tally: Tally) -> None:
    """One run of one rung, in a folder of its own."""
    begun = time.monotonic()
    tally.turns += 1
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    try:
        tried = int(RUNGS[name].run(seed, folder))
        print(f"{name} {seed}: {tried} {RUNGS[name].unit}, {time.monotonic() - begun:.0f} s", flush=True)
        tally.tried += tried
        tally.runs += 1
    except NotAllowed as error:
        tally.not_allowed = str(error)
    except Exception:
        traceback.print_exc()
        repeat = f"make torture TORTURE='{name} {seed}'"
        print(f"FAILED: {name}, seed {seed}. Repeat: {repeat}", flush=True)
        tally.failures.append(repeat)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        tally.seconds += time.monotonic() - begun


def result(tallies: dict[str, Tally], first_seed: int, seconds: float) -> dict[str, object]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import common

    rungs = {
        name: {
            "unit": RUNGS[name].unit,
            "tried": tally.tried,
            "runs": tally.runs,
            "seconds": round(tally.seconds, 1),
            "failures": len(tally.failures),
            **({"not_allowed": tally.not_allowed} if tally.not_allowed else {}),
        }
        for name, tally in tallies.items()
    }
    failures = sum(len(tally.failures) for tally in tallies.values())
    return {
        "benchmark": "torture",
        "machine": common.machine(),
        "first_seed": first_seed,
        "seconds": round(seconds, 1),
        "figures": {"failures": failures, "rungs": rungs},
    }


def main(arguments: list[str]) -> int:
    if arguments:
        tally = Tally()
        climb(arguments[0], int(arguments[1]), tally)
        print(f"{arguments[0]} {arguments[1]}: {tally.not_allowed or f'{tally.tried} {RUNGS[arguments[0]].unit}'}")
        return bool(tally.failures)
    seconds = float(os.environ.get("TORTURE_SECONDS") or 600)
    first_seed = int(os.environ.get("TORTURE_SEED") or time.time())
    target = Path(os.environ.get("TORTURE_RESULT") or ROOT / "benchmarks/results/torture.json")
    tallies = {name: Tally() for name in RUNGS}
    begun = time.monotonic()
    print(f"{seconds:.0f} s, first seed {first_seed}", flush=True)
    while time.monotonic() - begun < seconds:
        open_rungs = [name for name in RUNGS if not tallies[name].not_allowed]
        name = min(open_rungs, key=lambda name: tallies[name].seconds / RUNGS[name].share)
        climb(name, first_seed + tallies[name].turns, tallies[name])
    found = result(tallies, first_seed, time.monotonic() - begun)
    target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found["figures"], indent=2))
    return bool(sum(len(tally.failures) for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
