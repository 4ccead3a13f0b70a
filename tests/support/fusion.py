"""Recall told naively: scores of words and vectors and a list of edges in, scores out. Knows nothing of the engine."""

from __future__ import annotations

from typing import NamedTuple

LEAST_SHARE = 0.05
Edge = tuple[str, str, float]  # source, target, weight


class Found(NamedTuple):
    """What a candidate has of each."""

    vector: float
    words: float
    graph: float

    @property
    def score(self) -> float:
        return self.vector + self.words + self.graph


def fused(
    bm25: dict[str, float],
    cosine: dict[str, float],
    words_in_all: float,
    edges: list[Edge],
    live: set[str],
    *,
    asks_words: bool,
    asks_vectors: bool,
    weights: tuple[float, float, float] = (0.5, 0.5, 0.3),
    floor: float = 0.1,
    depth: int = 1,
) -> dict[str, Found]:
    """What each id is worth; `cosine` knows all vectors, `bm25` all documents that hold a word of the query."""
    total = weights[0] * asks_vectors + weights[1] * asks_words
    vector_weight, words_weight = weights[0] / total, weights[1] / total
    alike = {id: value for id, value in cosine.items() if value >= floor}
    best_words = max(bm25.values(), default=0.0)
    best, least = max(alike.values(), default=0.0), min(alike.values(), default=0.0)
    least = least - LEAST_SHARE * (best - least) if best > least else least - 1.0
    vector, words = dict.fromkeys(live, 0.0), dict.fromkeys(live, 0.0)
    for id in live | set(bm25) | set(alike):
        if id in alike or bm25.get(id, 0.0) >= max(floor * words_in_all, 5e-324):
            words[id] = words_weight * bm25.get(id, 0.0) / best_words if id in bm25 else 0.0
            vector[id] = vector_weight * (alike[id] - least) / (best - least) if id in alike else 0.0
    value = {id: vector[id] + words[id] for id in vector}
    graph = dict.fromkeys(vector, 0.0)
    giver: dict[str, str] = {}
    source: dict[str, str] = {}
    for _ in range(depth):
        for a, b, weight in edges:
            for one, other in ((a, b), (b, a)):
                share = weights[2] * value.get(one, 0.0) * min(max(weight, 0.0), 1.0)
                if one in live and other in live and one != other and share > graph[other] and source.get(one) != other:
                    graph[other], giver[other] = share, one
        for id, share in graph.items():
            if share > value[id]:
                value[id], source[id] = share, giver[id]
    found = {id: Found(vector[id], words[id], graph[id]) for id in vector}
    return {id: it for id, it in found.items() if it.score > 0}
