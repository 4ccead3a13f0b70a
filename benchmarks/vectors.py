"""Nearest vectors (k=10, 384 numbers) at 10,000 and 100,000: time at equal recall, beside usearch, hnswlib and faiss.

The vectors lie around 200 centres, as embeddings do. All contenders index the same ones and answer the same
queries, one at a time, on one core, in turns; recall@10 is against numpy. Each index is asked with more and more
candidates: what stands beside Prime is its quickest setting that finds as many of the nearest as Prime does, and those
that find 0.99 and 0.999 of them. hnswlib and faiss are used if they are installed; indexes are kept in --dir, if that
is given. `prime` is as it comes, `prime_index` with the index where a scan would do. Storing a vector stands beside
what copying it takes: base64, a checksum of that, a copy of it and one of the numbers, without calls in between.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import common
import numpy as np

import primecore
from primecore._crc32c import crc32c
from primecore._embedding import base64_text

DIMENSIONS = 384
K = 10
QUERIES = 300
ARRIVALS = 1000
INDEX_SECONDS = 1800
INDEX_ALWAYS = 1000  # exact_vectors where the index, not the scan, is to be measured

BUILD = 64  # candidates while an index is built
LOOKS = (10, 12, 16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 384, 512, 768, 1024, 1536)  # while it is asked
EQUAL = (0.99, 0.999)  # and what Prime itself finds
ASKED_FIRST = 30  # whoever scans finds out whether it takes long
COPIED = 64  # vectors that are copied at once, to see what copying one takes

Search = Callable[[np.ndarray], list[Any]]
Look = Callable[[int], None]


def vectors(count: int, seed: int) -> np.ndarray:
    """Vectors of length one around 200 centres."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((200, DIMENSIONS))
    rows = centres[rng.integers(200, size=count)] + 0.6 * rng.standard_normal((count, DIMENSIONS))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


class Contender(NamedTuple):
    """An index: how it is made of rows or read from a file, asked, and told how far to look."""

    package: str
    build: Callable[[np.ndarray, Path | None], Any]
    search: Callable[[Any], Search]
    look: Callable[[Any], Look]


def usearch_index(rows: np.ndarray, kept: Path | None) -> Any:
    from usearch.index import Index

    index = Index(ndim=DIMENSIONS, metric="cos", dtype="bf16", connectivity=16, expansion_add=BUILD)
    if kept is not None and kept.exists():
        index.load(str(kept))
        return index
    index.add(np.arange(len(rows)), rows, threads=1)
    if kept is not None:
        index.save(str(kept))
    return index


def hnswlib_index(rows: np.ndarray, kept: Path | None) -> Any:
    import hnswlib

    index = hnswlib.Index(space="cosine", dim=DIMENSIONS)
    if kept is not None and kept.exists():
        index.load_index(str(kept), max_elements=len(rows))
        return index
    index.init_index(max_elements=len(rows), ef_construction=BUILD, M=16)
    index.add_items(rows, num_threads=1)
    if kept is not None:
        index.save_index(str(kept))
    return index


def faiss_index(rows: np.ndarray, kept: Path | None) -> Any:
    import faiss

    faiss.omp_set_num_threads(1)
    if kept is not None and kept.exists():
        return faiss.read_index(str(kept))
    index = faiss.IndexHNSWFlat(DIMENSIONS, 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD
    index.add(rows)
    if kept is not None:
        faiss.write_index(index, str(kept))
    return index


CONTENDERS = {
    "usearch": Contender(
        "usearch",
        usearch_index,
        lambda index: lambda query: index.search(query, K, threads=1).keys.tolist(),
        lambda index: partial(setattr, index, "expansion_search"),
    ),
    "hnswlib": Contender(
        "hnswlib",
        hnswlib_index,
        lambda index: lambda query: index.knn_query(query, K, num_threads=1)[0][0].tolist(),
        lambda index: index.set_ef,
    ),
    "faiss": Contender(
        "faiss-cpu",
        faiss_index,
        lambda index: lambda query: index.search(query[None], K)[1][0].tolist(),
        lambda index: partial(setattr, index.hnsw, "efSearch"),
    ),
}


def stored(prime: primecore.Prime, rows: np.ndarray, first: int) -> float:
    """Stores the rows under the names m:{number}; microseconds of each, the median."""
    pairs = [(f"m:{first + at}", row) for at, row in enumerate(rows)]
    spans = common.each_ns(lambda pair: prime.embed(*pair), pairs)
    return (statistics.median(spans) - common.clock_ns()) / 1000


def copied(rows: np.ndarray) -> float:
    """Microseconds that copying takes of storing a vector: base64, its checksum, its copy, and that of the numbers."""
    blocks = [rows[at : at + COPIED] for at in range(0, len(rows) - COPIED + 1, COPIED)] or [rows]
    text_bytes = (4 * DIMENSIONS + 2) // 3 * 4
    log, numbers = bytearray(len(rows) * text_bytes), np.ones_like(rows)
    log[:] = bytes(range(1, 256)) * (len(log) // 255) + bytes(len(log) % 255)  # its pages are there

    def copy(at: int) -> None:
        text = base64_text(blocks[at].tobytes())
        crc32c(text)
        log[at * COPIED * text_bytes : at * COPIED * text_bytes + len(text)] = text
        numbers[at * COPIED : at * COPIED + len(blocks[at])] = blocks[at]

    spans = common.each_ns(copy, list(range(len(blocks))))
    return (statistics.median(spans) - common.clock_ns()) / 1000 / len(blocks[0])


def indexed(prime: primecore.Prime, queries: np.ndarray) -> float:
    """Seconds until searches have all the index that they are going to have."""
    follower = prime._views.vectors.follower
    begun = time.perf_counter()
    for query in queries[:ASKED_FIRST]:
        prime.similar(query)
    while not follower.is_current:
        if follower.error is not None or time.perf_counter() - begun > INDEX_SECONDS:
            raise SystemExit(f"the index did not catch up: {follower.error}")
        time.sleep(0.01)
    return time.perf_counter() - begun


def recall_of(search: Search, queries: np.ndarray, truth: np.ndarray) -> float:
    """The share of the truly nearest that is found."""
    found = [search(query) for query in queries]
    shares = [len(set(map(int, some)) & set(true)) / K for some, true in zip(found, truth.tolist(), strict=True)]
    return round(float(np.mean(shares)), 4)


def timed(search: Search, queries: np.ndarray) -> float:
    """Microseconds of a query, the median."""
    return (statistics.median(common.each_ns(search, list(queries))) - common.clock_ns()) / 1000


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
    return recall_of(lambda query: names(prime.similar(query)), queries, truth)


def sufficient(
    search: Search, look: Look, queries: np.ndarray, truth: np.ndarray, least: list[float]
) -> dict[str, Any]:
    """For each recall the fewest candidates that reach it, None where none do, and what they reach."""
    found: list[tuple[int, float]] = []
    for candidates in LOOKS:
        look(candidates)
        found.append((candidates, recall_of(search, queries, truth)))
        if found[-1][1] >= max(least):
            break
    chosen: dict[str, Any] = {}
    for recall in least:
        fit = next(((it, reached) for it, reached in found if reached >= recall), None)
        chosen[str(recall)] = None if fit is None else {"candidates": fit[0], "recall_at_10": fit[1]}
    return {"most_found": found[-1][1], "at_recall": chosen}


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
        figures["copying_us_p50"] = round(copied(rows), 2)
        figures["embed_less_copying_us"] = round(figures["embed_us_p50"] - figures["copying_us_p50"], 2)
        seconds = indexed(prime, queries)
        indexes = prime._views.vectors.follower.size > 0
        figures["index_seconds"] = round(seconds, 1) if indexes else None

        figures["recall_at_10"] = recall_of(lambda query: names(prime.similar(query)), queries, truth)
        figures["us_p50"] = steady = round(statistics.median(timed(prime.similar, queries) for _ in range(rounds)), 1)
        figures |= first_queries(prime, queries, late, count, rounds)
        # There are more vectors now: what the first ones stand beside is a steady query among as many, on average.
        after = round(statistics.median(timed(prime.similar, queries) for _ in range(rounds)), 1)
        figures["us_p50_after"] = after
        figures["first_over_steady"] = round(2 * figures["first_after_1000_us"] / (steady + after), 2)
        figures["first_over_pause"] = round(figures["first_after_1000_us"] / figures["first_after_pause_us"], 2)
        if indexes:
            figures["recall_at_10_churned"] = churned(prime, rows, queries, rounds * ARRIVALS)
    return figures


def beside(
    prime_recall: float, rows: np.ndarray, queries: np.ndarray, truth: np.ndarray, rounds: int, folder: Path | None
) -> dict[str, Any]:
    """The contenders at recalls that can be compared, timed in turns with Prime."""
    figures: dict[str, Any] = {}
    turns: dict[tuple[str, str], tuple[Callable[[], None], Search]] = {}
    for name, contender in CONTENDERS.items():
        try:
            edition = f"{name}-{version(contender.package)}-{BUILD}-{len(rows)}"
            index = contender.build(rows, None if folder is None else folder / f"{edition}.index")
        except ImportError:  # PackageNotFoundError is one
            common.say(f"{name} is not installed: left out")
            continue
        search, look = contender.search(index), contender.look(index)
        figures[name] = sufficient(search, look, queries, truth, sorted({*EQUAL, prime_recall}))
        for least, chosen in figures[name]["at_recall"].items():
            if chosen is not None:
                turns[name, least] = partial(look, chosen["candidates"]), search
    with primecore.open(":memory:") as prime:
        stored(prime, rows, 0)
        indexed(prime, queries)
        turns["prime", ""] = (lambda: None), prime.similar
        spans: dict[tuple[str, str], list[float]] = {turn: [] for turn in turns}
        for _ in range(rounds):
            for turn, (prepare, search) in turns.items():
                prepare()
                spans[turn].append(timed(search, queries))
    own = statistics.median(spans.pop(("prime", "")))
    for (name, least), found in spans.items():
        chosen = figures[name]["at_recall"][least]
        chosen["us_p50"] = round(statistics.median(found), 1)
        chosen["times_prime"] = round(chosen["us_p50"] / own, 2)
    return {"prime_in_turns_us_p50": round(own, 1), **figures}


def measure(count: int, rounds: int, scale: float, folder: Path | None) -> dict[str, Any]:
    rows, queries = vectors(count, 1), vectors(QUERIES, 2)
    truth = np.argsort(-(queries @ rows.T), axis=1)[:, :K]
    figures: dict[str, Any] = {"vectors": count}
    figures["prime"] = prime = measure_prime(rows, queries, truth, rounds, None)
    figures |= beside(prime["recall_at_10"], rows, queries, truth, rounds, folder)
    if count > common.scaled(10_000, scale):
        figures["prime_index"] = measure_prime(rows, queries, truth, rounds, common.scaled(INDEX_ALWAYS, scale))
    return figures


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head = common.start(arguments)
    if arguments.dir is not None:
        arguments.dir.mkdir(parents=True, exist_ok=True)
    figures = {
        name: measure(common.scaled(count, arguments.scale), arguments.rounds, arguments.scale, arguments.dir)
        for name, count in (("small", 10_000), ("large", 100_000))
    }
    common.finish("vectors", arguments, head, figures)


if __name__ == "__main__":
    main()
