"""The contenders: what they are, what a write means to them, what they do not do. Imports none of them.

`durability` is what an acknowledged single write survives as it is measured here.
"""

from __future__ import annotations

from typing import NamedTuple

NOTHING = "none: gone with the process"
KILLED = "kill -9; power loss takes the last moments"
POWER = "power loss"


class Peer(NamedTuple):
    """A contender for one kind of workload: `made_by` is "module:class" of this folder."""

    kind: str
    name: str
    packages: tuple[str, ...]
    durability: str
    lacks: str
    made_by: str


PRIME_LACKS = "query language; several writing processes; data larger than memory"
TABLE = (
    Peer("graph", "Prime", (), KILLED, PRIME_LACKS, "plain:PrimeGraph"),
    Peer("graph", "dict", (), NOTHING, "log, history, locks, any other process", "plain:DictGraph"),
    Peer("graph", "dict + RLock + copy", (), NOTHING, "log, history, any other process", "plain:LockedGraph"),
    Peer("graph", "networkx", ("networkx",), NOTHING, "log, history, locks", "plain:NetworkxGraph"),
    Peer("graph", "LMDB", ("lmdb",), "none until synced (sync=False)", "graph, history, queries", "stored:LmdbGraph"),
    Peer("graph", "SQLite in memory", (), NOTHING, "history", "stored:SqliteMemory"),
    Peer("graph", "SQLite WAL, NORMAL", (), KILLED, "history", "stored:SqliteNormal"),
    Peer("graph", "SQLite WAL, FULL", (), POWER, "history", "stored:SqliteFull"),
    Peer("graph", "DuckDB", ("duckdb",), POWER, "history; point reads are not what it is for", "stored:DuckdbGraph"),
    Peer("graph", "Kuzu", ("kuzu",), POWER, "history; no longer developed", "cypher:KuzuGraph"),
    Peer("graph", "Ladybug", ("ladybug",), POWER, "history", "cypher:LadybugGraph"),
    Peer("vectors", "Prime", (), KILLED, PRIME_LACKS, "nearest:PrimeVectors"),
    Peer("vectors", "numpy, exact", (), NOTHING, "log, index, text", "nearest:NumpyVectors"),
    Peer("vectors", "hnswlib", ("hnswlib",), NOTHING, "log, text, filters", "nearest:HnswlibVectors"),
    Peer("vectors", "faiss HNSW", ("faiss-cpu",), NOTHING, "log, text, deletes", "nearest:FaissVectors"),
    Peer("vectors", "usearch f16", ("usearch",), NOTHING, "log, text", "nearest:UsearchVectors"),
    Peer("vectors", "sqlite-vec", ("sqlite-vec", "apsw"), KILLED, "index: it scans", "nearest:SqliteVecVectors"),
    Peer("vectors", "Chroma", ("chromadb",), KILLED, "graph, history", "nearest:ChromaVectors"),
    Peer("vectors", "LanceDB HNSW_SQ", ("lancedb",), KILLED, "graph; it scans the newest", "nearest:LanceVectors"),
    Peer("log", "Prime", (), KILLED, PRIME_LACKS, "logs:PrimeLog"),
    Peer("log", "SQLite WAL, NORMAL", (), KILLED, "views: it is a table", "logs:SqliteLog"),
    Peer("log", "SQLite WAL, FULL", (), POWER, "views: it is a table", "logs:SqliteFullLog"),
    Peer("log", "eventsourcing (SQLite)", ("eventsourcing",), POWER, "views of its own", "logs:EventsourcingLog"),
    Peer("memory", "Prime", (), KILLED, PRIME_LACKS, "remembered:PrimeMemory"),
    Peer("memory", "SQLite FTS5", (), KILLED, "graph, history, vectors", "remembered:Fts5Memory"),
    Peer("memory", "plugmem", ("plugmem",), POWER, "user-defined views; a log to replay", "remembered:PlugmemMemory"),
)  # fmt: skip
KINDS = ("graph", "vectors", "log", "memory")
# What a contender of a kind must find in Prime; where it is not there, Prime does not take part.
NEEDS = {"graph": ("neighbors",), "vectors": ("embed", "similar"), "log": ("append",), "memory": ("search",)}
LEFT_OUT = {
    "PostgreSQL and Redis": "they are servers, which this environment of Python packages does not bring",
    "mem0, zer0dex": "they want a model or its service for what they measure",
    "the MCP reference memory server": "it is a server behind a pipe, whose time is that of the pipe",
}


def find(kind: str, name: str) -> Peer:
    """A contender by its kind and name."""
    return next(peer for peer in TABLE if (peer.kind, peer.name) == (kind, name))


def packages() -> list[str]:
    """All that contenders need beside Prime's own."""
    return sorted({package for peer in TABLE for package in peer.packages})
