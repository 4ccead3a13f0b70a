"""The segments of an open log as files: rotation, the one prepared ahead, sealing, closing. Knows no record.

Two threads meet here. The writer calls `make_room`; the helper thread prepares the next file and lists sealed segments
in the manifest, which nobody else touches before it has ended. `_spare_lock` guards the prepared file.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

from primecore import _wal_control as control
from primecore import manifest
from primecore._mapping import Mapping
from primecore._segment import Segment, SegmentHeader
from primecore._wal import Wal
from primecore.errors import CorruptLog
from primecore.finder import segment_name
from primecore.manifest import Manifest, SealedSegment
from primecore.recovery import LOOK
from primecore.storage import Locked, Storage

MIB = 1 << 20
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class SegmentSizes(NamedTuple):
    """How segments grow: the n-th has `first_bytes` * 2**(n-1), up to `max_bytes`. Multiples of 8 above 8 KiB."""

    first_bytes: int = MIB
    max_bytes: int = 64 * MIB

    def of(self, segment_id: int, needed_bytes: int = 0) -> int:
        """Size of the segment with this ordinal, if it must hold `needed_bytes`."""
        size = min(self.max_bytes, self.first_bytes << min(segment_id - 1, 40))
        if needed_bytes > size:
            size = (needed_bytes + MIB - 1) // MIB * MIB
        return size


def new_header(
    store_uuid: bytes, mapping: Mapping, before: Segment | None, used_bytes: int, chain: bytes
) -> SegmentHeader:
    """The header of the segment that follows `before`, or takes its place where that holds no event."""
    if before is None:
        segment_id, base_position = 1, 1
    elif before.event_count:
        segment_id, base_position = before.segment_id + 1, before.last_position + 1
    else:
        segment_id, base_position = before.segment_id, before.base_position
        used_bytes, chain = before.header.previous_bytes, before.header.previous_chain
    now_us = time.time_ns() // 1000
    salt = int.from_bytes(os.urandom(8), "little")
    return SegmentHeader(store_uuid, segment_id, base_position, used_bytes, chain, salt, mapping.nbytes, now_us)


class MemorySegments:
    """Segments without files."""

    def __init__(self, wal: Wal, sizes: SegmentSizes) -> None:
        self.wal = wal
        self.sizes = sizes
        self.store_uuid = uuid.uuid4().bytes

    def first(self) -> Segment:
        """The first segment."""
        mapping = Mapping.memory(self.sizes.first_bytes)
        return Segment.create(mapping, new_header(self.store_uuid, mapping, None, 0, bytes(16)))

    def make_room(self, nbytes: int) -> None:
        """Rotate, if the record does not fit. Raises OSError."""
        if control.has_room(self.wal, nbytes):
            return
        before = self.wal.segment_list[-1]
        mapping = Mapping.memory(self.sizes.of(before.segment_id + 1, control.bytes_needed(self.wal, nbytes)))
        control.rotate(
            self.wal, Segment.create(mapping, new_header(self.store_uuid, mapping, before, before.tail, bytes(16)))
        )

    def disown(self) -> None:
        """Nothing to let go of."""

    def close(self) -> None:
        """End appends."""
        control.stop(self.wal)


class FileSegments:
    """Segments in files, with the threads that look after them. `start` begins, `close` ends."""

    def __init__(
        self,
        wal: Wal,
        storage: Storage,
        directory: str,
        known: Manifest,
        sizes: SegmentSizes,
        held: Locked,
        *,
        written: bool,
        populate: bool,
    ) -> None:
        self.wal = wal
        self.storage = storage
        self.directory = directory
        self.wal_directory = os.path.join(directory, "wal")
        self.manifest = known
        self.sizes = sizes
        self._held = held
        self._written = written
        self._populate = populate
        self._spare_lock = threading.Lock()
        self._manifest_lock = threading.Lock()
        self._spare: tuple[str, Mapping] | None = None
        self._helper = threading.Thread(target=self._help, name="prime-log-helper", daemon=True)
        self._closed = False

    def start(self, mode: int, interval_us: int) -> None:
        """Start the sync thread and the helper. Raises OSError."""
        for segment in self.wal.segment_list[:-1]:
            segment.mapping.settle()
        control.start_sync(self.wal, mode, interval_us, self.storage.directory(self.wal_directory))
        if self._unlisted():
            control.ask_to_seal(self.wal)
        self._helper.start()

    def make_room(self, nbytes: int) -> None:
        """Rotate, if a record of `nbytes` does not fit. Raises OSError."""
        with self._spare_lock:
            if control.has_room(self.wal, nbytes):
                return
            before = self.wal.segment_list[-1]
            needed = control.bytes_needed(self.wal, nbytes)
            if self._spare is not None and self._spare[1].nbytes < needed:
                self._drop_spare()
            if self._spare is None:
                self._spare = self._prepare(self.sizes.of(before.segment_id + 1, needed))
            temporary, mapping = self._spare
            used_bytes, chain = control.finish_active(self.wal)
            header = new_header(before.header.store_uuid, mapping, before, used_bytes, chain)
            segment = Segment.create(mapping, header)
            if before.event_count == 0:
                with self._poisoning():
                    mapping.sync()  # it replaces a segment whose header is on stable storage
            self.storage.replace(temporary, os.path.join(self.wal_directory, segment_name(header.base_position)))
            self._spare = None
            control.rotate(self.wal, segment)
            with self._poisoning():
                control.settle(self.wal, before)

    @contextlib.contextmanager
    def _poisoning(self) -> Iterator[None]:
        # Before these, a failure leaves all as it was and may be tried again. Not so a sync, nor half a rotation.
        try:
            yield
        except OSError as error:
            control.poison(self.wal, error.errno or errno.EIO)
            raise

    def disown(self) -> None:
        """In a forked child: close its copy of the lock."""
        self._held.close()

    def close(self) -> None:
        """Sync, mark the end as clean, list what is sealed, unlock. Raises OSError, and is closed all the same."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self.wal.forked:
                self._finish()
        finally:
            self._held.close()

    def _finish(self) -> None:
        failed = 0
        if not self.wal.error:
            failed = control.wait(self.wal, self.wal.committed_position, -1)
        clean = not failed and not self.wal.error and not self.wal.batch_open
        control.stop(self.wal)
        if self._helper.is_alive() and self._helper is not threading.current_thread():
            self._helper.join()
        with contextlib.suppress(OSError):
            self._drop_spare()
        if failed or self.wal.error:
            code = -failed or self.wal.error
            if failed:
                raise OSError(code, os.strerror(code), self.directory)
            return
        segment = self.wal.segment_list[-1]
        segment.promise(segment.last_position, clean)
        segment.mapping.sync()
        if self._unlisted() or self.manifest.durable_position < self.wal.durable_position:
            self._seal()

    # --- the helper thread

    def _help(self) -> None:
        while True:
            job = control.next_job(self.wal, -1)
            if job == "stop":
                return
            try:
                if job == "prepare":
                    with self._spare_lock:
                        if self._spare is None:
                            self._spare = self._prepare(self.sizes.of(self.wal.segment_list[-1].segment_id + 1))
                elif job == "seal":
                    self._seal()
            except OSError as error:
                # A file that could not be prepared holds nothing: the writer will meet the same error, and say so.
                if job == "seal":
                    control.poison(self.wal, error.errno or errno.EIO)

    def _prepare(self, nbytes: int) -> tuple[str, Mapping]:
        path = os.path.join(self.wal_directory, "next.tmp")
        self.storage.prepare(path, nbytes)
        mapping = self.storage.map(path, writable=True, written=self._written, fresh=True)
        if self._populate:
            mapping.populate()
        return path, mapping

    def _drop_spare(self) -> None:
        if self._spare is not None:
            path, _ = self._spare
            self._spare = None
            self.storage.remove(path)

    def _unlisted(self) -> list[SealedSegment]:
        # What a segment's end looks like stands in the header of its successor.
        listed = self.manifest.last_segment_id
        known, synced = self.wal.segment_list, self.wal.synced_segments
        # One without events was replaced under its name, unless it is the last. Only what is on stable storage whole is
        # listed: a successor may be there long before that.
        last = len(known) - 1
        kept = [(segment, n < synced) for n, segment in enumerate(known) if segment.event_count or n == last]
        return [
            SealedSegment(
                segment.segment_id,
                segment.base_position,
                segment.last_position,
                successor.header.previous_bytes,
                successor.header.previous_chain.hex(),
            )
            for (segment, durable), (successor, _) in itertools.pairwise(kept)
            if durable and segment.segment_id > listed and successor.segment_id == segment.segment_id + 1
        ]

    def change_manifest(self, change: Callable[[Manifest], Manifest]) -> None:
        """Replace the manifest by a changed one, beside the helper thread. Raises OSError: the old one still holds."""
        with self._manifest_lock:
            known = change(self.manifest)
            manifest.store(self.storage, self.directory, known)
            self.manifest = known

    def seal(self) -> None:
        """List what is sealed and on stable storage, now. Raises OSError."""
        self._seal()

    def _seal(self) -> None:
        with self._manifest_lock:
            self._list_sealed()

    def _list_sealed(self) -> None:
        known = self.manifest._replace(
            segments=self.manifest.segments + tuple(self._unlisted()), durable_position=self.wal.durable_position
        )
        try:
            manifest.store(self.storage, self.directory, known)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            return  # the old one still holds; the next segment, or closing, tries again
        self.manifest = known


def create_store(
    storage: Storage, directory: str, sizes: SegmentSizes, known: Manifest | None = None
) -> Manifest:
    """Make the first segment, then the manifest that says so (`known`, else a new one). Raises CorruptLog, OSError."""
    wal = os.path.join(directory, "wal")
    storage.make_directory(wal)
    for name in storage.names(wal):
        path = os.path.join(wal, name)
        # An earlier attempt may have stopped before the manifest: its segment is empty. Else a manifest was lost.
        if name != segment_name(1) and not name.endswith(".tmp"):
            raise _lost_manifest(directory, path)
        # One of no bytes was given its name and then no room.
        if storage.identity(path)[1] and any(memoryview(storage.map(path, writable=False))[4096:8192]):
            raise _lost_manifest(directory, path)
        storage.remove(path)
    known = known or Manifest(store_uuid=uuid.uuid4().hex, created_us=time.time_ns() // 1000)
    path = os.path.join(wal, segment_name(1))
    storage.prepare(path + ".tmp", sizes.first_bytes)
    mapping = storage.map(path + ".tmp", writable=True, fresh=True)
    Segment.create(mapping, new_header(bytes.fromhex(known.store_uuid), mapping, None, 0, bytes(16)))
    mapping.sync()
    storage.replace(path + ".tmp", path)
    storage.sync_directory(wal)
    manifest.store(storage, directory, known)
    return known


def _lost_manifest(directory: str, path: str) -> CorruptLog:
    return CorruptLog(
        f"{os.path.join(directory, manifest.NAME)} is missing, but {path} holds events; nothing was changed",
        path=path,
        hint=LOOK,
    )
