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
    BackupReport,
    CheckpointReport,
    CompactionReport,
    Context,
    CrossDomain,
    Diagnosis,
    Diff,
    DistantNeighbor,
    Domain,
    Edge,
    EdgeChange,
    Event,
    ExportReport,
    FieldChange,
    Finding,
    Hit,
    IngestReport,
    Link,
    LostRange,
    Neighbor,
    Node,
    NodeChange,
    OpeningReport,
    ParkedProjection,
    Path,
    Provenance,
    Receipt,
    ReembedReport,
    Remembered,
    ReplayReport,
    RestoreReport,
    SalvageReport,
    Stats,
    Subgraph,
    Symptom,
    TimelineEntry,
    VerifyReport,
)

if TYPE_CHECKING:
    from primecore.care import backup, doctor, restore, salvage, verify
    from primecore.opening import open
    from primecore.past.subscription import Subscription
    from primecore.past.view import View
    from primecore.projections.base import Projection
    from primecore.service import Prime

__version__ = "0.1.0"

__all__ = [
    "BackupReport",
    "CheckpointReport",
    "CompactionReport",
    "Context",
    "CorruptLog",
    "CrossDomain",
    "DataError",
    "Diagnosis",
    "Diff",
    "DiskFull",
    "DistantNeighbor",
    "Domain",
    "Edge",
    "EdgeChange",
    "EdgeNotFound",
    "EnvironmentFailure",
    "Event",
    "ExportReport",
    "FieldChange",
    "Finding",
    "Hit",
    "IdempotencyConflict",
    "IngestReport",
    "InvalidArgument",
    "InvalidEvent",
    "LimitExceeded",
    "Link",
    "LostRange",
    "MisuseError",
    "ModelMismatch",
    "Neighbor",
    "Node",
    "NodeChange",
    "NodeNotFound",
    "OpeningReport",
    "OutcomeUnknown",
    "ParkedProjection",
    "Path",
    "Prime",
    "PrimeError",
    "Projection",
    "Provenance",
    "Receipt",
    "ReembedReport",
    "ReembedUnfinished",
    "Remembered",
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
    "Subscription",
    "Symptom",
    "TimelineEntry",
    "VectorNotFound",
    "VerifyReport",
    "VersionConflict",
    "View",
    "backup",
    "doctor",
    "open",
    "restore",
    "salvage",
    "verify",
]

_LAZY = {
    "Prime": "primecore.service",
    "open": "primecore.opening",
    "Projection": "primecore.projections.base",
    **dict.fromkeys(("backup", "doctor", "restore", "salvage", "verify"), "primecore.care"),
    "Subscription": "primecore.past.subscription",
    "View": "primecore.past.view",
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
