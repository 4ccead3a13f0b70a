"""Compares all that a contender answers on a small workload with what plain Python holds. Measures nothing.

A contender that lies has no figures worth showing: run.py --check asks each of them this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ask import DIMENSIONS, EACH, K, WrongAnswer, unit_vectors
from kinds import Graph, Log, Memory, Vectors
from plain import DictGraph

from primecore.bench import workloads
from primecore.bench.writing import event

NODES, VECTORS, EVENTS, TEXTS = 300, 500, 60, 200
RECALL = 0.95  # what an approximate index must find of the truly nearest
Checked = dict[str, float]


def expect(found: Any, expected: Any, what: str) -> None:
    """Raises WrongAnswer where they differ."""
    if found != expected:
        raise WrongAnswer(f"{what}: {str(found)[:100]}, expected {str(expected)[:100]}")


def graph(made: Graph) -> Checked:
    """Every node, its neighbours with relation, direction and weight, and two hops; once more after opening again."""
    people = list(workloads.every_person(NODES))
    ids = [one.id for one in people]
    links = [(e, ids[s], ids[t], r, w) for e, s, t, r, w in workloads.every_link(NODES, EACH)]
    loaded, added = links[:-20], links[-20:]
    truth = DictGraph(made.folder)
    truth.open()
    made.open()
    for one in (truth, made):
        one.load(people, loaded)
    for link in added:
        truth.add(link)
        made.add(link)

    def compare(when: str) -> None:
        for key in ids:
            expect(made.node(key), truth.node(key), f"{when}: properties of {key}")
            found, expected = (sorted(map(tuple, it.neighbors(key))) for it in (made, truth))
            expect(found, expected, f"{when}: neighbours of {key}")
            expect(made.two_hops(key), truth.two_hops(key), f"{when}: two hops from {key}")

    compare("at first")
    made.close()
    made.open()
    if "kept" in vars(made):  # it keeps nothing: what is opened again is what was loaded
        truth.open()
    compare("opened again")
    made.close()
    return {"compared": 2 * 3 * len(ids)}


def vectors(made: Vectors) -> Checked:
    """The nearest of every query, and of each vector that was just added."""
    every = unit_vectors(VECTORS + 70)
    stored, added, queries = every[:VECTORS], every[VECTORS : VECTORS + 20], every[VECTORS + 20 :]
    assert every.shape[1] == DIMENSIONS
    made.load(stored)
    hits = 0
    for query in queries:
        expected = (-(stored @ query)).argsort()[:K].tolist()
        found = made.nearest(query, K)
        expect(len(set(found)), K, "how many were found")
        hits += len(set(found) & set(expected))
    if hits < RECALL * K * len(queries):
        raise WrongAnswer(f"{hits} of the {K * len(queries)} nearest were found")
    for number, vector in enumerate(added, start=VECTORS):
        made.add(number, vector)
        expect(made.nearest(vector, K)[0], number, "the nearest of what was just added")
    made.close()
    return {"compared": len(queries) + len(added)}


def log(made: Log) -> Checked:
    """All payloads, in the order they were written."""
    events = [event(number) for number in range(EVENTS)]
    for one in events[:20]:
        made.append(one)
    made.append_many(events[20:])
    expect(list(made.payloads()), [payload for _, _, payload in events], "payloads")
    made.close()
    return {"compared": EVENTS}


def memory(made: Memory) -> Checked:
    """Each text is found by itself; nothing is invented, and nothing comes twice."""
    texts = workloads.facts(TEXTS)
    made.load(texts[:-20])
    for text in texts[-20:]:
        made.add(text)
    for text in texts:
        if text not in made.search(text, K):
            raise WrongAnswer(f"not found by its own words: {text}")
    for query in workloads.queries(texts, 50):
        found = made.search(query, K)
        if len(found) > K or len(set(found)) != len(found) or not set(found) <= set(texts):
            raise WrongAnswer(f"{query}: {found}")
    made.close()
    return {"compared": TEXTS + 50}


def words(made: Memory) -> Checked:
    """As of any memory; and what is found has a word of the query, for as many texts as have one."""
    search = made.search

    def judged(query: str, k: int) -> list[str]:
        found, asked = search(query, k), set(query.split())
        having = [text for text in dict.fromkeys(workloads.facts(TEXTS)) if asked & set(text.split())]
        if not set(found) <= set(having):
            raise WrongAnswer(f"{query}: found without a word of it: {found}")
        return found

    made.search = judged  # type: ignore[method-assign]
    return memory(made)


CHECKED: dict[str, Callable[[Any], Checked]] = {
    "graph": graph,
    "vectors": vectors,
    "large-vectors": vectors,
    "log": log,
    "texts": words,
    "agents": memory,
}
