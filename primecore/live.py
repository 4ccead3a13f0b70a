"""The file LIVE of a store: made and opened by its owner, opened by readers. Knows its name; _live.pyx has its bytes.

docs/format.md ("LIVE") says what stands in it and who may believe it.
"""

from __future__ import annotations

import contextlib
import os

from primecore._live import Live, first_bytes
from primecore.storage import Storage

NAME = "LIVE"


def of_owner(storage: Storage, directory: str, store_uuid: bytes, *, written: bool) -> Live:
    """The store's LIVE for its owner; made where there is none that holds. Raises OSError."""
    path = os.path.join(directory, NAME)
    with contextlib.suppress(FileNotFoundError, ValueError):
        return Live(storage.map(path, writable=True, written=written), store_uuid)
    temporary = path + ".tmp"
    try:
        storage.write(temporary, first_bytes(store_uuid))
    except OSError:
        with contextlib.suppress(OSError):
            storage.remove(temporary)
        raise
    storage.replace(temporary, path)
    return Live(storage.map(path, writable=True, written=written), store_uuid)


def identity(storage: Storage, directory: str) -> int:
    """Tells one LIVE from another that took its place; 0 where there is none. Raises OSError."""
    try:
        return storage.identity(os.path.join(directory, NAME))[0]
    except FileNotFoundError:
        return 0


def of_reader(storage: Storage, directory: str, store_uuid: bytes) -> Live | None:
    """The store's LIVE for a reader; None where no owner has made one yet. Raises OSError."""
    try:
        return Live(storage.map(os.path.join(directory, NAME), writable=False), store_uuid)
    except (FileNotFoundError, ValueError):
        return None
