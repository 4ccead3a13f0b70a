"""Compaction: sealed segments of the log become history files, which say the same in a fifth of the room.

Knows segments, history files and the manifest; not when it runs. Any step may be the last one: what the manifest
lists is there whole, what it does not list is removed by the next run, and no position is ever in neither.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from primecore import parquet
from primecore._crc32c import crc32c
from primecore._rows import Gathered, gather_records, gather_rows
from primecore.errors import CorruptLog
from primecore.finder import segment_name
from primecore.log import Log
from primecore.manifest import HistoryFile, Manifest, SealedSegment
from primecore.storage import Storage

FILE_LOG_BYTES = 128 << 20  # about what one file replaces
VECTOR_STORED = b"prime.vector.stored"
SMALL_LOG_BYTES = 32 << 20  # the last file is written anew with what follows while it replaces less than this


class Compacted(NamedTuple):
    """What one run did. Bytes are those of records and of Parquet files, of the segments that were turned now.

    `vector_bytes` are those of payloads that hold vectors, which hardly compress: a part of the bytes before.
    """

    files: int
    segments: int
    events: int
    bytes_before: int
    bytes_after: int
    vector_bytes: int


class Job(NamedTuple):
    """One file to write: `former` is the last one, if that is to be taken along."""

    former: HistoryFile | None
    segments: tuple[SealedSegment, ...]

    @property
    def base_position(self) -> int:
        return self.former.base_position if self.former else self.segments[0].base_position

    @property
    def last_position(self) -> int:
        return self.segments[-1].last_position


def plan(known: Manifest) -> list[Job]:
    """The files that the sealed segments become."""
    jobs: list[Job] = []
    last = known.history[-1] if known.history else None
    former = last if last is not None and last.log_bytes < SMALL_LOG_BYTES else None
    taken: list[SealedSegment] = []
    nbytes = former.log_bytes if former else 0
    for segment in known.segments:
        taken.append(segment)
        nbytes += segment.used_bytes
        if nbytes >= FILE_LOG_BYTES:
            jobs.append(Job(former, tuple(taken)))
            former, taken, nbytes = None, [], 0
    if taken:
        jobs.append(Job(former, tuple(taken)))
    return jobs


def compact(
    storage: Storage,
    directory: str,
    log: Log,
    history: parquet.History,
    codec: str,
    let_go: Callable[[int], None],
    pause: Callable[[float], bool] = lambda seconds: False,
) -> Compacted:
    """Turn all sealed segments into history files. `pause(seconds)` is told how long each step took; True ends the run.

    `let_go(position)` is called when the log's segments up to a position are not needed any more. Raises CorruptLog
    where the log is damaged, OSError; then everything is as it was after the last whole file.
    """
    log.seal()
    tidy(storage, directory, log.known)
    files = segments = events = before = after = 0
    vectors: list[int] = []
    for job in plan(log.known):
        written = _write(storage, directory, log, history, job, codec, pause, vectors)
        if written is None:
            break
        _take_into_service(storage, directory, log, job, written)
        let_go(job.last_position)
        history.forget()
        files += 1
        segments += len(job.segments)
        events += job.last_position - job.segments[0].base_position + 1
        before += sum(segment.used_bytes for segment in job.segments)
        after += written.nbytes - (job.former.nbytes if job.former else 0)
    return Compacted(files, segments, events, before, after, sum(vectors))


def _write(
    storage: Storage,
    directory: str,
    log: Log,
    history: parquet.History,
    job: Job,
    codec: str,
    pause: Callable[[float], bool],
    vectors: list[int],
) -> HistoryFile | None:
    """Write, sync and prove one file; `vectors` is told the bytes of vectors in it. None where `pause` said to end."""
    folder = os.path.join(directory, parquet.FOLDER)
    storage.make_directory(folder)
    name = parquet.file_name(job.base_position, job.last_position)
    previous_chain = job.former.previous_chain if job.former else _chain_before(log, job.segments[0])
    facts: dict[str, Any] = {
        "store_uuid": log.store_uuid,
        "base_position": job.base_position,
        "last_position": job.last_position,
        "previous_chain": previous_chain,
        "chain": job.segments[-1].chain,
        "segments": [segment._asdict() for segment in job.segments],
    }
    log.wal.pin()
    told: list[int] = []
    try:
        data = parquet.encode(_paced(_groups(log, history, job, told), pause), codec, facts)
    except _Ended:
        return None
    finally:
        log.wal.unpin()
    temporary = os.path.join(folder, name + ".tmp")
    path = os.path.join(folder, name)
    try:
        storage.write_parts(temporary, [data])
        storage.sync_file(temporary)
        storage.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            storage.remove(temporary)
        raise
    storage.sync_directory(folder)
    written = HistoryFile(
        name,
        job.base_position,
        job.last_position,
        job.segments[-1].segment_id,
        len(data),
        crc32c(data),
        sum(segment.used_bytes for segment in job.segments) + (job.former.log_bytes if job.former else 0),
        previous_chain,
        job.segments[-1].chain,
    )
    reason = parquet.prove(storage, directory, written)
    if reason:
        with contextlib.suppress(OSError):
            storage.remove(path)
        raise CorruptLog(
            f"{path} would not say what the log says: {reason}; the log was kept",
            path=path,
            position=job.base_position,
            hint="look with `prime verify`; the log was not changed",
        )
    vectors += told
    return written


class _Ended(Exception):
    pass


def _paced(groups: Iterator[Gathered], pause: Callable[[float], bool]) -> Iterator[Gathered]:
    begun = time.perf_counter()
    for group in groups:
        yield group
        if pause(time.perf_counter() - begun):
            raise _Ended
        begun = time.perf_counter()


def _groups(log: Log, history: parquet.History, job: Job, vectors: list[int]) -> Iterator[Gathered]:
    if job.former is not None:
        for rows in history.groups(job.former):
            yield gather_rows(rows)
    position = job.segments[0].base_position
    count = parquet.ROW_GROUP_EVENTS
    while position <= job.last_position:
        count = min(count, job.last_position - position + 1)
        try:
            gathered = gather_records(log.wal, position, count)
        except ValueError as error:
            raise log.unreadable(position) from error
        if gathered.payload_bytes > parquet.ROW_GROUP_BYTES and count > 1:
            count = max(1, count // 4)
            continue
        vectors.append(_vector_bytes(gathered))
        yield gathered
        position += count
        count = parquet.ROW_GROUP_EVENTS


def _vector_bytes(gathered: Gathered) -> int:
    offsets, types = gathered.columns["event_type"]
    if VECTOR_STORED not in types:
        return 0
    at, payload = memoryview(offsets).cast("i"), memoryview(gathered.columns["payload"][0]).cast("i")
    vectors = (row for row in range(gathered.count) if types[at[row] : at[row + 1]] == VECTOR_STORED)
    return sum(payload[row + 1] - payload[row] for row in vectors)


def _chain_before(log: Log, segment: SealedSegment) -> str:
    if log.known.history:
        return log.known.history[-1].chain
    if segment.segment_id == 1:
        return bytes(16).hex()
    raise CorruptLog("the segments before the first one are unknown", hint="look with `prime verify`")


def _take_into_service(storage: Storage, directory: str, log: Log, job: Job, written: HistoryFile) -> None:
    gone = {segment.segment_id for segment in job.segments}

    def change(known: Manifest) -> Manifest:
        history = known.history[:-1] if job.former else known.history
        kept = tuple(segment for segment in known.segments if segment.segment_id not in gone)
        return known._replace(segments=kept, history=(*history, written))

    log.change_manifest(change)
    # From here on they are not needed. If power loss brings them back, they are passed over, and removed by the next
    # run.
    for segment in job.segments:
        _remove(storage, os.path.join(directory, "wal", segment_name(segment.base_position)))
    if job.former is not None:
        _remove(storage, parquet.path_of(directory, job.former.name))


def tidy(storage: Storage, directory: str, known: Manifest) -> None:
    """Remove what earlier runs left behind: files the manifest does not list, segments that became history."""
    folder = os.path.join(directory, parquet.FOLDER)
    listed = {file.name for file in known.history}
    with contextlib.suppress(OSError):
        if storage.is_directory(folder):
            for name in storage.names(folder):
                if name not in listed and name.endswith((".parquet", ".tmp")):
                    storage.remove(os.path.join(folder, name))
        first = segment_name(known.log_position)
        wal = os.path.join(directory, "wal")
        for name in storage.names(wal):
            if name.endswith(".wal") and name < first:
                storage.remove(os.path.join(wal, name))


def _remove(storage: Storage, path: str) -> None:
    with contextlib.suppress(OSError):
        storage.remove(path)
