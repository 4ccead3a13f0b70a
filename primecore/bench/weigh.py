"""Weighs one contender that holds the power-law graph, in a process of its own: memory and disk.

    python -m primecore.bench.weigh prime FOLDER 100000
"""

from __future__ import annotations

import gc
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import primecore
from primecore.bench import measure, tables, workloads

Weights = dict[str, float]
WARM_UP = b'{"event_type":"warm.up","entity_id":"warm:up","payload":{"text":"' + b"x" * 200 + b'"}}\n'


def resident() -> int:
    """Bytes of memory that are this process's own; where the system does not tell, the most it ever had."""
    gc.collect()
    kib = measure.status_kib("RssAnon")
    if kib is not None:
        return kib * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def shares(steps: list[int], count: int) -> Weights:
    """Bytes a node and an edge, of memory before, with the nodes, and with the edges; one byte where none was taken."""
    empty, nodes, edges = steps
    grown = {"node": (nodes - empty) / count, "edge": (edges - nodes) / (count * workloads.LINKS_EACH)}
    return {name: max(value, 1.0) for name, value in grown.items()}


def prime(folder: Path, count: int) -> Weights:
    """The store, its log mapped and no part of its memory."""
    store = folder / "store"
    with primecore.open(store) as opened:
        opened.ingest(io.BytesIO(WARM_UP * 20_000))  # buffers that ingest needs once are no part of a node
        steps = [resident()]
        warm_bytes = opened.stats().wal_bytes
        for name in ("people", "links"):
            with workloads.stream(name, count) as lines:
                opened.ingest(lines)
            opened.flush()
            steps.append(resident())
        log_bytes = opened.stats().wal_bytes - warm_bytes  # what is written, not the room that is held ready
    return {**shares(steps, count), "event": log_bytes / (count * (1 + workloads.LINKS_EACH))}


def dicts(folder: Path, count: int) -> Weights:
    """Dicts and lists, made alone: the steps are two graphs, one without edges."""
    steps = [resident()]
    held = tables.Dicts(count, links=False)
    steps.append(resident())
    held.link(count)
    steps.append(resident())
    return shares(steps, count)


def sqlite(folder: Path, count: int) -> Weights:
    """A file of events, with a unique index of their ids; its memory is a cache of a fixed size."""
    file = folder / "events.db"
    with tables.database(file, tables.EVENTS) as connection:
        for name in ("people", "links"):
            rows = (
                (it["event_id"], it["event_type"], it["entity_id"], it["timestamp"], json.dumps(it["payload"]))
                for it in map(json.loads, workloads.WORKLOADS[name](count))
            )
            tables.insert_events(connection, rows)
        connection.execute("pragma wal_checkpoint(truncate)")
    return {"event": measure.disk_bytes(file) / (count * (1 + workloads.LINKS_EACH))}


CONTENDERS: dict[str, Callable[[Path, int], Weights]] = {"prime": prime, "dict": dicts, "sqlite": sqlite}


def main() -> None:
    """Prints the weights as JSON."""
    contender, folder, count = sys.argv[1:4]
    print(json.dumps(CONTENDERS[contender](Path(folder), int(count))))


if __name__ == "__main__":
    main()
