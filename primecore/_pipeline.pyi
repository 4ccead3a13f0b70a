"""Types of the compiled `_pipeline`: the write path, for one thread at a time."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from primecore._dedupe import Dedupe
from primecore._graph import Graph
from primecore._wal import Wal
from primecore.model import Receipt

# Type, entity id, payload, metadata, event id, microseconds since 1970; None where the log assigns or nothing is said.
_Prepared = tuple[bytes, bytes, bytes, bytes | None, bytes | None, int | None]

class _Log(Protocol):
    # What it asks of a log.
    @property
    def wal(self) -> Wal: ...
    def make_room(self, nbytes: int) -> None: ...
    def refusal(self) -> Exception: ...
    def unreadable(self, position: int) -> Exception: ...

class Pipeline:
    """Checks, numbers, logs and folds events; it takes the writer's lock itself."""

    def __new__(
        cls,
        graph: Graph,
        dedupe: Dedupe,
        log: _Log,
        lock: AbstractContextManager[object],
        torn: Callable[[], object],
    ) -> Pipeline: ...
    @property
    def graph(self) -> Graph: ...
    @property
    def dedupe(self) -> Dedupe: ...
    @property
    def wal(self) -> Wal: ...
    def expect_model(self, model: bytes, dimensions: int) -> None: ...
    def append(self, prepared: _Prepared, expected_version: int | None = None, strict: bool = False) -> Receipt: ...
