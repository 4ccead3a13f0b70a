"""Neighbours of random nodes by fresh str ids, beside dict[id] on a dict of the same keys, in the same run.

A fresh str has no hash yet, as an id that has just come out of a request. Rounds take turns between the contenders.
"list" makes a list of Neighbor objects (five with direction="out", ten without), "len" makes the lazy sequence and
reads its length; the dict of lists holds five ids of other nodes each, and no edges. Batches of a thousand ids stand
beside [d[k] for k in ids], and are asked by one thread and by two while another one appends, up to ten thousand events
a second: on two cores the writer takes its share from both.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import threading
import time
from typing import Any

import common
import graphs
import orjson
import workloads

import primecore

BATCH, ROUNDS = 1000, 9
WRITTEN_A_MS = 10
MANY, MANY_DICT = "neighbors_many(1,000 ids), an id", "[d[k] for k in 1,000 ids], an id"


def contenders(prime: Any, count: int) -> dict[str, Any]:
    shared = {workloads.node_id(n): None for n in range(count)}
    own = {workloads.node_id(n): [n] for n in range(count)}
    ids, rng = list(own), random.Random(7)
    lists = {key: [ids[rng.randrange(count)] for _ in range(workloads.EDGES_EACH_WAY)] for key in ids}
    neighbors, node = prime.neighbors, prime.node
    return {
        "dict[id], one value for all": lambda key: shared[key],
        "dict[id], a value each": lambda key: own[key],
        "list(dict[id]), five ids each": lambda key: list(lists[key]),
        "len(neighbors(id))": lambda key: len(neighbors(key)),
        "list(neighbors(id))": lambda key: list(neighbors(key)),
        'list(neighbors(id, direction="out"))': lambda key: list(neighbors(key, direction="out")),
        "node(id)": lambda key: node(key),  # noqa: PLW0108 (all contenders pay for one lambda)
        "a call that does nothing": lambda key: None,
    }


def batches(prime: Any, count: int, calls: int, seed: int) -> dict[str, float]:
    """Nanoseconds an id, a thousand ids a call: of neighbors_many, and of a dict. Each is given fresh ids."""
    held = {workloads.node_id(n): [n] for n in range(count)}

    def each(ask: Any) -> float:
        groups = groups_of(count, calls, seed)
        return common.percentiles(common.each_ns(ask, groups), common.clock_ns())["p50"] / BATCH

    return {MANY: each(lambda ids: len(prime.neighbors_many(ids))), MANY_DICT: each(lambda ids: [held[k] for k in ids])}


def groups_of(count: int, calls: int, seed: int) -> list[list[str]]:
    """Random ids, a thousand together."""
    ids = workloads.uniform(count, max(calls, BATCH), seed)
    return [ids[n : n + BATCH] for n in range(0, len(ids) - BATCH + 1, BATCH)]


def threads_times(count: int, calls: int, cores: set[int]) -> dict[str, float]:
    """Runs in a child, on all cores: ids a second of neighbors_many by two threads, against one, beside a writer."""
    common.run_on(cores)
    with primecore.open(":memory:") as prime:
        for name in ("nodes", "edges"):
            graphs.fill(prime, name, count)
        stop, appended = threading.Event(), 0

        def write() -> None:
            nonlocal appended
            while not stop.wait(0.001):
                for _ in range(WRITTEN_A_MS):
                    prime.append("note.taken", f"note:{appended}", {"text": "written meanwhile"})
                    appended += 1

        def rate(threads: int, seed: int) -> float:
            work = [groups_of(count, calls, seed + n) for n in range(threads)]
            running = [threading.Thread(target=lambda g: [prime.neighbors_many(i) for i in g], args=(g,)) for g in work]

            def run() -> None:
                for thread in running:
                    thread.start()
                for thread in running:
                    thread.join()

            return sum(len(g) for g in work) * BATCH / common.timed(run).wall

        writer = threading.Thread(target=write)
        writer.start()
        begun = time.perf_counter()
        pairs = [(rate(1, 10 * n), rate(2, 10 * n + 5)) for n in range(ROUNDS)]  # in turns
        seconds = time.perf_counter() - begun
        stop.set()
        writer.join()
    return {
        "one_ids_per_second": statistics.median(one for one, _ in pairs),
        "two_ids_per_second": statistics.median(two for _, two in pairs),
        "two_times_one": statistics.median(two / one for one, two in pairs),
        "appended_per_second": appended / seconds,
    }


def over_parsing(prime: Any, count: int, calls: int, seed: int) -> dict[str, float]:
    """Median nanoseconds of node(id).properties, and of orjson.loads of the same properties' text."""
    ids = workloads.uniform(count, calls, seed)
    texts = [orjson.dumps(prime.node(key).properties) for key in ids]
    node, loads, clock = prime.node, orjson.loads, common.clock_ns()
    ids = workloads.uniform(count, calls, seed + 1)  # fresh, and not just read
    asked = common.percentiles(common.each_ns(lambda key: node(key).properties, ids), clock)["p50"]
    parsed = common.percentiles(common.each_ns(lambda text: loads(text), texts), clock)["p50"]  # noqa: PLW0108 (as above)
    return {"node(id).properties": asked, "orjson.loads of its text": parsed}


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    every = common.cores()
    head = common.start(arguments)
    count, calls = common.scaled(1_000_000, arguments.scale), common.scaled(100_000, arguments.scale)
    measured: dict[str, list[dict[str, float]]] = {}
    many: list[dict[str, float]] = []
    parsing: list[dict[str, float]] = []
    with common.workplace(arguments) as folder:
        store = graphs.build(folder / f"graph-{count}", count)
        with primecore.open(store, read_only=True) as prime:
            assert len(prime.neighbors(workloads.node_id(count // 2))) == 2 * workloads.EDGES_EACH_WAY
            calling = contenders(prime, count)
            for number in range(arguments.rounds):
                clock = common.clock_ns()
                for name, call in calling.items():
                    spans = common.each_ns(call, workloads.uniform(count, calls, number))
                    measured.setdefault(name, []).append(common.percentiles(spans, clock))
                many.append(batches(prime, count, calls, number))
                parsing.append(over_parsing(prime, count, calls, number))
        beside = common.child("neighbors.py", "--threads", count, 4 * calls, *every)
    figures: dict[str, Any] = {"nodes": count, "edges": count * workloads.EDGES_EACH_WAY, "calls": calls}
    figures["ns"] = {name: common.middle(rounds) for name, rounds in measured.items()}
    middle = common.middle(many)
    figures["ns"] |= {name: {"mean": value} for name, value in middle.items()}  # of the ids of a median call
    figures["many_ratio"] = round(middle[MANY] / middle[MANY_DICT], 3)
    figures["many_beside_a_writer"] = beside
    figures["properties"] = common.middle(parsing)
    figures["properties"]["over"] = round(
        figures["properties"]["node(id).properties"] - figures["properties"]["orjson.loads of its text"], 1
    )
    # The wrapping lambda is part of every contender alike: its own time comes off before ratios are taken.
    nothing = figures["ns"]["a call that does nothing"]["p50"]
    figures["p50_ratio"] = {
        f"{name} / {base}": round(
            (figures["ns"][name]["p50"] - nothing) / max(figures["ns"][base]["p50"] - nothing, 1), 3
        )
        for name in ("len(neighbors(id))", "list(neighbors(id))", 'list(neighbors(id, direction="out"))', "node(id)")
        for base in ("dict[id], one value for all", "dict[id], a value each", "list(dict[id]), five ids each")
    }
    common.finish("neighbors", arguments, head, figures)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--threads"]:
        size, asked, *cores = map(int, sys.argv[2:])
        print(json.dumps(threads_times(size, asked, set(cores))))
    else:
        main()
