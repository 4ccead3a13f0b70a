"""Cost against size: ingest, reads, search, recall, opening and memory of stores of ten thousand to ten million nodes.

Each size has a process of its own, and a graph whose degrees follow a power law, three edges for each node. Search is
that of as many short texts, and recall that of as many texts with vectors, both up to a million. The largest size
wants 12 GiB of memory and, with its files, 30 GiB of disk: `--max` leaves out the sizes above it.

    python benchmarks/growth.py --dir DIR --make     writes the files of all sizes, and measures nothing
    python benchmarks/growth.py --dir DIR --resume   measures the sizes that the stored result does not have yet
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import common
import workloads

import primecore
from primecore.bench import alike, measure
from primecore.bench.finding import notes

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
MOST_TEXTS, MOST_RECALLED = 1_000_000, 1_000_000
CALLS, QUERIES, WARM, K = 20_000, 500, 32, 10
FILES = ("people", "links")
Figures = dict[str, float]


def graph(folder: Path, count: int) -> Figures:
    """Runs in a child: ingest, memory, reads and opening of one size."""
    store, clock = folder / "store", common.clock_ns()
    found: Figures = {"nodes": count, "events": count * (1 + workloads.LINKS_EACH)}
    paths = [workloads.file_of(folder, name, count) for name in FILES]
    before = common.memory_kib("RssAnon")
    with primecore.open(common.fresh(store), checkpoint_events=0) as prime:
        span = common.timed(lambda: ([prime.ingest(path) for path in paths], prime.flush()))
        found["ingest_ns_per_event"] = span.wall / found["events"] * 1e9
        found["memory_mib"] = (common.memory_kib("RssAnon") - before) / 1024
        found["memory_bytes_per_event"] = found["memory_mib"] * 2**20 / found["events"]
        found["log_mib"] = prime.stats().wal_bytes / 2**20
        middle = prime.at(position=int(found["events"]) // 2)
        calls = min(CALLS, count * 10)
        for name, call in (
            ("neighbors", lambda key: list(prime.neighbors(key))),
            ("past", lambda key: list(middle.neighbors(key))),
            ("node", prime.node),
        ):
            told = common.percentiles(common.each_ns(call, workloads.uniform(count, calls, 1)), clock)
            found |= {f"{name}_ns_{kind}": told[kind] for kind in ("p50", "p99")}
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # By replay first; then a checkpoint is there.
    for name in ("open_s", "open_checkpoint_s"):
        begun = time.perf_counter()
        with primecore.open(store, checkpoint_events=0) as prime:
            assert prime.node(workloads.node_id(0)) is not None
            found[name] = time.perf_counter() - begun
            if name == "open_s":
                prime.checkpoint()
    common.fresh(store)
    return found


def search(folder: Path, count: int) -> Figures:
    """Runs in a child: search of so many texts."""
    texts = workloads.facts(count)
    with primecore.open(":memory:") as prime:
        notes(prime, texts)
        prime.search("nothing")  # the first search builds the index
        asked = workloads.queries(texts, min(QUERIES, count))
        with measure.set_aside():
            told = common.percentiles(common.each_ns(lambda query: prime.search(query, K), asked), common.clock_ns())
    return {f"search_ns_{kind}": told[kind] for kind in ("p50", "p99")}


def recall(folder: Path, count: int) -> Figures:
    """Runs in a child: recall, by words and a vector at once, of so many texts."""
    texts, asked = workloads.facts(count), min(QUERIES, count)
    rows = alike.unit_vectors(count + asked)
    questions = list(zip(workloads.queries(texts, asked), rows[count:], strict=True))
    with primecore.open(":memory:") as prime:
        notes(prime, texts)
        for number in range(count):
            prime.embed(f"node:note:{number}", vector=rows[number])
        for text, vector in questions[:WARM]:  # questions call for an index, where scans read much
            prime.recall(text, vector=vector, k=K)
        follower = prime._views.vectors.follower
        while not follower.is_current:  # it is made beside
            time.sleep(0.01)

        def ask(question: tuple[str, Any]) -> Any:
            return prime.recall(question[0], vector=question[1], k=K)

        told = common.percentiles(common.each_ns(ask, questions), common.clock_ns())
    return {f"recall_ns_{kind}": told[kind] for kind in ("p50", "p99")}


PARTS = {"graph": graph, "search": search, "recall": recall}


def measured(folder: Path, count: int, rounds: int) -> Figures:
    """All figures of one size: medians of the rounds where it is small; large sizes are steady, and take their time."""
    found: Figures = {}
    for name, most in (("graph", SIZES[-1]), ("search", MOST_TEXTS), ("recall", MOST_RECALLED)):
        if count <= most:
            times = rounds if count <= SIZES[1] else 1
            found |= common.middle([common.child("growth.py", "--measure", name, folder, count) for _ in range(times)])
    return found


def make(folder: Path, sizes: list[int]) -> None:
    """The files of these sizes, where they are not there yet."""
    for count in sizes:
        for name in FILES:
            common.say(f"{workloads.file_of(folder, name, count)}")


def stored(arguments: Any) -> list[Figures]:
    """The sizes that the result has, at the same scale."""
    path = (arguments.output or common.HERE / "results") / "growth.json"
    if not arguments.resume or not path.exists():
        return []
    before = json.loads(path.read_text(encoding="utf-8"))
    return before["figures"]["curve"] if before["scale"] == arguments.scale else []  # type: ignore[no-any-return]


def main() -> None:
    options = common.parser(__doc__.splitlines()[0])
    options.add_argument("--max", type=int, default=SIZES[-1], help="most nodes, before --scale")
    options.add_argument("--make", action="store_true", help="write the files into --dir and measure nothing")
    options.add_argument("--resume", action="store_true", help="only sizes that the stored result does not have")
    arguments = options.parse_args()
    sizes = sorted({common.scaled(size, arguments.scale) for size in SIZES if size <= arguments.max})
    with common.workplace(arguments) as folder:
        if arguments.make:
            make(folder, sizes)
            return
        head, curve = common.start(arguments), stored(arguments)
        for count in sizes:
            if count in [one["nodes"] for one in curve]:
                continue
            need = count * (1 + workloads.LINKS_EACH) * 600
            if shutil.disk_usage(folder).free < need:
                raise SystemExit(f"{folder} has no room for {count:,} nodes: {need >> 30} GiB are needed")
            curve = sorted([*curve, measured(folder, count, arguments.rounds)], key=lambda one: one["nodes"])
            common.say(f"{count:,} nodes: {curve[-1]}")
            if count != sizes[-1]:
                common.keep("growth", arguments, head, {"curve": curve})
    common.finish("growth", arguments, head, {"curve": curve})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(PARTS[sys.argv[2]](Path(sys.argv[3]), int(sys.argv[4]))))
    else:
        main()
