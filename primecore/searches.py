"""The service's search: checks what is asked, answers from the view of words. Knows nothing of who asks."""

from __future__ import annotations

from datetime import datetime

from primecore import codec
from primecore.engine import Engine
from primecore.errors import InvalidArgument
from primecore.model import Hit
from primecore.projections.words import Filters, Query, parse_query
from primecore.writes import check_count

MAX_HITS = 10_000
MAX_QUERY_WORDS = 1024

Time = datetime | str


class Searches:
    """The verbs that look for words."""

    _engine: Engine

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        type: str | None = None,
        domain: str | None = None,
        label: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        created_since: Time | None = None,
        created_until: Time | None = None,
        stem: bool = False,
        explain: bool = False,
    ) -> list[Hit]:
        """The `k` nodes and texts that fit the words of a query best, by BM25, the best first; ties by id.

        Names (which count twice), texts, labels and all other strings of a node's properties but the domain are looked
        at, and the texts of vectors. One word is enough for a hit; words in "quotes" must stand side by side; `word*`
        is every word that begins so. `stem` takes English plurals for their singulars. Filters come before the best
        are chosen: `since` and `until` (the first moment that is too late) bound the last change, `created_since` and
        `created_until` the creation. `explain` cuts a snippet. The first search builds the index. Raises
        InvalidArgument.

        >>> [(hit.id, hit.text) for hit in prime.search("who is alice?")]
        [('node:person:alice', 'Alice')]
        """
        self._engine.check()
        asked, filters = prepared(query, k, type, domain, label, since, until, created_since, created_until, stem)
        words = self._engine.views.words
        return self._engine.untorn_look(lambda: words.search(asked, k, filters, explain))


def prepared(
    query: str,
    k: int,
    type: str | None,
    domain: str | None,
    label: str | None,
    since: Time | None,
    until: Time | None,
    created_since: Time | None,
    created_until: Time | None,
    stem: bool,
) -> tuple[Query, Filters]:
    """What a view of words is asked, all of it checked. Raises InvalidArgument."""
    if not isinstance(query, str):
        raise InvalidArgument(f"query: expected text, found {query!r}")
    if not 1 <= check_count(k, "k") <= MAX_HITS:
        raise InvalidArgument(f"k: expected an integer from 1 to {MAX_HITS:,}, found {k:,}")
    filters = Filters(
        checked_name(type, "type"),
        checked_name(domain, "domain"),
        checked_name(label, "label"),
        checked_time(created_since, "created_since"),
        checked_time(created_until, "created_until"),
        checked_time(since, "since"),
        checked_time(until, "until"),
    )
    asked = parse_query(query, stem)
    if len(asked.clauses) > MAX_QUERY_WORDS:
        raise InvalidArgument(f"query: expected at most {MAX_QUERY_WORDS:,} words, found {len(asked.clauses):,}")
    return asked, filters


def checked_name(name: str | None, field: str) -> str | None:
    """`name` if it is text or None. Raises InvalidArgument."""
    if name is not None and not isinstance(name, str):
        raise InvalidArgument(f"{field}: expected a string, found {name!r}")
    return name


def checked_time(value: Time | None, field: str) -> int | None:
    """Microseconds of a time, None where none is given. Raises InvalidArgument."""
    return None if value is None else codec.encode_time(value, field)
