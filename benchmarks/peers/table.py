"""The contenders: what they are, what a write means to them, what they do not do. Imports none of them.

`durability` is what an acknowledged single write survives as it is measured here.
"""

from __future__ import annotations

from typing import NamedTuple

NOTHING = "none: gone with the process"
KILLED = "kill -9; power loss takes the last moments"
POWER = "power loss"
SECOND = "kill -9; power loss takes up to a second"


class Peer(NamedTuple):
    """A contender for one kind of workload: `made_by` is "module:class" of this folder."""

    kind: str
    name: str
    packages: tuple[str, ...]
    durability: str
    lacks: str
    made_by: str


PRIME_LACKS = "query language; data larger than memory"
SERVED = "history; life in one's own process"
TABLE = (
    Peer("graph", "Prime", (), KILLED, PRIME_LACKS, "plain:PrimeGraph"),
    Peer("graph", "dict", (), NOTHING, "log, history, locks, any other process", "plain:DictGraph"),
    Peer("graph", "dict + RLock + copy", (), NOTHING, "log, history, any other process", "plain:LockedGraph"),
    Peer("graph", "networkx", ("networkx",), NOTHING, "log, history, locks", "plain:NetworkxGraph"),
    Peer("graph", "rustworkx", ("rustworkx",), NOTHING, "log, history, ids of one's own", "plain:RustworkxGraph"),
    Peer("graph", "LMDB", ("lmdb",), "none until synced (sync=False)", "graph, history, queries", "stored:LmdbGraph"),
    Peer("graph", "SQLite in memory", (), NOTHING, "history", "stored:SqliteMemory"),
    Peer("graph", "SQLite WAL, NORMAL", (), KILLED, "history", "stored:SqliteNormal"),
    Peer("graph", "SQLite WAL, FULL", (), POWER, "history", "stored:SqliteFull"),
    Peer("graph", "DuckDB", ("duckdb",), POWER, "history; point reads are not what it is for", "stored:DuckdbGraph"),
    Peer("graph", "PostgreSQL", ("psycopg", "psycopg-binary"), POWER, SERVED, "servers:PostgresGraph"),
    Peer("graph", "Redis", ("redis",), SECOND, SERVED + "; queries", "servers:RedisGraph"),
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
    Peer("large-vectors", "Prime", (), KILLED, PRIME_LACKS, "nearest:PrimeVectors"),
    Peer("large-vectors", "numpy, exact", (), NOTHING, "log, index, text", "nearest:NumpyVectors"),
    Peer("large-vectors", "hnswlib", ("hnswlib",), NOTHING, "log, text, filters", "nearest:HnswlibVectors"),
    Peer("large-vectors", "faiss HNSW", ("faiss-cpu",), NOTHING, "log, text, deletes", "nearest:FaissVectors"),
    Peer("large-vectors", "usearch f16", ("usearch",), NOTHING, "log, text", "nearest:UsearchVectors"),
    Peer("log", "Prime", (), KILLED, PRIME_LACKS, "logs:PrimeLog"),
    Peer("log", "SQLite WAL, NORMAL", (), KILLED, "views: it is a table", "logs:SqliteLog"),
    Peer("log", "SQLite WAL, FULL", (), POWER, "views: it is a table", "logs:SqliteFullLog"),
    Peer("log", "eventsourcing (SQLite)", ("eventsourcing",), POWER, "views of its own", "logs:EventsourcingLog"),
    Peer("texts", "Prime", (), KILLED, PRIME_LACKS, "remembered:PrimeMemory"),
    Peer("texts", "SQLite FTS5", (), KILLED, "graph, history, vectors", "remembered:Fts5Memory"),
    Peer("texts", "plugmem", ("plugmem",), POWER, "user-defined views; a log to replay", "remembered:PlugmemMemory"),
    Peer("agents", "Prime", (), KILLED, PRIME_LACKS, "agents:PrimeAgent"),
    Peer("agents", "Prime over MCP", ("mcp",), KILLED, PRIME_LACKS, "agents:PrimeOverMcp"),
    Peer("agents", "MCP reference server", (), KILLED, "meaning; it looks for a substring", "agents:ReferenceMemory"),
    Peer("agents", "mem0, Chroma", ("mem0ai", "chromadb"), KILLED, "log to replay", "agents:Mem0Chroma"),
    Peer("agents", "mem0, Qdrant local", ("mem0ai",), KILLED, "log to replay; an index: it scans", "agents:Mem0Qdrant"),
    Peer("agents", "zer0dex", ("zer0dex", "mem0ai", "chromadb"), KILLED, "graph, log to replay", "agents:Zer0dex"),
)  # fmt: skip
KINDS = ("graph", "vectors", "large-vectors", "log", "texts", "agents")
# What a contender of a kind must find in Prime; where it is not there, Prime does not take part.
NEEDS = {
    "graph": ("neighbors",),
    "vectors": ("embed", "similar"),
    "large-vectors": ("embed", "similar"),
    "log": ("append",),
    "texts": ("search",),
    "agents": ("remember", "recall"),
}
LEFT_OUT = {
    "sqlite-vec, Chroma and LanceDB at 100,000 vectors": "they take minutes to a quarter of an hour to take them in",
    "what a language model does for mem0 and zer0dex": "it takes seconds, and is the model's",
}


def find(kind: str, name: str) -> Peer:
    """A contender by its kind and name."""
    return next(peer for peer in TABLE if (peer.kind, peer.name) == (kind, name))


def packages() -> list[str]:
    """All that contenders need beside Prime's own."""
    return sorted({package for peer in TABLE for package in peer.packages})
