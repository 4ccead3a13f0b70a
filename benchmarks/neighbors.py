"""Neighbours of random nodes by fresh str ids, beside dict[id] on a dict of the same keys, in the same run.

A fresh str has no hash yet, as an id that has just come out of a request. Rounds take turns between the contenders.
"list" makes a list of Neighbor objects, "len" makes the lazy sequence and reads its length.
"""

from __future__ import annotations

import statistics
from typing import Any

import common
import graphs
import workloads

import primecore

BATCH = 1000


def contenders(prime: Any, count: int) -> dict[str, Any]:
    shared = {workloads.node_id(n): None for n in range(count)}
    own = {workloads.node_id(n): [n] for n in range(count)}
    neighbors, node = prime.neighbors, prime.node
    return {
        "dict[id], one value for all": lambda key: shared[key],
        "dict[id], a value each": lambda key: own[key],
        "len(neighbors(id))": lambda key: len(neighbors(key)),
        "list(neighbors(id))": lambda key: list(neighbors(key)),
        'list(neighbors(id, direction="out"))': lambda key: list(neighbors(key, direction="out")),
        "node(id)": lambda key: node(key),  # noqa: PLW0108 (all contenders pay for one lambda)
        "a call that does nothing": lambda key: None,
    }


def batches(prime: Any, count: int, calls: int, seed: int) -> float:
    """Nanoseconds an id of neighbors_many, a thousand ids a call."""
    ids = workloads.uniform(count, max(calls, BATCH), seed)
    groups = [ids[n : n + BATCH] for n in range(0, len(ids) - BATCH + 1, BATCH)]
    seconds = common.timed(lambda: [len(prime.neighbors_many(group)) for group in groups]).wall
    return seconds / (len(groups) * BATCH) * 1e9


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head = common.start(arguments)
    count, calls = common.scaled(1_000_000, arguments.scale), common.scaled(100_000, arguments.scale)
    measured: dict[str, list[dict[str, float]]] = {}
    many: list[float] = []
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
    figures: dict[str, Any] = {"nodes": count, "edges": count * workloads.EDGES_EACH_WAY, "calls": calls}
    figures["ns"] = {name: common.middle(rounds) for name, rounds in measured.items()}
    figures["ns"]["neighbors_many(1,000 ids), an id"] = {"mean": round(statistics.median(many), 1)}
    # The wrapping lambda is part of every contender alike: its own time comes off before ratios are taken.
    nothing = figures["ns"]["a call that does nothing"]["p50"]
    figures["p50_ratio"] = {
        f"{name} / {base}": round(
            (figures["ns"][name]["p50"] - nothing) / max(figures["ns"][base]["p50"] - nothing, 1), 3
        )
        for name in ("len(neighbors(id))", "list(neighbors(id))", "node(id)")
        for base in ("dict[id], one value for all", "dict[id], a value each")
    }
    common.finish("neighbors", arguments, head, figures)


if __name__ == "__main__":
    main()
