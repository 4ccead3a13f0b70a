"""Checks a store's files one by one and says what does not hold, where, what is safe and what to do next. Only reads.

It walks every file whatever the one before it said, beside a living owner too: what an owner is just writing looks like
damage for a moment, so a finding counts only if a second look finds it again. `CHECKS` is the table of what is checked:
another kind of file takes one more entry. Knows files and records; opens no store and knows no projection.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator

from primecore import _audit, manifest, parquet
from primecore._segment import Segment
from primecore.errors import CorruptLog
from primecore.finder import segment_name
from primecore.manifest import HistoryFile, Manifest, SealedSegment
from primecore.model import Finding
from primecore.storage import Storage

DAMAGE, NOTE = "damage", "note"
SALVAGE = "prime repair --salvage NEWDIR"
OPEN = "open the store for writing"
SECOND_LOOK_S = 0.1
LOOKS = 4
MAX_FINDINGS = 200
HEADER_BYTES = 4096

Progress = Callable[[int, int | None, int], object]


class Look:
    """One walk over all files of a store: what it found, and what it counted."""

    def __init__(self, storage: Storage, directory: str, progress: Progress | None = None) -> None:
        self.storage = storage
        self.directory = directory
        self.wal = os.path.join(directory, "wal")
        self.progress = progress
        self.known: Manifest | None = None
        self.findings: list[Finding] = []
        self.versions = _audit.Versions()
        self.first_position = 1
        self.log_position = 1  # what comes before is in history files
        self.position = 0
        self.promised = 0
        self.segments = 0
        self.bytes_done = 0
        self.bytes_total = 0
        self.gaps = False
        self.quarantine: list[str] = []
        self.owned = storage.is_held(os.path.join(directory, "LOCK"))

    def run(self) -> Look:
        """Take every check of the table in turn. A file that cannot be read is a finding like any other."""
        for check in CHECKS:
            for finding in check(self):
                if len(self.findings) < MAX_FINDINGS:
                    self.findings.append(finding)
        return self

    def reach(self, segment: Segment | None, names: list[str]) -> int:
        """The last position that any promise speaks of: known ones, those of `segment`, and of files behind it."""
        reach = self.promised
        if segment is not None:
            reach = max(reach, segment.promised_position, segment.promises_behind(segment.tail))
        for name in names:
            with contextlib.suppress(OSError, ValueError):
                later = Segment.open(self.storage.map(os.path.join(self.wal, name), writable=False))
                reach = max(reach, later.promised_position, later.promises_behind(HEADER_BYTES))
        return reach

    def step(self, nbytes: int, events: int) -> None:
        """Say how far it is."""
        self.bytes_done += nbytes
        if self.progress is not None:
            self.progress(min(self.bytes_done, self.bytes_total), self.bytes_total, events)


def check_store(storage: Storage, directory: str, progress: Progress | None = None) -> Look:
    """Check all files of a store; of the findings, those that two looks one after the other agree on."""
    look = Look(storage, directory, progress).run()
    for _ in range(LOOKS - 1):
        if not look.findings:
            return look
        time.sleep(SECOND_LOOK_S)
        again = Look(storage, directory, progress).run()
        before = {_key(finding) for finding in look.findings}
        settled = all(_key(finding) in before for finding in again.findings)
        again.findings = [finding for finding in again.findings if _key(finding) in before]
        look = again
        if settled:
            break
    return look


def _key(finding: Finding) -> tuple[object, ...]:
    return finding.code, finding.file, finding.offset, finding.position


# --- the manifest


def check_manifest(look: Look) -> Iterator[Finding]:
    """MANIFEST: there, whole, and a list of segments that follow one another."""
    path = os.path.join(look.directory, manifest.NAME)
    safe = "the events in wal/ are not touched by this"
    try:
        look.known = manifest.load(look.storage, look.directory)
    except CorruptLog as error:
        yield Finding("manifest", DAMAGE, path, 0, 0, error.message, safe, SALVAGE)
        return
    except OSError as error:
        yield unreadable(path, error)
        return
    if look.known is None:
        yield Finding("manifest_missing", DAMAGE, path, 0, 0, "MANIFEST is missing", safe, SALVAGE)
        return
    look.first_position = look.known.first_position
    look.log_position = look.known.log_position
    look.promised = look.known.durable_position
    look.gaps = look.first_position != 1  # versions begin where nobody here can see
    before: SealedSegment | HistoryFile | None = look.known.history[-1] if look.known.history else None
    for sealed in look.known.segments:
        follows = before is None or (sealed.segment_id, sealed.base_position) == (
            before.segment_id + 1,
            before.last_position + 1,
        )
        if not follows or sealed.last_position < sealed.base_position:
            what = f"segment {sealed.segment_id} does not follow the one listed before it"
            yield Finding("manifest", DAMAGE, path, 0, sealed.base_position, what, safe, SALVAGE)
        before = sealed


# --- history files


def check_history(look: Look) -> Iterator[Finding]:
    """Every history file that the manifest lists: its bytes, and that its events are those that the log held."""
    files = look.known.history if look.known is not None else ()
    look.bytes_total = sum(file.nbytes for file in files)
    position, chain = look.first_position, bytes(16).hex()
    for file in files:
        path = parquet.path_of(look.directory, file.name)
        what, refused = "it does not follow the history file listed before it", None
        if (file.base_position, file.previous_chain) == (position, chain):
            try:
                what = parquet.prove(look.storage, look.directory, file)
            except OSError as error:
                refused = error
        if refused is not None:
            look.gaps = True
            yield unreadable(path, refused)
        elif what:
            look.gaps = True
            yield Finding("history", DAMAGE, path, 0, file.base_position, what, _before(file.base_position), SALVAGE)
        else:
            yield from _history_versions(look, file, path)
        position, chain = file.last_position + 1, file.chain
        look.position = file.last_position
        look.step(file.nbytes, look.position)


def _history_versions(look: Look, file: HistoryFile, path: str) -> Iterator[Finding]:
    try:
        for rows in parquet.groups(look.storage, look.directory, file):
            segment = _audit.segment_of(rows)
            segment.walk()
            jump = look.versions.check(segment, HEADER_BYTES, segment.tail)
            if jump is not None and not look.gaps:
                _, position, expected, found = jump
                what = f"the event has version {found}, the next of its entity is {expected}"
                yield Finding("version", DAMAGE, path, 0, position, what, _before(position), SALVAGE)
    except (OSError, ValueError) as error:
        yield Finding("history", DAMAGE, path, 0, file.base_position, str(error), _before(file.base_position), SALVAGE)


# --- the segments


def check_segments(look: Look) -> Iterator[Finding]:
    """Every segment: header, promises, records, versions, hashes, zeros; and that none is missing."""
    try:
        names = [name for name in look.storage.names(look.wal) if name.endswith(".wal")]
        sizes = {name: look.storage.identity(os.path.join(look.wal, name))[1] for name in names}
    except OSError as error:
        yield unreadable(look.wal, error)
        return
    names = [name for name in names if name >= segment_name(look.log_position)]
    sealed = {segment_name(it.base_position): it for it in (look.known.segments if look.known else ())}
    look.bytes_total += sum(sizes[name] for name in names)
    look.position = look.log_position - 1
    before: Segment | None = None
    whole = True
    every = sorted({*names, *sealed})
    torn = False
    for number, name in enumerate(every):
        if name not in sizes:
            it = sealed[name]
            yield _missing(look, name, f"a sealed segment is missing (positions up to {it.last_position})")
            before, whole, look.position, look.gaps = None, False, it.last_position, True
            continue
        if before is not None and name not in sealed and whole and int(name[:20]) != look.position + 1:
            # Its predecessor never reached the disk: torn, unless a promise says that it did.
            if look.reach(None, every[number:]) > look.position:
                yield _missing(look, segment_name(look.position + 1), "a segment is missing")
            else:
                yield from torn_tail(look, os.path.join(look.wal, name), 0, "the segment before it is missing")
                torn = True
                break
            before, whole, look.gaps = None, False, True
        walker = _SegmentCheck(look, name, sealed.get(name), every[number + 1 :])
        yield from walker.run(before if whole else None)
        before, whole, torn = walker.segment, walker.whole, walker.torn
        look.segments += 1
        look.step(sizes[name], look.position)
        if torn:
            break  # what stands behind a torn tail is set aside with it
    if look.known is not None and (not every or every[-1] in sealed):
        yield _missing(look, segment_name(look.position + 1), "the segment behind the sealed ones is missing")
    elif look.promised > look.position and whole and not torn:
        path = os.path.join(look.wal, every[-1])
        offset = before.tail if before is not None else 0
        what = f"the log ends here, but events up to position {look.promised} were on stable storage"
        yield Finding("lost_end", DAMAGE, path, offset, look.position + 1, what, _before(look.position + 1), SALVAGE)


def _missing(look: Look, name: str, what: str) -> Finding:
    path, position = os.path.join(look.wal, name), int(name[:20])
    return Finding("segment_missing", DAMAGE, path, 0, position, what, _before(position), SALVAGE)


class _SegmentCheck:
    """The checks of one segment file."""

    def __init__(self, look: Look, name: str, sealed: SealedSegment | None, later: list[str]) -> None:
        self.look, self.sealed, self.later = look, sealed, later
        self.next_name = later[0] if later else None
        self.torn = False
        self.path = os.path.join(look.wal, name)
        self.base_position = int(name[:20]) if name[:20].isdecimal() else 0
        self.segment: Segment | None = None
        self.whole = False

    def finding(self, code: str, offset: int, what: str, *, position: int = 0, severity: str = DAMAGE) -> Finding:
        position = position or self.look.position + 1
        return Finding(code, severity, self.path, offset, position, what, _before(position), SALVAGE)

    def run(self, before: Segment | None) -> Iterator[Finding]:
        """Everything; `before` is the segment it must follow, None where that one does not hold."""
        try:
            mapping = self.look.storage.map(self.path, writable=False)
            segment = Segment.open(mapping)
        except OSError as error:
            yield unreadable(self.path, error)
            return
        except ValueError as error:
            unwritten = self.sealed is None and self.look.segments and self._never_written()
            if unwritten and self.look.reach(None, self.later) <= self.look.position:
                yield from self._tear(0, "a segment that holds nothing yet")
                self.whole = True
                return
            self.look.gaps = True
            yield self.finding("header", 0, str(error), position=self.base_position)
            self.look.position = self.sealed.last_position if self.sealed else self.look.position
            return
        self.segment = segment
        yield from self._header(segment, before)
        if segment.base_position != self.base_position:
            return
        self.whole = True
        self.look.position = segment.base_position - 1
        yield from self._records(segment)
        yield from self._end(segment)

    def _never_written(self) -> bool:
        # A header is one sector; the file of a segment that power loss met before its sync may hold zeros.
        return not any(self.look.storage.read(self.path)[:512])

    def _header(self, segment: Segment, before: Segment | None) -> Iterator[Finding]:
        header, look = segment.header, self.look
        first = self.base_position
        if look.known is not None and header.store_uuid.hex() != look.known.store_uuid:
            yield self.finding("foreign", 16, f"it belongs to store {header.store_uuid.hex()}", position=first)
        if header.base_position != self.base_position:
            what = f"its header says it begins at position {header.base_position}"
            yield self.finding("header", 40, what, position=first)
        if segment.mapping.nbytes != header.segment_bytes:
            short = segment.mapping.nbytes < header.segment_bytes and self.sealed is None and self.next_name is None
            what = f"the file has {segment.mapping.nbytes} bytes, its header says {header.segment_bytes}"
            at = min(segment.mapping.nbytes, header.segment_bytes)
            if short:
                yield from torn_tail(self.look, self.path, at, what)
            else:
                yield self.finding("length", at, what, position=first)
        for offset in _audit.damaged_promises(segment):
            yield self.finding("promise", offset, "a promise in the header does not hold; events are not touched by it")
        if self.sealed is not None and header.segment_id != self.sealed.segment_id:
            yield self.finding("header", 32, f"its header says it is segment {header.segment_id}", position=first)
        history = look.known.history if look.known is not None else ()
        if before is None:
            if history and first == look.log_position and header.previous_chain.hex() != history[-1].chain:
                yield self.finding("chain", 48, "it does not follow the history files", position=first)
            if self.base_position == 1 and (header.previous_bytes or any(header.previous_chain)):
                yield self.finding("chain", 48, "it names a segment before it, and is the first", position=first)
        elif before.event_count:
            follows = (before.segment_id + 1, before.tail, before.chain(), before.last_position + 1)
            said = (header.segment_id, header.previous_bytes, header.previous_chain, header.base_position)
            if said != follows:
                yield self.finding("chain", 32, "it does not follow the segment before it", position=first)

    def _records(self, segment: Segment) -> Iterator[Finding]:
        """Walk, and where a record does not hold, go on behind it."""
        last = self.sealed.last_position if self.sealed else 1 << 62
        while True:
            start, begun = segment.tail, segment.last_position + 1
            walk = segment.walk()
            self.look.promised = max(self.look.promised, walk.promised_position, segment.promised_position)
            self.look.position = segment.last_position
            jump = self.look.versions.check(segment, start, segment.tail)
            if jump is not None and not self.look.gaps:  # behind lost events, versions jump
                offset, position, expected, found = jump
                what = f"the event has version {found}, the next of its entity is {expected}"
                yield self.finding("version", offset, what, position=position)
            if self.sealed is not None and segment.tail == self.sealed.used_bytes:
                return  # what may stand behind the end, `_end` tells of
            if self.sealed is None and self._moved_on(segment):
                return
            if not walk.fault and not walk.open_batch:
                return
            stop = walk.fault_offset if walk.fault else walk.open_batch
            reason = walk.reason or "a batch without its commit"
            if self.sealed is None and self.look.reach(segment, self.later) <= segment.last_position:
                yield from self._tear(segment.tail, reason)
                return
            self.whole = False
            self.look.gaps = True
            inside = _audit.batch_events(segment, walk.open_batch, stop) if walk.open_batch else 0
            position = max(begun, segment.last_position + 1) + inside
            yield self.finding("record", stop, reason, position=position)
            again = _audit.next_event(segment, stop + 8, segment.last_position + 1, last)
            if again is None or len(self.look.findings) >= MAX_FINDINGS:
                self.look.position = self.sealed.last_position if self.sealed else self.look.position
                return
            _audit.resume(segment, *again)

    def _moved_on(self, segment: Segment) -> bool:
        return self.next_name == segment_name(segment.last_position + 1) and segment.event_count > 0

    def _end(self, segment: Segment) -> Iterator[Finding]:
        """The last record of the segment, its hash, and the zeros behind it."""
        sealed, whole = self.sealed, self.whole
        if sealed is not None and whole:
            found, said = (segment.last_position, segment.tail), (sealed.last_position, sealed.used_bytes)
            if found != said:
                what = f"it ends at position {found[0]}, offset {found[1]}; MANIFEST says {said[0]}, {said[1]}"
                self.whole = False
                yield self.finding("length", segment.tail, what)
            elif segment.chain().hex() != sealed.chain:
                what = "its hash is not the one in MANIFEST: it holds other events than were sealed"
                yield self.finding("chain", segment.tail, what, position=segment.base_position)
        if not self.whole:
            return
        end = segment.end_of_bytes()
        if end <= segment.tail:
            return
        if sealed is None and self._moved_on(segment):
            return  # a batch that went along into the next segment; recovery or the sync that seals it blanks this
        if sealed is not None:
            what = f"bytes that are not zero behind the last record, up to offset {end}; no event is touched"
            yield self.finding("tail", end - 1, what)
        elif (reach := self.look.reach(segment, self.later)) > segment.last_position:
            self.whole = False
            what = f"the records end before other bytes, but events up to position {reach} were on stable storage"
            yield self.finding("record", segment.tail, what)
        elif not any(it.code == "torn_tail" and it.file == self.path for it in self.look.findings):
            yield from self._tear(segment.tail, "bytes of a write that was cut off")

    def _tear(self, offset: int, reason: str) -> Iterator[Finding]:
        self.torn = True
        yield from torn_tail(self.look, self.path, offset, reason)


def torn_tail(look: Look, path: str, offset: int, reason: str) -> Iterator[Finding]:
    """A note on a write that was cut off. Beside an owner there is none: recovery is over, and this is its work."""
    if look.owned:
        return
    position = look.position + 1
    what = f"a torn tail: {reason}; it was never confirmed as durable"
    then = f"{OPEN}: the tail is set aside in quarantine/"
    yield Finding("torn_tail", NOTE, path, offset, position, what, _before(position), then)


# --- the rest


def check_quarantine(look: Look) -> Iterator[Finding]:
    """What earlier recoveries set aside: listed, never judged."""
    path = os.path.join(look.directory, "quarantine")
    if look.storage.is_directory(path):
        try:
            look.quarantine = [os.path.join(path, name) for name in look.storage.names(path)]
        except OSError as error:
            yield unreadable(path, error)


CHECKS: tuple[Callable[[Look], Iterator[Finding]], ...] = (
    check_manifest, check_history, check_segments, check_quarantine,
)  # fmt: skip
"""What `verify` looks at, in this order."""


def unreadable(path: str, error: OSError) -> Finding:
    """A file that the operating system does not give."""
    what = f"it cannot be read: {error.strerror or error}"
    return Finding("unreadable", DAMAGE, path, 0, 0, what, "nothing was changed", "check permissions and the disk")


def _before(position: int) -> str:
    return f"every event before position {position}" if position > 1 else "no event before it"
