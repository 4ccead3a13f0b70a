"""Nearest vectors (k=10, 384 numbers) at 10,000 and 100,000: time and recall, beside usearch, hnswlib and faiss.

The vectors lie around 200 centres, as embeddings do. All contenders index the same ones and answer the same queries,
one at a time, on one core; recall@10 is against numpy. hnswlib and faiss are used if they are installed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import common
import numpy as np

import primecore

DIMENSIONS = 384
K = 10
QUERIES = 300
ARRIVALS = 1000
INDEX_SECONDS = 1800

Search = Callable[[np.ndarray], list[int]]


def vectors(count: int, seed: int) -> np.ndarray:
    """Vectors of length one around 200 centres."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((200, DIMENSIONS))
    rows = centres[rng.integers(200, size=count)] + 0.6 * rng.standard_normal((count, DIMENSIONS))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def usearch_index(rows: np.ndarray) -> Search:
    from usearch.index import Index

    index = Index(ndim=DIMENSIONS, metric="cos", dtype="bf16", connectivity=16, expansion_add=64, expansion_search=64)
    index.add(np.arange(len(rows)), rows, threads=1)
    return lambda query: index.search(query, K, threads=1).keys.tolist()


def hnswlib_index(rows: np.ndarray) -> Search:
    import hnswlib

    index = hnswlib.Index(space="cosine", dim=DIMENSIONS)
    index.init_index(max_elements=len(rows), ef_construction=64, M=16)
    index.set_ef(64)
    index.add_items(rows, num_threads=1)
    return lambda query: index.knn_query(query, K, num_threads=1)[0][0].tolist()


def faiss_index(rows: np.ndarray) -> Search:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexHNSWFlat(DIMENSIONS, 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 64
    index.hnsw.efSearch = 64
    index.add(rows)
    return lambda query: index.search(query[None], K)[1][0].tolist()


CONTENDERS: dict[str, Callable[[np.ndarray], Search]] = {
    "usearch": usearch_index,
    "hnswlib": hnswlib_index,
    "faiss": faiss_index,
}


def stored(prime: primecore.Prime, rows: np.ndarray, first: int) -> float:
    """Stores the rows under the names m:{number}; microseconds of each, the median."""
    spans = common.each_ns(lambda at: prime.embed(f"m:{first + at}", rows[at]), list(range(len(rows))))
    return statistics.median(spans) / 1000


def indexed(prime: primecore.Prime) -> float:
    """Seconds until the background index has everything."""
    follower = prime._views.vectors.follower
    begun = time.perf_counter()
    follower.nudge()
    while not follower.is_current:
        if follower.error is not None or time.perf_counter() - begun > INDEX_SECONDS:
            raise SystemExit(f"the index did not catch up: {follower.error}")
        time.sleep(0.01)
    return time.perf_counter() - begun


def asked(search: Search, queries: np.ndarray, truth: np.ndarray, rounds: int) -> dict[str, float]:
    """Median microseconds of a query, and the share of the truly nearest that it found."""
    found = [search(query) for query in queries]
    recall = np.mean(
        [len(set(map(int, some)) & set(true)) / K for some, true in zip(found, truth.tolist(), strict=True)]
    )
    medians = [statistics.median(common.each_ns(search, list(queries))) for _ in range(rounds)]
    return {"us_p50": round(statistics.median(medians) / 1000, 1), "recall_at_10": round(float(recall), 4)}


def names(hits: list[primecore.Hit]) -> list[int]:
    return [int(hit.id[2:]) for hit in hits]


def churned(prime: primecore.Prime, rows: np.ndarray, queries: np.ndarray, late: int) -> float:
    """Recall right after every fifth vector was replaced and every fifth deleted, at random, and `late` ones behind."""
    order, fifth = np.random.default_rng(4).permutation(len(rows)), len(rows) // 5
    now, alive = rows.copy(), np.ones(len(rows), bool)
    now[order[:fifth]] = vectors(fifth, 5)
    alive[order[fifth : 2 * fifth]] = False
    for at in range(len(rows), len(rows) + late):
        prime.delete_vector(f"m:{at}")
    for at in order[: 2 * fifth].tolist():
        if alive[at]:
            prime.embed(f"m:{at}", now[at])
        else:
            prime.delete_vector(f"m:{at}")
    truth = np.argsort(np.where(alive, -(queries @ now.T), np.inf), axis=1)[:, :K]
    return asked(lambda query: names(prime.similar(query)), queries, truth, 1)["recall_at_10"]


def measure(count: int, rounds: int, exact: int) -> dict[str, Any]:
    rows, queries, late = vectors(count, 1), vectors(QUERIES, 2), vectors(ARRIVALS, 3)
    truth = np.argsort(-(queries @ rows.T), axis=1)[:, :K]
    figures: dict[str, Any] = {"vectors": count}
    with primecore.open(":memory:", exact_vectors=exact) as prime:
        figures["embed_us_p50"] = round(stored(prime, rows, 0), 2)
        figures["copy_us"] = round(common.timed(lambda: [bytes(row) for row in rows]).wall / count * 1e6, 2)
        large = count >= exact
        figures["index_seconds"] = round(indexed(prime), 1) if large else None
        steady = asked(lambda query: names(prime.similar(query)), queries, truth, rounds)
        first = []
        for number in range(rounds):
            stored(prime, late, count + number * ARRIVALS)
            first += common.each_ns(prime.similar, [queries[number]])
        figures["first_after_1000_us"] = round(statistics.median(first) / 1000, 1)
        figures["first_over_steady"] = round(figures["first_after_1000_us"] / steady["us_p50"], 2)
        results = {"prime": steady}
        figures["recall_at_10_churned"] = churned(prime, rows, queries, rounds * ARRIVALS) if large else None
    for name, build in CONTENDERS.items():
        try:
            search = build(rows)
        except ImportError:
            common.say(f"{name} is not installed: left out")
            continue
        results[name] = asked(search, queries, truth, rounds)
    return {**figures, "similar": results}


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head = common.start(arguments)
    exact = common.scaled(30_000, arguments.scale)
    figures = {
        name: measure(common.scaled(count, arguments.scale), arguments.rounds, exact)
        for name, count in (("small", 10_000), ("large", 100_000))
    }
    common.finish("vectors", arguments, head, figures)


if __name__ == "__main__":
    main()
