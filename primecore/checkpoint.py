"""Checkpoints: the tables as one file that is mapped back. Knows their bytes, and how to doubt them; not when to
write one.

docs/format.md ("Checkpoint") has the layout. A checkpoint only saves time: whatever does not fit, the log is replayed.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from primecore import _snapshot, manifest
from primecore._crc32c import crc32c
from primecore._dedupe import Dedupe
from primecore._image import PAGE_BYTES, Draft, Image
from primecore.config import EXACT_VECTORS
from primecore.errors import CorruptLog
from primecore.projections.runner import Views
from primecore.storage import Storage

FORMAT = 1
FOLDER = "checkpoints"
SUFFIX = ".checkpoint"
MAGIC = b"PRIMECKP"
ENDIAN_MARK = 0x01020304
# Magic, format, mark of the byte order, page size, catalogue bytes, hash bytes, file bytes, salt; then CRC-32Cs of the
# catalogue with the hashes behind it, and of this header.
HEADER = struct.Struct("=8sIIQQQQQII")
THREADS_FROM_BYTES = 16 << 20
ASIDE_FROM_BYTES = 4 << 20  # more than this another process writes out: making one takes a millisecond
SAVED = "projection:"  # how sections begin that hold what a projection of the user's own saved

Saved = dict[str, tuple[int, int, bytes]]  # name: version, position, bytes


class Checking:
    """Hashes every block of a checkpoint, on threads of its own while the log is opened.

    Nothing is looked up in a block before its hash is known to hold: damage shows in `wait`, and never in an answer.
    """

    def __init__(self, image: Image, hashes: bytes, salt: int, begin: int) -> None:
        self._begin = begin
        threads = min(4, os.cpu_count() or 1) if len(hashes) // 8 > THREADS_FROM_BYTES >> 20 else 1
        self._bad = [-1] * threads

        def check(number: int) -> None:
            self._bad[number] = image.check(hashes, salt, begin, number, threads)

        self._threads = [threading.Thread(target=check, args=(number,), daemon=True) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Raises Refused where a block is not what was written."""
        for thread in self._threads:
            thread.join()
        damaged = [block for block in self._bad if block >= 0]
        if damaged:
            raise Refused(f"the block of 1 MiB at offset {self._begin + (min(damaged) << 20)} is not what was written")


class Candidate(NamedTuple):
    """A checkpoint whose catalogue holds. Its sections are not checked yet."""

    path: str
    position: int
    last_time_us: int
    image: Image
    catalogue: dict[str, Any]
    hashes: bytes
    salt: int
    begin: int
    checking: Checking


class Written(NamedTuple):
    """A checkpoint that was written; `copying_seconds` is how long the tables had to stand still."""

    path: str
    position: int
    nbytes: int
    copying_seconds: float


class Refused(ValueError):
    """Why a checkpoint is not used, in one line."""


def folder_of(directory: str) -> str:
    """Where a store keeps its checkpoints."""
    return os.path.join(directory, FOLDER)


def positions(storage: Storage, directory: str) -> list[int]:
    """Positions of the checkpoints that are there, the latest first. Raises OSError."""
    folder = folder_of(directory)
    names = storage.names(folder) if storage.is_directory(folder) else []
    stems = [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]
    return sorted((int(stem) for stem in stems if stem.isdigit()), reverse=True)


def path_of(directory: str, position: int) -> str:
    """The file of the checkpoint of `position`."""
    return os.path.join(folder_of(directory), f"{position:020d}{SUFFIX}")


# --- writing


def layout(views: Views) -> dict[str, Any]:
    """What must be equal for the bytes of one process's tables to be those of another's."""
    return {
        "byteorder": sys.byteorder,
        "pointer_bytes": struct.calcsize("P"),
        "sizes": _snapshot.layout(),
        "projections": {view.name: view.version for view in views.all()},
    }


def draft(views: Views, dedupe: Dedupe, saved: Saved) -> Draft:
    """The tables as sections. Nobody may write to them before the draft is written out."""
    sections = Draft()
    _snapshot.dump(views.graph, sections)
    dedupe.dump(sections, "dedupe")
    views.vectors.dump_index(sections)
    for name, (version, position, data) in saved.items():
        sections.add_bytes(SAVED + name, data)
        sections.notes[SAVED + name] = {"version": version, "position": position}
    return sections


def write(
    storage: Storage,
    directory: str,
    make_draft: Callable[[], Draft],
    facts: Callable[[], dict[str, Any]],
    durable: Callable[[int], None],
    still: contextlib.AbstractContextManager[Any],
    *,
    owner: bool,
) -> Written:
    """Write a checkpoint and take it into service; then older ones are removed.

    `facts` has `store_uuid`, `position`, `mark` (of the event there) and `last_time_us`. `still` is held while the
    tables are read, or until another process has them; `durable(position)` waits until the log holds the position for
    good: only then the file gets its name. Raises OSError, and what `durable` raises; then everything is as before.
    """
    folder = folder_of(directory)
    storage.make_directory(folder)
    temporary = os.path.join(folder, f"{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with still:
            begun = time.perf_counter()
            told = facts()
            sections = make_draft()
            head = _Head(sections, told)
            aside = None
            if sections.nbytes >= ASIDE_FROM_BYTES:
                aside = storage.write_aside(temporary, sections, head.begin, head.salt)
            if aside is None:
                storage.write_parts(temporary, [head.sealed(sections.hashes(head.salt)), *sections.parts()])
            copying = time.perf_counter() - begun
        if aside is not None:
            aside.finish(head.sealed(aside.wait()))
        storage.sync_file(temporary)
        durable(told["position"])
        path = path_of(directory, told["position"])
        storage.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            storage.remove(temporary)
        raise
    storage.sync_directory(folder)
    tidy(storage, directory, told["position"], owner=owner)
    return Written(path, told["position"], head.begin + sections.nbytes, copying)


class _Head:
    """What stands before the sections: all but their hashes is known before they are written."""

    def __init__(self, sections: Draft, facts: dict[str, Any]) -> None:
        self.salt = int.from_bytes(os.urandom(8), "little")
        self._body = json.dumps(
            facts | {"sections": sections.sections, "notes": sections.notes, "created_us": time.time_ns() // 1000},
            sort_keys=True,
            separators=(",", ":"),
        ).encode()
        self._sections_bytes = sections.nbytes
        self.begin = _whole_pages(HEADER.size + len(self._body) + 8 * sections.blocks)

    def sealed(self, hashes: bytes) -> bytes:
        """The bytes up to `begin`."""
        file_bytes = self.begin + self._sections_bytes
        fields = (MAGIC, FORMAT, ENDIAN_MARK, PAGE_BYTES, len(self._body), len(hashes), file_bytes, self.salt)
        header = HEADER.pack(*fields, crc32c(self._body + hashes), 0)
        header = header[:-4] + struct.pack("=I", crc32c(header[:-4]))
        return (header + self._body + hashes).ljust(self.begin, b"\0")


def _whole_pages(nbytes: int) -> int:
    return (nbytes + PAGE_BYTES - 1) // PAGE_BYTES * PAGE_BYTES


def tidy(storage: Storage, directory: str, keep: int, *, owner: bool) -> None:
    """Remove checkpoints before `keep`, and files of attempts that were cut off. What cannot be removed stays.

    The owner of the store knows that what claims to come later is of another life of the log, and removes that too.
    """
    folder = folder_of(directory)
    with contextlib.suppress(OSError):
        for name in storage.names(folder):
            stem = name.removesuffix(SUFFIX)
            position = int(stem) if name.endswith(SUFFIX) and stem.isdigit() else keep
            old = position < keep or (owner and position > keep)
            if old or (name.endswith(".tmp") and not _is_being_written(name)):
                storage.remove(os.path.join(folder, name))


def _is_being_written(name: str) -> bool:
    pid = name.partition("-")[0]
    if not pid.isdigit() or int(pid) == os.getpid():
        return int(pid or 0) == os.getpid() and not name.endswith(f"-{threading.get_ident()}.tmp")
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# --- opening


def find(storage: Storage, directory: str) -> tuple[Candidate | None, list[str]]:
    """The latest checkpoint of this store whose catalogue holds, and why later ones do not. Never raises."""
    reasons: list[str] = []
    try:
        known = manifest.load(storage, directory)
        there = positions(storage, directory) if known is not None else []
    except (OSError, CorruptLog):
        return None, reasons  # opening the log meets the same, and says so
    for position in there:
        path = path_of(directory, position)
        try:
            return _open(storage, path, known.store_uuid if known else ""), reasons
        except (Refused, OSError, ValueError, TypeError, KeyError, MemoryError) as error:
            reasons.append(f"{path}: {error}")
    return None, reasons


def check(storage: Storage, directory: str) -> list[tuple[str, int, str]]:
    """(path, position, reason) of each checkpoint of which a byte is not what was written. Raises OSError."""
    found = []
    try:
        known = manifest.load(storage, directory)
    except CorruptLog:
        return []  # which is found elsewhere
    for position in positions(storage, directory):
        path = path_of(directory, position)
        try:
            _open(storage, path, known.store_uuid if known else "").checking.wait()
        except FileNotFoundError:
            continue  # a later one took its place
        except (Refused, OSError, ValueError, TypeError, KeyError, MemoryError) as error:
            found.append((path, position, str(error)))
    return found


def _open(storage: Storage, path: str, store_uuid: str) -> Candidate:
    mapping = storage.map(path, writable=False, fresh=True)
    view = memoryview(mapping)
    try:
        if len(view) < HEADER.size:
            raise Refused(f"it has {len(view)} bytes, fewer than its header")
        header = bytes(view[: HEADER.size])
        magic, form, mark, page, body_bytes, hash_bytes, file_bytes, salt, seal, own = HEADER.unpack(header)
        if magic != MAGIC:
            raise Refused("it does not begin with PRIMECKP")
        if mark != ENDIAN_MARK or form != FORMAT:
            raise Refused(f"it was written by another version of Prime, or on another kind of machine (format {form})")
        if own != crc32c(header[:-4]):
            raise Refused("its header's checksum does not hold")
        if page % PAGE_BYTES:
            raise Refused(f"it was written for pages of {page} bytes, this machine has {PAGE_BYTES}")
        if file_bytes != len(view):
            raise Refused(f"it has {len(view)} bytes instead of {file_bytes}")
        text = bytes(view[HEADER.size : HEADER.size + body_bytes + hash_bytes])
        begin = (HEADER.size + len(text) + page - 1) // page * page
        if seal != crc32c(text) or any(view[HEADER.size + len(text) : begin]):
            raise Refused("its catalogue's checksum does not hold")
    finally:
        view.release()
    catalogue = json.loads(text[:body_bytes])
    if catalogue["store_uuid"] != store_uuid:
        raise Refused("it belongs to another store")
    image = Image(mapping, begin, catalogue["sections"], catalogue["notes"])
    position, time_us = int(catalogue["position"]), int(catalogue["last_time_us"])
    checking = Checking(image, text[body_bytes:], salt, begin)
    return Candidate(path, position, time_us, image, catalogue, text[body_bytes:], salt, begin, checking)


def restore(
    found: Candidate, last_position: int, mark: Callable[[int], str], exact_vectors: int = EXACT_VECTORS
) -> tuple[Views, Dedupe, Saved]:
    """The tables of a checkpoint, every byte of them checked. Raises Refused with the reason where it is not to be
    used."""
    if found.position > last_position:
        raise Refused(f"it holds position {found.position}, but the log ends at {last_position}")
    views, dedupe = Views(exact_vectors), Dedupe()
    try:
        saved = _restore(found, views, dedupe, mark)
    except BaseException:
        views.graph.close()  # the parts of an open graph keep it, and its address space
        raise
    return views, dedupe, saved


def _restore(found: Candidate, views: Views, dedupe: Dedupe, mark: Callable[[int], str]) -> Saved:
    if found.catalogue["layout"] != layout(views):
        raise Refused("its tables are laid out otherwise: it was written by another version of Prime")
    found.checking.wait()
    if mark(found.position) != found.catalogue["mark"]:
        raise Refused(f"the log holds another event at position {found.position}")
    saved: Saved = {}
    try:
        for name in found.image.notes:
            if name.startswith(SAVED):
                noted = found.image.note(name)
                saved[name.removeprefix(SAVED)] = (noted["version"], noted["position"], found.image.get(name))
        _snapshot.load(views.graph, found.image)
        dedupe.load(found.image, "dedupe")
        views.vectors.load_index(found.image)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, OSError) as error:
        raise Refused(f"its tables do not fit: {error}") from error
    if (left := found.image.untaken()) or views.position != found.position:
        raise Refused(f"it holds what this version does not know: {', '.join(left) or views.position}")
    return saved


def describe(reasons: Iterable[str]) -> str:
    """One line on why the log was replayed although there were checkpoints; "" where there is nothing to say."""
    told = "; ".join(reasons)
    return f"a checkpoint was not used, the log was replayed instead: {told}" if told else ""
