"""Anonymous memory (RssAnon) of a node and of an edge with a UUID id, both directions, in a process of its own.

The lines come through a pipe from another process, and the log is a mapped file, so neither counts. Properties, history
and dedupe are taken off by what `stats().memory_bytes` says of them, and reported apart. `each_more` is what one more
costs: measured between half of the store and all of it, without what a store costs however little it holds.
"""

from __future__ import annotations

import gc
import io
import json
import sys
from pathlib import Path

import common
import graphs
import workloads

import primecore

APART = ("properties", "history", "dedupe")  # parts of memory_bytes whose names begin so are no tables


def anonymous_bytes() -> int:
    gc.collect()
    return common.memory_kib("RssAnon") * 1024


def measure(store: Path, count: int) -> dict[str, object]:
    """Runs in the child: memory before, with the nodes, and with the edges."""
    with primecore.open(common.fresh(store)) as prime:
        # Buffers that ingest needs once, however much it reads, are no part of a node.
        line = b'{"event_type":"warm.up","entity_id":"warm:up","payload":{"text":"' + b"x" * 200 + b'"}}\n'
        prime.ingest(io.BytesIO(line * 20_000))
        steps = [(anonymous_bytes(), prime.stats().memory_bytes)]
        for name in ("nodes", "edges"):
            graphs.fill(prime, name, count)
            prime.flush()
            steps.append((anonymous_bytes(), prime.stats().memory_bytes))
        stats = prime.stats()
        counts = {"nodes": stats.nodes, "edges": stats.edges}
        whole = {"rss_anon_mib": round(steps[2][0] / 2**20, 1), "vm_hwm_mib": common.memory_kib("VmHWM") // 1024}
    found: dict[str, object] = {**counts, **whole, "memory_bytes": steps[2][1]}
    for number, (name, things) in enumerate((("node", count), ("edge", count * workloads.EDGES_EACH_WAY)), start=1):
        before, after = steps[number - 1], steps[number]
        parts = {part: after[1][part] - before[1].get(part, 0) for part in after[1]}
        apart = {part: size for part, size in parts.items() if part.startswith(APART)}
        grown = after[0] - before[0]
        found[f"bytes_per_{name}"] = {
            "all": round(grown / things, 1),
            "tables": round((grown - sum(apart.values())) / things, 1),
            "by_stats": {part: round(size / things, 1) for part, size in parts.items()},
        }
    return found


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head = common.start(arguments)
    count = common.scaled(1_000_000, arguments.scale)
    with common.workplace(arguments) as folder:
        figures = common.child("memory.py", "--measure", folder / "store", count)
        half = common.child("memory.py", "--measure", folder / "store", count // 2)
        for name in ("bytes_per_node", "bytes_per_edge"):
            whole = figures[name]["tables"] * count - half[name]["tables"] * (count // 2)
            figures[name]["each_more"] = round(whole / (count - count // 2), 1)
        common.fresh(folder / "store")
    common.finish("memory", arguments, head, figures)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]), int(sys.argv[3]))))
    else:
        main()
