"""Recall: one answer from vectors, words and edges, at one position. Wires the compiled parts; checks nothing."""

from __future__ import annotations

import time
from typing import Any, NamedTuple, cast

from primecore import _recall, codec
from primecore._graph import Graph
from primecore.model import Hit
from primecore.projections.vectors import VectorIndex
from primecore.projections.words import NOT_AFTER, NOT_BEFORE, Query, Words

POOL = 64  # each arm gives at least so many candidates, and twice as many as are wanted


class Weights(NamedTuple):
    """What each part counts for. Vector and words share a whole between those of them that are asked.

    `graph` is the share of its own that a candidate gives to a neighbour. `recency` and `importance` add to what a
    candidate has: nothing is found for being new.
    """

    vector: float
    words: float
    graph: float = 0.3
    recency: float = 0.2
    importance: float = 0.2


class Filters(NamedTuple):
    """What a hit must be, and what may bring it. Times in microseconds; `until` is the first that is too late."""

    type: str | None = None
    domain: str | None = None
    label: str | None = None
    conversation: str | None = None
    since: int | None = None
    until: int | None = None
    at: int | None = None


class How(NamedTuple):
    """How candidates are weighed and chosen."""

    weights: Weights
    depth: int
    floor: float
    min_score: float
    diversity: float
    half_life_us: float
    importance: str | None


class Recall:
    """Asks the views of vectors and words together, and walks from what they find."""

    def __init__(self, graph: Graph, words: Words, vectors: VectorIndex) -> None:
        self._graph = graph
        self._words = words
        self._vectors = vectors

    def best(self, query: Query, numbers: Any, k: int, filters: Filters, how: How) -> list[Hit] | None:
        """The k best hits, best first, equal scores by id; None where a write came in between.

        Raises InvalidArgument for numbers that are no vector of the space.
        """
        position = self._graph.applied_position
        if query.clauses and not self._words.catch_up(position):
            return None
        look, rows, pool = None, None, max(POOL, 2 * k)
        if numbers is not None:
            look = self._vectors.look(numbers)
        try:
            if look is not None and filters == _NONE:
                rows = self._vectors.follower.search(look, numbers, pool)
            asked = tuple(None if it is None else it.encode("utf-8", "replace") for it in filters[:4])
            hits = _recall.recall(
                self._graph,
                self._words.index,
                look,
                rows,
                query.clauses,
                query.phrases,
                k,
                pool,
                how.depth,
                cast(Any, (
                    *asked,
                    NOT_BEFORE if filters.since is None else filters.since,
                    NOT_AFTER if filters.until is None else filters.until,
                    filters.at,
                )),
                (
                    *how.weights,
                    how.floor,
                    how.half_life_us,
                    time.time_ns() // 1000 if filters.at is None else filters.at,
                    None if how.importance is None else how.importance.encode(),
                    numbers is not None,
                    bool(query.clauses),
                ),
                how.min_score,
                how.diversity,
                position,
            )
        finally:
            if look is not None:
                if filters == _NONE and look.read_bytes:
                    self._vectors.follower.scanned(look.read_bytes)
                look.close()
                self._vectors.follower.nudge()
        if hits is None:
            return None
        return [
            hit if hit.metadata is None else hit._replace(metadata=codec.loads(cast(Any, hit.metadata)))
            for hit in hits
        ]


_NONE = Filters()
