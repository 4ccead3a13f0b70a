"""Memory contenders: short texts found by their words, without any model."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from kinds import Memory


class PrimeMemory(Memory):
    def __init__(self, folder: Path) -> None:
        import primecore

        super().__init__(folder)
        self.prime: Any = primecore.open(folder / "prime")

    def load(self, texts: list[str]) -> None:
        from primecore.bench.finding import notes

        notes(self.prime, texts)
        self.prime.search("nothing")  # the first search builds the index

    def add(self, text: str) -> None:
        self.prime.add_node("note", {"text": text})

    def search(self, query: str, k: int) -> list[str]:
        return [hit.text for hit in self.prime.search(query, k)]

    def close(self) -> None:
        self.prime.close()


class Fts5Memory(Memory):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.connection = sqlite3.connect(folder / "texts.db", isolation_level=None)
        self.connection.execute("pragma journal_mode = wal")
        self.connection.execute("pragma synchronous = normal")
        self.connection.execute("create virtual table facts using fts5(text, tokenize='unicode61')")

    def load(self, texts: list[str]) -> None:
        self.connection.execute("begin")
        self.connection.executemany("insert into facts(text) values (?)", ((text,) for text in texts))
        self.connection.execute("commit")

    def add(self, text: str) -> None:
        self.connection.execute("insert into facts(text) values (?)", (text,))

    def search(self, query: str, k: int) -> list[str]:
        statement = "select text from facts where facts match ? order by rank limit ?"
        return [text for (text,) in self.connection.execute(statement, (" OR ".join(query.split()), k))]

    def close(self) -> None:
        self.connection.close()


class PlugmemMemory(Memory):
    def __init__(self, folder: Path) -> None:
        import plugmem

        super().__init__(folder)
        self.memory = plugmem.Plugmem.open(str(folder / "texts.plugmem"))

    def load(self, texts: list[str]) -> None:
        for first in range(0, len(texts), 1000):
            self.memory.remember_many([{"text": text} for text in texts[first : first + 1000]])

    def add(self, text: str) -> None:
        self.memory.remember(text)

    def search(self, query: str, k: int) -> list[str]:
        return [self.memory.get(fact.id).text for fact in self.memory.recall(query, k=k).facts]

    def close(self) -> None:
        self.memory.close()
