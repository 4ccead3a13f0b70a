"""Where a benchmark's files lie while it runs: a folder on a real disk where there is one, gone at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from primecore import config
from primecore.errors import DiskFull
from primecore.storage import RealStorage

IN_MEMORY = frozenset(("tmpfs", "ramfs"))
PREFIX = "prime-bench-"


class Place(NamedTuple):
    """A folder, and the kind of file system that it is on ("" where the system does not say)."""

    folder: Path
    filesystem: str

    @property
    def in_memory(self) -> bool:
        """Whether there is no disk behind it, so that figures of syncs say nothing of one."""
        return self.filesystem in IN_MEMORY


def candidates(data_dir: str | os.PathLike[str] | None) -> list[Path]:
    """Folders that files could go to: beside the store first, since its disk is the one that matters."""
    store = config.settings(data_dir).path
    beside = [folder for folder in Path(os.path.abspath(store)).parents if folder.is_dir()][:1] if store else []
    return [*beside, Path(tempfile.gettempdir()), Path("/var/tmp")]


def choose(data_dir: str | os.PathLike[str] | None) -> Place:
    """The first folder that can be written to and has a disk behind it, else the first that can be written to."""
    storage = RealStorage()
    places = [
        Place(folder, storage.filesystem(str(folder)))
        for folder in candidates(data_dir)
        if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    ]
    if not places:
        raise DiskFull("no folder for temporary files can be written to", hint="name one: --dir DIR")
    return next((place for place in places if not place.in_memory), places[0])


@contextlib.contextmanager
def temporary(parent: Path, needed_bytes: int) -> Iterator[Place]:
    """A new folder below `parent`, removed with all it holds whatever happens. Raises DiskFull."""
    parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(parent).free
    if free < needed_bytes:
        raise DiskFull(
            f"{parent} has {free >> 20:,} MiB free, the benchmark needs {needed_bytes >> 20:,}",
            hint="name another folder with --dir DIR, or run with --quick",
        )
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        yield Place(folder, RealStorage().filesystem(str(folder)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
