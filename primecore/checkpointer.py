"""The helper process that writes a checkpoint beside a running writer: `python -m primecore.checkpointer DIRECTORY`.

It reads the store as any reader does and writes nothing but the checkpoint; stopping it at any point loses nothing.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading

from primecore import checkpoint, keeper
from primecore.log import Log
from primecore.storage import RealStorage, Storage


def run(directory: str, storage: Storage) -> checkpoint.Written | None:
    """Write a checkpoint of all that the log holds for good; None if there is one already. Raises PrimeError,
    OSError."""
    found, reasons = checkpoint.find(storage, directory)
    trusted = found.position if found is not None else 0
    with Log.open(directory, storage=storage, read_only=True, trusted_position=trusted) as log:
        until = log.wal.durable_position
        if until <= trusted:
            return None
        keeper.attach_history(storage, directory, log)
        tables = keeper.open_tables(log, found, reasons, threading.Lock(), lambda: None, until)
        time_us = max(log.wal.last_time_us, found.last_time_us if found is not None else 0)
        return checkpoint.write(
            storage,
            directory,
            lambda: checkpoint.draft(tables.views, tables.pipeline.dedupe, tables.saved),
            lambda: keeper.facts(log, tables.views) | {"last_time_us": time_us},
            lambda position: None,  # it is: the log promised so before its events were folded
            contextlib.nullcontext(),
            owner=False,
        )


if __name__ == "__main__":
    with contextlib.suppress(OSError):
        os.nice(10)
    run(sys.argv[1], RealStorage())
