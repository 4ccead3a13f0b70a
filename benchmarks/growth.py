"""Cost against size: ingest, reads, search, opening and memory of stores of ten thousand to ten million nodes.

Each size has a process of its own, and a graph whose degrees follow a power law, three edges for each node. Search is
that of as many short texts, up to a million. `--max` leaves out the sizes above it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import common
import workloads

import primecore
from primecore.bench.finding import notes

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
MOST_TEXTS = 1_000_000
CALLS, QUERIES, K = 20_000, 500, 10


def measure(folder: Path, count: int) -> dict[str, float]:
    """Runs in the child: all figures of one size."""
    store, clock = folder / "store", common.clock_ns()
    found: dict[str, float] = {"nodes": count, "events": count * (1 + workloads.LINKS_EACH)}
    paths = [workloads.file_of(folder, name, count) for name in ("people", "links")]
    before = common.memory_kib("RssAnon")
    with primecore.open(common.fresh(store)) as prime:
        span = common.timed(lambda: ([prime.ingest(path) for path in paths], prime.flush()))
        found["ingest_ns_per_event"] = span.wall / found["events"] * 1e9
        found["memory_mib"] = (common.memory_kib("RssAnon") - before) / 1024
        calls = min(CALLS, count * 10)
        for name, call in (("neighbors", lambda key: list(prime.neighbors(key))), ("node", prime.node)):
            told = common.percentiles(common.each_ns(call, workloads.uniform(count, calls, 1)), clock)
            found |= {f"{name}_ns_{kind}": told[kind] for kind in ("p50", "p99")}
    begun = time.perf_counter()
    with primecore.open(store) as prime:
        assert prime.node(workloads.node_id(0)) is not None
        found["open_s"] = time.perf_counter() - begun
    for path in paths:
        path.unlink()
    common.fresh(store)
    if hasattr(primecore.Prime, "search") and count <= MOST_TEXTS:
        found |= search(count, clock)
    return found


def search(count: int, clock: float) -> dict[str, float]:
    """Search of so many texts."""
    texts = workloads.facts(count)
    with primecore.open(":memory:") as prime:
        notes(prime, texts)
        prime.search("nothing")  # the first search builds the index
        asked = workloads.queries(texts, min(QUERIES, count))
        told = common.percentiles(common.each_ns(lambda query: prime.search(query, K), asked), clock)
    return {f"search_ns_{kind}": told[kind] for kind in ("p50", "p99")}


def sizes(scale: float, most: int) -> list[int]:
    """The sizes that are asked for, each once."""
    return sorted({common.scaled(size, scale) for size in SIZES if size <= most})


def main() -> None:
    options = common.parser(__doc__.splitlines()[0])
    options.add_argument("--max", type=int, default=SIZES[-1], help="most nodes, before --scale")
    arguments = options.parse_args()
    head, curve = common.start(arguments), []
    with common.workplace(arguments) as folder:
        for count in sizes(arguments.scale, arguments.max):
            rounds: list[dict[str, Any]] = []
            # Large sizes are steady by themselves, and take their time.
            for _ in range(arguments.rounds if count <= SIZES[1] else 1):
                rounds.append(common.child("growth.py", "--measure", folder, count))
            curve.append(common.middle(rounds))
            common.say(f"{count:,} nodes: {curve[-1]}")
    common.finish("growth", arguments, head, {"curve": curve})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]), int(sys.argv[3]))))
    else:
        main()
