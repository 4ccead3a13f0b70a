"""Durable appends: one at a time beside the raw disk, and 64 writers at once; both beside SQLite in WAL FULL.

All take turns on one file system in one run: raw pwrite + fdatasync of the same bytes into a file that was filled
before, Prime with durable=True, and SQLite with synchronous=FULL, one transaction an event. Of the threads, each waits
for its own event. SQLite's writers each have a connection and wait for its lock.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common

import primecore

TEXT = "what the agent learned, in a sentence or two of ordinary length"
WRITERS = 64


def event(number: int) -> tuple[str, str, dict[str, Any]]:
    return "prime.node.created", f"node:person:{number:08d}", {"properties": {"name": f"Person {number}", "text": TEXT}}


def spans_ns(act: Callable[[int], object], count: int) -> list[int]:
    """Nanoseconds of each call."""
    spans = []
    for number in range(count):
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


def raw(folder: Path, nbytes: int, count: int) -> list[int]:
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

        return spans_ns(act, count)
    finally:
        os.close(fd)
        path.unlink()


def connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=60)
    database.execute("pragma journal_mode=wal")
    database.execute("pragma synchronous=full")
    return database


def sqlite(folder: Path, count: int, many: int) -> tuple[list[int], float]:
    """One connection's times, and the rate of WRITERS connections."""
    path = folder / "events.sqlite"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    own = threading.local()
    main = connect(path)
    main.execute("create table events (position integer primary key, type text, entity text, payload text)")
    connections = []

    def insert(number: int) -> None:
        if not hasattr(own, "database"):
            own.database = connect(path)
            connections.append(own.database)
        kind, entity, payload = event(number)
        text = common.json.dumps(payload)
        own.database.execute("insert into events (type, entity, payload) values (?, ?, ?)", (kind, entity, text))

    alone = spans_ns(insert, count)
    rate = together(insert, many)
    assert main.execute("select count(*) from events").fetchone() == (count + many,)
    main.close()
    return alone, rate


def one_round(folder: Path, scale: float) -> dict[str, float]:
    count, many = common.scaled(3_000, scale), max(common.scaled(40_000, scale), WRITERS)
    with primecore.open(common.fresh(folder / "store"), fsync="never") as prime:
        before = prime.stats().wal_bytes
        prime.append(*event(0), durable=True)
        nbytes = prime.stats().wal_bytes - before
        disk = raw(folder, nbytes, count)
        alone = spans_ns(lambda n: prime.append(*event(n + 1), durable=True), count)
        again = raw(folder, nbytes, count)
        # The threads begin with all at once: what one writer reaches a second, and what 64 do.
        rate = together(lambda n: prime.append(*event(n + count + 1), durable=True), many)
        assert prime.durable_position == prime.position == count + many + 1
    database, database_rate = sqlite(folder, count, max(common.scaled(4_000, scale), WRITERS))
    clock = common.clock_ns()
    raw_p50 = common.percentiles(disk + again, clock)["p50"]
    prime_p50 = common.percentiles(alone, clock)["p50"]
    one_per_second = count / (sum(alone) / 1e9)
    return {
        "record_bytes": nbytes,
        "raw_us_p50": raw_p50 / 1000,
        "prime_us_p50": prime_p50 / 1000,
        "sqlite_us_p50": common.percentiles(database, clock)["p50"] / 1000,
        "prime_times_raw": prime_p50 / raw_p50,
        "prime_1_writer_per_second": one_per_second,
        "prime_64_writers_per_second": rate,
        "prime_64_times_1": rate / one_per_second,
        "sqlite_1_writer_per_second": count / (sum(database) / 1e9),
        "sqlite_64_writers_per_second": database_rate,
    }


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head = common.start(arguments)
    with common.workplace(arguments) as folder:
        rounds = [one_round(folder, arguments.scale) for _ in range(arguments.rounds)]
        common.fresh(folder / "store")
    common.finish("durable", arguments, head, common.middle(rounds))


if __name__ == "__main__":
    main()
