"""The log of one store: opening, room for the next event, waiting, following, closing. Knows segments; no payload.

    with Log.open("memory") as log:
        position = log.wal.last_position
        log.wait_durable(position)

Appending and reading go through `log.wal` (compiled, see _wal.pxd), one writer at a time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
import warnings
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from primecore import _wal_control as control
from primecore import live, lock, manifest, recovery
from primecore._live import Live
from primecore._rows import Rows
from primecore._wal import Wal
from primecore.errors import (
    CorruptLog,
    DiskFull,
    EnvironmentFailure,
    InvalidArgument,
    OutcomeUnknown,
    PrimeError,
    StorageFailure,
    StoreClosed,
    StorePoisoned,
)
from primecore.finder import Finder
from primecore.logreader import Followed, find_for_reader
from primecore.recovery import RecoveryReport
from primecore.refusals import failure, forked, not_found, why
from primecore.segments import FileSegments, MemorySegments, SegmentSizes, create_store
from primecore.storage import MAPPED_FILESYSTEMS, NETWORK_FILESYSTEMS, RealStorage, Storage

SYNC_MODES = {"interval": 0, "always": 1, "never": 2}
WAIT_SLICE_US = 100_000  # so that Ctrl-C interrupts a wait


class LogStats(NamedTuple):
    """`wal_bytes` counts records and headers, `allocated_bytes` the files. Ages are of events not yet synced."""

    wal_bytes: int
    allocated_bytes: int
    segments: int
    history_bytes: int
    history_files: int
    durable_position: int
    oldest_unsynced_ms: float
    worst_unsynced_ms: float
    syncs: int


class Rowed(Protocol):
    """What reads events that are in the log no more."""

    def rows(self, position: int, core: bool = False) -> Rows: ...


class Log(Followed):
    """One open log. Made by `open`; `close()` it, or use it as a context manager."""

    def __init__(self, wal: Wal, path: str | None, segments: FileSegments | MemorySegments, **facts: Any) -> None:
        self.wal = wal
        self.path = path
        self.fsync: str = facts["fsync"]
        self.read_only: bool = facts["read_only"]
        self.store_uuid: str = facts["store_uuid"]
        self.recovery: RecoveryReport | None = facts["report"]
        self._segments = segments
        self._finder: Finder | None = facts["finder"]
        self.live: Live | None = facts["live"]
        self.live_epoch: int = facts["live_epoch"]  # as it stood before a reader read anything
        self._live_identity: int = facts["live_identity"]
        self.generation = 0
        self.damage: PrimeError | None = None
        self.history: Rowed | None = None  # what reads the history files; whoever opens the log sets it
        self._closed = False
        self._told = False  # somebody heard that a write or sync failed
        # Runs at interpreter exit too: nothing is lost without it but the clean mark and the last interval's sync.
        self._finalizer = weakref.finalize(self, segments.close)

    # --- opening

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None,
        *,
        storage: Storage | None = None,
        fsync: str = "interval",
        fsync_interval_ms: float = 100,
        read_only: bool = False,
        create: bool = True,
        force: bool = False,
        backend: str = "auto",
        segment_sizes: SegmentSizes | None = None,
        trusted_position: int = 0,
        trusted_time_us: int = 0,
    ) -> Log:
        """Open the log in directory `path`, recovering it first; None opens one in memory.

        `fsync`: "interval", "always" or "never". `read_only` takes no lock and changes no byte.
        `force` opens a store on a network file system.
        `backend`: "mapping", "pwrite", or "auto" for what the file system does well.
        Sealed segments up to `trusted_position` are not read now but when they are first read from, or by
        `check_trusted`; `trusted_time_us` is the highest time that was assigned in them.

        Raises StoreNotFound, StoreLocked, CorruptLog, DiskFull, StorageFailure, InvalidArgument.
        """
        if fsync not in SYNC_MODES:
            raise InvalidArgument(f"fsync is {fsync!r}", hint='use "interval", "always" or "never"')
        if not fsync_interval_ms > 0:
            raise InvalidArgument(
                f"fsync_interval_ms is {fsync_interval_ms!r}", hint="use a number of milliseconds above 0"
            )
        if backend not in ("auto", "mapping", "pwrite"):
            raise InvalidArgument(f"backend is {backend!r}", hint='use "auto", "mapping" or "pwrite"')
        sizes = segment_sizes or SegmentSizes()
        if path is None:
            return cls._open_in_memory(fsync, sizes)
        directory, storage = os.path.abspath(os.fspath(path)), storage or RealStorage()
        try:
            if read_only:
                return cls._open_reader(directory, storage, fsync, trusted_position)
            return cls._open_writer(
                directory,
                storage,
                fsync,
                fsync_interval_ms,
                create,
                force,
                backend,
                sizes,
                (trusted_position, trusted_time_us),
            )
        except OSError as error:
            raise failure(error, directory) from error

    @classmethod
    def _open_in_memory(cls, fsync: str, sizes: SegmentSizes) -> Log:
        wal = Wal()
        segments = MemorySegments(wal, sizes)
        control.adopt(wal, [segments.first()], writable=True, in_memory=True)
        facts = {
            "fsync": fsync,
            "read_only": False,
            "store_uuid": segments.store_uuid.hex(),
            "report": None,
            "finder": None,
            "live": None,
            "live_epoch": 0,
            "live_identity": 0,
        }
        return cls(wal, None, segments, **facts)

    @classmethod
    def _open_reader(cls, directory: str, storage: Storage, fsync: str, trusted_position: int) -> Log:
        if not storage.is_directory(directory):
            raise not_found(directory)
        identity = live.identity(storage, directory)
        known = manifest.load(storage, directory)
        if known is None:
            raise not_found(directory)
        page = live.of_reader(storage, directory, bytes.fromhex(known.store_uuid))
        epoch = page.epoch if page is not None else 0
        finder, wal = find_for_reader(storage, directory, trusted_position)
        known = finder.manifest
        report = recovery.describe(finder.ending, finder.last_position - known.first_position + 1)
        facts = {
            "fsync": fsync,
            "read_only": True,
            "store_uuid": known.store_uuid,
            "report": report,
            "finder": finder,
            "live": page,
            "live_epoch": epoch,
            "live_identity": identity,
        }
        return cls(wal, directory, MemorySegments(wal, SegmentSizes()), **facts)

    @classmethod
    def _open_writer(
        cls,
        directory: str,
        storage: Storage,
        fsync: str,
        fsync_interval_ms: float,
        create: bool,
        force: bool,
        backend: str,
        sizes: SegmentSizes,
        trusted: tuple[int, int],
    ) -> Log:
        if not create and not storage.is_directory(directory):
            raise not_found(directory)
        storage.make_directory(directory)
        kind = _kind_of(storage, directory, force)
        # Where each append waits for the disk, pwrite is the faster way: the first write to a mapped page after a sync
        # has the file system journal it, and fdatasync then waits for the journal too (ext4: 1.5 times as long).
        unmapped = fsync == "always" or kind not in MAPPED_FILESYSTEMS
        written = backend == "pwrite" or (backend == "auto" and unmapped)
        held = lock.acquire(storage, directory)
        try:
            known = manifest.load(storage, directory)
            if known is None:
                if not create:
                    raise not_found(directory)
                known = create_store(storage, directory, sizes)
            else:
                storage.sync_directory(directory)  # who wrote the manifest may have ended before its name was durable
            pages: list[Live] = []

            def announce() -> None:
                pages.append(live.of_owner(storage, directory, bytes.fromhex(known.store_uuid), written=written))
                pages[0].begin()

            try:
                finder, report = recovery.recover(storage, directory, known, written, announce, trusted[0])
            except BaseException:
                for page in pages:
                    page.settle(page.committed_position, page.durable_position)  # readers look for themselves
                raise
            page = pages[0]
            wal = Wal()
            populate = kind == "tmpfs"
            segments = FileSegments(wal, storage, directory, known, sizes, held, written=written, populate=populate)
            control.adopt(
                wal,
                finder.segments,
                writable=True,
                last_time_us=max(finder.last_time_us, trusted[1]),
                durable_position=finder.last_position,
            )
            page.settle(finder.last_position, finder.last_position)
            control.publish(wal, page)
            segments.start(SYNC_MODES[fsync], int(fsync_interval_ms * 1000))
        except BaseException:
            held.close()
            raise
        facts = {
            "fsync": fsync,
            "read_only": False,
            "store_uuid": known.store_uuid,
            "report": report,
            "finder": None,
            "live": page,
            "live_epoch": page.epoch,
            "live_identity": 0,
        }
        return cls(wal, directory, segments, **facts)

    # --- the writer

    def make_room(self, nbytes: int) -> None:
        """Make room for a record of `nbytes` (`wal.record_bytes`), taking an open batch along to the new segment.

        Raises DiskFull (nothing was written, and it heals), StorePoisoned, StoreClosed, StoreForked, StorageFailure.
        """
        self._check()
        if self.wal.status != "ok":
            raise self.refusal()
        try:
            self._segments.make_room(nbytes)
        except OSError as error:
            if self.wal.status == "ok" and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(
                    f"no room for the next segment of {self.path}: {os.strerror(error.errno)}",
                    hint="nothing was written; free some space and try again",
                ) from error
            if self.wal.status == "ok" and error.errno in (errno.ENOMEM, errno.EMFILE, errno.ENFILE):
                raise StorageFailure(
                    f"no next segment for {self.path}: {os.strerror(error.errno)}",
                    hint="nothing was written; give the process more memory or files and try again",
                ) from error
            control.poison(self.wal, error.errno or errno.EIO)
            self._told = True
            raise failure(error, self.path or "") from error

    def refusal(self) -> PrimeError:
        """The error that says why the log takes no appends now."""
        status = self.wal.status
        if status == "forked":
            return forked()
        if status == "closed" or self._closed:
            return StoreClosed("the store was closed")
        if status == "poisoned" and self.damage is not None:
            return self.damage
        if status == "poisoned":
            self._told = True
            if control.take_write_failure(self.wal):
                return OutcomeUnknown(
                    f"writing to {self.path} failed ({why(self.wal.error)})",
                    hint="whether this event survives is known after the store is opened again",
                )
            return self._poisoned()
        if status == "read-only":
            return InvalidArgument("the store was opened read-only", hint="open it without read_only=True to write")
        return EnvironmentFailure(f"the log is {status}")

    def _poisoned(self) -> StorePoisoned:
        self._told = True
        return StorePoisoned(
            f"an earlier write or sync of {self.path} failed ({why(self.wal.error)})",
            hint=f"events up to position {self.wal.durable_position} are safe; "
            "reading goes on; mend the disk, then open the store again",
        )

    @property
    def known(self) -> manifest.Manifest:
        """The manifest as this log last read or wrote it."""
        if self._finder is not None:
            return self._finder.manifest
        return self._segments.manifest if isinstance(self._segments, FileSegments) else manifest.Manifest("", 0)

    @property
    def first_position(self) -> int:
        """The first position that the log itself holds; those before it are in history files."""
        return self.known.log_position

    def rows(self, position: int, core: bool = False) -> Rows:
        """The rows of a history file that hold a position which the log has no more, or their columns that tell an
        entity's state. Raises CorruptLog."""
        if self._closed or self.wal.forked:
            raise self.refusal()
        if self.history is None:
            raise self.unreadable(position)
        return self.history.rows(position, core)

    def seal(self) -> None:
        """The owner's: list all sealed segments in the manifest. Raises OSError, InvalidArgument, and as `flush`."""
        if not isinstance(self._segments, FileSegments):
            raise InvalidArgument("only the owner of a store on disk changes its manifest")
        self.flush()
        self._segments.seal()

    def change_manifest(self, change: Callable[[manifest.Manifest], manifest.Manifest]) -> None:
        """The owner's: replace the manifest. Raises OSError, InvalidArgument."""
        if not isinstance(self._segments, FileSegments):
            raise InvalidArgument("only the owner of a store on disk changes its manifest")
        self._segments.change_manifest(change)

    def unreadable(self, position: int) -> PrimeError:
        """The error that says why the event at `position` cannot be read."""
        if self._closed or self.wal.forked:
            return self.refusal()
        return CorruptLog(
            f"the event at position {position} of {self.path} is not what was written",
            path=self.path or "",
            position=position,
            hint="look with `prime verify`; save the rest with `prime repair --salvage NEWDIR`",
        )

    # --- durability

    def flush(self, timeout: float | None = None) -> int:
        """Wait until everything committed so far is on stable storage; gives the durable position.

        `timeout` in seconds: when it is over, the durable position so far is given. Raises as `wait_durable`.
        """
        self.wait_durable(self.wal.committed_position, timeout)
        return int(self.wal.durable_position)

    def wait_durable(self, position: int, timeout: float | None = None) -> bool:
        """Wait until `position` is on stable storage; False when `timeout` (seconds) is over first.

        Raises OutcomeUnknown if a sync fails meanwhile, StorePoisoned if one failed before, StoreClosed, StoreForked.
        """
        self._check()
        if position <= self.wal.durable_position or self.read_only:
            return bool(position <= self.wal.durable_position)
        if position > self.wal.committed_position:
            raise InvalidArgument(
                f"position {position} is not in the log yet, which ends at {self.wal.committed_position}"
            )
        if self.wal.status == "poisoned":
            raise self._poisoned()
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left_us = WAIT_SLICE_US if until is None else int(min(WAIT_SLICE_US, (until - time.monotonic()) * 1e6))
            result = control.wait(self.wal, position, max(left_us, 0))
            if result == 0:
                return True
            if result < 0:
                self._told = True
                raise OutcomeUnknown(
                    f"syncing {self.path} failed ({why(-result)}) while position {position} waited",
                    hint="whether it survives is known after the store is opened again",
                )
            if self._closed:
                raise StoreClosed("the store was closed")
            if until is not None and time.monotonic() >= until:
                return False

    def check_trusted(self, stopped: Callable[[], bool]) -> None:
        """Read and check the sealed segments that opening took on trust, one by one, until `stopped()`.

        Where one is damaged, the log takes no more appends: what is acknowledged must not stand on damage.
        """
        for segment in self.wal.segment_list:
            if stopped() or self._closed:
                return
            if not segment.is_gone and not segment.check():
                with contextlib.suppress(PrimeError):
                    self.flush()  # what was taken in so far, for the poisoned log syncs no more
                self.damage = self.unreadable(segment.base_position)
                control.poison(self.wal, errno.EIO)
                return

    # --- the rest

    def stats(self) -> LogStats:
        """Figures about the log, now."""
        age_us, worst_us, syncs = control.sync_times_us(self.wal)
        wal_bytes = allocated_bytes = segments = history_bytes = 0
        for segment in self.wal.segment_list:
            if not segment.is_gone:
                wal_bytes += segment.tail
                allocated_bytes += segment.mapping.nbytes
                segments += 1
        for file in self.known.history:
            history_bytes += file.nbytes
        return LogStats(
            wal_bytes=wal_bytes,
            allocated_bytes=allocated_bytes,
            segments=segments,
            history_bytes=history_bytes,
            history_files=len(self.known.history),
            durable_position=self.durable_position,
            oldest_unsynced_ms=age_us / 1000,
            worst_unsynced_ms=worst_us / 1000,
            syncs=syncs,
        )

    def disown(self) -> None:
        """In a forked child: let go of the lock, which else outlives the parent. The parent keeps it."""
        self._segments.disown()

    def failure(self, error: OSError) -> EnvironmentFailure:
        """The error for one of the operating system's."""
        return failure(error, self.path or "")

    def close(self) -> None:
        """Bring everything to stable storage and let go of the store. May be called again.

        Raises OutcomeUnknown or StorageFailure where that fails; the store is closed all the same.
        """
        if self._closed:
            return
        self._closed = True
        self._finalizer.detach()
        try:
            self._segments.close()
        except OSError as error:
            raise failure(error, self.path or "") from error
        if self.wal.error and not self._told and self.wal.committed_position > self.wal.durable_position:
            raise OutcomeUnknown(
                f"syncing {self.path} failed ({why(self.wal.error)}) and the store was closed since",
                hint=f"events up to position {self.wal.durable_position} are safe; "
                f"whether those up to {self.wal.committed_position} survive is known after it is opened again",
            )

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and self.path and not self.read_only:
            warnings.warn(f"the log of {self.path} was not closed", ResourceWarning, stacklevel=2)


def _kind_of(storage: Storage, directory: str, force: bool) -> str:
    kind = storage.filesystem(directory)
    if kind in NETWORK_FILESYSTEMS and not force:
        raise StorageFailure(
            f"{directory} is on a network file system ({kind})",
            hint="such systems lose locks and syncs: use a local disk, or force it",
        )
    return kind
