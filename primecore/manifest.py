"""The manifest: which sealed segments a store has, and what was durable. Knows its own text and nothing of records."""

from __future__ import annotations

import contextlib
import json
import os
from typing import NamedTuple

from primecore._crc32c import crc32c
from primecore.errors import CorruptLog
from primecore.storage import Storage

FORMAT = 1
NAME = "MANIFEST"


class SealedSegment(NamedTuple):
    """A segment that never changes again. `chain` is the chain hash at its end, in hex."""

    segment_id: int
    base_position: int
    last_position: int
    used_bytes: int
    chain: str


class HistoryFile(NamedTuple):
    """A Parquet file that took the place of segments up to `segment_id`. Hashes are those of the log, in hex."""

    name: str
    base_position: int
    last_position: int
    segment_id: int
    nbytes: int
    crc32c: int
    log_bytes: int
    previous_chain: str
    chain: str


class Manifest(NamedTuple):
    """The contents of MANIFEST. `store_uuid` is hex; `durable_position` was true when this was written."""

    store_uuid: str
    created_us: int
    first_position: int = 1
    durable_position: int = 0
    segments: tuple[SealedSegment, ...] = ()
    history: tuple[HistoryFile, ...] = ()

    @property
    def log_position(self) -> int:
        """The first position that is in the log; those before it are in history files."""
        return self.history[-1].last_position + 1 if self.history else self.first_position

    @property
    def last_segment_id(self) -> int:
        """The last sealed segment, listed or in history; 0: none."""
        if self.segments:
            return self.segments[-1].segment_id
        return self.history[-1].segment_id if self.history else 0


def encode(manifest: Manifest) -> bytes:
    """The file's bytes: a line of JSON and a line with its checksum."""
    fields = manifest._asdict() | {
        "format": FORMAT,
        "segments": [segment._asdict() for segment in manifest.segments],
        "history": [file._asdict() for file in manifest.history],
    }
    body = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    return body + b"\ncrc32c %08x\n" % crc32c(body)


def decode(data: bytes, path: str) -> Manifest:
    """The manifest in `data`. Raises CorruptLog, naming `path`."""
    body, _, seal = data.partition(b"\n")
    if seal != b"crc32c %08x\n" % crc32c(body):
        raise _damaged(path, "its checksum does not hold")
    try:
        fields = json.loads(body)
        if fields.pop("format") != FORMAT:
            raise _damaged(path, "it was written by another version of Prime")
        segments = tuple(SealedSegment(**segment) for segment in fields.pop("segments"))
        history = tuple(HistoryFile(**file) for file in fields.pop("history", ()))
        return Manifest(**fields, segments=segments, history=history)
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(path, f"its fields are not those of a manifest ({error})") from error


def load(storage: Storage, directory: str) -> Manifest | None:
    """The manifest of the store in `directory`; None if it has none. Raises CorruptLog, OSError."""
    path = os.path.join(directory, NAME)
    return decode(storage.read(path), path) if storage.is_file(path) else None


def store(storage: Storage, directory: str, manifest: Manifest) -> None:
    """Replace the manifest: whole or not at all, and on stable storage when this returns. Raises OSError."""
    path = os.path.join(directory, NAME)
    temporary = path + ".tmp"
    try:
        storage.write(temporary, encode(manifest))
    except OSError:
        with contextlib.suppress(OSError):
            storage.remove(temporary)
        raise
    storage.replace(temporary, path)
    storage.sync_directory(directory)


def _damaged(path: str, reason: str) -> CorruptLog:
    return CorruptLog(
        f"{path} is damaged: {reason}",
        path=path,
        hint="the events in wal/ are not touched; look with `prime verify`, "
        "copy what holds with `prime repair --salvage NEWDIR`",
    )
