"""Finding the end of a log that may have been cut off anywhere, and telling that from damage. Knows segments, not events.

docs/format.md ("Recovery") has the table this follows. `find` only reads; `set_aside` is what changes files.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from primecore._segment import Segment
from primecore.errors import CorruptLog
from primecore.manifest import Manifest
from primecore.storage import Storage

LOOK = "look with `prime verify`, read what holds with read_only=True, copy it with `prime repair --salvage NEWDIR`"


class RecoveryReport(NamedTuple):
    """What was found at the end of the log. `quarantine` is the file that holds the bytes set aside, "" if none does.

    `damaged`: not a torn tail, the log ends here for readers only. `file`, `offset` and `position` say where.
    """

    events: int
    bytes_set_aside: int
    quarantine: str
    file: str
    offset: int
    position: int
    reason: str
    damaged: bool
    message: str


class Found(NamedTuple):
    """The segments that hold, and what stands behind them. `later` names files that lie wholly behind the end."""

    segments: list[Segment]
    last_time_us: int
    promised_position: int
    clean: bool
    end: Ending | None
    later: list[str]


class Ending(NamedTuple):
    """Why the log does not end in zeros: at `offset` of `file`, where `position` would be."""

    file: str
    offset: int
    position: int
    reason: str
    damaged: bool


class _Stop(Exception):
    def __init__(self, ending: Ending) -> None:
        self.ending = ending


def segment_name(base_position: int) -> str:
    """The file name of the segment that begins at `base_position`."""
    return f"{base_position:020d}.wal"


class Finder:
    """Walks the segments of one store, oldest first."""

    def __init__(self, storage: Storage, directory: str, manifest: Manifest, *, writable: bool, written: bool) -> None:
        self.storage = storage
        self.directory = os.path.join(directory, "wal")
        self.manifest = manifest
        self.writable = writable
        self.written = written
        self.segments: list[Segment] = []
        self.last_time_us = 0
        self.promised = manifest.durable_position
        self.clean = False

    def find(self) -> Found:
        """Find the last event that holds. Raises OSError where reading fails."""
        names = [name for name in self.storage.names(self.directory) if name.endswith(".wal")]
        first = segment_name(self.manifest.first_position)
        # Files before the first position were compacted away; their removal may have been undone by power loss.
        names = [name for name in names if name >= first]
        ending: Ending | None = None
        try:
            self._sealed(names)
            self._open_end(names[len(self.segments) :])
            if self.segments and len(self.segments) == len(self.manifest.segments):
                raise self._stop(segment_name(self.last_position + 1), 0, "the segment behind the sealed ones is missing",
                                 damaged=True)
        except _Stop as stop:
            ending = stop.ending
        later = names[len(self.segments) :]
        if ending is None and not self.segments:
            ending = Ending(os.path.join(self.directory, first), 0, 1, "no segment is there", True)
        for name in later:
            self.promised = max(self.promised, self._promises_of(name))
        last = self.last_position
        if self.segments and ending and self.writable:
            self.promised = max(self.promised, self.segments[-1].promises_behind(self.segments[-1].tail))
        if self.promised > last and (ending is None or not ending.damaged):
            file, offset, reason = (ending.file, ending.offset, ending.reason) if ending else (
                os.path.join(self.directory, names[-1]), self.segments[-1].tail, "the log ends here")
            reason = f"{reason}, but events up to position {self.promised} were on stable storage"
            ending = Ending(file, offset, last + 1, reason, True)
        return Found(self.segments, self.last_time_us, self.promised, self.clean, ending, later)

    @property
    def last_position(self) -> int:
        return self.segments[-1].last_position if self.segments else self.manifest.first_position - 1

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _stop(self, name: str, offset: int, reason: str, *, damaged: bool) -> _Stop:
        return _Stop(Ending(self._path(name), offset, self.last_position + 1, reason, damaged))

    def _sealed(self, names: list[str]) -> None:
        for number, sealed in enumerate(self.manifest.segments):
            name = segment_name(sealed.base_position)
            if number >= len(names) or names[number] != name:
                raise self._stop(name, 0, "a sealed segment is missing", damaged=True)
            segment = self._open(name, sealed=True)
            walk = segment.walk(last_time_us=self.last_time_us)
            if (segment.tail, segment.last_position) != (sealed.used_bytes, sealed.last_position):
                self.segments.append(segment)
                reason = walk.reason or f"it should hold records up to {sealed.used_bytes}, position {sealed.last_position}"
                raise self._stop(name, segment.tail, f"in a sealed segment: {reason}", damaged=True)
            self.segments.append(segment)
            self.last_time_us = walk.last_time_us
            self.promised = max(self.promised, walk.promised_position, segment.promised_position)

    def _open(self, name: str, *, sealed: bool) -> Segment:
        path = self._path(name)
        writable = self.writable and not sealed
        try:
            mapping = self.storage.map(path, writable=writable, written=self.written and writable)
        except ValueError as error:
            raise self._stop(name, 0, str(error), damaged=True) from None
        try:
            segment = Segment.open(mapping)
        except ValueError as error:
            # A header is one sector: it reached the disk or it did not. The first of the open end was synced before it
            # counted, so there it can only be damage.
            follows_open = len(self.segments) > len(self.manifest.segments)
            unwritten = follows_open and not any(memoryview(mapping)[:512])
            raise self._stop(name, 0, str(error), damaged=not unwritten) from None
        header = segment.header
        if header.store_uuid.hex() != self.manifest.store_uuid:
            raise self._stop(name, 0, "it belongs to another store", damaged=True)
        if name != segment_name(header.base_position):
            raise self._stop(name, 0, f"its header says it begins at position {header.base_position}", damaged=True)
        return segment

    def _open_end(self, names: list[str]) -> None:
        for number, name in enumerate(names):
            segment = self._open(name, sealed=False)
            self.promised = max(self.promised, segment.promised_position)
            self._link(name, segment)
            if self.writable and not segment.clean_bytes:
                # After a failed sync the cache may show bytes that never reached the disk.
                del segment
                self.storage.evict(self._path(name))
                segment = self._open(name, sealed=False)
            walk = segment.walk(last_time_us=self.last_time_us)
            self.segments.append(segment)
            self.last_time_us = walk.last_time_us
            self.promised = max(self.promised, walk.promised_position)
            if number + 1 < len(names) and self._continues(segment, names[number + 1]):
                continue
            self.clean = not walk.fault and segment.clean_bytes == segment.tail
            if walk.fault:
                raise self._stop(name, segment.tail, walk.reason, damaged=False)
            if walk.open_batch:
                reason = "a batch was cut off before its commit" if self.writable else "a batch without its commit"
                raise self._stop(name, segment.tail, reason, damaged=False)
            if number + 1 < len(names):
                raise self._stop(name, segment.tail, "the records end before the next segment begins", damaged=False)
            if self.writable and not self.clean and segment.end_of_bytes() > segment.tail:
                raise self._stop(name, segment.tail, "bytes of a record that was cut off", damaged=False)

    def _link(self, name: str, segment: Segment) -> None:
        """The segment must follow the ones before it, by id and chain."""
        header, before = segment.header, self.segments[-1] if self.segments else None
        if before is None:
            if header.base_position != self.manifest.first_position:
                raise self._stop(name, 0, "segments before it are missing", damaged=True)
        elif header.segment_id != before.segment_id + 1 or header.previous_chain != before.chain():
            raise self._stop(name, 0, "it does not follow the segment before it", damaged=True)

    def _continues(self, segment: Segment, next_name: str) -> bool:
        """Whether the next segment says that this one ends where it was found to end."""
        try:
            header = self._open(next_name, sealed=False).header
        except _Stop:
            return segment.tail > 0 and next_name == segment_name(segment.last_position + 1)
        return bool(header.previous_bytes == segment.tail and header.base_position == segment.last_position + 1)

    def _promises_of(self, name: str) -> int:
        try:
            segment = Segment.open(self.storage.map(self._path(name), writable=False))
        except ValueError:
            return 0
        if segment.header.store_uuid.hex() != self.manifest.store_uuid:
            return 0
        return max(segment.promised_position, segment.promises_behind(0))


def refusal(found: Found) -> CorruptLog:
    """The error for a log that must not be written to."""
    end = found.end
    assert end is not None
    return CorruptLog(
        f"{end.file}, offset {end.offset}, position {end.position}: {end.reason}; "
        f"everything before position {end.position} is safe, nothing was changed",
        path=end.file,
        offset=end.offset,
        position=end.position,
        hint=LOOK,
    )


def describe(found: Found, events: int) -> RecoveryReport | None:
    """What a reader is told, who moves nothing."""
    end = found.end
    if end is None:
        return None
    what = "the log is damaged" if end.damaged else "the log has a torn tail"
    message = f"{what}: {end.file}, offset {end.offset}: {end.reason}; reading ends before position {end.position}"
    return RecoveryReport(events, 0, "", end.file, end.offset, end.position, end.reason, end.damaged, message)


def recover(storage: Storage, directory: str, known: Manifest, written: bool) -> tuple[Finder, RecoveryReport | None]:
    """Find the end for a writer, set aside what lies behind it, and bring the rest to stable storage.

    Raises CorruptLog (nothing was changed) and OSError.
    """
    wal = os.path.join(directory, "wal")
    finder = Finder(storage, directory, known, writable=True, written=written)
    found = finder.find()
    if found.end and found.end.damaged:
        raise refusal(found)
    report = set_aside(storage, directory, found, finder.last_position - known.first_position + 1)
    last = finder.segments[-1]
    if last.mapping.nbytes < last.header.segment_bytes:
        storage.extend(os.path.join(wal, segment_name(last.base_position)), last.header.segment_bytes)
        del last, found
        finder = Finder(storage, directory, known, writable=True, written=written)
        finder.find()
    if finder.clean and report is None:
        # Not clean any more from the first append on; without a sync, for if this is lost so are the appends.
        finder.segments[-1].promise(finder.last_position, False)
    else:
        for segment in finder.segments[len(known.segments) :]:
            segment.mapping.sync()
        storage.sync_directory(wal)
    report = _clear_prepared(storage, directory, report, finder.last_position)
    return finder, report


def _clear_prepared(
    storage: Storage, directory: str, report: RecoveryReport | None, last_position: int
) -> RecoveryReport | None:
    # A prepared segment holds zeros, unless power was lost while its new name had not reached the disk but its bytes had.
    wal = os.path.join(directory, "wal")
    for name in [name for name in storage.names(wal) if name.endswith(".tmp")]:
        path = os.path.join(wal, name)
        data = storage.read(path)
        if any(data):
            quarantine = os.path.join(directory, "quarantine")
            storage.make_directory(quarantine)
            target = os.path.join(quarantine, _unused(storage, quarantine, last_position + 1, 0) + ".wal")
            storage.replace(path, target)
            storage.sync_directory(quarantine)
            message = f"{path}: a segment that never took its name ({len(data)} bytes) was moved to {target}"
            report = report or RecoveryReport(
                last_position, len(data), target, path, 0, last_position + 1, "a segment without its name", False, message
            )
        else:
            storage.remove(path)
    return report


def set_aside(storage: Storage, directory: str, found: Found, events: int) -> RecoveryReport | None:
    """Copy a torn tail and all later segments to quarantine/, then blank it; nothing is lost at any point between.

    Raises OSError.
    """
    end = found.end
    if end is None:
        return None
    quarantine = os.path.join(directory, "quarantine")
    wal = os.path.join(directory, "wal")
    storage.make_directory(quarantine)
    segment = found.segments[-1]
    stem = os.path.join(quarantine, _unused(storage, quarantine, found.segments[-1].base_position, segment.tail))
    torn = memoryview(segment.mapping)[segment.tail : segment.end_of_bytes()]
    nbytes = len(torn)
    where = ""
    if nbytes:
        where = f"{stem}.bytes"
        storage.write(where, torn)
    torn.release()
    for name in found.later:
        where = where or f"{stem}.{name}"
        nbytes += len(storage.read(os.path.join(wal, name)))
        storage.replace(os.path.join(wal, name), f"{stem}.{name}")
    storage.sync_directory(quarantine)
    if found.later:
        storage.sync_directory(wal)
    segment.blank_tail()
    segment.mapping.sync()
    message = (
        f"{end.file}, offset {end.offset}: {end.reason}; {nbytes} bytes that were never confirmed as durable were moved to "
        f"{where or quarantine}, all {events} events before them are there"
    )
    return RecoveryReport(events, nbytes, where, end.file, end.offset, end.position, end.reason, False, message)


def _unused(storage: Storage, quarantine: str, base_position: int, offset: int) -> str:
    taken = storage.names(quarantine)
    number = 1
    while any(name.startswith(f"{base_position:020d}-{offset}-{number}.") for name in taken):
        number += 1
    return f"{base_position:020d}-{offset}-{number}"
