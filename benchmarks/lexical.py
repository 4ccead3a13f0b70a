"""Search of 20,000 short facts, the ten best by BM25: Prime beside SQLite's FTS5 (and bm25s, where it is installed).

A fact is a node with one text of 6 to 18 words, drawn from 20,000 words as unevenly as those of a language (Zipf).
Queries have one to four words of the same draw, so common words are common in them too. FTS5 answers `a OR b` ordered
by its bm25(), which is another formula of the same family: what is compared is the time, not the order. Indexing is the
first search of a store that holds all facts; FTS5's is the insertion in one transaction, in memory.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any

import common
import workloads

import primecore

K = 10


def measured(search: Callable[[str], Any], asked: list[str], clock: float) -> dict[str, float]:
    search(asked[0])
    return common.percentiles(common.each_ns(search, asked), clock)


def prime_round(texts: list[str], asked: list[str], clock: float) -> dict[str, float]:
    with primecore.open(":memory:") as prime:
        for first in range(0, len(texts), 1000):
            prime.append_many(
                [
                    {
                        "event_type": "prime.node.created",
                        "entity_id": f"node:fact:{number}",
                        "payload": {"properties": {"text": text}},
                    }
                    for number, text in enumerate(texts[first : first + 1000], start=first)
                ]
            )
        begun = time.perf_counter()
        prime.search("nothing")
        indexing = time.perf_counter() - begun
        found = measured(lambda query: prime.search(query, K), asked, clock)
        words_bytes = prime.stats().memory_bytes["words"]
    return {
        "prime_search_ns_p50": found["p50"],
        "prime_search_ns_p99": found["p99"],
        "prime_documents_per_second": len(texts) / indexing,
        "prime_bytes_per_document": words_bytes / len(texts),
    }


def fts5_round(texts: list[str], asked: list[str], clock: float) -> dict[str, float]:
    database = sqlite3.connect(":memory:")
    database.execute("create virtual table facts using fts5(text, tokenize='unicode61')")
    begun = time.perf_counter()
    with database:
        database.executemany("insert into facts(text) values (?)", ((text,) for text in texts))
    indexing = time.perf_counter() - begun
    statement = "select rowid, bm25(facts), text from facts where facts match ? order by rank limit ?"

    def search(query: str) -> list[Any]:
        return database.execute(statement, (" OR ".join(query.split()), K)).fetchall()

    found = measured(search, asked, clock)
    database.close()
    return {
        "fts5_search_ns_p50": found["p50"],
        "fts5_search_ns_p99": found["p99"],
        "fts5_documents_per_second": len(texts) / indexing,
    }


def bm25s_round(texts: list[str], asked: list[str], clock: float) -> dict[str, float]:
    try:
        import bm25s
    except ImportError:
        return {}
    begun = time.perf_counter()
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index([text.split() for text in texts], show_progress=False)
    indexing = time.perf_counter() - begun
    found = measured(lambda query: index.retrieve([query.split()], k=K, show_progress=False), asked, clock)
    return {
        "bm25s_search_ns_p50": found["p50"],
        "bm25s_search_ns_p99": found["p99"],
        "bm25s_documents_per_second": len(texts) / indexing,
    }


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head, rounds = common.start(arguments), []
    texts = workloads.facts(common.scaled(20_000, arguments.scale))
    asked = workloads.queries(texts, common.scaled(2_000, arguments.scale))
    clock = common.clock_ns()
    for number in range(arguments.rounds):
        found = prime_round(texts, asked, clock) | fts5_round(texts, asked, clock) | bm25s_round(texts, asked, clock)
        found["times_fts5"] = found["fts5_search_ns_p50"] / found["prime_search_ns_p50"]
        rounds.append(found)
        common.say(f"round {number + 1}: {found}")
    figures = {
        "documents": len(texts),
        "queries": len(asked),
        "k": K,
        "sqlite": sqlite3.sqlite_version,
        **common.middle(rounds),
        "each": rounds,
    }
    common.finish("lexical", arguments, head, figures)


if __name__ == "__main__":
    main()
