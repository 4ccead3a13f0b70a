"""Building a store beside the place where it will stand, so that it appears there whole or not at all. Knows no record.

Everything is made in `TARGET.part`, brought to stable storage, and renamed. A crash leaves the part behind, which the
next attempt clears; nothing that was at the target is ever written over.
"""

from __future__ import annotations

import os
import time
import uuid
from types import TracebackType
from typing import Self

from primecore import lock, manifest
from primecore._mapping import Mapping
from primecore._segment import Segment, SegmentHeader
from primecore.errors import DataError, InvalidArgument, StoreLocked
from primecore.finder import segment_name
from primecore.manifest import HistoryFile, Manifest, SealedSegment
from primecore.parquet import FOLDER as HISTORY
from primecore.segments import SegmentSizes, create_store, new_header
from primecore.storage import Storage

PART = ".part"


def check_free(storage: Storage, target: str) -> None:
    """Raises InvalidArgument where anything stands at `target` but an empty directory."""
    taken = storage.is_file(target) or (storage.is_directory(target) and bool(storage.names(target)))
    if taken or (storage.is_directory(target) and storage.is_directory(os.path.join(target, "wal"))):
        raise InvalidArgument(
            f"{target} is not empty; nothing was changed", hint="name a directory that does not exist yet"
        )


def check_from_first(known: Manifest, directory: str) -> None:
    """Raises DataError where segments hold only the later part of the log: a copy of them would not be the store."""
    if known.first_position != 1:
        raise DataError(
            f"the segments of {directory} begin at position {known.first_position}, not at 1; nothing was changed",
            hint="copy the whole directory while the store is closed",
        )


class NewStore:
    """A store being made. Add segments, then `finish`; leaving the block without that leaves the target as it was."""

    def __init__(self, storage: Storage, target: str, *, created_us: int = 0) -> None:
        check_free(storage, target)
        self.storage, self.target, self.part = storage, target, target + PART
        self.wal = os.path.join(self.part, "wal")
        self.known = Manifest(store_uuid=uuid.uuid4().hex, created_us=created_us or time.time_ns() // 1000)
        self.segments: list[Segment] = []
        storage.make_directory(self.part)
        try:
            self._held = lock.acquire(storage, self.part)
        except StoreLocked as error:
            raise StoreLocked(f"another process is making {target}", hint="wait for it") from error
        try:
            storage.make_directory(self.wal)
            self.history = os.path.join(self.part, HISTORY)
            for folder in (self.wal, self.history, self.part):
                if not storage.is_directory(folder):
                    continue
                for name in storage.names(folder):
                    path = os.path.join(folder, name)
                    if name != lock.NAME and storage.is_file(path):
                        storage.remove(path)
        except BaseException:
            self._held.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    @property
    def last_position(self) -> int:
        """Position of the last event in it."""
        return self.segments[-1].last_position if self.segments else self.known.log_position - 1

    def add_history(self, file: HistoryFile, data: bytes) -> None:
        """A history file as another store has it, before the first segment. Raises OSError."""
        self.storage.make_directory(self.history)
        self.storage.write(os.path.join(self.history, file.name), data)
        self.known = self.known._replace(history=(*self.known.history, file))

    def grow(self, needed_bytes: int, sizes: SegmentSizes) -> Segment:
        """An empty segment behind the last one, with room for `needed_bytes` of records."""
        before = self.segments[-1] if self.segments else None
        segment_id = before.segment_id + 1 if before else 1
        nbytes = sizes.of(segment_id, needed_bytes + 4096)
        chain, used = (before.chain(), before.tail) if before else (bytes(16), 0)
        return self._create(nbytes, lambda mapping: new_header(self._uuid, mapping, before, used, chain))

    def copy(self, header: SegmentHeader, records: memoryview) -> Segment:
        """A segment as another store has it: the same header but for the store's UUID, the same records."""
        segment = self._create(header.segment_bytes, lambda _: header._replace(store_uuid=self._uuid))
        with memoryview(segment.mapping) as room:
            room[4096 : 4096 + len(records)] = records
        segment.walk()
        return segment

    @property
    def _uuid(self) -> bytes:
        return bytes.fromhex(self.known.store_uuid)

    def _create(self, nbytes: int, header: object) -> Segment:
        if self.segments:
            self.segments[-1].mapping.sync()
        name = segment_name(self.last_position + 1)
        path = os.path.join(self.wal, name)
        self.storage.prepare(path, nbytes)
        mapping = self.storage.map(path, writable=True, fresh=True)
        segment = Segment.create(mapping, header(mapping))  # type: ignore[operator]
        self.segments.append(segment)
        return segment

    def _first_behind_history(self) -> None:
        last = self.known.history[-1]
        nbytes = SegmentSizes().of(last.segment_id + 1, 4096)

        def header(mapping: Mapping) -> SegmentHeader:
            fresh = new_header(self._uuid, mapping, None, 0, bytes.fromhex(last.chain))
            return fresh._replace(segment_id=last.segment_id + 1, base_position=last.last_position + 1)

        self._create(nbytes, header)

    def finish(self, extra: dict[str, bytes] | None = None) -> str:
        """Bring all of it to stable storage and let it take its place; gives its UUID. `extra` files go beside it.

        Raises OSError.
        """
        storage = self.storage
        if self.known.history:
            storage.sync_directory(self.history)
            if not self.segments:
                self._first_behind_history()
        if self.segments:
            sealed = [
                SealedSegment(it.segment_id, it.base_position, it.last_position, it.tail, it.chain().hex())
                for it in self.segments[:-1]
            ]
            last = self.segments[-1]
            last.mapping.sync()
            last.promise(last.last_position, True)
            last.mapping.sync()
            storage.sync_directory(self.wal)
            self.known = self.known._replace(durable_position=self.last_position, segments=tuple(sealed))
            manifest.store(storage, self.part, self.known)
        else:
            self.known = create_store(storage, self.part, SegmentSizes(), self.known)
        for name, data in (extra or {}).items():
            storage.write(os.path.join(self.part, name), data)
        storage.sync_directory(self.part)
        self.segments.clear()
        storage.replace(self.part, self.target)
        storage.sync_directory(os.path.dirname(self.target) or ".")
        return self.known.store_uuid
