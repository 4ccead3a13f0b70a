"""Recall (k=10) over 10,000 nodes with texts, vectors of 384 numbers and 3 edges each: beside the scan it stands on.

`vector` gives a vector alone, `both` a vector and three words, `words` three words; `depth_2` walks on from what edges
brought, `diverse` also spreads the hits. `similar` is the scan alone, in the same run. Words are drawn as in prose: a
few are frequent, most are rare.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from typing import Any

import common
import numpy as np
from vectors import DIMENSIONS, vectors

import primecore

NODES, EDGES_EACH, QUERIES, K = 10_000, 3, 300, 10


def words(count: int, chance: random.Random) -> str:
    """Words of which number n is about as frequent as 1/n."""
    return " ".join(f"w{int(3000 ** chance.random())}" for _ in range(count))


def fill(prime: primecore.Prime, count: int, rows: np.ndarray) -> None:
    chance = random.Random(4)
    ids = [prime.add_node("note", {"name": words(2, chance)}, id=str(at)) for at in range(count)]
    for id, row in zip(ids, rows, strict=True):
        prime.embed(id, row, text=words(12, chance))
    for id in ids:
        for _ in range(EDGES_EACH):
            prime.add_edge(id, chance.choice(ids), "about")


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head = common.start(arguments)
    count = common.scaled(NODES, arguments.scale)
    queries = list(vectors(QUERIES, 2))
    chance = random.Random(5)
    asked = [(query, words(3, chance)) for query in queries]
    figures: dict[str, Any] = {"nodes": count, "edges": count * EDGES_EACH, "dimensions": DIMENSIONS, "k": K}
    with primecore.open(":memory:") as prime:
        fill(prime, count, vectors(count, 1))
        ways: dict[str, Callable[[Any], Any]] = {
            "similar": lambda it: prime.similar(vector=it[0], k=K),
            "vector": lambda it: prime.recall(vector=it[0], k=K),
            "both": lambda it: prime.recall(it[1], vector=it[0], k=K),
            "words": lambda it: prime.recall(it[1], k=K),
            "depth_2": lambda it: prime.recall(it[1], vector=it[0], k=K, depth=2),
            "diverse": lambda it: prime.recall(vector=it[0], k=K, diversity=0.3),
        }
        spans: dict[str, list[float]] = {name: [] for name in ways}
        for way in ways.values():
            way(asked[0])
        for _ in range(arguments.rounds):
            for name, way in ways.items():
                spans[name].append(statistics.median(common.each_ns(way, asked)))
    for name, found in spans.items():
        figures[f"{name}_us_p50"] = round(statistics.median(found) / 1000, 1)
    figures["vector_times_similar"] = round(figures["vector_us_p50"] / figures["similar_us_p50"], 2)
    common.finish("recall", arguments, head, figures)


if __name__ == "__main__":
    main()
