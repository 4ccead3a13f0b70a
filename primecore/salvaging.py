"""Copies what holds of a damaged log into a new store: never in place, never a fact that was not there. Knows records.

Positions do not move. Where an event is lost, the new log holds an event of type `prime.position.lost` that says where
it stood and why it could not be read; so every receipt, cursor and position noted elsewhere still means what it meant.
A batch of which an event is lost is lost whole; its events that do hold go into a file beside the report. Versions are
counted anew, since those of an entity must have no gap.
"""

from __future__ import annotations

import json
import os
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from primecore import _audit, manifest, parquet
from primecore._crc32c import crc32c
from primecore._facts import moment
from primecore._mapping import Mapping
from primecore._segment import Segment, SegmentHeader
from primecore.checking import Progress
from primecore.errors import CorruptLog, StoreNotFound
from primecore.manifest import Manifest, SealedSegment
from primecore.model import LostRange, SalvageReport
from primecore.newstore import NewStore, check_from_first
from primecore.segments import SegmentSizes
from primecore.storage import Storage

REPORT = "SALVAGE.json"
LEFT_OUT = "SALVAGE.jsonl"
LOST_TYPE = "prime.position.lost"
HEADER_BYTES = 4096
COMMIT_BYTES = 80


class Run(NamedTuple):
    """Records that hold, one behind the other; `one_batch`: they are a batch whose commit is lost."""

    segment: Segment
    start: int
    end: int
    first_position: int
    last_position: int
    one_batch: bool


class Wreck:
    """A damaged log, read from its first file to its last: `pieces` gives what holds and what is lost, in order."""

    def __init__(self, storage: Storage, directory: str) -> None:
        self.storage, self.directory = storage, directory
        self.wal = os.path.join(directory, "wal")
        self.known: Manifest | None = None
        self.left_out: list[str] = []
        self.torn_bytes = 0
        self.lines: list[bytes] = []
        if not storage.is_directory(self.wal):
            raise StoreNotFound(f"there is no store in {directory}", hint="check the path")
        try:
            self.known = manifest.load(storage, directory)
        except CorruptLog as error:
            self.left_out.append(error.message)
        if self.known is None:
            self.left_out.append("without MANIFEST, whole segments missing at the end cannot be told")
        else:
            check_from_first(self.known, directory)
        names = [name for name in storage.names(self.wal) if name.endswith(".wal") and name[:20].isdecimal()]
        if self.known is not None:  # what became history may have left its segments behind
            names = [name for name in names if int(name[:20]) >= self.known.log_position]
        self.names = names
        self.sizes = {name: storage.identity(os.path.join(self.wal, name))[1] for name in names}
        self.sealed = {it.base_position: it for it in (self.known.segments if self.known else ())}
        self.opened = {name: self._open(name) for name in names}
        self.uuid = self._store_uuid()
        self.promised = self.known.durable_position if self.known else 0
        for found in self.opened.values():
            if isinstance(found, Segment):
                self.promised = max(self.promised, found.promised_position, found.promises_behind(HEADER_BYTES))

    def _store_uuid(self) -> str:
        if self.known is not None:
            return self.known.store_uuid
        said = Counter(it.header.store_uuid.hex() for it in self.opened.values() if isinstance(it, Segment))
        return said.most_common(1)[0][0] if said else ""

    def _open(self, name: str) -> Segment | str:
        """The segment of a file, also where only its header is damaged; else why it is of no use."""
        path = os.path.join(self.wal, name)
        try:
            mapping = self.storage.map(path, writable=False)
        except ValueError as error:
            return str(error)
        except OSError:
            mapping = self._read_around(path)
        try:
            return Segment.open(mapping)
        except ValueError as error:
            return self._without_header(mapping, int(name[:20])) or str(error)

    def _read_around(self, path: str) -> Mapping:
        """A file whose disk fails in places, with zeros there: what is behind them may still hold. Raises OSError."""
        data, lost = self.storage.read_around(path)
        if lost:
            self.left_out.append(f"{path}: {lost} bytes cannot be read")
        mapping = Mapping.memory(max(len(data), HEADER_BYTES))
        with memoryview(mapping) as room:
            room[: len(data)] = data
        return mapping

    def _without_header(self, mapping: Mapping, base_position: int) -> Segment | None:
        """A segment whose header does not hold: its name says where it begins, its records prove the seed.

        The seed comes from the salt as it stands, if any record agrees with that; else from the first record, for CRC
        is linear, if the record behind it agrees.
        """
        if mapping.nbytes < HEADER_BYTES + 2 * COMMIT_BYTES:
            return None
        with memoryview(mapping) as data:
            salted = crc32c(bytes(data[72:80]))
            length = int.from_bytes(data[HEADER_BYTES : HEADER_BYTES + 4], "little")
            record = bytes(data[HEADER_BYTES : HEADER_BYTES + length]) if length <= mapping.nbytes else b""
        sealed = self.sealed.get(base_position)
        header = SegmentHeader(
            bytes.fromhex(self.known.store_uuid) if self.known else bytes(16),
            sealed.segment_id if sealed else 1, base_position, 0, bytes(16), 0, mapping.nbytes, 0,
        )  # fmt: skip
        if _audit.next_event(_audit.trust(mapping, header, salted), HEADER_BYTES, base_position, 1 << 62):
            return _audit.trust(mapping, header, salted)
        if length % 8 or length < COMMIT_BYTES or len(record) < length:
            return None
        seed = solve_seed(record[:4] + record[8:], int.from_bytes(record[4:8], "little"))
        segment = _audit.trust(mapping, header, seed)
        segment.walk()
        return _audit.trust(mapping, header, seed) if segment.event_count > 1 else None

    # --- pieces

    def pieces(self) -> Iterator[Run | LostRange]:
        """What holds and what is lost, gapless from position 1."""
        position = 1
        for piece in self._history():
            yield piece
            position = piece.last_position + 1
        for number, name in enumerate(self.names):
            path, found = os.path.join(self.wal, name), self.opened[name]
            if isinstance(found, Segment) and found.header.store_uuid.hex() not in (self.uuid, bytes(16).hex()):
                found = "it belongs to another store"
            base = int(name[:20])
            if isinstance(found, Segment) and found.base_position != base:
                found = f"its header says it begins at position {found.base_position}, its name {base}"
            if isinstance(found, str):
                self.left_out.append(f"{path}: {found}")
                continue
            if base > position:
                yield self._gap(position, base - 1)
                position = base
            final = number + 1 == len(self.names)
            last = self._end(base) if final or base in self.sealed else int(self.names[number + 1][:20]) - 1
            for piece in self._records(found, path, position, last, final):
                yield piece
                position = piece.last_position + 1
        last = max(self.promised, *(it.last_position for it in self.sealed.values()), 0)
        if position <= last:
            yield self._gap(position, last)

    def _history(self) -> Iterator[Run | LostRange]:
        """What the history files hold, as records. A file that does not prove itself is lost whole, and stays there."""
        files = self.known.history if self.known is not None else parquet.told(self.storage, self.directory, self.uuid)
        for file in files:
            path = parquet.path_of(self.directory, file.name)
            reason = parquet.verify(self.storage, self.directory, file)
            if reason:
                yield LostRange(file.base_position, file.last_position, path, 0, reason, 0)
                continue
            for rows in parquet.groups(self.storage, self.directory, file):
                segment = _audit.segment_of(rows)
                segment.walk()
                yield Run(segment, HEADER_BYTES, segment.tail, rows.first, rows.last, False)

    def _gap(self, first: int, last: int) -> LostRange:
        return LostRange(first, last, self.wal, 0, "the segment that held it is missing or of no use", 0)

    def _end(self, base_position: int) -> int:
        """The last position that the last segment must hold, as far as anything says so."""
        sealed: SealedSegment | None = self.sealed.get(base_position)
        return sealed.last_position if sealed else self.promised

    def _records(self, segment: Segment, path: str, first: int, last: int, final: bool) -> Iterator[Run | LostRange]:
        """Runs and gaps of one segment. In the last one, what no promise covers and no record holds is a torn tail."""
        most = (1 << 62) if final else last
        if first > segment.base_position:  # an earlier file reached into this one's positions
            again = _audit.next_event(segment, HEADER_BYTES, first, most)
            if again is None:
                return
            first = again[1]
            _audit.resume(segment, *again)
        position = first
        while True:
            start, walk = segment.tail, segment.walk()
            if segment.tail > start:
                yield Run(segment, start, segment.tail, position, segment.last_position, False)
                position = segment.last_position + 1
            if not final and position > last:
                return
            stop = walk.fault_offset
            again = _audit.next_event(segment, stop + (8 if walk.fault else 0), position, most)
            behind = again[1] if again else last + 1
            inside = _audit.batch_events(segment, walk.open_batch, walk.fault_offset) if walk.open_batch else 0
            commit_lost = inside and (
                (again is not None and again[0] == walk.fault_offset + COMMIT_BYTES and again[1] == position + inside)
                or (again is None and last == position + inside - 1)
            )
            if commit_lost:
                _audit.resume(segment, walk.fault_offset + COMMIT_BYTES, position + inside)
                yield Run(segment, walk.open_batch, walk.fault_offset, position, position + inside - 1, True)
                position += inside
            if behind > position:
                reason = walk.reason or ("a batch without its commit" if walk.open_batch else "the records end here")
                begin, end = walk.open_batch or stop, again[0] if again else segment.end_of_bytes()
                intact = self._leave_out(segment, begin, end, range(position, behind))
                yield LostRange(position, behind - 1, path, begin, reason, intact)
            if again is None:
                if final and behind <= position:
                    self.torn_bytes += max(segment.end_of_bytes() - segment.tail, 0)
                return
            position = again[1]
            _audit.resume(segment, *again)

    def _leave_out(self, segment: Segment, start: int, end: int, lost: range) -> int:
        """Keep the events that hold in a part that is not copied, as lines that `prime ingest` takes; how many."""
        found = [it for it in _audit.events_holding(segment, start, end) if it[0] in lost]
        for position, version, event_id, event_type, entity, time_us, payload, metadata in found:
            head = {
                "position": position, "version": version, "event_id": str(uuid.UUID(bytes=event_id)),
                "event_type": event_type.decode(), "entity_id": entity.decode(),
                "timestamp": moment(time_us).isoformat(),
            }  # fmt: skip
            line = json.dumps(head, ensure_ascii=False).encode()[:-1]
            self.lines.append(line + b', "payload": ' + payload + b', "metadata": ' + metadata + b"}\n")
        return len(found)


def solve_seed(data: bytes, crc: int) -> int:
    """The seed with which CRC-32C over `data` is `crc`.

    For a given length, crc(seed) = crc(0) ^ M * seed over GF(2), and M can be inverted: 32 equations, 32 unknowns.
    """
    zero = crc32c(data, 0)
    rows = [(crc32c(data, 1 << bit) ^ zero, 1 << bit) for bit in range(32)]
    wanted, seed = crc ^ zero, 0
    for bit in range(31, -1, -1):
        pivot = next((row for row in rows if row[0] >> bit & 1), None)
        if pivot is None:
            continue
        rows = [
            (row[0] ^ pivot[0], row[1] ^ pivot[1]) if row[0] >> bit & 1 else row for row in rows if row is not pivot
        ]
        if wanted >> bit & 1:
            wanted, seed = wanted ^ pivot[0], seed ^ pivot[1]
    return seed


def salvage(
    storage: Storage,
    directory: str,
    target: str,
    *,
    sizes: SegmentSizes | None = None,
    progress: Progress | None = None,
) -> SalvageReport:
    """Copy what holds of the store in `directory` to a new one at `target`, which must not be there or be empty.

    Raises StoreNotFound, InvalidArgument, StoreLocked, OSError.
    """
    sizes = sizes or SegmentSizes()
    wreck = Wreck(storage, directory)
    versions = _audit.Versions()
    lost: list[LostRange] = []
    total = sum(wreck.sizes.values())
    with NewStore(storage, target, created_us=wreck.known.created_us if wreck.known else 0) as new:
        done = 0
        for piece in wreck.pieces():
            if isinstance(piece, LostRange):
                lost.append(piece)
                _write_lost(new, versions, piece, wreck.uuid, sizes)
                continue
            _copy(new, versions, piece, sizes)
            done += piece.end - piece.start
            if progress is not None:
                progress(done, total, piece.last_position)
        report = _report(wreck, new, target, lost, versions.jumps)
        extra = {REPORT: json.dumps(as_json(report), indent=1).encode() + b"\n"}
        if wreck.lines:
            extra[LEFT_OUT] = b"".join(wreck.lines)
        new.finish(extra)
    return report


def _copy(new: NewStore, versions: _audit.Versions, run: Run, sizes: SegmentSizes) -> None:
    at, needed = run.start, 2 * COMMIT_BYTES
    while at < run.end:
        if not new.segments:
            new.grow(needed, sizes)
        target = new.segments[-1]
        at, needed = _audit.copy_events(run.segment, at, run.end, target, versions, run.one_batch)
        _take_in(target)
        if needed:
            if not target.event_count:
                new.segments.pop()
            new.grow(needed, sizes)


def _take_in(target: Segment) -> None:
    walk = target.walk()
    if walk.fault or walk.open_batch:
        raise CorruptLog(f"what was written does not read back: {walk.reason}", hint="check memory and disk")


def _write_lost(new: NewStore, versions: _audit.Versions, lost: LostRange, store: str, sizes: SegmentSizes) -> None:
    now_us = time.time_ns() // 1000
    entity = f"salvage:{store}".encode()
    payload = json.dumps({"file": os.path.basename(lost.file), "offset": lost.offset, "reason": lost.reason}).encode()
    for _ in range(lost.first_position, lost.last_position + 1):
        if not new.segments:
            new.grow(2 * COMMIT_BYTES, sizes)
        while True:
            target, nonce = new.segments[-1], int.from_bytes(secrets.token_bytes(8), "little")
            fields = (LOST_TYPE.encode(), entity, payload, uuid.uuid4().bytes, now_us, nonce)
            if _audit.write_event(target, versions, *fields):
                break
            new.grow(1024, sizes)
        _take_in(target)


def _report(wreck: Wreck, new: NewStore, target: str, lost: list[LostRange], renumbered: int) -> SalvageReport:
    missing = sum(it.last_position - it.first_position + 1 for it in lost)
    return SalvageReport(
        path=target,
        source=wreck.directory,
        store_uuid=new.known.store_uuid,
        source_uuid=wreck.uuid,
        position=new.last_position,
        events=new.last_position - missing,
        lost=missing,
        lost_ranges=tuple(lost),
        torn_bytes=wreck.torn_bytes,
        renumbered=renumbered,
        left_out=tuple(wreck.left_out),
        report=os.path.join(target, REPORT),
    )


def as_json(report: SalvageReport) -> dict[str, object]:
    """The report as it is written to `SALVAGE.json`."""
    return {**report._asdict(), "lost_ranges": [it._asdict() for it in report.lost_ranges]}
