"""The section about the past: neighbours as of a position in the middle of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from primecore.bench import tables, workloads
from primecore.bench.line import PRIME, Line, Setting, latencies
from primecore.bench.reading import build

LIVES = """
create table lives (own text not null, born integer not null, peer text not null, edge text not null,
    relation text not null, way text not null, weight real not null, primary key (own, born, way)) without rowid;
"""
AS_OF = "select peer, edge, relation, way, weight from lives where own = ? and born <= ?"


def as_of(setting: Setting) -> Iterator[Line]:
    """Half of the edges are younger than the moment that is asked for."""
    count, calls = setting.size(10_000, 10_000), setting.size(10_000, 3_000)
    position = count + count * workloads.LINKS_EACH // 2
    with build(setting, count) as prime, tables.database(setting.folder / "past.db", LIVES) as connection:
        connection.execute("begin")
        connection.executemany("insert into lives values (?, ?, ?, ?, ?, ?, ?)", lives(count))
        connection.execute("commit")
        setting.say(f"asking the past of {count:,} nodes")
        past, now = prime.at(position=position), prime
        contenders: dict[str, Callable[[str], Any]] = {
            PRIME: lambda key: list(past.neighbors(key)),
            "the present": lambda key: list(now.neighbors(key)),
            "sqlite": lambda key: connection.execute(AS_OF, (key, position)).fetchall(),
        }
        what = f"list(at(position=...).neighbors(id)), {count:,} nodes"
        yield latencies(setting, "past", what, lambda number: workloads.uniform(count, calls, number), contenders)


def lives(count: int) -> Iterator[tuple[str, int, str, str, str, str, float]]:
    """Each edge from both ends, with the position of its birth in a log that has the nodes first."""
    for born, link in enumerate(workloads.every_link(count), start=count + 1):
        source, target = workloads.node_id(link.source), workloads.node_id(link.target)
        yield source, born, target, link.id, link.relation, "out", link.weight
        yield target, born, source, link.id, link.relation, "in", link.weight
