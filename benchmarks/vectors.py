"""Nearest vectors (k=10, 384 numbers) at 10,000 and 100,000: time and recall, beside usearch, hnswlib and faiss.

The vectors lie around 200 centres, as embeddings do. All contenders index the same ones and answer the same queries,
one at a time, on one core; recall@10 is against numpy. Each index is asked with more and more candidates, so that times
can be compared at equal recall. hnswlib and faiss are used if they are installed. `prime` is as it comes, `prime_index`
with the index where a scan would do.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import common
import numpy as np

import primecore

DIMENSIONS = 384
K = 10
QUERIES = 300
ARRIVALS = 1000
INDEX_SECONDS = 1800
INDEX_ALWAYS = 1000  # exact_vectors where the index, not the scan, is to be measured

BUILD = 64  # candidates while an index is built
LOOKS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)  # candidates while it is asked
EQUAL = (0.99, 0.999)

Search = Callable[[np.ndarray], list[int]]
Look = Callable[[int], None]


def vectors(count: int, seed: int) -> np.ndarray:
    """Vectors of length one around 200 centres."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((200, DIMENSIONS))
    rows = centres[rng.integers(200, size=count)] + 0.6 * rng.standard_normal((count, DIMENSIONS))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def usearch_index(rows: np.ndarray) -> tuple[Search, Look]:
    from usearch.index import Index

    index = Index(ndim=DIMENSIONS, metric="cos", dtype="bf16", connectivity=16, expansion_add=BUILD)
    index.add(np.arange(len(rows)), rows, threads=1)
    return lambda query: index.search(query, K, threads=1).keys.tolist(), partial(setattr, index, "expansion_search")


def hnswlib_index(rows: np.ndarray) -> tuple[Search, Look]:
    import hnswlib

    index = hnswlib.Index(space="cosine", dim=DIMENSIONS)
    index.init_index(max_elements=len(rows), ef_construction=BUILD, M=16)
    index.add_items(rows, num_threads=1)
    return lambda query: index.knn_query(query, K, num_threads=1)[0][0].tolist(), index.set_ef


def faiss_index(rows: np.ndarray) -> tuple[Search, Look]:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexHNSWFlat(DIMENSIONS, 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD
    index.add(rows)
    return lambda query: index.search(query[None], K)[1][0].tolist(), partial(setattr, index.hnsw, "efSearch")


CONTENDERS: dict[str, Callable[[np.ndarray], tuple[Search, Look]]] = {
    "usearch": usearch_index,
    "hnswlib": hnswlib_index,
    "faiss": faiss_index,
}


def stored(prime: primecore.Prime, rows: np.ndarray, first: int) -> float:
    """Stores the rows under the names m:{number}; microseconds of each, the median."""
    spans = common.each_ns(lambda at: prime.embed(f"m:{first + at}", rows[at]), list(range(len(rows))))
    return statistics.median(spans) / 1000


def indexed(prime: primecore.Prime) -> float:
    """Seconds until searches have all the index that they are going to have."""
    follower = prime._views.vectors.follower
    begun = time.perf_counter()
    prime.similar(np.ones(DIMENSIONS, np.float32))
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


def swept(search: Search, look: Look, queries: np.ndarray, truth: np.ndarray, rounds: int) -> dict[str, Any]:
    """Time and recall by the number of candidates looked at; and the quickest of them at each recall."""
    found = []
    for candidates in LOOKS:
        look(candidates)
        found.append({"candidates": candidates, **asked(search, queries, truth, rounds)})
    return {"by_candidates": found, "us_at_recall": {str(least): quickest(found, least) for least in EQUAL}}


def quickest(found: list[dict[str, Any]], least: float) -> float | None:
    """The least time at a recall of at least so much; None where it was not reached."""
    return min((it["us_p50"] for it in found if it["recall_at_10"] >= least), default=None)


def first_queries(
    prime: primecore.Prime, queries: np.ndarray, late: np.ndarray, count: int, rounds: int
) -> dict[str, float]:
    """Microseconds of the first query after 1,000 new vectors, and of one after as long a pause without any.

    The second is there because a processor's caches do not wait: what is not read for some milliseconds leaves them.
    """
    clock, first, rested = time.perf_counter_ns, [], []
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            begun = clock()
            for at in range(number * ARRIVALS, (number + 1) * ARRIVALS):
                prime.embed(f"m:{count + at}", late[at])
            paused_s = (clock() - begun) / 1e9
            for spans in (first, rested):
                query = queries[(2 * number + len(spans)) % len(queries)]
                begun = clock()
                prime.similar(query)
                spans.append(clock() - begun)
                time.sleep(paused_s)
    finally:
        gc.enable()
    return {
        "first_after_1000_us": round(statistics.median(first) / 1000, 1),
        "first_after_pause_us": round(statistics.median(rested) / 1000, 1),
    }


def measure_prime(
    rows: np.ndarray, queries: np.ndarray, truth: np.ndarray, rounds: int, exact: int | None
) -> dict[str, Any]:
    """Prime as it comes, or with the index where `exact` vectors are left to the scan."""
    count, late = len(rows), vectors(rounds * ARRIVALS, 3)
    with primecore.open(":memory:", **({} if exact is None else {"exact_vectors": exact})) as prime:
        figures: dict[str, Any] = {"embed_us_p50": round(stored(prime, rows, 0), 2)}
        seconds = indexed(prime)
        figures["index_seconds"] = round(seconds, 1) if prime._views.vectors.follower.size else None
        steady = asked(lambda query: names(prime.similar(query)), queries, truth, rounds)
        figures |= steady
        figures |= first_queries(prime, queries, late, count, rounds)
        figures["first_over_steady"] = round(figures["first_after_1000_us"] / steady["us_p50"], 2)
        figures["first_over_pause"] = round(figures["first_after_1000_us"] / figures["first_after_pause_us"], 2)
        if prime._views.vectors.follower.size:
            figures["recall_at_10_churned"] = churned(prime, rows, queries, rounds * ARRIVALS)
    return figures


def measure(count: int, rounds: int, scale: float) -> dict[str, Any]:
    rows, queries = vectors(count, 1), vectors(QUERIES, 2)
    truth = np.argsort(-(queries @ rows.T), axis=1)[:, :K]
    figures: dict[str, Any] = {"vectors": count}
    figures["copy_us"] = round(common.timed(lambda: [bytes(row) for row in rows]).wall / count * 1e6, 2)
    figures["prime"] = prime = measure_prime(rows, queries, truth, rounds, None)
    if count > common.scaled(10_000, scale):
        figures["prime_index"] = measure_prime(rows, queries, truth, rounds, common.scaled(INDEX_ALWAYS, scale))
    for name, build in CONTENDERS.items():
        try:
            search, look = build(rows)
        except ImportError:
            common.say(f"{name} is not installed: left out")
            continue
        figures[name] = found = swept(search, look, queries, truth, rounds)
        times = found["us_at_recall"].items()
        found["times_prime"] = {least: round(us / prime["us_p50"], 2) for least, us in times if us is not None}
    return figures


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head = common.start(arguments)
    figures = {
        name: measure(common.scaled(count, arguments.scale), arguments.rounds, arguments.scale)
        for name, count in (("small", 10_000), ("large", 100_000))
    }
    common.finish("vectors", arguments, head, figures)


if __name__ == "__main__":
    main()
