"""Words: BM25 over names, texts, labels and string properties. Writes queries out; the index itself is compiled."""

from __future__ import annotations

import threading
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple, cast

import orjson

from primecore import _ranking, _words, codec
from primecore._graph import Graph
from primecore._index import TypeIndex
from primecore._lexical import Lexical
from primecore.model import Hit
from primecore.projections.base import AtOnce

IDLE_SECONDS = 0.05
SNIPPET_CHARACTERS = 160
SNIPPET_PLACES = 200  # of one string that are looked at: a hit in a book is shown near its beginning
WORD, PREFIX, STEM = range(3)
NOT_BEFORE, NOT_AFTER = -(2**63), 2**63 - 1


class Query(NamedTuple):
    """A query taken apart: words with their kind and how often they are said, and phrases that a hit must hold."""

    clauses: list[tuple[int, bytes, int, str]]
    phrases: list[list[bytes]]


class Filters(NamedTuple):
    """What a hit must be; None: anything. Times in microseconds, `until` being the first that is too late."""

    type: str | None = None
    domain: str | None = None
    label: str | None = None
    created_since: int | None = None
    created_until: int | None = None
    since: int | None = None
    until: int | None = None


def parse_query(text: str, stem: bool = False) -> Query:
    """The words of a query. "words in quotes" are a phrase, a star ends the beginning of a word; no text is an error.

    >>> parse_query('"two words" and pre*').phrases
    [[b'two', b'words']]
    """
    times: dict[tuple[int, str], int] = {}
    phrases: list[list[bytes]] = []
    for number, part in enumerate(text.split('"')):
        plain, found = _words.spans(part)
        if number % 2:
            places = [word.encode() for word, _, _, over in found if not over]
            if len(places) > 1 and places not in phrases:
                phrases.append(places)
        for at, (word, _, end, over) in enumerate(found):
            starred = not number % 2 and not over and plain[end : end + 1] == "*"
            if not starred and over and _is_starred(plain, found, at):
                continue
            key = (PREFIX if starred else STEM if stem and not number % 2 else WORD, word)
            times[key] = times.get(key, 0) + 1
    clauses = [
        (kind, word.encode(), count, word + "*" if kind == PREFIX else word) for (kind, word), count in times.items()
    ]
    return Query(clauses, phrases)


def _is_starred(plain: str, found: list[tuple[str, int, int, bool]], at: int) -> bool:
    # A whole compound ends where its last part does: get_user* is get, and what begins with user.
    return plain[found[at][2] : found[at][2] + 1] == "*"


class Words(AtOnce):
    """The lexical index. It is built when first asked, then kept up by a thread of its own; no answer is stale."""

    name = "words"

    def __init__(self, graph: Graph, types: TypeIndex) -> None:
        self._graph = graph
        self.index = Lexical(graph, types)
        graph.add_part(self.index)
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    @property
    def position(self) -> int:
        """The position that the index itself has come to, 0 before the first question."""
        return self.index.position

    def search(self, query: Query, k: int, filters: Filters, explain: bool) -> list[Hit] | None:
        """The k best hits as of now, best first, ties by id; None where a write came in between."""
        position = self._graph.applied_position
        if not self.catch_up(position):
            return None
        bounds = (
            NOT_BEFORE if filters.created_since is None else filters.created_since,
            NOT_AFTER if filters.created_until is None else filters.created_until,
            NOT_BEFORE if filters.since is None else filters.since,
            NOT_AFTER if filters.until is None else filters.until,
        )
        found = _ranking.search(
            self.index, query.clauses, query.phrases, k, (*filters[:3], *bounds), position, explain
        )
        if found is None:
            return None
        hits = []
        for hit, about, strings in ((hit, cast("bytes | None", hit.metadata), strings) for hit, strings in found):
            cut = snippet(_flat(strings or []), hit.parts) if explain else None
            hits.append(hit._replace(metadata=None if about is None else codec.loads(about), snippet=cut))
        return hits

    def catch_up(self, position: int) -> bool:
        """Makes the index show a position, or a later one; from now on a thread keeps it up."""
        self._keep_up()
        return self.index.catch_up(position)

    def _keep_up(self) -> None:
        if self._thread is None and not self._stopped.is_set():
            with self._start:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="prime-words", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(0 if self.index.waiting else IDLE_SECONDS):
            if self.index.active and self.index.waiting:
                with suppress(MemoryError):  # it is dropped then, and the next question says so
                    self.index.catch_up(self._graph.applied_position, idle=True)

    def stop(self) -> None:
        """Ends the thread."""
        with self._start:
            self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def digest(self) -> bytes:
        """Nothing: what is indexed is in the digests of nodes and vectors.

        How a text is taken apart may change with the Unicode tables of a Python.
        """
        return b""

    def memory_bytes(self) -> dict[str, int]:
        """The index."""
        return {"words": self.index.used_bytes}


def _flat(strings: list[str | bytes]) -> list[str]:
    """The strings of a document in its order: texts, and all strings in JSON but for the domain."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    for value in strings:
        if isinstance(value, bytes):
            value = orjson.loads(value)
            if isinstance(value, dict) and isinstance(value.get("domain"), str):
                del value["domain"]
        walk(value)
    return found


def snippet(strings: list[str], parts: dict[str, float], characters: int = SNIPPET_CHARACTERS) -> str | None:
    """The piece of the strings, about `characters` long, whose words of the query weigh most; None: in none of them.

    >>> snippet(["The quick brown fox", "Bob"], {"fox": 2.0})
    'The quick brown fox'
    """
    best: tuple[float, str] | None = None
    for text in strings:
        plain, found = _words.spans(text)
        fitting = ((word, start, end, weight) for word, start, end, _ in found if (weight := _weight(word, parts)))
        places = list(islice(fitting, SNIPPET_PLACES))
        for number, (_, start, last, _) in enumerate(places):
            seen: dict[str, float] = {}
            for word, _, end, weight in islice(places, number, None):
                if end > start + characters and seen:
                    break
                seen[word] = weight
                last = end
            total = sum(seen.values())
            if best is None or total > best[0]:
                best = total, _cut(plain, start, last, characters)
    if best is None:  # found by its stem
        return _cut(strings[0], 0, 0, 2 * characters) if strings else None
    return best[1]


def _weight(word: str, parts: dict[str, float]) -> float:
    if word in parts:
        return parts[word]
    return max((part for name, part in parts.items() if name.endswith("*") and word.startswith(name[:-1])), default=0.0)


def _cut(text: str, start: int, end: int, characters: int) -> str:
    """About `characters` of the text around what lies from start to end, cut at spaces where there are any."""
    room = max(0, characters - (end - start)) // 2
    first, last = max(0, start - room), min(len(text), end + room)
    if first > 0:
        first = min(start, text.find(" ", first, start) + 1 or first)
    if last < len(text):
        last = max(end, text.rfind(" ", end, last))
    piece = " ".join(text[first:last].split())
    return ("… " if first > 0 else "") + piece + (" …" if last < len(text) else "")


