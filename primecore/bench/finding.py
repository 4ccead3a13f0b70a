"""The sections about finding: texts by their words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import primecore
from primecore.bench import workloads
from primecore.bench.line import PRIME, Line, Setting, latencies

K = 10
BATCH = 1000


def notes(prime: primecore.Prime, texts: list[str]) -> None:
    """A node for each text."""
    for first in range(0, len(texts), BATCH):
        batch = texts[first : first + BATCH]
        prime.append_many(
            {
                "event_type": "prime.node.created",
                "entity_id": f"node:note:{number}",
                "payload": {"properties": {"text": text}},
            }
            for number, text in enumerate(batch, start=first)
        )


def search(setting: Setting) -> Iterator[Line]:
    """The ten best of many short texts."""
    texts = workloads.facts(setting.size(20_000, 5_000))
    asked = workloads.queries(texts, setting.size(2_000, 500))
    setting.say(f"searching {len(texts):,} texts")
    statement = "select rowid, bm25(facts), text from facts where facts match ? order by rank limit ?"
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("create virtual table facts using fts5(text, tokenize='unicode61')")
    except sqlite3.OperationalError:  # an SQLite that was built without it
        connection.close()
        return
    with primecore.open(":memory:") as prime:
        connection.executemany("insert into facts(text) values (?)", ((text,) for text in texts))
        notes(prime, texts)
        prime.search("nothing")  # the first search builds the index

        def by_sqlite(query: str) -> Any:
            return connection.execute(statement, (" OR ".join(query.split()), K)).fetchall()

        contenders = {PRIME: lambda query: prime.search(query, K), "sqlite FTS5": by_sqlite}
        what = f"search of {len(texts):,} texts, k={K}"
        yield latencies(setting, "search", what, lambda number: asked, contenders)
    connection.close()
