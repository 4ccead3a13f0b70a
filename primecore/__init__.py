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
    NodeNotFound,
    OutcomeUnknown,
    PrimeError,
    StorageFailure,
    StoreClosed,
    StoreForked,
    StoreLocked,
    StoreNotFound,
    StorePoisoned,
    VersionConflict,
)
from primecore.model import (
    BackupReport,
    CheckpointReport,
    CompactionReport,
    CrossDomain,
    Diagnosis,
    DistantNeighbor,
    Domain,
    Edge,
    Event,
    Finding,
    Hit,
    IngestReport,
    LostRange,
    Neighbor,
    Node,
    OpeningReport,
    ParkedProjection,
    Path,
    Receipt,
    ReplayReport,
    RestoreReport,
    SalvageReport,
    Stats,
    Subgraph,
    Symptom,
    VerifyReport,
)

if TYPE_CHECKING:
    from primecore.care import backup, doctor, restore, salvage, verify
    from primecore.projections.base import Projection
    from primecore.service import Prime, open

__version__ = "0.1.0"

__all__ = [
    "BackupReport",
    "CheckpointReport",
    "CompactionReport",
    "CorruptLog",
    "CrossDomain",
    "DataError",
    "Diagnosis",
    "DiskFull",
    "DistantNeighbor",
    "Domain",
    "Edge",
    "EdgeNotFound",
    "EnvironmentFailure",
    "Event",
    "Finding",
    "Hit",
    "IdempotencyConflict",
    "IngestReport",
    "InvalidArgument",
    "InvalidEvent",
    "LimitExceeded",
    "LostRange",
    "MisuseError",
    "Neighbor",
    "Node",
    "NodeNotFound",
    "OpeningReport",
    "OutcomeUnknown",
    "ParkedProjection",
    "Path",
    "Prime",
    "PrimeError",
    "Projection",
    "Receipt",
    "ReplayReport",
    "RestoreReport",
    "SalvageReport",
    "Stats",
    "StorageFailure",
    "StoreClosed",
    "StoreForked",
    "StoreLocked",
    "StoreNotFound",
    "StorePoisoned",
    "Subgraph",
    "Symptom",
    "VerifyReport",
    "VersionConflict",
    "backup",
    "doctor",
    "open",
    "restore",
    "salvage",
    "verify",
]

_LAZY = {
    "Prime": "primecore.service",
    "open": "primecore.service",
    "Projection": "primecore.projections.base",
    **dict.fromkeys(("backup", "doctor", "restore", "salvage", "verify"), "primecore.care"),
}


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
