"""The section about recall: words, vectors and edges asked at once, beside the same put together by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import primecore
from primecore.bench import alike, workloads
from primecore.bench.line import PRIME, Line, Setting, latencies

K = 10
FUSED = 60  # of reciprocal rank fusion: Cormack, Clarke and Buettcher, SIGIR 2009


class ByHand:
    """FTS5 for words, a matrix for vectors, a dict of lists for edges, and reciprocal ranks to bring them together."""

    def __init__(self, texts: list[str], rows: Any, near: list[list[int]]) -> None:
        self.connection, self.near = sqlite3.connect(":memory:"), near
        self.connection.execute("create virtual table facts using fts5(text, tokenize='unicode61')")
        self.connection.executemany("insert into facts(rowid, text) values (?, ?)", enumerate(texts))
        self.matrix = alike.Matrix(rows, 0)

    def recall(self, query: str, vector: Any) -> list[int]:
        """The numbers of the ten best, neighbours of what was found among them."""
        statement = "select rowid from facts where facts match ? order by rank limit ?"
        words = [row for (row,) in self.connection.execute(statement, (" OR ".join(query.split()), K))]
        scores: dict[int, float] = {}
        for found in (words, self.matrix.nearest(vector)):
            for rank, number in enumerate(found):
                scores[number] = scores.get(number, 0.0) + 1 / (FUSED + rank)
        for number, score in list(scores.items()):
            for peer in self.near[number]:
                scores[peer] = scores.get(peer, 0.0) + score / 2
        return sorted(scores, key=scores.__getitem__, reverse=True)[:K]


def recall(setting: Setting) -> Iterator[Line]:
    """The ten best of ten thousand notes, each with a text, a vector and edges."""
    count, calls = setting.size(10_000, 3_000), setting.size(500, 200)
    setting.say(f"storing {count:,} notes with texts, vectors and edges")
    every, texts = alike.unit_vectors(count + calls), workloads.facts(count)
    questions = list(zip(workloads.queries(texts, calls), every[count:], strict=True))
    near: list[list[int]] = [[] for _ in range(count)]
    with primecore.open(":memory:") as prime:
        ids = [prime.add_node("note", {"text": text}, id=str(number)) for number, text in enumerate(texts)]
        for number, row in enumerate(every[:count]):
            prime.embed(ids[number], vector=row)
        for link in workloads.every_link(count):
            prime.add_edge(ids[link.source], ids[link.target], link.relation)
            near[link.source].append(link.target)
            near[link.target].append(link.source)
        try:
            by_hand = ByHand(texts, every[:count], near)
        except sqlite3.OperationalError:  # an SQLite that was built without FTS5
            return
        prime.recall(questions[0][0], vector=questions[0][1], k=K)  # the first question builds the indexes
        setting.say(f"asking {count:,} notes")
        contenders = {
            PRIME: lambda it: prime.recall(it[0], vector=it[1], k=K),
            "by hand": lambda it: by_hand.recall(*it),
        }
        what = f"recall by words, vector and edges, {count:,} notes, k={K}"
        yield latencies(setting, "recall", what, lambda number: questions, contenders)
        by_hand.connection.close()
