"""A disk in memory that can lose what was not synced. For tests and simulations; knows files, not what is in them."""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from primecore._image import Aside, Draft
from primecore._mapping import Mapping

SECTOR_BYTES = 512


@dataclass
class _File:
    content: Mapping | bytes  # a Mapping keeps what its last sync saw; bytes are synced as they are written


@dataclass
class _Directory:
    handle: Mapping  # counts the changes, and how many of them a sync covered
    changes: list[dict[str, _File | None]] = field(default_factory=list)
    now: dict[str, _File] = field(default_factory=dict)


class _Lock:
    def __init__(self, locks: dict[int, _File], file: _File) -> None:
        self.locks, self.file = locks, file

    def close(self) -> None:
        self.locks.pop(id(self.file), None)


class MemoryStorage:
    """Files in memory. `room_bytes` limits what `prepare` may allocate, to play a full disk."""

    def __init__(self, *, room_bytes: int | None = None) -> None:
        self.directories: dict[str, _Directory] = {}
        self.locks: dict[int, _File] = {}
        self.room_bytes = room_bytes
        self._names = threading.RLock()  # a log's threads change names at once, and no clone shows half a change

    # --- names

    def make_directory(self, path: str) -> None:
        path = os.path.normpath(path)
        with self._names:
            while path not in self.directories:
                self.directories[path] = _Directory(Mapping.directory())
                path = os.path.dirname(path)

    def is_file(self, path: str) -> bool:
        directory, name = os.path.split(os.path.normpath(path))
        return directory in self.directories and name in self.directories[directory].now

    def is_directory(self, path: str) -> bool:
        return os.path.normpath(path) in self.directories

    def names(self, path: str) -> list[str]:
        return sorted(self._directory(path).now)

    def replace(self, source: str, target: str) -> None:
        if self.is_directory(source):
            self._replace_directory(os.path.normpath(source), os.path.normpath(target))
            return
        file = self._file(source)
        here, name = self._place(source)
        there, new_name = self._place(target)
        if here is there:
            self._change(here, {name: None, new_name: file})
        else:
            self._change(there, {new_name: file})
            self._change(here, {name: None})

    def _replace_directory(self, source: str, target: str) -> None:
        # Directories are there as soon as they are made, and are durable: only their entries may be lost.
        below = [path for path in self.directories if path == target or path.startswith(target + os.sep)]
        if any(self.directories[path].now for path in below) or len(below) > 1:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), target)
        with self._names:
            for path in [path for path in self.directories if path == source or path.startswith(source + os.sep)]:
                self.directories[target + path[len(source) :]] = self.directories.pop(path)

    def remove(self, path: str) -> None:
        self._file(path)
        directory, name = self._place(path)
        self._change(directory, {name: None})

    def sync_directory(self, path: str) -> None:
        self._directory(path).handle.sync()

    def directory(self, path: str) -> Mapping:
        return self._directory(path).handle

    def _directory(self, path: str) -> _Directory:
        try:
            return self.directories[os.path.normpath(path)]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None

    def _place(self, path: str) -> tuple[_Directory, str]:
        parent, name = os.path.split(os.path.normpath(path))
        return self._directory(parent), name

    def _file(self, path: str) -> _File:
        directory, name = self._place(path)
        try:
            return directory.now[name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None

    def _change(self, directory: _Directory, entries: dict[str, _File | None]) -> None:
        with self._names:
            directory.changes.append(entries)
            directory.handle.note_change()
            _apply(directory.now, entries)

    # --- contents

    def read(self, path: str) -> bytes:
        return bytes(memoryview(self._file(path).content))

    def read_around(self, path: str) -> tuple[bytes, int]:
        return self.read(path), 0

    def write(self, path: str, data: bytes | memoryview) -> None:
        directory, name = self._place(path)
        self._change(directory, {name: _File(bytes(data))})

    def write_parts(self, path: str, parts: Iterable[bytes | memoryview]) -> int:
        content = b"".join(bytes(part) for part in parts)
        mapping = Mapping.memory(max(len(content), 1), simulates_disk=True)
        memoryview(mapping)[: len(content)] = content
        directory, name = self._place(path)
        self._change(directory, {name: _File(mapping)})
        return len(content)

    def write_aside(self, path: str, draft: Draft, begin: int, salt: int) -> Aside | None:
        return None

    def prepare(self, path: str, nbytes: int) -> None:
        if self.room_bytes is not None:
            if nbytes > self.room_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            self.room_bytes -= nbytes
        directory, name = self._place(path)
        self._change(directory, {name: _File(Mapping.memory(nbytes, simulates_disk=True))})

    def extend(self, path: str, nbytes: int) -> None:
        file = self._file(path)
        old = bytes(memoryview(file.content))
        if len(old) < nbytes:
            file.content = _memory(old + bytes(nbytes - len(old)))

    def map(self, path: str, *, writable: bool, written: bool = False, fresh: bool = False) -> Mapping:
        file = self._file(path)
        if isinstance(file.content, bytes):
            file.content = _memory(file.content)
        return file.content

    def evict(self, path: str) -> None:
        self._file(path)

    def lock(self, path: str, note: bytes) -> _Lock:
        if self.is_held(path):
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), path)
        self.write(path, note)
        file = self._file(path)
        self.locks[id(file)] = file
        return _Lock(self.locks, file)

    def is_held(self, path: str) -> bool:
        return self.is_file(path) and id(self._file(path)) in self.locks

    def sync_file(self, path: str) -> None:
        file = self._file(path)
        if isinstance(file.content, Mapping):
            file.content.sync()

    def identity(self, path: str) -> tuple[int, int]:
        file = self._file(path)
        return id(file), len(file.content)

    def filesystem(self, path: str) -> str:
        return "memory"

    # --- the point of it

    def crash_clone(self, rng: random.Random, *, keep_everything: bool = False) -> MemoryStorage:
        """The disk as power loss could leave it now: synced bytes and entries, and of the rest what `rng` picks.

        Bytes are kept or lost sector by sector (512 bytes), directory changes one by one. With `keep_everything` this
        is kill -9 instead: all that was written is there, and what was not synced still is not.
        """
        clone = MemoryStorage(room_bytes=self.room_bytes)
        clones: dict[int, _File] = {}
        odds = rng.choice((0.0, 0.1, 0.5, 0.9, 1.0))

        def cloned(change: dict[str, _File | None]) -> dict[str, _File | None]:
            for file in change.values():
                if file is not None and id(file) not in clones:
                    clones[id(file)] = _clone_file(file, rng, odds, keep_everything)
            return {name: file and clones[id(file)] for name, file in change.items()}

        with self._names:
            for path, directory in self.directories.items():
                covered = directory.handle.synced_changes
                copy = clone.directories[path] = _Directory(Mapping.directory())
                for number, change in enumerate(directory.changes):
                    if number == covered:
                        copy.handle.sync()
                    if keep_everything or number < covered or rng.random() < odds:
                        clone._change(copy, cloned(change))
                if not keep_everything or covered == len(directory.changes):
                    copy.handle.sync()
        return clone

    def patch(self, path: str, offset: int, data: bytes) -> None:
        """Overwrite bytes behind everyone's back, and on the simulated disk too: damage."""
        file = self._file(path)
        content = bytearray(memoryview(file.content))
        content[offset : offset + len(data)] = data
        file.content = _memory(bytes(content)) if isinstance(file.content, Mapping) else bytes(content)


def _apply(entries: dict[str, _File], change: dict[str, _File | None]) -> None:
    for name, file in change.items():
        if file is None:
            entries.pop(name, None)
        else:
            entries[name] = file


def _memory(content: bytes) -> Mapping:
    mapping = Mapping.memory(len(content), simulates_disk=True)
    memoryview(mapping)[:] = content
    mapping.sync()
    return mapping


def _clone_file(file: _File, rng: random.Random, odds: float, keep_everything: bool) -> _File:
    if isinstance(file.content, bytes):
        return _File(file.content)
    now = bytes(memoryview(file.content))
    disk = bytearray(file.content.synced_copy())
    for start in range(0, 0 if keep_everything else len(now), SECTOR_BYTES):
        end = start + SECTOR_BYTES
        if disk[start:end] != now[start:end] and rng.random() < odds:
            disk[start:end] = now[start:end]
    mapping = _memory(bytes(disk))
    if keep_everything:
        memoryview(mapping)[:] = now
    return _File(mapping)
