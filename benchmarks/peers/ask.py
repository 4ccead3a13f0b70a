"""Asks one contender all that its kind is asked, in this process, and writes the figures to a file.

    python benchmarks/peers/ask.py graph SQLite FOLDER FIGURES.json --scale 0.01

Started by run.py, in the environment that has the contenders' packages.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import table
from kinds import Contender, Graph, Log, Memory, Vectors

from primecore.bench import measure, workloads
from primecore.bench.writing import event

K, DIMENSIONS, CENTRES = 10, 384, 200
EACH = 5  # edges of a node, on the average
CHECKED = 50
Figures = dict[str, float]


class WrongAnswer(Exception):
    """A contender said something else than the workload does."""


def resident_mib(made: Contender | None = None) -> float:
    """Memory of this process that is its own, and that of the servers a contender runs."""
    kib = measure.status_kib("RssAnon") or 0
    for process in made.processes() if made else ():
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024


def latency(call: Callable[[Any], Any], items: list[Any], name: str) -> Figures:
    """Median and tail of a call, in microseconds."""
    for item in items[: max(1, len(items) // 10)]:
        call(item)
    found = measure.percentiles(measure.each_ns(call, items), measure.clock_ns())
    return {f"{name}_us": round(found["p50"] / 1000, 3), f"{name}_p99_us": round(found["p99"] / 1000, 3)}


def seconds(work: Callable[[], Any]) -> float:
    """What one call takes on the wall."""
    return measure.timed(work).wall


def per_second(count: int, work: Callable[[], Any]) -> float:
    """So many a second."""
    return round(count / seconds(work), 1)


def graph(made: Graph, scale: float) -> Figures:
    count = measure.scaled(100_000, scale)
    people = list(workloads.every_person(count))
    ids = [one.id for one in people]
    links = [(e, ids[s], ids[t], r, w) for e, s, t, r, w in workloads.every_link(count, EACH)]
    few = max(50, round(2_000 * min(scale, 1)))
    loaded, added = links[:-few], links[-few:]
    before = resident_mib()
    made.open()
    found = {"nodes": count, "edges": len(links)}
    found["bulk_events_per_second"] = per_second(count + len(loaded), lambda: made.load(people, loaded))
    found["memory_mib"] = round(resident_mib(made) - before, 1)
    found["one_at_a_time_per_second"] = per_second(few, lambda: [made.add(link) for link in added])
    check_graph(made, ids, links)
    calls = max(50, round(5_000 * min(scale, 1)))
    found |= latency(made.node, workloads.uniform(count, calls, 1), "node")
    found |= latency(made.neighbors, workloads.uniform(count, calls, 2), "neighbors_uniform")
    found |= latency(made.neighbors, workloads.zipf(count, calls, 3), "neighbors_zipf")
    found |= latency(made.two_hops, workloads.uniform(count, calls // 10, 4), "two_hops")
    made.close()
    found["disk_mib"] = round(measure.disk_bytes(made.folder) / 2**20, 1)
    found["open_s"] = round(seconds(lambda: (made.open(), made.node(ids[0]))), 5)
    return found


def check_graph(made: Graph, ids: list[str], links: list[tuple[str, str, str, str, float]]) -> None:
    """Some nodes at random, their neighbours compared with the workload's."""
    near: dict[str, list[str]] = {key: [] for key in ids}
    for _, source, target, _, _ in links:
        near[source].append(target)
        near[target].append(source)
    for key in random.Random(5).sample(ids, CHECKED):
        found = sorted(entry[0] for entry in made.neighbors(key))
        if found != sorted(near[key]):
            raise WrongAnswer(f"neighbours of {key}: {len(found)}, expected {len(near[key])}")
        expected = len(set(near[key]).union(*(near[peer] for peer in near[key])))
        if made.two_hops(key) != expected:
            raise WrongAnswer(f"two hops from {key}: {made.two_hops(key)}, expected {expected}")


def unit_vectors(count: int) -> Any:
    """Around 200 centres, as embeddings lie; rows of float32 of length one. The last of them are the queries."""
    import numpy

    rng = numpy.random.RandomState(workloads.SEED % 2**31)
    centres = rng.standard_normal((CENTRES, DIMENSIONS)).astype(numpy.float32)
    rows = centres[rng.randint(0, CENTRES, count)] + rng.standard_normal((count, DIMENSIONS)).astype(numpy.float32)
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def few_vectors(made: Vectors, scale: float) -> Figures:
    return vectors(made, measure.scaled(10_000, scale), scale)


def many_vectors(made: Vectors, scale: float) -> Figures:
    return vectors(made, measure.scaled(100_000, scale), scale)


def vectors(made: Vectors, count: int, scale: float) -> Figures:
    asked = max(50, round(1_000 * min(scale, 1)))
    further = min(20, asked)
    every = unit_vectors(count + further + asked)
    stored, added, queries = every[:count], every[count : count + further], every[count + further :]
    truth = [set((-(stored @ query)).argpartition(K)[:K].tolist()) for query in queries]
    before = resident_mib()
    found: Figures = {"vectors": count, "dimensions": DIMENSIONS}
    found["insert_us"] = round(seconds(lambda: made.load(stored)) / count * 1e6, 2)
    found["memory_mib"] = round(resident_mib(made) - before, 1)
    hits = sum(len(truth[at] & set(made.nearest(query, K))) for at, query in enumerate(queries))
    found["recall_at_10"] = round(hits / (K * len(queries)), 4)
    found |= latency(lambda query: made.nearest(query, K), list(queries), "query")
    spans = []
    for number, vector in enumerate(added, start=count):
        made.add(number, vector)
        begun = time.perf_counter_ns()
        seen = made.nearest(vector, K)
        spans.append((time.perf_counter_ns() - begun) / 1000)
        if seen[0] != number:
            raise WrongAnswer(f"the vector that was just added is not its own nearest: {seen[0]}")
    found["query_after_insert_us"] = round(sorted(spans)[len(spans) // 2], 2)
    made.close()
    found["disk_mib"] = round(measure.disk_bytes(made.folder) / 2**20, 1)
    return found


def log(made: Log, scale: float) -> Figures:
    single, batched, size = max(100, round(5_000 * scale)), measure.scaled(200_000, scale), 1000
    found: Figures = {"events": single + batched}
    found["one_at_a_time_per_second"] = per_second(single, lambda: [made.append(event(n)) for n in range(single)])
    batches = [
        [event(n) for n in range(first, min(first + size, single + batched))]
        for first in range(single, single + batched, size)
    ]
    found["batches_per_second"] = per_second(batched, lambda: [made.append_many(batch) for batch in batches])
    count = 0

    def read() -> None:
        nonlocal count
        count = sum(bool(payload) for payload in made.payloads())

    found["read_back_per_second"] = per_second(single + batched, read)
    if count != single + batched:
        raise WrongAnswer(f"{count} events came back of {single + batched}")
    made.close()
    found["disk_mib"] = round(measure.disk_bytes(made.folder) / 2**20, 1)
    return found


def texts(made: Memory, scale: float) -> Figures:
    return memory(made, workloads.facts(measure.scaled(20_000, scale)), scale)


def agents(made: Memory, scale: float) -> Figures:
    return memory(made, workloads.facts(measure.scaled(2_000, scale)), scale / 5)


def memory(made: Memory, texts: list[str], scale: float) -> Figures:
    asked = workloads.queries(texts, max(50, round(1_000 * min(scale, 1))))
    few = max(20, round(200 * min(scale, 1)))
    before = resident_mib()
    found: Figures = {"texts": len(texts)}
    found["bulk_texts_per_second"] = per_second(len(texts) - few, lambda: made.load(texts[:-few]))
    found["memory_mib"] = round(resident_mib(made) - before, 1)
    spans = measure.each_ns(made.add, texts[-few:])  # no warming up: the same text again would be another question
    found["add_us"] = round(measure.percentiles(spans, measure.clock_ns())["p50"] / 1000, 3)
    for text in random.Random(6).sample(texts, CHECKED):
        if text not in made.search(text, K):
            raise WrongAnswer(f"a text is not found by its own words: {text}")
    found |= latency(lambda query: made.search(query, K), asked, "search")
    made.close()
    found["disk_mib"] = round(measure.disk_bytes(made.folder) / 2**20, 1)
    return found


def made_by(peer: table.Peer, folder: Path) -> Any:
    """The contender, not yet opened."""
    module, _, name = peer.made_by.partition(":")
    kind = getattr(importlib.import_module(module), name)
    return kind(folder, DIMENSIONS) if issubclass(kind, Vectors) else kind(folder)


ASKED: dict[str, Callable[[Any, float], Figures]] = {
    "graph": graph,
    "vectors": few_vectors,
    "large-vectors": many_vectors,
    "log": log,
    "texts": texts,
    "agents": agents,
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("kind", choices=table.KINDS)
    options.add_argument("name")
    options.add_argument("folder", type=Path)
    options.add_argument("figures", type=Path)
    options.add_argument("--scale", type=float, default=1.0)
    options.add_argument("--check", action="store_true", help="compare answers of a small workload, measure nothing")
    arguments = options.parse_args()
    peer = table.find(arguments.kind, arguments.name)
    allowed = measure.cores()
    measure.run_on({max(allowed, default=-1)} & allowed)
    before = measure.noise_now()["slowest_over_fastest"]
    made = made_by(peer, arguments.folder)
    if arguments.check:
        import check

        figures: Figures = check.CHECKED[peer.kind](made)
    else:
        figures = ASKED[peer.kind](made, arguments.scale)
    versions = measure.machine(peer.packages)["versions"]
    noise = max(before, measure.noise_now()["slowest_over_fastest"])
    own = {name: versions[name] for name in peer.packages if name in versions}
    document = {"figures": figures, "noise": noise, "versions": own}
    arguments.figures.write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main()
