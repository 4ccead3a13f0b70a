"""Compares what a store finds with the plain telling of BM25. Knows the public API and the plain fold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from support import bm25
from support.fold import Fold, instant

WORD, PREFIX, STEM = range(3)


def parsed(query: str, stem: bool = False) -> tuple[list[tuple[int, str, int]], list[list[str]]]:
    """(clauses, phrases) of a query in which every star ends a plain word and quotes come in pairs."""
    clauses: dict[tuple[int, str], int] = {}
    phrases = []
    for number, piece in enumerate(query.split('"')):
        if number % 2:
            places = [word for word, over in bm25.words(piece) if not over]
            if len(places) > 1 and places not in phrases:
                phrases.append(places)
            found = [(WORD, word) for word, _ in bm25.words(piece)]
        else:
            found = []
            for part in piece.split():
                if part.endswith("*"):
                    *rest, last = [word for word, over in bm25.words(part) if not over]
                    found += [(STEM if stem else WORD, word) for word in rest] + [(PREFIX, last)]
                else:
                    found += [(STEM if stem else WORD, word) for word, _ in bm25.words(part)]
        for clause in found:
            clauses[clause] = clauses.get(clause, 0) + 1
    return [(kind, word, times) for (kind, word), times in clauses.items()], phrases


def fits(document: bm25.Document, filters: dict[str, Any]) -> bool:
    since, until = instant(filters.get("since")), instant(filters.get("until"))
    born_since, born_until = instant(filters.get("created_since")), instant(filters.get("created_until"))
    return (
        filters.get("type") in (None, document.type)
        and filters.get("domain") in (None, document.domain)
        and (filters.get("label") is None or filters["label"] in document.labels)
        and (since is None or (document.updated is not None and document.updated >= since))
        and (until is None or (document.updated is not None and document.updated < until))
        and (born_since is None or (document.created is not None and document.created >= born_since))
        and (born_until is None or (document.created is not None and document.created < born_until))
    )


def compare(prime: Any, fold: Fold, queries: Sequence[str], k: int = 10, stem: bool = False, **filters: Any) -> int:
    """Asserts that each query finds what the plain telling finds; gives the number of hits."""
    index = bm25.Index(bm25.documents(fold))
    count = 0
    for query in queries:
        clauses, phrases = parsed(query, stem)
        wanted = {
            name: parts
            for name, parts in index.parts(clauses).items()
            if fits(index.documents[name], filters) and all(index.has_phrase(name, phrase) for phrase in phrases)
        }
        scores = {name: sum(parts.values()) for name, parts in wanted.items()}
        hits = prime.search(query, k, stem=stem, **filters)
        count += len(hits)
        assert len(hits) == min(k, len(scores)), (query, filters, hits, scores)
        assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.id.encode())), query
        best = sorted(scores.values(), reverse=True)
        for hit, score in zip(hits, best, strict=False):
            assert math.isclose(hit.score, score, rel_tol=1e-9), (query, hit, score)
            assert math.isclose(hit.score, scores[hit.id], rel_tol=1e-9), (query, hit)
            told = {word + "*" * (kind == PREFIX): part for (kind, word), part in wanted[hit.id].items()}
            assert hit.parts.keys() == told.keys(), (query, hit)
            assert all(math.isclose(hit.parts[word], told[word], rel_tol=1e-9) for word in told)
            assert math.isclose(sum(hit.parts.values()), hit.score, rel_tol=1e-9)
    return count
