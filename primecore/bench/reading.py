"""The sections about reading the graph of the present: one node, its neighbours, many at once."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

import primecore
from primecore.bench import measure, tables, workloads
from primecore.bench.line import PRIME, Line, Setting, latencies

BATCH = 1000
LARGE = 1_000_000
LARGE_DICTS_S = 60
"""Where dicts of the large graph would take longer than this to build, a tenth of it is asked."""
GIB_FOR_LARGE = 4
"""Memory that must be there for the large graph, which is held twice: by Prime, and by dicts."""


def build(setting: Setting, count: int) -> primecore.Prime:
    """An open store with the power-law graph, fed through a pipe."""
    setting.say(f"building a graph of {count:,} nodes and {count * workloads.LINKS_EACH:,} edges")
    prime = primecore.open(measure.fresh(setting.folder / "graph"))
    try:
        for name in ("people", "links"):
            with workloads.stream(name, count) as lines:
                prime.ingest(lines)
        prime.flush()
    except BaseException:
        prime.close()
        raise
    return prime


def graph(setting: Setting) -> Iterator[Line]:
    """A small graph beside dicts and SQLite, and a large one beside dicts."""
    small = setting.size(10_000, 10_000)
    with build(setting, small) as prime, tables.database(setting.folder / "graph.db", tables.GRAPH) as connection:
        setting.say("building the same of dicts and in SQLite")
        tables.fill(connection, small)
        begun = time.perf_counter()
        held = tables.Dicts(small)
        spent_s = time.perf_counter() - begun
        with measure.set_aside():
            setting.say(f"asking the graph of {small:,} nodes")
            yield from nodes(setting, prime, held, connection, small)
            yield from neighbors(setting, prime, held, small, connection)
            yield many(setting, prime, held, small)
    del held
    fast = spent_s / small * LARGE < LARGE_DICTS_S
    large = setting.size(LARGE if fast and room_for_large() else 100_000, 100_000)
    with build(setting, large) as prime:
        setting.say("building the same of dicts")
        held = tables.Dicts(large)
        with measure.set_aside():
            setting.say(f"asking the graph of {large:,} nodes")
            yield from neighbors(setting, prime, held, large)
            yield many(setting, prime, held, large)


def room_for_large() -> bool:
    """Whether this machine has the memory for the large graph; where it does not tell, yes."""
    try:
        with open("/proc/meminfo", encoding="ascii") as table:
            free = next(int(line.split()[1]) for line in table if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return True
    return free >= GIB_FOR_LARGE << 20


def nodes(
    setting: Setting, prime: Any, held: tables.Dicts, connection: sqlite3.Connection, count: int
) -> Iterator[Line]:
    """One node with its properties."""
    calls = setting.size(20_000, 5_000)
    texts = {key: json.dumps(properties) for key, properties in held.properties.items()}
    query = "select properties from nodes where id = ?"
    node = prime.node
    contenders: dict[str, Callable[[str], Any]] = {
        PRIME: lambda key: node(key).properties,
        "dict": lambda key: held.properties[key],
        "json.loads": lambda key: json.loads(texts[key]),
        "sqlite": lambda key: json.loads(connection.execute(query, (key,)).fetchone()[0]),
    }
    what = f"node(id).properties, {count:,} nodes"
    yield latencies(setting, "node", what, lambda number: workloads.uniform(count, calls, number), contenders)


def neighbors(
    setting: Setting, prime: Any, held: tables.Dicts, count: int, connection: sqlite3.Connection | None = None
) -> Iterator[Line]:
    """Neighbours of one id: an id just read (never hashed) or at hand since long; any id, or popular ones."""
    calls = setting.size(20_000, 5_000)
    ask, near = prime.neighbors, held.near
    counted: dict[str, Callable[[str], Any]] = {PRIME: lambda key: len(ask(key)), "dict": lambda key: len(near[key])}
    listed: dict[str, Callable[[str], Any]] = {PRIME: lambda key: list(ask(key)), "dict": lambda key: list(near[key])}
    if connection is not None:
        listed["sqlite"] = lambda key: connection.execute(tables.ENTRIES, (key, key)).fetchall()
    for popularity, draw in (("uniform", workloads.uniform), ("Zipf", workloads.zipf)):
        kept = draw(count, calls, 0)
        for key in kept:
            hash(key)

        def fresh(number: int, draw: Any = draw) -> list[str]:
            ids: list[str] = draw(count, calls, number)
            return ids

        def reused(number: int, kept: list[str] = kept) -> list[str]:
            return kept

        for kind, items in (("fresh", fresh), ("reused", reused)):
            which = f"{kind} ids, {popularity}, {count:,} nodes"
            yield latencies(setting, "neighbors", f"len(neighbors(id)), {which}", items, counted)
        which = f"fresh ids, {popularity}, {count:,} nodes"
        yield latencies(setting, "neighbors", f"list(neighbors(id)), {which}", fresh, listed)


def many(setting: Setting, prime: Any, held: tables.Dicts, count: int) -> Line:
    """The rows of a thousand ids in one call."""
    calls, near = setting.size(100, 20), held.near

    def items(number: int) -> list[list[str]]:
        ids = workloads.uniform(count, calls * BATCH, number)
        return [ids[first : first + BATCH] for first in range(0, len(ids), BATCH)]

    contenders: dict[str, Callable[[list[str]], Any]] = {
        PRIME: lambda ids: len(prime.neighbors_many(ids)),
        "dict": lambda ids: len([list(near[key]) for key in ids]),
    }
    return latencies(setting, "neighbors_many", f"neighbors_many of {BATCH:,} ids, {count:,} nodes", items, contenders)
