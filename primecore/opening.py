"""`primecore.open`: which kind of store a caller gets. Knows settings and the classes; nothing of what they do."""

from __future__ import annotations

import os

from primecore import config
from primecore.service import Prime


def open(
    path: str | os.PathLike[str] | None = None,
    *,
    read_only: bool = False,
    via_owner: bool = False,
    create: bool = True,
    fsync: str = "interval",
    fsync_interval_ms: int = config.FSYNC_INTERVAL_MS,
    embedder: object = None,
    exact_vectors: int = config.EXACT_VECTORS,
    checkpoint_events: int = config.CHECKPOINT_EVENTS,
    compact: bool = False,
) -> Prime:
    """Opens a store, making it where there is none: a directory, or ":memory:".

    Without a path: the environment's PRIME_DATA_DIR, else ~/.prime/memory. One process at a time owns a store and
    writes to it. `read_only` takes no lock, never changes a byte, and follows what the owner appends. `via_owner` hands
    writes to the owner, and becomes the owner where there is none. `fsync` says when appends reach stable storage:
    "interval" (every `fsync_interval_ms`), "always" (before an append returns) or "never" (when the operating system
    likes). `embedder` makes vectors of texts: "hashing", "wordllama", "package.module:name" or a callable; without it
    the environment's PRIME_EMBEDDER, else what the store's vectors are of, else "hashing"; with `via_owner` it is the
    owner's that counts. Where a search would read the codes of more than `exact_vectors` vectors, an index that is
    nearly always right answers for a scan that always is. `checkpoint_events` says how many events have to come before
    closing writes a checkpoint by itself (a large store waits for more, one sixteenth of all); 0: never. With
    `compact`, closed segments of the log become Parquet in the background (see `Prime.compact`).

    Raises StoreLocked, StoreNotFound, CorruptLog, DiskFull, StorageFailure, InvalidArgument.

    >>> with primecore.open(":memory:") as prime:
    ...     prime.add_node("person", {"name": "Alice"}, id="alice")
    'node:person:alice'
    """
    settings = config.settings(
        path,
        read_only=read_only,
        create=create,
        fsync=fsync,
        fsync_interval_ms=fsync_interval_ms,
        embedder=embedder,
        exact_vectors=exact_vectors,
        via_owner=via_owner,
        checkpoint_events=checkpoint_events,
        compact=compact,
    )
    if not settings.via_owner or settings.path is None:
        return Prime(settings)
    from primecore.via_owner import ViaOwner

    return ViaOwner(settings)
