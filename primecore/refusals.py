"""What the log says where it cannot go on: errors made of the operating system's. Knows words only, no file."""

from __future__ import annotations

import errno
import os

from primecore.errors import DiskFull, EnvironmentFailure, StorageFailure, StoreForked, StoreNotFound


def why(code: int) -> str:
    """An error number of the log's, in words."""
    return "its files were removed or cut short by somebody else" if code == errno.ESTALE else os.strerror(code)


def not_found(directory: str) -> StoreNotFound:
    """There is no store."""
    return StoreNotFound(f"there is no store in {directory}", hint="check the path; opening it for writing makes one")


def forked() -> StoreForked:
    """The store is the parent's."""
    return StoreForked(
        "this store was opened by the process that forked this one",
        hint="open it again here, read_only=True while the parent has it",
    )


def failure(error: OSError, path: str) -> EnvironmentFailure:
    """What the operating system refused, at the file it names or else at `path`."""
    where = error.filename or path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no room at {where}: {error.strerror}", hint="free some space and try again")
    return StorageFailure(
        f"{where}: {error.strerror or error}", hint="nothing was taken for a torn tail; check permissions and the disk"
    )
