"""Processes beside the owner: how soon they see an event, and what writing through the owner costs.

Latency is from the call of `append` in the owner to the return of the first read that shows the event, in a process
that reads without pause: often it is there before `append` returns. Forwarded writes are from one process that waits
for each answer.
"""

from __future__ import annotations

import array
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import append
import common

import primecore

PAUSE_SECONDS = 0.0005  # between two events, so that the follower waits for each


def follow(store: Path, count: int) -> None:
    """The other process: notes when it first sees each position."""
    seen = array.array("q", bytes(8 * (count + 1)))
    with primecore.open(store, read_only=True) as prime:
        print("ready", flush=True)
        position = 0
        while position < count:
            now = prime.position
            if now > position:
                moment = time.monotonic_ns()
                for at in range(position + 1, min(now, count) + 1):
                    seen[at] = moment
                position = now
    print(json.dumps(list(seen)))


def forward(store: Path, count: int) -> None:
    """The other process: writes through the owner."""
    items = [append.event(n) for n in range(count)]
    rows = [dict(zip(("event_type", "entity_id", "payload"), item, strict=True)) for item in items]
    with primecore.open(store, via_owner=True) as prime:
        prime.append("warm.up", "warm:up")
        spans = common.each_ns(lambda item: prime.append(*item), items)
        batches = [rows[n : n + 100] for n in range(0, count, 100)]
        seconds = common.timed(lambda: [prime.append_many(batch) for batch in batches]).wall
    figures = common.percentiles(spans, common.clock_ns())
    print(json.dumps({"spans": figures, "batches": count / seconds}))


def other(what: str, store: Path, count: int, core: int) -> subprocess.Popen[str]:
    """Starts the other process, on another core than this one where there is one."""
    command = [sys.executable, __file__, what, str(store), str(count), str(core)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def latency(store: Path, count: int, core: int) -> dict[str, float]:
    """Nanoseconds from an append's call to the sight of it elsewhere."""
    called = [0] * (count + 1)
    with primecore.open(common.fresh(store)) as prime, other("follow", store, count, core) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for n in range(count):
            item = append.event(n)
            called[n + 1] = time.monotonic_ns()
            prime.append(*item)
            time.sleep(PAUSE_SECONDS)
        seen = json.loads(process.stdout.read())
    spans = array.array("q", (seen[at] - called[at] for at in range(1, count + 1)))
    return {**common.percentiles(spans, 0), "max": float(max(spans))}


def forwarded(store: Path, count: int, core: int) -> dict[str, Any]:
    """What the other process found, while this one owns the store and does nothing else."""
    with primecore.open(common.fresh(store)), other("forward", store, count, core) as process:
        assert process.stdout is not None
        return dict(json.loads(process.stdout.read()))


def one_round(folder: Path, scale: float, core: int) -> dict[str, float]:
    seeing, writing = common.scaled(4_000, scale), common.scaled(20_000, scale)
    found = {f"visible_ns_{name}": value for name, value in latency(folder / "store", seeing, core).items()}
    through = forwarded(folder / "store", writing, core)
    here = append.singles(folder / "store", "interval", writing)
    found |= {f"forwarded_append_ns_{name}": value for name, value in through["spans"].items()}
    found |= {
        "forwarded_appends_per_second": 1e9 / through["spans"]["mean"],
        "appends_per_second": 1e9 / here["mean"],
        "forwarded_times_in_process": through["spans"]["mean"] / here["mean"],
        "forwarded_append_many_100_events_per_second": through["batches"],
        "append_many_100_events_per_second": append.batches(folder / "store", 100, writing),
    }
    return found


def main() -> None:
    if len(sys.argv) == 5 and sys.argv[1] in ("follow", "forward"):
        what, store, count, core = sys.argv[1:]
        rest = {n for n in range(os.cpu_count() or 1)} - {int(core)}
        if rest and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, rest)
        {"follow": follow, "forward": forward}[what](Path(store), int(count))
        return
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head = common.start(arguments)
    with common.workplace(arguments) as folder:
        rounds = [one_round(folder, arguments.scale, head["core"]) for _ in range(arguments.rounds)]
        common.fresh(folder / "store")
    common.finish("follow", arguments, head, common.middle(rounds))


if __name__ == "__main__":
    main()
