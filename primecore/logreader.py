"""The log as those see it who do not own it: found, followed, and read anew. Knows the finder and LIVE; no writer."""

from __future__ import annotations

from primecore import _wal_control as control
from primecore import live, manifest
from primecore._live import Live
from primecore._wal import Wal
from primecore.errors import StoreClosed
from primecore.finder import Finder
from primecore.recovery import RecoveryReport, refusal
from primecore.refusals import failure, forked, not_found
from primecore.storage import Storage


class Followed:
    """What a log opened read-only does besides reading. The owner's log has the same methods, which do nothing."""

    wal: Wal
    path: str | None
    read_only: bool
    live: Live | None
    recovery: RecoveryReport | None
    generation: int
    _finder: Finder | None
    _live_identity: int
    _closed: bool

    def _check(self) -> None:
        if self.wal.forked:
            raise forked()
        if self._closed:
            raise StoreClosed("the store was closed")

    @property
    def durable_position(self) -> int:
        """Every event up to it survives power loss; of a reader: as far as the owner has said so."""
        if self.read_only and self.live is not None:
            return int(max(self.wal.durable_position, min(self.live.durable_position, self.wal.last_position)))
        return int(self.wal.durable_position)

    def still_holds(self, checksum: int) -> bool:
        """Read-only logs, under a new owner: whether all that was read is in the log still.

        `checksum` is that of the last event that was read. Raises StorageFailure.
        """
        try:
            return self._finder is None or self._finder.still_holds(checksum)
        except OSError as error:
            raise failure(error, self.path or "") from error

    def has_moved(self) -> bool:
        """Read-only logs: whether the store must be opened anew to go on. Raises StorageFailure.

        It has another LIVE than this log looks at, or what follows the last segment read has become history.
        """
        if self._finder is None:
            return False
        try:
            identity = live.identity(self._finder.storage, self.path or "")
            return identity != self._live_identity or self._finder.was_left_behind()
        except OSError as error:
            raise failure(error, self.path or "") from error

    def refresh(self, same_owner: bool = False) -> int:
        """Read-only logs: take in what the owner appended since; gives the last position.

        With `same_owner` the caller knows that nobody has recovered the log since it was read last. Else, where the
        owner recovered to an end before what this log has read, `wal` is a new one and `generation` rose: everything
        read from the old one must be read anew. Raises StorageFailure, StoreNotFound, CorruptLog.
        """
        self._check()
        if self._finder is None:
            return int(self.wal.last_position)
        try:
            added = self._finder.follow(same_owner)
            if added is None:
                return self._read_anew(self._finder)
        except OSError as error:
            raise failure(error, self.path or "") from error
        for segment in added:
            control.extend(self.wal, segment)
        control.follow(self.wal, self._finder.last_position, self._finder.durable_position)
        end = self._finder.ending
        if end is not None and end.damaged and not (self.recovery is not None and self.recovery.damaged):
            raise refusal(end)  # of damage that was there already, `recovery` has told
        return int(self.wal.last_position)

    def _read_anew(self, old: Finder) -> int:
        self._finder, self.wal = find_for_reader(old.storage, self.path or "", 0)
        self.generation += 1
        return int(self.wal.last_position)


def find_for_reader(storage: Storage, directory: str, trusted_position: int) -> tuple[Finder, Wal]:
    """What a reader sees of a log; again where the owner moved segments into history meanwhile.

    Raises StoreNotFound, CorruptLog, OSError.
    """
    while True:
        known = manifest.load(storage, directory)
        if known is None:
            raise not_found(directory)
        finder = Finder(storage, directory, known, writable=False, written=False, trusted_position=trusted_position)
        try:
            wal = _wal_of(finder)
        except FileNotFoundError:
            if manifest.load(storage, directory) == known:
                raise
            continue
        # What the manifest named may have been replaced while it was read: damage counts if it still names that.
        if finder.ending is None or not finder.ending.damaged or manifest.load(storage, directory) == known:
            return finder, wal


def _wal_of(finder: Finder) -> Wal:
    found = finder.find()
    wal = Wal()
    control.adopt(wal, found.segments, writable=False, last_time_us=found.last_time_us)
    control.follow(wal, finder.last_position, finder.durable_position)
    return wal
