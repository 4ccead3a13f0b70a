"""The baselines that hold data: dicts, and SQLite in a file. Knows the workloads, not Prime."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from primecore.bench import workloads

Entry = tuple[str, str, str, str, float]
"""What a neighbour is made of: peer, edge id, relation, direction, weight."""


class Dicts:
    """The power-law graph as a careful Python programmer would hold it: properties by id, entries by id.

    Entries of both directions are in one list, in the order of the edges: one look-up finds all there are.
    """

    def __init__(self, count: int, *, links: bool = True) -> None:
        self.properties: dict[str, dict[str, Any]] = {}
        self.near: dict[str, list[Entry]] = {}
        self.ids: list[str] = []
        for person in workloads.every_person(count):
            self.ids.append(person.id)
            self.properties[person.id] = person.properties
            self.near[person.id] = []
        if links:
            self.link(count)

    def link(self, count: int) -> None:
        """Takes the edges in."""
        ids, near = self.ids, self.near
        for edge, source, target, relation, weight in workloads.every_link(count):
            near[ids[source]].append((ids[target], edge, relation, "out", weight))
            near[ids[target]].append((ids[source], edge, relation, "in", weight))


GRAPH = """
create table nodes (id text primary key, properties text not null) without rowid;
create table edges (id text primary key, source text not null, target text not null, relation text not null,
    weight real not null) without rowid;
create index by_source on edges (source, target, id, relation, weight);
create index by_target on edges (target, source, id, relation, weight);
"""
EVENTS = """
create table events (position integer primary key, event_id text not null unique, event_type text not null,
    entity_id text not null, timestamp text, payload text not null, metadata text);
"""
ENTRIES = """
select target, id, relation, 'out', weight from edges where source = ? union all
select source, id, relation, 'in', weight from edges where target = ?
"""
INSERT = "insert into events (event_id, event_type, entity_id, timestamp, payload) values (?, ?, ?, ?, ?)"


@contextlib.contextmanager
def database(path: Path, schema: str = "", synchronous: str = "NORMAL") -> Iterator[sqlite3.Connection]:
    """A connection to a file in WAL mode, without implicit transactions; made with `schema` if one is given."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute(f"pragma synchronous = {synchronous}")
        connection.executescript(schema)
        yield connection
    finally:
        connection.close()


def without(path: Path) -> Path:
    """The path of a database that is not there, nor its companions."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path


def fill(connection: sqlite3.Connection, count: int) -> None:
    """The power-law graph, in one transaction."""
    connection.execute("begin")
    nodes = ((person.id, json.dumps(person.properties)) for person in workloads.every_person(count))
    connection.executemany("insert into nodes values (?, ?)", nodes)
    links = (
        (link.id, workloads.node_id(link.source), workloads.node_id(link.target), link.relation, link.weight)
        for link in workloads.every_link(count)
    )
    connection.executemany("insert into edges values (?, ?, ?, ?, ?)", links)
    connection.execute("commit")


def insert_events(connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """A batch of events in one transaction."""
    connection.execute("begin")
    connection.executemany(INSERT, rows)
    connection.execute("commit")
