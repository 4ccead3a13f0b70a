"""Graph contenders that are general stores: SQLite, DuckDB, LMDB."""

from __future__ import annotations

import json
import sqlite3
import struct
from typing import Any, ClassVar

from kinds import Graph

from primecore.bench.tables import ENTRIES, GRAPH

TWO_HOPS = """
with near(id) as (select target from edges where source = ? union select source from edges where target = ?)
select count(*) from (select id from near union
    select target from edges join near on source = near.id union select source from edges join near on target = near.id
) as reached
"""


class SqliteMemory(Graph):
    version = sqlite3.sqlite_version
    synchronous: ClassVar[str] = ""

    def open(self) -> None:
        if hasattr(self, "connection") and not self.synchronous:
            return  # a connection to memory is the store
        place = str(self.folder / "graph.db") if self.synchronous else ":memory:"
        self.connection = sqlite3.connect(place, isolation_level=None)
        if self.synchronous:
            self.connection.execute("pragma journal_mode = wal")
            self.connection.execute(f"pragma synchronous = {self.synchronous}")
        if not self.connection.execute("select 1 from sqlite_master where name = 'nodes'").fetchone():
            self.connection.executescript(GRAPH)

    def load(self, people: list[Any], links: list[Any]) -> None:
        self.connection.execute("begin")
        rows = ((one.id, json.dumps(one.properties)) for one in people)
        self.connection.executemany("insert into nodes values (?, ?)", rows)
        self.connection.executemany("insert into edges values (?, ?, ?, ?, ?)", links)
        self.connection.execute("commit")

    def add(self, link: tuple[str, str, str, str, float]) -> None:
        self.connection.execute("insert into edges values (?, ?, ?, ?, ?)", link)

    def node(self, key: str) -> dict[str, Any]:
        found = self.connection.execute("select properties from nodes where id = ?", (key,)).fetchone()
        return dict(json.loads(found[0]))

    def neighbors(self, key: str) -> list[Any]:
        return self.connection.execute(ENTRIES, (key, key)).fetchall()

    def two_hops(self, key: str) -> int:
        return int(self.connection.execute(TWO_HOPS, (key, key)).fetchone()[0])

    def close(self) -> None:
        if self.synchronous:
            self.connection.close()


class SqliteNormal(SqliteMemory):
    synchronous = "NORMAL"


class SqliteFull(SqliteMemory):
    synchronous = "FULL"


class DuckdbGraph(Graph):
    def open(self) -> None:
        import duckdb

        self.connection = duckdb.connect(str(self.folder / "graph.duckdb"), config={"threads": 1})
        for statement in GRAPH.replace("without rowid", "").replace(" real", " double").split(";"):
            words = statement.split()
            if words[:2] == ["create", "table"]:
                self.connection.execute(statement.replace("create table", "create table if not exists"))
            elif words:
                # One column: a key of an index in DuckDB is the whole of a row's values, and wide ones cost memory.
                name, column = words[2], statement.partition("(")[2].partition(",")[0]
                self.connection.execute(f"create index if not exists {name} on edges ({column})")

    def load(self, people: list[Any], links: list[Any]) -> None:
        import pyarrow

        nodes = pyarrow.table(
            {"id": [one.id for one in people], "properties": [json.dumps(one.properties) for one in people]}
        )
        columns = ("id", "source", "target", "relation", "weight")
        edges = pyarrow.table(dict(zip(columns, map(list, zip(*links, strict=True)), strict=True)))
        self.connection.register("given_nodes", nodes)
        self.connection.register("given_edges", edges)
        self.connection.execute("insert into nodes select * from given_nodes")
        self.connection.execute("insert into edges select * from given_edges")
        self.connection.unregister("given_nodes")
        self.connection.unregister("given_edges")

    def add(self, link: tuple[str, str, str, str, float]) -> None:
        self.connection.execute("insert into edges values (?, ?, ?, ?, ?)", link)

    def node(self, key: str) -> dict[str, Any]:
        found = self.connection.execute("select properties from nodes where id = ?", (key,)).fetchone()
        return dict(json.loads(found[0]))

    def neighbors(self, key: str) -> list[Any]:
        return list(self.connection.execute(ENTRIES, (key, key)).fetchall())

    def two_hops(self, key: str) -> int:
        return int(self.connection.execute(TWO_HOPS, (key, key)).fetchone()[0])

    def close(self) -> None:
        self.connection.close()


class LmdbGraph(Graph):
    """Keys to JSON, and each node's entries as duplicates of one key. Written without a sync for each transaction."""

    def open(self) -> None:
        import lmdb

        self.environment = lmdb.open(str(self.folder / "graph.lmdb"), map_size=64 << 30, max_dbs=2, sync=False)
        self.nodes = self.environment.open_db(b"nodes")
        self.near = self.environment.open_db(b"near", dupsort=True)

    def load(self, people: list[Any], links: list[Any]) -> None:
        with self.environment.begin(write=True) as transaction:
            for one in people:
                transaction.put(one.id.encode(), json.dumps(one.properties).encode(), db=self.nodes)
            for link in links:
                self.put(transaction, link)
        self.environment.sync(True)

    def put(self, transaction: Any, link: tuple[str, str, str, str, float]) -> None:
        edge, source, target, relation, weight = link
        tail = b"\0".join((edge.encode(), relation.encode())) + struct.pack("<d", weight)
        transaction.put(source.encode(), b">" + target.encode() + b"\0" + tail, db=self.near)
        transaction.put(target.encode(), b"<" + source.encode() + b"\0" + tail, db=self.near)

    def add(self, link: tuple[str, str, str, str, float]) -> None:
        with self.environment.begin(write=True) as transaction:
            self.put(transaction, link)

    def node(self, key: str) -> dict[str, Any]:
        with self.environment.begin() as transaction:
            return dict(json.loads(transaction.get(key.encode(), db=self.nodes)))

    def neighbors(self, key: str) -> list[Any]:
        found = []
        with self.environment.begin() as transaction, transaction.cursor(db=self.near) as cursor:
            if cursor.set_key(key.encode()):
                for value in cursor.iternext_dup():
                    peer, edge, relation = value[1:-8].split(b"\0")
                    way = "out" if value[0] == ord(">") else "in"
                    weight = struct.unpack("<d", value[-8:])[0]
                    found.append((peer.decode(), edge.decode(), relation.decode(), way, weight))
        return found

    def close(self) -> None:
        self.environment.close()
