"""Settings of a store, and where they come from. Knows the standard library only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from primecore.errors import InvalidArgument

Fsync = Literal["interval", "always", "never"]
ImportFormat = Literal["prime", "mcp-memory", "allsource"]

DEFAULT_DIRECTORY = "~/.prime/memory"
MEMORY = ":memory:"
FSYNC_INTERVAL_MS = 100
EXACT_VECTORS = 50_000
CHECKPOINT_EVENTS = 50_000


class Settings(NamedTuple):
    """How a store is opened. `path` is None for a store in memory."""

    path: Path | None
    read_only: bool
    create: bool
    fsync: Fsync
    fsync_interval_ms: int
    embedder: object
    exact_vectors: int
    via_owner: bool = False
    checkpoint_events: int = CHECKPOINT_EVENTS
    compact: bool = False


def settings(
    path: str | os.PathLike[str] | None,
    *,
    read_only: bool = False,
    create: bool = True,
    fsync: str = "interval",
    fsync_interval_ms: int = FSYNC_INTERVAL_MS,
    embedder: object = None,
    exact_vectors: int = EXACT_VECTORS,
    via_owner: bool = False,
    checkpoint_events: int = CHECKPOINT_EVENTS,
    compact: bool = False,
) -> Settings:
    """Checks what open() was given. Without a path: PRIME_DATA_DIR, else ~/.prime/memory. Without an embedder:
    PRIME_EMBEDDER. Raises InvalidArgument."""
    if isinstance(exact_vectors, bool) or not isinstance(exact_vectors, int) or exact_vectors < 0:
        raise InvalidArgument(f"exact_vectors: expected an integer from 0 up, found {exact_vectors!r}")
    if embedder is None:
        embedder = os.environ.get("PRIME_EMBEDDER") or None
    if fsync not in get_args(Fsync):
        raise InvalidArgument(f"fsync: expected one of {', '.join(get_args(Fsync))}, found {fsync!r}")
    whole = isinstance(fsync_interval_ms, int) and not isinstance(fsync_interval_ms, bool)
    if not whole or not 1 <= fsync_interval_ms <= 60_000:
        raise InvalidArgument(f"fsync_interval_ms: expected an integer from 1 to 60000, found {fsync_interval_ms!r}")
    if not isinstance(checkpoint_events, int) or isinstance(checkpoint_events, bool) or checkpoint_events < 0:
        raise InvalidArgument(f"checkpoint_events: expected an integer from 0 on, found {checkpoint_events!r}")
    if path is None:
        path = os.environ.get("PRIME_DATA_DIR") or DEFAULT_DIRECTORY
    where = None if path == MEMORY else Path(path).expanduser().absolute()
    if where is None and read_only:
        raise InvalidArgument("read_only: a store in memory has no other process to read it")
    if via_owner and read_only:
        raise InvalidArgument("via_owner: writes are handed to the owner, and a read_only store takes none")
    mode: Fsync = fsync  # type: ignore[assignment]  # checked above
    return Settings(
        where,
        read_only,
        create,
        mode,
        fsync_interval_ms,
        embedder,
        exact_vectors,
        via_owner,
        checkpoint_events,
        compact,
    )
