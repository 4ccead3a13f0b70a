"""The tail of append: single appends beside a paced stream of 500,000 events/s, with the timer's syncs and without.

One thread without the GIL keeps a pace: every millisecond it appends the events that are due, straight to the log, as
the bulk path does, and 25 of them at a time are timed, with the rotations they meet. Between these bursts single
appends are timed. "never" is the log without syncs (what the system writes back by itself remains), "interval" the
default of 100 ms. Both in turn, in one run.
What it does not show: Python's own cost of an append (benchmarks/append.py has that).
"""

from __future__ import annotations

import array
import time
from pathlib import Path

import common

from primecore import _wal_door as door
from primecore.log import Log

EVENTS_PER_SECOND = 500_000
TICK_S = 0.001
CHUNK = 25
EVENT = {
    "event_type": "prime.node.created",
    "entity_id": "node:person:00000001",
    "payload": b'{"properties":{"name":"Person","text":"' + b"what the agent learned " * 5 + b'"}}',
}


def append(log: Log) -> None:
    while door.append_event(log.wal, EVENT) != "ok":
        if log.wal.status != "ok":
            raise log.refusal()
        log.make_room(door.event_bytes(log.wal, EVENT))


def burst(log: Log, count: int, spans: array.array[int]) -> None:
    """Append `count` events, timing each CHUNK of them with the rotation that it may meet."""
    clock = time.perf_counter_ns
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        before = clock()
        done = door.append_many_times(log.wal, EVENT, size)
        while done < size:
            if log.wal.status != "ok":
                raise log.refusal()
            log.make_room(door.event_bytes(log.wal, EVENT))
            done += door.append_many_times(log.wal, EVENT, size - done)
        spans.append(clock() - before)


def paced(folder: Path, fsync: str, seconds: float) -> dict[str, float]:
    """Percentiles of an append in nanoseconds, and how much of the pace was kept."""
    spans, chunks = array.array("q"), array.array("q")
    clock = time.perf_counter_ns
    with Log.open(common.fresh(folder / "log"), fsync=fsync) as log:
        begun, sent = time.perf_counter(), 0
        while (now := time.perf_counter() - begun) < seconds:
            due = int(now * EVENTS_PER_SECOND) - sent
            # Behind by a stall, it catches up in bursts of at most ten ticks, as a producer with a queue would.
            count = min(due, int(10 * TICK_S * EVENTS_PER_SECOND))
            if count > 0:
                burst(log, count, chunks)
                sent += count
            until = time.perf_counter() + TICK_S / 4
            while time.perf_counter() < until:
                before = clock()
                append(log)
                spans.append(clock() - before)
            time.sleep(max(0.0, TICK_S / 4))
        stats = log.stats()
    common.fresh(folder / "log")
    clock_ns = common.clock_ns()
    one, many = common.percentiles(spans, clock_ns), common.percentiles(chunks, clock_ns)
    return {
        "append_p50_ns": one["p50"],
        "append_p999_ns": one["p99.9"],
        "append_max_us": max(spans) / 1000,
        "chunk_p50_ns": many["p50"],
        "chunk_p999_ns": many["p99.9"],
        "chunk_max_us": max(chunks) / 1000,
        "events_per_second": (sent + len(spans)) / seconds,
        "worst_unsynced_ms": stats.worst_unsynced_ms,
        "syncs": stats.syncs,
    }


def one_round(folder: Path, scale: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for fsync in ("never", "interval"):
        for name, value in paced(folder, fsync, max(10 * scale, 0.05)).items():
            found[f"{fsync}_{name}"] = value
    for what in ("append_p999_ns", "chunk_p999_ns", "append_max_us", "chunk_max_us"):
        found[f"{what.rpartition('_')[0]}_interval_times_never"] = found[f"interval_{what}"] / found[f"never_{what}"]
    return found


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head = common.start(arguments)
    with common.workplace(arguments) as folder:
        rounds = [one_round(folder, arguments.scale) for _ in range(arguments.rounds)]
    common.finish("append_tail", arguments, head, common.middle(rounds))


if __name__ == "__main__":
    main()
