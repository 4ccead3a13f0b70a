"""Prime: an embedded, event-sourced memory for AI agents.

    import primecore
    with primecore.open("~/.prime/memory") as prime:
        alice = prime.add_node("person", {"name": "Alice"}, id="alice")
        prime.neighbors(alice)

The names below are all there is to import; the rest of the package is Prime's own business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from primecore.errors import (
    CorruptLog,
    DataError,
    DiskFull,
    EdgeNotFound,
    EnvironmentFailure,
    IdempotencyConflict,
    InvalidArgument,
    InvalidEvent,
    LimitExceeded,
    MisuseError,
    ModelMismatch,
    NodeNotFound,
    OutcomeUnknown,
    PrimeError,
    ReembedUnfinished,
    StorageFailure,
    StoreClosed,
    StoreForked,
    StoreLocked,
    StoreNotFound,
    StorePoisoned,
    VectorNotFound,
    VersionConflict,
)
from primecore.model import (
    Context,
    CrossDomain,
    DistantNeighbor,
    Domain,
    Edge,
    Event,
    Hit,
    IngestReport,
    Link,
    Neighbor,
    Node,
    ParkedProjection,
    Path,
    Receipt,
    ReembedReport,
    Remembered,
    ReplayReport,
    Stats,
    Subgraph,
)

if TYPE_CHECKING:
    from primecore.projections.base import Projection
    from primecore.service import Prime, open

__version__ = "0.1.0"

__all__ = [
    "Context",
    "CorruptLog",
    "CrossDomain",
    "DataError",
    "DiskFull",
    "DistantNeighbor",
    "Domain",
    "Edge",
    "EdgeNotFound",
    "EnvironmentFailure",
    "Event",
    "Hit",
    "IdempotencyConflict",
    "IngestReport",
    "InvalidArgument",
    "InvalidEvent",
    "LimitExceeded",
    "Link",
    "MisuseError",
    "ModelMismatch",
    "Neighbor",
    "Node",
    "NodeNotFound",
    "OutcomeUnknown",
    "ParkedProjection",
    "Path",
    "Prime",
    "PrimeError",
    "Projection",
    "Receipt",
    "ReembedReport",
    "ReembedUnfinished",
    "Remembered",
    "ReplayReport",
    "Stats",
    "StorageFailure",
    "StoreClosed",
    "StoreForked",
    "StoreLocked",
    "StoreNotFound",
    "StorePoisoned",
    "Subgraph",
    "VectorNotFound",
    "VersionConflict",
    "open",
]

_LAZY = {"Prime": "primecore.service", "open": "primecore.service", "Projection": "primecore.projections.base"}


if not TYPE_CHECKING:  # a checker that saw it would take any name for one of ours

    def __getattr__(name: str) -> object:
        # The engine is loaded when it is first asked for: `prime --help` and error handling need none of it.
        if name in _LAZY:
            from importlib import import_module

            value = getattr(import_module(_LAZY[name]), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module 'primecore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
