"""What an owner does about the end of a log: refuse damage, set a torn tail aside, sync the rest. Knows no event.

docs/format.md ("Recovery") has the table this follows; finder.py finds what there is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import NamedTuple

from primecore._segment import Segment
from primecore.errors import CorruptLog
from primecore.finder import Ending, Finder, Found, segment_name
from primecore.manifest import Manifest
from primecore.storage import ZEROS, Storage

LOOK = "look with `prime verify`, read what holds with read_only=True, copy it with `prime repair --salvage NEWDIR`"
SET_ASIDE = "opening it for writing sets the tail aside in quarantine/"


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


def refusal(end: Ending) -> CorruptLog:
    """The error for a log that must not be written to, nor read on."""
    return CorruptLog(
        f"{end.file}, offset {end.offset}, position {end.position}: {end.reason}; "
        f"everything before position {end.position} is safe, nothing was changed",
        path=end.file,
        offset=end.offset,
        position=end.position,
        hint=LOOK,
    )


def describe(end: Ending | None, events: int) -> RecoveryReport | None:
    """What a reader is told, who moves nothing."""
    if end is None:
        return None
    what, then = ("the log is damaged", LOOK) if end.damaged else ("the log has a torn tail", SET_ASIDE)
    message = (
        f"{what}: {end.file}, offset {end.offset}, position {end.position}: {end.reason}; reading ends there, "
        f"everything before position {end.position} is safe: {then}"
    )
    return RecoveryReport(events, 0, "", end.file, end.offset, end.position, end.reason, end.damaged, message)


def recover(
    storage: Storage,
    directory: str,
    known: Manifest,
    written: bool,
    announce: Callable[[], object],
    trusted_position: int = 0,
) -> tuple[Finder, RecoveryReport | None]:
    """Find the end for a writer, set aside what lies behind it, and bring the rest to stable storage.

    `announce` is called before the first change. Raises CorruptLog (nothing was changed) and OSError.
    """
    wal = os.path.join(directory, "wal")
    finder = Finder(storage, directory, known, writable=True, written=written, trusted_position=trusted_position)
    found = finder.find()
    if found.end and found.end.damaged:
        raise refusal(found.end)
    announce()
    report = set_aside(storage, directory, found, finder.last_position - known.first_position + 1)
    last = finder.segments[-1]
    if last.mapping.nbytes < last.header.segment_bytes:
        storage.extend(os.path.join(wal, segment_name(last.base_position)), last.header.segment_bytes)
        del last, found
        finder = Finder(storage, directory, known, writable=True, written=written, trusted_position=trusted_position)
        finder.find()
    if finder.clean and report is None:
        # Not clean any more from the first append on. Synced, since power loss may keep a record and lose this.
        finder.segments[-1].promise(finder.last_position, False)
        finder.segments[-1].mapping.sync()
    else:
        for segment in finder.segments[len(known.segments) :]:
            segment.mapping.rewrite(segment.tail)
            segment.mapping.sync()
        storage.sync_directory(wal)
    finder.segments[-1].mapping.expect_writes()
    report = _clear_prepared(storage, directory, report, finder.last_position)
    return finder, report


def _clear_prepared(
    storage: Storage, directory: str, report: RecoveryReport | None, last_position: int
) -> RecoveryReport | None:
    # A prepared segment holds zeros, unless power was lost when its bytes had reached the disk and its name had not.
    wal = os.path.join(directory, "wal")
    for name in [name for name in storage.names(wal) if name.endswith(".tmp")]:
        path = os.path.join(wal, name)
        data = storage.read(path)
        if not _all_zeros(data):
            quarantine = os.path.join(directory, "quarantine")
            storage.make_directory(quarantine)
            target = os.path.join(quarantine, _unused(storage, quarantine, last_position + 1, 0) + ".wal")
            storage.replace(path, target)
            storage.sync_directory(quarantine)
            message = f"{path}: a segment that never took its name ({len(data)} bytes) was moved to {target}"
            report = report or RecoveryReport(
                last_position,
                len(data),
                target,
                path,
                0,
                last_position + 1,
                "a segment without its name",
                False,
                message,
            )
        else:
            storage.remove(path)
    return report


def _all_zeros(data: bytes) -> bool:
    return all(data[at : at + len(ZEROS)] == ZEROS[: len(data) - at] for at in range(0, len(data), len(ZEROS)))


def set_aside(storage: Storage, directory: str, found: Found, events: int) -> RecoveryReport | None:
    """Copy a torn tail and all later segments to quarantine/, then blank it; nothing is lost at any point between.

    Raises OSError.
    """
    end = found.end
    if end is None and not found.leftovers:
        return None
    quarantine = os.path.join(directory, "quarantine")
    wal = os.path.join(directory, "wal")
    storage.make_directory(quarantine)
    torn = [*found.leftovers, *([found.segments[-1]] if end else [])]
    stem = os.path.join(quarantine, _unused(storage, quarantine, torn[-1].base_position, torn[-1].tail))
    where, nbytes = "", 0
    for segment in torn:
        target = f"{stem}.{'' if segment is torn[-1] else segment_name(segment.base_position) + '.'}bytes"
        copied = _copy_tail(storage, segment, target)
        nbytes += copied
        where = target if copied else where
    for name in found.later:
        where = where or f"{stem}.{name}"
        nbytes += storage.identity(os.path.join(wal, name))[1]
        storage.replace(os.path.join(wal, name), f"{stem}.{name}")
    storage.sync_directory(quarantine)
    if found.later:
        storage.sync_directory(wal)
    if end is None:
        file = os.path.join(wal, segment_name(torn[-1].base_position))
        reason = "a batch that was moved to the next segment and never committed"
        end = Ending(file, torn[-1].tail, torn[-1].last_position + 1, reason, False)
    for segment in torn:
        segment.blank_tail()
        segment.mapping.sync()
    message = (
        f"{end.file}, offset {end.offset}: {end.reason}; {nbytes} bytes that were never confirmed as durable "
        f"were moved to {where or quarantine}, all {events} events before them are there"
    )
    return RecoveryReport(events, nbytes, where, end.file, end.offset, end.position, end.reason, False, message)


def _copy_tail(storage: Storage, segment: Segment, target: str) -> int:
    """Copy what stands behind a segment's end; gives the number of bytes. On a full disk it leaves no part of it."""
    with memoryview(segment.mapping)[segment.tail : segment.end_of_bytes()] as torn:
        if torn.nbytes:
            try:
                storage.write(target, torn)
            except OSError:
                with contextlib.suppress(OSError):
                    storage.remove(target)
                raise
        return torn.nbytes


def _unused(storage: Storage, quarantine: str, base_position: int, offset: int) -> str:
    taken = storage.names(quarantine)
    number = 1
    while any(name.startswith(f"{base_position:020d}-{offset}-{number}.") for name in taken):
        number += 1
    return f"{base_position:020d}-{offset}-{number}"
