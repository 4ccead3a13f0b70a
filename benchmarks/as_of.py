"""Reads at a past position beside the same reads of the present, and beside sqlite3 in memory, in the same run.

A million events: nodes, four edges each, then changes: nodes updated, weights changed, edges deleted. The past is in
the middle of the changes. "changed since" asks for nodes that a later event touched, whose state is folded from the
log. "from Parquet" is the same store on disk after compaction, "decoded anew" without its cache of decoded rows.
sqlite3 has an indexed table of events (node states are folded from it in Python) and one of edges' lives. Ids are fresh
strs; contenders take turns within a round.
"""

from __future__ import annotations

import io
import json
import random
import sqlite3
from typing import Any

import common
import workloads

import primecore

SHARES = (("node.created", 15), ("edge.created", 60), ("node.updated", 15), ("edge.updated", 5), ("edge.deleted", 5))
QUERY = (
    "SELECT {peer}, edge, relation, weight FROM lives WHERE {own} = ? AND born <= ? AND (died IS NULL OR died > ?) "
    "ORDER BY born"
)


def events(count: int) -> list[dict[str, Any]]:
    """The log: all of one kind before the next, but for the changes, which are mixed."""
    rng = random.Random(11)
    nodes, edges = count * 15 // 100, count * 60 // 100
    made: list[tuple[str, str, dict[str, Any]]] = [
        ("node.created", workloads.node_id(n), {"properties": {"name": f"n{n}", "rank": n, "state": "new"}})
        for n in range(nodes)
    ]
    for number in range(edges):
        ends = {"source": workloads.node_id(rng.randrange(nodes)), "target": workloads.node_id(rng.randrange(nodes))}
        made.append(("edge.created", f"edge:{number}", {**ends, "relation": "knows", "weight": 0.5}))
    changes: list[tuple[str, str, dict[str, Any]]] = []
    for kind, share in SHARES[2:]:
        for _ in range(count * share // 100):
            if kind == "node.updated":
                node = workloads.node_id(rng.randrange(nodes))
                changes.append((kind, node, {"properties": {"state": f"s{rng.randrange(9)}"}}))
            else:
                payload = {"weight": rng.random()} if kind == "edge.updated" else {}
                changes.append((kind, f"edge:{rng.randrange(edges)}", payload))
    rng.shuffle(changes)
    return [{"event_type": f"prime.{kind}", "entity_id": id, "payload": body} for kind, id, body in made + changes]


def database(log: list[dict[str, Any]]) -> sqlite3.Connection:
    """The same log in sqlite3, indexed for the questions asked here."""
    base = sqlite3.connect(":memory:", isolation_level=None)
    base.execute("CREATE TABLE events (position INTEGER PRIMARY KEY, entity TEXT, type TEXT, payload TEXT)")
    base.execute(
        "CREATE TABLE lives (edge TEXT, source TEXT, target TEXT, relation TEXT, weight REAL, born INT, died INT)"
    )
    base.execute("BEGIN")
    rows = [(at, it["entity_id"], it["event_type"], json.dumps(it["payload"])) for at, it in enumerate(log, 1)]
    base.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
    lives: dict[str, list[Any]] = {}
    for at, it in enumerate(log, 1):
        body = it["payload"]
        if it["event_type"] == "prime.edge.created":
            lives[it["entity_id"]] = [body["source"], body["target"], body["relation"], body["weight"], at, None]
        elif it["event_type"] == "prime.edge.deleted" and lives[it["entity_id"]][5] is None:
            lives[it["entity_id"]][5] = at
    base.executemany("INSERT INTO lives VALUES (?, ?, ?, ?, ?, ?, ?)", ((id, *life) for id, life in lives.items()))
    base.execute("COMMIT")
    for index in ("events (entity, position)", "lives (source, born)", "lives (target, born)"):
        base.execute(f"CREATE INDEX {index.replace(' (', '_').replace(', ', '_').rstrip(')')} ON {index}")
    return base


def sqlite_node(base: sqlite3.Connection, node_id: str, position: int) -> dict[str, Any]:
    """A node's properties at a position, folded from its events."""
    found: dict[str, Any] = {}
    rows = base.execute(
        "SELECT payload FROM events WHERE entity = ? AND position <= ? ORDER BY position", (node_id, position)
    )
    for (payload,) in rows:
        found.update(json.loads(payload)["properties"])
    return found


def sqlite_neighbors(base: sqlite3.Connection, node_id: str, position: int) -> list[Any]:
    """Rows of a node's edges at a position: out, then in. (Weights are those of creation: kinder to sqlite3.)"""
    return [
        row
        for peer, own in (("target", "source"), ("source", "target"))
        for row in base.execute(QUERY.format(peer=peer, own=own), (node_id, position, position))
    ]


def contenders(prime: Any, view: Any, kept: Any, base: sqlite3.Connection) -> dict[str, Any]:
    neighbors, node, then, position = prime.neighbors, prime.node, view.neighbors, view.position
    return {
        "list(neighbors(id)), now": lambda key: list(neighbors(key)),
        "list(at.neighbors(id))": lambda key: list(then(key)),
        "sqlite3, edges at a position": lambda key: sqlite_neighbors(base, key, position),
        "node(id), now": lambda key: node(key),  # noqa: PLW0108 (all contenders pay for one lambda)
        "at.node(id)": lambda key: view.node(key),  # noqa: PLW0108
        "at.node(id), changed since": lambda key: view.node(key),  # noqa: PLW0108
        "list(at.neighbors(id)), from Parquet": lambda key: list(kept.neighbors(key)),
        "at.node(id), changed since, from Parquet": lambda key: kept.node(key),  # noqa: PLW0108
        "at.node(id), changed since, from Parquet, decoded anew": lambda key: anew(kept, key),
        "sqlite3, node at a position": lambda key: sqlite_node(base, key, position),
        "a call that does nothing": lambda key: None,
    }


def anew(view: Any, node_id: str) -> Any:
    """A node as it was, read by a process that has decoded nothing yet."""
    history = view._engine.log.history
    history._cache.clear()
    history._latest = None
    return view.node(node_id)


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head = common.start(arguments)
    count = common.scaled(1_000_000, arguments.scale)
    calls = common.scaled(50_000, arguments.scale)
    log = events(count)
    measured: dict[str, list[dict[str, float]]] = {}
    base = database(log)
    with (
        common.workplace(arguments) as folder,
        primecore.open(":memory:") as prime,
        primecore.open(common.fresh(folder / "as-of"), checkpoint_events=0) as compacted,
    ):
        text = b"".join(json.dumps(it).encode() + b"\n" for it in log)
        for store in (prime, compacted):
            store.ingest(io.BytesIO(text), name="as-of")
        del text
        compacted.flush()
        turned = compacted.compact().events
        view = prime.at(position=len(log) - len(log) // 8)
        kept = compacted.at(position=view.position)
        nodes = sum(it["event_type"] == "prime.node.created" for it in log)
        later = {it["entity_id"] for it in log[view.position :] if it["event_type"] == "prime.node.updated"}
        touched = sorted(later)
        del log
        check = workloads.node_id(nodes // 2)
        assert view.node(check).properties == sqlite_node(base, check, view.position)
        assert [it.edge_id for it in view.neighbors(check)] == [
            it[1] for it in sqlite_neighbors(base, check, view.position)
        ]
        assert kept.node(check).properties == view.node(check).properties
        calling = contenders(prime, view, kept, base)
        for number in range(arguments.rounds):
            clock = common.clock_ns()
            for name, call in calling.items():
                rng = random.Random(number)
                asked = max(calls // 50, 100) if "Parquet" in name else calls
                ids = [workloads.node_id(rng.randrange(nodes)) for _ in range(asked)]
                if "changed since" in name:
                    ids = ["".join(rng.choice(touched)) for _ in range(asked)]
                measured.setdefault(name, []).append(common.percentiles(common.each_ns(call, ids), clock))
        memory = prime.stats().memory_bytes
    ns = {name: common.middle(rounds) for name, rounds in measured.items()}
    nothing = ns["a call that does nothing"]["p50"]
    pairs = (
        ("list(at.neighbors(id))", "list(neighbors(id)), now"),
        ("list(at.neighbors(id))", "sqlite3, edges at a position"),
        ("at.node(id), changed since", "node(id), now"),
        ("at.node(id), changed since", "sqlite3, node at a position"),
        ("at.node(id), changed since, from Parquet", "sqlite3, node at a position"),
        ("at.node(id), changed since, from Parquet, decoded anew", "sqlite3, node at a position"),
    )
    figures: dict[str, Any] = {"events": count, "nodes": nodes, "position": view.position, "calls": calls, "ns": ns}
    figures["events_in_parquet"] = turned
    figures["p50_ratio"] = {
        f"{one} / {other}": round((ns[one]["p50"] - nothing) / max(ns[other]["p50"] - nothing, 1), 3)
        for one, other in pairs
    }
    figures["graveyard_bytes"] = memory["graveyard"]
    common.finish("as_of", arguments, head, figures)


if __name__ == "__main__":
    main()
