"""The service's recall: checks what is asked, embeds it, answers from all views at once. Knows nothing of who asks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from primecore.alike import Source, check_whole, in_one_space
from primecore.embedders import share
from primecore.embeds import Embeds
from primecore.errors import InvalidArgument, ModelMismatch
from primecore.model import Hit
from primecore.projections.recall import Filters, How, Recall, Weights
from primecore.projections.vectors import float32
from primecore.projections.words import Query, parse_query
from primecore.searches import MAX_QUERY_WORDS, Time, checked_name, checked_time
from primecore.writes import check_count

MAX_HITS = 1000
FARTHEST = 5
FLOOR = 0.1  # a cosine, or a share of the query's words: below it is chance
DAY_US = 86_400_000_000
_LARGEST = 1e12


class Recalls(Embeds):
    """What an open store can be asked about everything it knows."""

    def recall(
        self,
        query: str | None = None,
        *,
        vector: Any = None,
        k: int = 10,
        depth: int = 1,
        type: str | None = None,
        domain: str | None = None,
        label: str | None = None,
        conversation: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        valid_at: Time | None = None,
        weights: Mapping[str, float] | None = None,
        floor: float = FLOOR,
        min_score: float = 0.0,
        diversity: float | None = None,
        half_life_days: float | None = None,
        importance: str | None = None,
    ) -> list[Hit]:
        """At most `k` hits for a question, from vectors, words and edges together, the best first, equal scores by id.

        `query` is looked for by its words, and by the vector that the store's embedder makes of it; `vector` stands for
        the latter, or for both. What neither brings may come by `depth` edges from what they do. `parts` of a hit says
        what each added to its score, `edges` which edges brought it. Filters (the live node's `type`, `domain` and
        `label`; a `conversation_id` in its properties or in the vector's metadata; `since` and `until`, the first
        moment that is too late, of the last change) hold for hits and for what brings them, and come before `k`.
        `valid_at` leaves out what was created later and edges that did not hold then. What is less alike than `floor`,
        and holds less of the query than that, is no hit: better none than noise. `min_score` is asked of the whole
        score. `diversity` (0 to 1) trades score for difference from the hits before. With `half_life_days` what changed
        lately counts for more; `importance` names a property from 0 to 1 that does, too. `weights`: vector, words,
        graph, recency, importance. Raises ModelMismatch, ReembedUnfinished, InvalidArgument.

        >>> [hit.id for hit in prime.recall("who is alice?", k=1)]
        ['node:person:alice']
        """
        self._engine.check()
        question = Question(
            query, vector, k, depth, type, domain, label, conversation, since, until, valid_at, weights, floor,
            min_score, diversity, half_life_days, importance,
        )  # fmt: skip
        views = self._engine.views
        source = Source(self._vectors, self._embedded, self._engine.untorn_look)
        return recalled(question, source, views.recall, self._engine.settings.embedder is None)


class Question(NamedTuple):
    """What `Prime.recall` is asked, as it was given."""

    query: str | None
    vector: Any
    k: int
    depth: int
    type: str | None
    domain: str | None
    label: str | None
    conversation: str | None
    since: Time | None
    until: Time | None
    valid_at: Time | None
    weights: Mapping[str, float] | None
    floor: float
    min_score: float
    diversity: float | None
    half_life_days: float | None
    importance: str | None


def recalled(it: Question, source: Source, view: Recall, any_model: bool) -> list[Hit]:
    """The answer of `view`, and of the vectors of `source`. See `Prime.recall`.

    With `any_model` nobody said which embedder is at hand: then vectors of no known model are left out for a text.
    """
    query, vectors = it.query, source.vectors
    if query is None and it.vector is None:
        raise InvalidArgument("recall: expected a query, a vector or both")
    checked_name(query, "query")
    if not 1 <= check_count(it.k, "k") <= MAX_HITS:
        raise InvalidArgument(f"k: expected an integer from 1 to {MAX_HITS:,}, found {it.k:,}")
    if check_count(it.depth, "depth") > FARTHEST:
        raise InvalidArgument(f"depth: expected an integer from 0 to {FARTHEST}, found {it.depth:,}")
    filters = Filters(
        checked_name(it.type, "type"),
        checked_name(it.domain, "domain"),
        checked_name(it.label, "label"),
        checked_name(it.conversation, "conversation"),
        checked_time(it.since, "since"),
        checked_time(it.until, "until"),
        checked_time(it.valid_at, "valid_at"),
    )
    words = Query([], []) if query is None else parse_query(query)
    if len(words.clauses) > MAX_QUERY_WORDS:
        raise InvalidArgument(f"query: expected at most {MAX_QUERY_WORDS:,} words, found {len(words.clauses):,}")

    def found() -> list[Hit]:
        of_vectors = share(vectors.model)
        how = _how(
            of_vectors, it.weights, it.depth, it.floor, it.min_score, it.diversity, it.half_life_days, it.importance
        )
        check_whole(vectors)
        asked = Query([], []) if how.weights.words == 0.0 else words
        numbers = _meant(source, query, it.vector, any_model) if how.weights.vector > 0.0 else None
        if numbers is None and not asked.clauses:
            return []
        hits: list[Hit] = source.look(lambda: view.best(asked, numbers, it.k, filters, how))
        return hits

    return in_one_space(vectors, found)


def _meant(source: Source, query: str | None, vector: Any, any_model: bool) -> Any:
    # The vector of a question; None where words alone must do.
    if source.vectors.dimensions == 0:
        return None
    if vector is not None:
        return float32(vector)
    if query is None or not query.strip():
        return None
    try:
        return source.embedded([query])[0]
    except ModelMismatch:
        if source.vectors.model is None and any_model:
            return None  # vectors of the caller's own: no text can be compared with them
        raise


def _how(
    vector: float,
    weights: Mapping[str, float] | None,
    depth: int,
    floor: float,
    min_score: float,
    diversity: float | None,
    half_life_days: float | None,
    importance: str | None,
) -> How:
    half_life = 0.0 if half_life_days is None else checked_number(half_life_days, "half_life_days", 0.0, math.inf)
    if half_life_days is not None and half_life == 0.0:
        raise InvalidArgument("half_life_days: expected more than 0")
    return How(
        _weights(vector, weights),
        depth,
        checked_number(floor, "floor", 0.0, 1.0),
        checked_number(min_score, "min_score", 0.0, math.inf),
        0.0 if diversity is None else checked_number(diversity, "diversity", 0.0, 1.0),
        half_life * DAY_US,
        checked_name(importance, "importance"),
    )


def _weights(vector: float, given: Mapping[str, float] | None) -> Weights:
    usual = Weights(vector, 1.0 - vector)
    if given is None:
        return usual
    if not isinstance(given, Mapping):
        raise InvalidArgument(f"weights: expected a dict, found {given!r}")
    for name, value in given.items():
        if name not in Weights._fields:
            raise InvalidArgument(f"weights: expected {', '.join(Weights._fields)}, found {name!r}")
        checked_number(value, f"weights.{name}", 0.0, math.inf)
    weights = usual._replace(**{name: float(value) for name, value in given.items()})
    if weights.graph > 1.0:
        raise InvalidArgument(f"weights.graph: expected a share from 0 to 1, found {weights.graph}")
    return weights


def checked_number(value: Any, name: str, least: float, most: float) -> float:
    """`value` if it is a number from `least` to `most`. Raises InvalidArgument."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= min(most, _LARGEST):
        bound = "0 up" if most == math.inf else f"{least:g} to {most:g}"
        raise InvalidArgument(f"{name}: expected a number from {bound}, found {value!r}")
    return float(value)
