"""Durable appends: one at a time beside the raw disk, and 64 writers at once; both beside SQLite in WAL FULL.

All take turns on one file system in one run, a hundred operations each, so that a disk that changes its pace changes it
for all: raw pwrite + fdatasync of the same bytes into a file that was filled before, Prime with fsync="always", Prime
with fsync="interval" and durable=True, and SQLite with synchronous=FULL, one transaction an event. Of the threads, each
waits for its own event. SQLite's writers each have a connection and wait for its lock. Beside the 64 writers stand as
many that each sync the raw disk for themselves, and as many that only wake each other in turn: an event has a thread to
wake that waits for it, and no way of waiting wakes it faster.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import common

import primecore

TEXT = "what the agent learned, in a sentence or two of ordinary length"
WRITERS = 64
TURN = 100


def event(number: int) -> tuple[str, str, dict[str, Any]]:
    return "prime.node.created", f"node:person:{number:08d}", {"properties": {"name": f"Person {number}", "text": TEXT}}


def spans_ns(act: Callable[[int], object], numbers: range) -> list[int]:
    """Nanoseconds of each call."""
    spans = []
    for number in numbers:
        begun = time.perf_counter_ns()
        act(number)
        spans.append(time.perf_counter_ns() - begun)
    return spans


def together(act: Callable[[int], object], count: int) -> float:
    """Calls per second of WRITERS threads."""

    def run() -> None:
        running = [
            threading.Thread(target=lambda start=start: [act(n) for n in range(start, count, WRITERS)])
            for start in range(WRITERS)
        ]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()

    return count / common.timed(run).wall


def turns_per_second(count: int) -> float:
    """Threads in a ring, each woken by the one before: how many are woken a second."""
    locks = [threading.Lock() for _ in range(WRITERS)]
    for lock in locks:
        lock.acquire()

    def take_turns(place: int) -> None:
        mine, after = locks[place], locks[(place + 1) % WRITERS]
        for _ in range(count // WRITERS):
            mine.acquire()
            after.release()

    def run() -> None:
        ring = [threading.Thread(target=take_turns, args=(place,)) for place in range(WRITERS)]
        for thread in ring:
            thread.start()
        locks[0].release()
        for thread in ring:
            thread.join()

    return count // WRITERS * WRITERS / common.timed(run).wall


@contextlib.contextmanager
def raw(folder: Path, nbytes: int, count: int) -> Iterator[Callable[[int], object]]:
    """pwrite + fdatasync of `nbytes` at a time, into room that was written before."""
    path = folder / "raw"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, bytes(max(count * nbytes, 1 << 20)))
        os.fsync(fd)
        record = os.urandom(nbytes)

        def act(number: int) -> None:
            os.pwrite(fd, record, number * nbytes)
            os.fdatasync(fd)

        yield act
    finally:
        os.close(fd)
        path.unlink()


def connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=60)
    database.execute("pragma journal_mode=wal")
    database.execute("pragma synchronous=full")
    return database


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[Callable[[int], object]]:
    """One insert a transaction, by a connection for each thread."""
    path = folder / "events.sqlite"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    own = threading.local()
    main = connect(path)
    main.execute("create table events (position integer primary key, type text, entity text, payload text)")

    def insert(number: int) -> None:
        if not hasattr(own, "database"):
            own.database = connect(path)
        kind, entity, payload = event(number)
        text = json.dumps(payload)
        own.database.execute("insert into events (type, entity, payload) values (?, ?, ?)", (kind, entity, text))

    yield insert
    main.close()


def one_round(folder: Path, scale: float) -> dict[str, float]:
    count, many = common.scaled(3_000, scale), max(common.scaled(40_000, scale), WRITERS)
    few = max(many // 10, WRITERS)
    with contextlib.ExitStack() as stack:
        prime = stack.enter_context(primecore.open(common.fresh(folder / "always"), fsync="always"))
        other = stack.enter_context(primecore.open(common.fresh(folder / "interval")))
        before = prime.stats().wal_bytes
        prime.append(*event(count))
        nbytes = prime.stats().wal_bytes - before
        database = stack.enter_context(sqlite(folder))
        turns = {
            "raw": stack.enter_context(raw(folder, nbytes, count)),
            "prime": lambda n: prime.append(*event(n)),
            "prime_durable": lambda n: other.append(*event(n), durable=True),
            "sqlite": database,
        }
        spans: dict[str, list[int]] = {name: [] for name in turns}
        for start in range(0, count, TURN):
            for name, act in turns.items():
                spans[name] += spans_ns(act, range(start, min(start + TURN, count)))
        rate = together(lambda n: prime.append(*event(n)), many)
        assert prime.durable_position == prime.position == count + many + 1
        database_rate = together(database, few)
        raw_rate = together(turns["raw"], min(many, count))
        turn_rate = turns_per_second(many)
    clock = common.clock_ns()
    p50 = {name: common.percentiles(found, clock)["p50"] for name, found in spans.items()}
    per_second = {name: count / (sum(found) / 1e9) for name, found in spans.items()}
    return {
        "record_bytes": nbytes,
        **{f"{name}_us_p50": value / 1000 for name, value in p50.items()},
        "prime_times_raw": p50["prime"] / p50["raw"],
        "prime_durable_times_raw": p50["prime_durable"] / p50["raw"],
        "prime_1_writer_per_second": per_second["prime"],
        "prime_64_writers_per_second": rate,
        "prime_64_times_1": rate / per_second["prime"],
        "raw_64_writers_per_second": raw_rate,
        "turns_of_64_threads_per_second": turn_rate,
        "prime_64_times_turns": rate / turn_rate,
        "sqlite_1_writer_per_second": per_second["sqlite"],
        "sqlite_64_writers_per_second": database_rate,
    }


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head = common.start(arguments)
    with common.workplace(arguments) as folder:
        rounds = [one_round(folder, arguments.scale) for _ in range(arguments.rounds)]
        for name in ("always", "interval"):
            common.fresh(folder / name)
    common.finish("durable", arguments, head, common.middle(rounds))


if __name__ == "__main__":
    main()
