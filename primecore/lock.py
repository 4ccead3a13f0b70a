"""The lock that makes one process the owner of a store. Knows the LOCK file only."""

from __future__ import annotations

import contextlib
import json
import os
import sys

from primecore.errors import StoreLocked
from primecore.storage import Locked, Storage

NAME = "LOCK"


def acquire(storage: Storage, directory: str) -> Locked:
    """Own the store in `directory` until the result is closed. Raises StoreLocked, naming the owner."""
    path = os.path.join(directory, NAME)
    note = {"pid": os.getpid(), "boot_id": boot_id(), "command": " ".join(sys.argv)[:200]}
    try:
        return storage.lock(path, json.dumps(note).encode())
    except BlockingIOError:
        raise StoreLocked(
            f"{directory} is in use by {owner(storage, directory)}",
            hint="open it with read_only=True, reach it with via_owner=True, or close the other one first",
        ) from None


def owner(storage: Storage, directory: str) -> str:
    """The owner of a locked store, in words."""
    note: dict[str, object] = {}
    with contextlib.suppress(OSError, ValueError):
        read = json.loads(storage.read(os.path.join(directory, NAME)))
        note = read if isinstance(read, dict) else {}
    pid = note.get("pid")
    if not pid:
        return "another process"
    if pid == os.getpid() and note.get("boot_id") == boot_id():
        return f"this process (pid {pid}), which has it open already"
    elsewhere = "" if note.get("boot_id") == boot_id() else ", on another boot or machine"
    return f"process {pid}{elsewhere} ({note.get('command') or 'unknown command'})"


def boot_id() -> str:
    """Changes with every start of the machine, so that a pid from before it is not mistaken; "" where unknown."""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
    return ""
