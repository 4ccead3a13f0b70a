"""Walking the segments of a store to the last event that holds, and telling a torn tail from damage. Only reads.

docs/format.md ("Recovery") has the table this follows; recovery.py acts on what is found.
"""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from primecore import lock
from primecore._segment import Segment
from primecore.manifest import Manifest, SealedSegment
from primecore.storage import Storage


class Found(NamedTuple):
    """The segments that hold, and what stands behind them. `later` names files that lie wholly behind the end.

    `leftovers` are segments with bytes behind their end although another segment follows: of a batch that was moved on.
    """

    segments: list[Segment]
    last_time_us: int
    promised_position: int
    clean: bool
    end: Ending | None
    later: list[str]
    leftovers: list[Segment]


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


HISTORY = "history"  # the folder of history files


def segment_name(base_position: int) -> str:
    """The file name of the segment that begins at `base_position`."""
    return f"{base_position:020d}.wal"


class Finder:
    """Walks the segments of one store, oldest first."""

    def __init__(
        self,
        storage: Storage,
        directory: str,
        manifest: Manifest,
        *,
        writable: bool,
        written: bool,
        trusted_position: int = 0,
    ) -> None:
        # Sealed segments up to `trusted_position` are opened unchecked: their records are checked when first read.
        self.trusted_position = trusted_position
        self.storage = storage
        self.directory = os.path.join(directory, "wal")
        self.manifest = manifest
        self.writable = writable
        self.written = written
        self.segments: list[Segment] = []
        self._history_end = manifest.log_position - 1
        self.last_time_us = 0
        self.promised = manifest.durable_position
        self.clean = False
        self.ending: Ending | None = None
        self.leftovers: list[Segment] = []
        self._seen: tuple[tuple[int, int], int] = ((0, 0), 0)

    def find(self) -> Found:
        """Find the last event that holds. Raises OSError where reading fails."""
        names = [name for name in self.storage.names(self.directory) if name.endswith(".wal")]
        first = segment_name(self.manifest.log_position)
        # Files before it became history; their removal may have been undone by power loss.
        names = [name for name in names if name >= first]
        ending: Ending | None = None
        try:
            self._history()
            self._sealed(names)
            self._open_end(names[len(self.segments) :])
            if self.segments and len(self.segments) == len(self.manifest.segments):
                raise self._stop(
                    segment_name(self.last_position + 1),
                    0,
                    "the segment behind the sealed ones is missing",
                    damaged=True,
                )
        except _Stop as stop:
            ending = stop.ending
        later = names[len(self.segments) :]
        if ending is None and not self.segments:
            ending = Ending(
                os.path.join(self.directory, first), 0, self.manifest.log_position, "no segment is there", True
            )
        for name in later:
            self.promised = max(self.promised, self._promises_of(name))
        # Zeros before other bytes are no ending yet. A living owner has seen that there were none; else a reader looks.
        if self.segments and (ending is not None or not (self.writable or self.clean or self._is_owned())):
            ending = self._look_behind(ending)
        last = self.last_position
        if self.promised > last and (ending is None or not ending.damaged):
            file, offset, reason = (
                (ending.file, ending.offset, ending.reason)
                if ending
                else (os.path.join(self.directory, names[-1]), self.segments[-1].tail, "the log ends here")
            )
            reason = f"{reason}, but events up to position {self.promised} were on stable storage"
            ending = Ending(file, offset, last + 1, reason, True)
        self.ending = ending
        self._remember()
        return Found(self.segments, self.last_time_us, self.promised, self.clean, ending, later, self.leftovers)

    def _is_owned(self) -> bool:
        return self.storage.is_held(os.path.join(os.path.dirname(self.directory), lock.NAME))

    def _look_behind(self, ending: Ending | None) -> Ending | None:
        """Take in the promises that stand behind the end. For a reader, the ending as a second walk finds it.

        An owner may have written on since the first walk; but what it has promised by now is there for the second.
        """
        segment, last = self.segments[-1], self.last_position
        self.promised = max(self.promised, segment.promises_behind(segment.tail))
        if self.writable or self.promised <= last or (ending is not None and ending.damaged):
            return ending
        walk = segment.walk(last_time_us=self.last_time_us)
        self.last_time_us = max(self.last_time_us, walk.last_time_us)
        if self.last_position == last:
            return ending
        name = segment_name(segment.base_position)
        return self._stop(name, segment.tail, walk.reason, damaged=False).ending if walk.fault else None

    @property
    def last_position(self) -> int:
        return self.segments[-1].last_position if self.segments else self._history_end

    @property
    def durable_position(self) -> int:
        """As far as promises tell, of what was found."""
        return min(self.promised, self.last_position)

    def still_holds(self, checksum: int) -> bool:
        """For a reader: whether all that was found is there, its last event with this checksum. Raises OSError."""
        if not self.segments:
            return False
        last = self.segments[-1]
        try:
            identity = self.storage.identity(self._path(segment_name(last.base_position)))
        except FileNotFoundError:
            return False
        held = next((segment for segment in reversed(self.segments) if segment.event_count), None)
        if held is not None and held.last_checksum() != checksum:
            return False
        return not last.event_count or identity == self._seen[0]

    def follow(self, same_owner: bool = False) -> list[Segment] | None:
        """For a reader: move on to what the owner wrote since; gives the segments that came.

        `same_owner`: nobody recovered the log since, so that what was read is there. Where what comes next is damaged,
        `ending` says so. None: what was read is not in the log any more, and `find` must begin anew. Raises OSError.
        """
        added: list[Segment] = []
        if not self.segments or (self.ending and self.ending.damaged):
            return added
        if not same_owner and not self._still_there():
            return None
        while True:
            last = self.segments[-1]
            walk = last.walk()
            # The owner may have appended and moved on between that walk and this look: then the next turn sees it.
            name = segment_name(self.last_position + 1)
            moved_on = last.event_count and self.storage.is_file(self._path(name))
            replaced = not last.event_count and self.storage.identity(self._path(name))[0] != self._seen[0][0]
            self.promised = max(self.promised, walk.promised_position)
            if walk.fault:
                self._judge()
            if not moved_on and not replaced:
                break
            last.walk()
            if segment_name(self.last_position + 1) != name:
                continue
            try:
                segment = self._open(name, sealed=False)
                self._link(name, segment)
            except _Stop:
                break
            added.append(segment)
            if replaced:
                self.segments.pop()
            self.segments.append(segment)
            self._remember()
        self.promised = max(self.promised, self.segments[-1].reread_promise())
        with contextlib.suppress(FileNotFoundError):  # it became history: see was_left_behind
            self._remember()
        return added

    def _judge(self) -> None:
        """Whether what the last walk stopped at was promised to hold: then reading ends there."""
        segment, last = self.segments[-1], self.last_position
        promised = max(self.promised, segment.reread_promise(), segment.promises_behind(segment.tail))
        walk = segment.walk()  # an owner that writes on has made it whole by now
        if walk.fault and self.last_position == last < promised:
            self.promised = promised
            reason = f"{walk.reason}, but events up to position {promised} were on stable storage"
            self.ending = self._stop(segment_name(segment.base_position), segment.tail, reason, damaged=True).ending

    def was_left_behind(self) -> bool:
        """For a reader: whether the last segment it has became history, so that nothing can follow. Raises OSError."""
        return bool(self.segments) and not self.storage.is_file(
            self._path(segment_name(self.segments[-1].base_position))
        )

    def _remember(self) -> None:
        if self.segments and not self.writable:
            last = self.segments[-1]
            self._seen = (self.storage.identity(self._path(segment_name(last.base_position))), last.last_checksum())

    def _still_there(self) -> bool:
        last = self.segments[-1]
        try:
            identity = self.storage.identity(self._path(segment_name(last.base_position)))
        except FileNotFoundError:
            return False
        if last.event_count == 0:
            return True
        return (identity, last.last_checksum()) == self._seen

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _stop(self, name: str, offset: int, reason: str, *, damaged: bool) -> _Stop:
        return _Stop(Ending(self._path(name), offset, self.last_position + 1, reason, damaged))

    def _history(self) -> None:
        """Files of history must be there whole; what is in them is looked at when they are read."""
        for file in self.manifest.history:
            path = os.path.join(os.path.dirname(self.directory), HISTORY, file.name)
            there = self.storage.is_file(path)
            if there and self.storage.identity(path)[1] == file.nbytes:
                continue
            self._history_end = file.base_position - 1
            reason = f"a history file is not {file.nbytes} bytes long" if there else "a history file is missing"
            raise _Stop(Ending(path, 0, file.base_position, reason, True))

    def _sealed(self, names: list[str]) -> None:
        for number, sealed in enumerate(self.manifest.segments):
            name = segment_name(sealed.base_position)
            if number >= len(names) or names[number] != name:
                raise self._stop(name, 0, "a sealed segment is missing", damaged=True)
            if sealed.last_position <= self.trusted_position:
                self._trust(name, sealed)
                continue
            segment = self._open(name, sealed=True)
            before = self.manifest.segments[number - 1].chain if number else segment.header.previous_chain.hex()
            if (segment.segment_id, segment.header.previous_chain.hex()) != (sealed.segment_id, before):
                raise self._stop(name, 0, "it does not follow the segment before it", damaged=True)
            walk = segment.walk(last_time_us=self.last_time_us)
            if (segment.tail, segment.last_position) != (sealed.used_bytes, sealed.last_position):
                self.segments.append(segment)
                reason = (
                    walk.reason or f"it should hold records up to {sealed.used_bytes}, position {sealed.last_position}"
                )
                raise self._stop(name, segment.tail, f"in a sealed segment: {reason}", damaged=True)
            self.segments.append(segment)
            self.last_time_us = walk.last_time_us
            self.promised = max(self.promised, walk.promised_position, segment.promised_position)

    def _trust(self, name: str, sealed: SealedSegment) -> None:
        segment = self._open(name, sealed=True, unread=True)
        header, before = segment.header, self.segments[-1] if self.segments else None
        fits = header.segment_id == sealed.segment_id and sealed.used_bytes <= segment.mapping.nbytes
        if not fits or (before is not None and header.previous_chain != before.chain()):
            self.segments.append(segment)
            raise self._stop(name, 0, "a sealed segment is not the one that the manifest lists", damaged=True)
        count = sealed.last_position - sealed.base_position + 1
        segment.trust(count, sealed.used_bytes, bytes.fromhex(sealed.chain))
        self.segments.append(segment)

    def _open(self, name: str, *, sealed: bool, unread: bool = False) -> Segment:
        path = self._path(name)
        writable = self.writable and not sealed
        try:
            mapping = self.storage.map(path, writable=writable, written=self.written and writable, fresh=unread)
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
                if self.writable and segment.end_of_bytes() > segment.tail:
                    self.leftovers.append(segment)
                continue
            self.clean = not walk.fault and segment.clean_bytes == segment.tail
            if walk.fault:
                raise self._stop(name, segment.tail, walk.reason, damaged=False)
            if walk.open_batch:
                reason = "a batch was cut off before its commit" if self.writable else "a batch without its commit"
                raise self._stop(name, segment.tail, reason, damaged=False)
            if number + 1 < len(names):
                raise self._stop(name, segment.tail, "the records end before the next segment begins", damaged=False)
            # Also behind a clean mark: power loss may have taken the word that it holds no more, and kept later bytes.
            if self.writable and segment.end_of_bytes() > segment.tail:
                raise self._stop(name, segment.tail, "bytes of a record that was cut off", damaged=False)

    def _link(self, name: str, segment: Segment) -> None:
        """The segment must follow the ones before it, by id and chain."""
        header, before = segment.header, self.segments[-1] if self.segments else None
        if before is None:
            history = self.manifest.history
            if history and header.previous_chain.hex() != history[-1].chain:
                raise self._stop(name, 0, "it does not follow the history files", damaged=True)
            if header.base_position != self.manifest.log_position:
                raise self._stop(name, 0, "segments before it are missing", damaged=True)
        elif not before.event_count:
            if header.segment_id != before.segment_id or header.base_position != before.base_position:
                raise self._stop(name, 0, "it does not replace the empty segment before it", damaged=True)
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
