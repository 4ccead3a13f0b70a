"""Backups of a store and stores out of backups. Reads beside a live owner; knows segments, no event.

A backup is a directory of its own form (docs/format.md, "Backup"): segments cut off behind their last record, and a
manifest, written last, that lists them with their hashes. Files are copies, never links to the store's own: what
damages a store's bytes must not reach its backup.
"""

from __future__ import annotations

import json
import os
import time
from typing import NamedTuple

import xxhash

from primecore import _audit, lock, manifest, parquet
from primecore._crc32c import crc32c
from primecore._mapping import Mapping
from primecore._segment import Segment, SegmentHeader
from primecore.checking import Progress
from primecore.errors import CorruptLog, DataError, InvalidArgument, StoreLocked, StoreNotFound
from primecore.finder import Finder, segment_name
from primecore.manifest import HistoryFile, Manifest
from primecore.model import BackupReport, RestoreReport
from primecore.newstore import NewStore, check_from_first
from primecore.recovery import refusal
from primecore.storage import Storage

NAME = "BACKUP"
FOLDER = "segments"
FORMAT = 1
HEADER_BYTES = 4096
FIXED_BYTES = 512
RETRIES = 2
PAUSE_S = 0.05


class Part(NamedTuple):
    """One segment in a backup: `bytes` long, up to the end of the record (or commit) of `last_position`."""

    file: str
    segment_id: int
    base_position: int
    last_position: int
    bytes: int
    chain: str
    xxh3_128: str


class Contents(NamedTuple):
    """What a backup's manifest says."""

    store_uuid: str
    store_created_us: int
    created_us: int
    position: int
    parts: tuple[Part, ...]
    history: tuple[HistoryFile, ...] = ()  # what comes before the parts, as the store lists it


# --- the backup's manifest


def encode(contents: Contents) -> bytes:
    """The file's bytes: a line of JSON and a line with its checksum."""
    fields = contents._asdict() | {
        "format": FORMAT,
        "parts": [part._asdict() for part in contents.parts],
        "history": [file._asdict() for file in contents.history],
    }
    body = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    return body + b"\ncrc32c %08x\n" % crc32c(body)


def load(storage: Storage, directory: str) -> Contents | None:
    """What the backup in `directory` holds; None if there is none. Raises CorruptLog, OSError."""
    path = os.path.join(directory, NAME)
    if not storage.is_file(path):
        return None
    body, _, seal = storage.read(path).partition(b"\n")
    try:
        if seal != b"crc32c %08x\n" % crc32c(body):
            raise ValueError("its checksum does not hold")
        fields = json.loads(body)
        if fields.pop("format") != FORMAT:
            raise ValueError("it was written by another version of Prime")
        parts = tuple(Part(**part) for part in fields.pop("parts"))
        history = tuple(HistoryFile(**file) for file in fields.pop("history", ()))
        return Contents(**fields, parts=parts, history=history)
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: str, what: str) -> CorruptLog:
    return CorruptLog(f"{path} is damaged: {what}", path=path, hint="nothing was changed; use another backup")


# --- making one


def backup(
    storage: Storage, directory: str, target: str, *, until: int | None = None, progress: Progress | None = None
) -> BackupReport:
    """Let the backup in `target` hold every event of the store in `directory` up to a durable position.

    `until` is a position known to be durable; without it, what stands in the log now is brought to stable storage
    first. The log is checked while it is read: damage is never backed up. Raises StoreNotFound, CorruptLog,
    InvalidArgument, StoreLocked, DataError, OSError.
    """
    begun = time.perf_counter()
    directory, target = os.path.abspath(directory), os.path.abspath(target)
    inside = os.path.commonpath([os.path.realpath(directory), os.path.realpath(target)])
    if inside in (os.path.realpath(directory), os.path.realpath(target)):
        raise InvalidArgument(f"{target} and the store lie in one another", hint="name a directory outside the store")
    finder, mapped = _find(storage, directory, until)
    known, segments = finder.manifest, [segment for segment in finder.segments if segment.event_count]
    position = finder.last_position
    storage.make_directory(target)
    with _owned(storage, target):
        before = _previous(storage, target, known, position)
        storage.make_directory(os.path.join(target, FOLDER))
        kept = {part.base_position: part for part in before.parts} if before else {}
        parts: list[Part] = []
        copied, copied_bytes = _copy_history(storage, target, known.history, mapped, before)
        for segment in segments:
            part = _unchanged(storage, target, segment, kept.get(segment.base_position))
            if part is None:
                part = _copy_segment(storage, target, segment, kept.get(segment.base_position))
                copied, copied_bytes = copied + 1, copied_bytes + part.bytes
            parts.append(part)
            if progress is not None:
                progress(part.last_position, position, part.last_position)
        storage.sync_directory(os.path.join(target, FOLDER))
        contents = Contents(
            known.store_uuid, known.created_us, time.time_ns() // 1000, position, tuple(parts), known.history
        )
        _publish(storage, target, contents)
        _clear(storage, target, contents)
    return BackupReport(
        target, known.store_uuid, position, len(parts) + len(known.history), _bytes_of(contents), copied, copied_bytes,
        time.perf_counter() - begun,
    )  # fmt: skip


def _bytes_of(contents: Contents) -> int:
    return sum(part.bytes for part in contents.parts) + sum(file.nbytes for file in contents.history)


def _find(storage: Storage, directory: str, until: int | None) -> tuple[Finder, list[Mapping]]:
    """The log, walked, its last segment cut off behind `until`; and its history files, whatever becomes of their names.

    Raises CorruptLog, StoreNotFound, OSError.
    """
    for _ in range(RETRIES):
        try:
            return _find_once(storage, directory, until)
        except (CorruptLog, FileNotFoundError):
            # An owner who is at work may show half of what it writes; damage is still there the next time.
            time.sleep(PAUSE_S)
    return _find_once(storage, directory, until)


def _find_once(storage: Storage, directory: str, until: int | None) -> tuple[Finder, list[Mapping]]:
    known = manifest.load(storage, directory) if storage.is_directory(directory) else None
    if known is None:
        raise StoreNotFound(f"there is no store in {directory}", hint="check the path")
    check_from_first(known, directory)
    if until is None:
        # The end is looked for first and synced then: all that was found is durable, whatever comes behind it.
        until = _look(storage, directory, known).last_position
        wal = os.path.join(directory, "wal")
        sealed = segment_name(known.segments[-1].base_position) if known.segments else ""
        for name in storage.names(wal):
            if name.endswith(".wal") and name > sealed:
                storage.sync_file(os.path.join(wal, name))
        storage.sync_directory(wal)
    finder = _look(storage, directory, known)
    mapped = [storage.map(parquet.path_of(directory, file.name), writable=False) for file in known.history]
    until = max(until, known.log_position - 1)  # what became history was durable before
    while finder.segments and finder.segments[-1].base_position > max(until, 1):
        finder.segments.pop()
    if finder.last_position < until:
        raise CorruptLog(
            f"{directory} ends at position {finder.last_position}, not at {until}", path=directory,
            hint="look with `prime verify`",
        )  # fmt: skip
    if finder.segments:
        _audit.cut(finder.segments[-1], until)
    return finder, mapped


def _look(storage: Storage, directory: str, known: Manifest) -> Finder:
    finder = Finder(storage, directory, known, writable=False, written=False)
    found = finder.find()
    if found.end is not None and found.end.damaged:
        raise refusal(found.end)
    return finder


class _owned:
    """The lock of a backup, so that two runs do not write into one directory."""

    def __init__(self, storage: Storage, target: str) -> None:
        try:
            self._held = lock.acquire(storage, target)
        except StoreLocked as error:
            raise StoreLocked(f"another backup is being written to {target}", hint="wait for it") from error

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._held.close()


def _previous(storage: Storage, target: str, known: Manifest, position: int) -> Contents | None:
    """What the target holds so far, which must be an earlier backup of this store, or nothing of anybody's."""
    before = load(storage, target)
    if before is None:
        own = (lock.NAME, FOLDER, parquet.FOLDER, NAME + ".tmp")
        strangers = [name for name in storage.names(target) if name not in own]
        if strangers:
            raise InvalidArgument(
                f"{target} holds {strangers[0]} and is no backup; nothing was changed", hint="name a new directory"
            )
        return None
    if before.store_uuid != known.store_uuid:
        raise InvalidArgument(
            f"{target} is a backup of another store ({before.store_uuid})", hint="name a directory of its own"
        )
    if before.position > position:
        raise _parted(target, f"it holds events up to position {before.position}, the store ends at {position}")
    return before


def _copy_history(
    storage: Storage, target: str, files: tuple[HistoryFile, ...], mapped: list[Mapping], before: Contents | None
) -> tuple[int, int]:
    """Copy the history files that are not there yet, and prove each copy; gives how many and their bytes.

    What the backup had before of the same positions must have been the same events. Raises CorruptLog, DataError,
    OSError.
    """
    copied = copied_bytes = 0
    there = before.history if before is not None else ()
    replaced = {it.name for it in there} & {file.name for file in files if file not in there}
    if replaced:
        raise _parted(target, f"the store has another {min(replaced)}")
    for file, mapping in zip(files, mapped, strict=True):
        path = parquet.path_of(target, file.name)
        if file in there and storage.is_file(path) and storage.identity(path)[1] == file.nbytes:
            continue
        storage.make_directory(os.path.dirname(path))
        with memoryview(mapping) as source:
            storage.write(path + ".tmp", source)
        storage.replace(path + ".tmp", path)
        reason = parquet.prove(storage, target, file)
        if reason:
            storage.remove(path)
            raise CorruptLog(
                f"the history file {file.name} does not hold: {reason}; it was not backed up", path=file.name,
                position=file.base_position, hint="look with `prime verify`",
            )  # fmt: skip
        copied, copied_bytes = copied + 1, copied_bytes + file.nbytes
    if files:
        storage.sync_directory(os.path.join(target, parquet.FOLDER))
    if before is not None:
        _check_history(storage, target, files, before)
    return copied, copied_bytes


def _check_history(storage: Storage, target: str, files: tuple[HistoryFile, ...], before: Contents) -> None:
    """Raises DataError where what the backup had before of these positions was something else."""
    had: list[Part | HistoryFile] = [*before.history, *before.parts]
    had = [it for it in had if files and it.last_position <= files[-1].last_position]
    if before.history and (not files or before.history[-1].last_position > files[-1].last_position):
        raise _parted(target, "it holds history files that the store does not have")
    if not had:
        return
    last = max(had, key=lambda it: it.last_position)  # the hash of its end covers everything before
    file = next(it for it in files if it.base_position <= last.last_position <= it.last_position)
    if last.last_position == file.last_position:
        chain = file.chain
    else:
        chain = parquet.chain_at(storage, target, file, last.last_position)
    if chain != last.chain:
        raise _parted(target, f"they hold other events up to position {last.last_position}")


def _parted(target: str, what: str) -> DataError:
    return DataError(
        f"the backup in {target} and the store have parted: {what}; nothing was changed",
        hint="keep that backup, and make another in a new directory",
    )


def _unchanged(storage: Storage, target: str, segment: Segment, old: Part | None) -> Part | None:
    if old is None or (old.last_position, old.bytes) != (segment.last_position, segment.tail):
        return None
    if old.chain != segment.chain().hex():
        raise _parted(target, f"they hold other events from position {segment.base_position} on")
    path = os.path.join(target, FOLDER, old.file)
    return old if storage.is_file(path) and storage.identity(path)[1] == old.bytes else None


def _copy_segment(storage: Storage, target: str, segment: Segment, old: Part | None) -> Part:
    """Copy header (without promises) and records. What an earlier backup has of it must be how it begins."""
    with memoryview(segment.mapping) as source:
        data = bytearray(source[: segment.tail])
    data[FIXED_BYTES:HEADER_BYTES] = bytes(HEADER_BYTES - FIXED_BYTES)
    if old is not None and (
        old.bytes > len(data) or xxhash.xxh3_128_hexdigest(memoryview(data)[: old.bytes]) != old.xxh3_128
    ):
        raise _parted(target, f"they hold other events from position {segment.base_position} on")
    chain = segment.chain().hex()
    name = f"{segment.base_position:020d}-{segment.last_position:020d}.wal"
    path = os.path.join(target, FOLDER, name)
    storage.write(path + ".tmp", memoryview(data))
    storage.replace(path + ".tmp", path)
    return Part(
        name, segment.segment_id, segment.base_position, segment.last_position, len(data), chain,
        xxhash.xxh3_128_hexdigest(data),
    )  # fmt: skip


def _publish(storage: Storage, target: str, contents: Contents) -> None:
    path = os.path.join(target, NAME)
    storage.write(path + ".tmp", encode(contents))
    storage.replace(path + ".tmp", path)
    storage.sync_directory(target)


def _clear(storage: Storage, target: str, contents: Contents) -> None:
    """Remove what no manifest lists any more: shorter copies of the last segment, and what a crash left."""
    listed = {part.file for part in contents.parts}
    folder = os.path.join(target, FOLDER)
    for name in storage.names(folder):
        if name not in listed:
            storage.remove(os.path.join(folder, name))
    history = os.path.join(target, parquet.FOLDER)
    listed = {file.name for file in contents.history}
    for name in storage.names(history) if storage.is_directory(history) else ():
        if name not in listed:
            storage.remove(os.path.join(history, name))


# --- a store out of one


def restore(storage: Storage, source: str, target: str, *, progress: Progress | None = None) -> RestoreReport:
    """Make a new store at `target` out of the backup in `source`, all of which is checked first.

    The store has a UUID of its own, so that two stores that go on apart are never taken for one. Raises StoreNotFound,
    InvalidArgument, CorruptLog, StoreLocked, OSError.
    """
    begun = time.perf_counter()
    source, target = os.path.abspath(source), os.path.abspath(target)
    contents = load(storage, source) if storage.is_directory(source) else None
    if contents is None:
        raise StoreNotFound(f"there is no backup in {source}", hint="name the directory that `prime backup` wrote")
    total = 2 * _bytes_of(contents)
    done = 0
    for file in contents.history:
        path = parquet.path_of(source, file.name)
        reason = parquet.prove(storage, source, file) if os.path.basename(path) == file.name else "it has no such name"
        if reason:
            raise _damaged(path, reason)
        done += file.nbytes
        if progress is not None:
            progress(done, total, file.last_position)
    for part in contents.parts:
        _read_part(storage, source, part)
        done += part.bytes
        if progress is not None:
            progress(done, total, part.last_position)
    with NewStore(storage, target, created_us=contents.store_created_us) as new:
        for file in contents.history:
            _restore_history(storage, new, file, source)
            done += file.nbytes
            if progress is not None:
                progress(done, total, file.last_position)
        for part in contents.parts:
            _restore_part(new, part, _read_part(storage, source, part), os.path.join(source, FOLDER, part.file))
            done += part.bytes
            if progress is not None:
                progress(done, total, part.last_position)
        if new.last_position != contents.position:
            raise _damaged(os.path.join(source, NAME), f"its parts end at position {new.last_position}")
        store_uuid = new.finish()
    return RestoreReport(
        target, source, store_uuid, contents.store_uuid, contents.position,
        len(contents.parts) + len(contents.history), _bytes_of(contents), time.perf_counter() - begun,
    )  # fmt: skip


def _read_part(storage: Storage, source: str, part: Part) -> bytes:
    path = os.path.join(source, FOLDER, part.file)
    if os.path.basename(part.file) != part.file or not storage.is_file(path):
        raise _damaged(path, "it is missing")
    data = storage.read(path)
    if len(data) != part.bytes or xxhash.xxh3_128_hexdigest(data) != part.xxh3_128:
        raise _damaged(path, "its bytes are not those that were backed up")
    return data


def _restore_history(storage: Storage, new: NewStore, file: HistoryFile, source: str) -> None:
    path = parquet.path_of(source, file.name)
    before = new.known.history[-1] if new.known.history else None
    due = (1, bytes(16).hex()) if before is None else (before.last_position + 1, before.chain)
    if (file.base_position, file.previous_chain) != due:
        raise _damaged(path, "it does not follow the file before it")
    data = storage.read(path)
    if len(data) != file.nbytes or crc32c(data) != file.crc32c:
        raise _damaged(path, "its bytes are not those that were backed up")
    new.add_history(file, data)


def _restore_part(new: NewStore, part: Part, data: bytes, path: str) -> None:
    header = _header_of(data)
    before = new.segments[-1] if new.segments else None
    due = (1, 1, 0, bytes(16))
    if before is None and new.known.history:
        last = new.known.history[-1]  # which does not tell how long its last segment was
        due = (last.segment_id + 1, last.last_position + 1, header.previous_bytes, bytes.fromhex(last.chain))
    if before is not None:
        due = (before.segment_id + 1, before.last_position + 1, before.tail, before.chain())
    if (header.segment_id, header.base_position, header.previous_bytes, header.previous_chain) != due:
        raise _damaged(path, "it does not follow the part before it")
    segment = new.copy(header, memoryview(data)[HEADER_BYTES:])
    if (segment.last_position, segment.tail, segment.chain().hex()) != (part.last_position, part.bytes, part.chain):
        raise _damaged(path, "its records are not those that were backed up")


def _header_of(data: bytes) -> SegmentHeader:
    mapping = Mapping.memory(HEADER_BYTES)
    with memoryview(mapping) as room:
        room[:] = data[:HEADER_BYTES]
    return Segment.open(mapping).header
