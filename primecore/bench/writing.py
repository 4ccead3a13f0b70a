"""The sections about writing: ingest of a file, appends one at a time, in batches, and durable."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import primecore
from primecore.bench import measure, tables, workloads
from primecore.bench.line import PRIME, Call, Line, Setting, latencies, values

TEXT = "what the agent learned, in a sentence or two of ordinary length, as it comes from a conversation"
BATCH = 100
THREADS = 8
INSERTED = 1000  # rows of a transaction of SQLite when it is fed from a file


def event(number: int) -> tuple[str, str, dict[str, Any]]:
    """Type, id and payload of an event of ordinary size."""
    properties = {"name": f"Person {number}", "domain": "people", "text": TEXT, "score": number / 7}
    return "prime.node.created", f"node:person:{number:08d}", {"properties": properties}


def row(number: int, one: tuple[str, str, dict[str, Any]]) -> tuple[str, str, str, None, str]:
    """The same as a row of SQLite's table of events."""
    event_type, entity_id, payload = one
    return f"{number:032x}", event_type, entity_id, None, json.dumps(payload)


def ingest(setting: Setting) -> Iterator[Line]:
    """A file of mixed events, until all are in the graph and durable."""
    import orjson

    count = setting.size(200_000, 100_000)
    setting.say(f"writing {count:,} events to a file")
    path = workloads.file_of(setting.folder, "mixed", count)
    lines = path.read_bytes().splitlines(keepends=True)

    def rate(work: Callable[[], Any]) -> float:
        return count / measure.timed(work).wall

    def prime() -> float:
        with primecore.open(measure.fresh(setting.folder / "ingest")) as store:
            return rate(lambda: (store.ingest(path), store.flush()))

    def on_every_core() -> float:
        pinned = measure.cores()
        measure.run_on(setting.every_core)
        try:
            return prime()
        finally:
            measure.run_on(pinned)

    def parse(loads: Callable[[bytes], Any]) -> None:
        for line in lines:
            loads(line)

    def sqlite() -> float:
        with tables.database(tables.without(setting.folder / "events.db"), tables.EVENTS) as connection:

            def insert() -> None:
                parsed = (
                    (it["event_id"], it["event_type"], it["entity_id"], it["timestamp"], orjson.dumps(it["payload"]))
                    for it in map(orjson.loads, lines)
                )
                while batch := list(itertools.islice(parsed, INSERTED)):
                    tables.insert_events(connection, batch)

            return rate(insert)

    setting.say(f"ingesting {count:,} events")
    baselines = {
        "json.loads": lambda: rate(lambda: parse(json.loads)),
        "orjson.loads": lambda: rate(lambda: parse(orjson.loads)),
        "sqlite": sqlite,
    }
    what = f"ingest of {count:,} events"
    yield values(setting, "ingest", f"{what}, one core", "per_second", {PRIME: prime, **baselines})
    if len(setting.every_core) > 1:
        contenders = {PRIME: on_every_core, "json.loads": baselines["json.loads"]}
        yield values(setting, "ingest", f"{what}, all cores", "per_second", contenders)


def append(setting: Setting) -> Iterator[Line]:
    """One event at a time, acknowledged when it is in the log and in the graph."""
    count = setting.size(50_000, 10_000)
    setting.say(f"appending {count:,} events, one at a time")
    with (
        primecore.open(measure.fresh(setting.folder / "append")) as prime,
        tables.database(tables.without(setting.folder / "append.db"), tables.EVENTS) as connection,
    ):
        held: dict[str, Any] = {}
        log: list[Any] = []
        numbers = itertools.count()

        def by_dict(item: tuple[str, str, dict[str, Any]]) -> None:
            log.append(item)
            held[item[1]] = item[2]["properties"]

        def items(number: int) -> list[Any]:
            return [event(number * count + n) for n in range(count)]

        contenders = {
            PRIME: lambda item: prime.append(*item),
            "dict": by_dict,
            "sqlite": lambda item: connection.execute(tables.INSERT, row(next(numbers), item)),
        }
        yield latencies(setting, "append", "append(type, id, payload)", items, contenders)


def append_many(setting: Setting) -> Iterator[Line]:
    """Batches, each of them whole or not at all."""
    count = setting.size(100_000, 20_000)
    setting.say(f"appending {count:,} events in batches of {BATCH}")
    names = ("event_type", "entity_id", "payload")
    batches = [
        [dict(zip(names, event(n), strict=True)) for n in range(first, min(first + BATCH, count))]
        for first in range(0, count, BATCH)
    ]

    def prime() -> float:
        with primecore.open(measure.fresh(setting.folder / "batches")) as store:
            return count / measure.timed(lambda: [store.append_many(batch) for batch in batches]).wall

    def sqlite() -> float:
        numbers = itertools.count()
        with tables.database(tables.without(setting.folder / "batches.db"), tables.EVENTS) as connection:

            def insert() -> None:
                for batch in batches:
                    rows = [row(next(numbers), (it["event_type"], it["entity_id"], it["payload"])) for it in batch]  # type: ignore[arg-type]
                    tables.insert_events(connection, rows)

            return count / measure.timed(insert).wall

    contenders = {PRIME: prime, "sqlite": sqlite}
    yield values(setting, "append_many", f"append_many of {BATCH} events", "per_second", contenders)


def durable(setting: Setting) -> Iterator[Line]:
    """Appends that return when they are on stable storage: alone, and from threads that share syncs."""
    count = setting.size(500, 100)
    setting.say("appending durably")
    record = json.dumps(event(1)).encode()
    raw = setting.folder / "raw"
    raw.write_bytes(bytes((count + 1) * len(record) * setting.rounds))
    handle = os.open(raw, os.O_RDWR)
    sync = getattr(os, "fdatasync", os.fsync)
    offsets, numbers = itertools.count(0, len(record)), itertools.count()

    def by_hand(_: object) -> None:
        os.pwrite(handle, record, next(offsets))
        sync(handle)

    try:
        sync(handle)
        with (
            primecore.open(measure.fresh(setting.folder / "durable")) as prime,
            tables.database(tables.without(setting.folder / "full.db"), tables.EVENTS, "FULL") as connection,
        ):
            contenders: dict[str, Call] = {
                PRIME: lambda item: prime.append(*item, durable=True),
                "pwrite + fdatasync": by_hand,
                "sqlite FULL": lambda item: connection.execute(tables.INSERT, row(next(numbers), item)),
            }

            def items(number: int) -> list[Any]:
                return [event(number * count + n) for n in range(count)]

            yield latencies(setting, "durable append", "append(..., durable=True)", items, contenders)
    finally:
        os.close(handle)
    yield shared_syncs(setting, count * THREADS, raw, record)


def shared_syncs(setting: Setting, count: int, raw: Path, record: bytes) -> Line:
    """Durable events per second of several threads, beside one write and sync after another."""

    def prime() -> float:
        with primecore.open(measure.fresh(setting.folder / "durable")) as store:

            def write(start: int) -> None:
                for n in range(start, count, THREADS):
                    store.append(*event(n), durable=True)

            def run() -> None:
                running = [threading.Thread(target=write, args=(start,)) for start in range(THREADS)]
                for thread in running:
                    thread.start()
                for thread in running:
                    thread.join()

            return count / measure.timed(run).wall

    def by_hand() -> float:
        handle, alone = os.open(raw, os.O_RDWR), max(count // THREADS, 1)
        sync = getattr(os, "fdatasync", os.fsync)

        def run() -> None:
            for number in range(alone):
                os.pwrite(handle, record, number * len(record))
                sync(handle)

        try:
            return alone / measure.timed(run).wall
        finally:
            os.close(handle)

    what = f"durable appends of {THREADS} threads, a second"
    return values(setting, "durable append", what, "per_second", {PRIME: prime, "pwrite + fdatasync": by_hand})
