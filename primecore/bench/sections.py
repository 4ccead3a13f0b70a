"""The table of sections: which there are, and what Prime must have for one to run. Knows no figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import primecore
from primecore.bench import alike, finding, keeping, past, reading, recalling, writing
from primecore.bench.line import Line, Setting


class Section(NamedTuple):
    """A group of lines. It runs where `primecore.Prime` has all the methods in `needs`."""

    name: str
    run: Callable[[Setting], Iterator[Line]]
    needs: tuple[str, ...]

    @property
    def there(self) -> bool:
        """Whether this Prime can be asked these questions."""
        return all(hasattr(primecore.Prime, name) for name in self.needs)


TABLE = (
    Section("ingest", writing.ingest, ("ingest",)),
    Section("append", writing.append, ("append",)),
    Section("append_many", writing.append_many, ("append_many",)),
    Section("durable append", writing.durable, ("append",)),
    Section("graph", reading.graph, ("node", "neighbors", "neighbors_many")),
    Section("past", past.as_of, ("at", "neighbors")),
    Section("similar", alike.similar, ("embed", "similar")),
    Section("search", finding.search, ("search",)),
    Section("recall", recalling.recall, ("recall", "embed", "add_edge")),
    Section("open", keeping.opening, ("ingest",)),
    Section("memory and disk", keeping.memory, ("ingest",)),
)


def sections() -> list[Section]:
    """Those that can run here."""
    return [section for section in TABLE if section.there]
