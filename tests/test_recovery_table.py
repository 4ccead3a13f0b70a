"""The table of docs/format.md ("Recovery"), row by row: what is found, what is done, and what the message says.

Each refusal names the file, the offset, the position, what is safe and the next command, and changes no byte.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from support.sharing import wait_until
from wal_kit import append, append_batch, contents

from primecore import checking, copies, finder, salvaging
from primecore._crc32c import crc32c
from primecore.errors import CorruptLog, StorageFailure
from primecore.log import Log
from primecore.segments import SegmentSizes
from primecore.storage import RealStorage

TINY = SegmentSizes(first_bytes=8192, max_bytes=8192)
EVENTS = 120
HEADER_BYTES = 4096


def note(number: int) -> dict:
    return {"entity_id": f"node:a:{number}", "event_type": "note", "payload": b"%d" % number * 30}


def open_log(path: Path, **options) -> Log:
    return Log.open(path, segment_sizes=TINY, fsync_interval_ms=60_000, **options)


@pytest.fixture
def killed(tmp_path) -> Path:
    """A store as kill -9 left it: sealed segments, an active one, all of it durable and promised by a last batch."""
    log = open_log(tmp_path / "live")
    for number in range(EVENTS):
        append(log, note(number))
        log.flush()
    append_batch(log, [note(EVENTS)])
    wait_until(lambda: len(log._segments.manifest.segments) == len(log.wal.segment_list) - 1)
    shutil.copytree(tmp_path / "live", tmp_path / "s")
    log.close()
    return tmp_path / "s"


def segments(store: Path) -> list[Path]:
    return sorted((store / "wal").glob("*.wal"))


def base(segment: Path) -> int:
    return int(segment.name[:20])


def records(data: bytes) -> list[int]:
    """Offsets of a segment's records, and the end of the last."""
    at, found = HEADER_BYTES, []
    while at < len(data) and (length := struct.unpack_from("<I", data, at)[0]):
        found.append(at)
        at += length
    return [*found, at]


def change(path: Path, offset: int, *, header: bool = False) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 4
    if header:  # so that only its meaning is wrong
        struct.pack_into("<I", data, 508, crc32c(data[:508]))
    path.write_bytes(data)


def in_sealed(store: Path) -> tuple[Path, int, int]:
    path = segments(store)[1]
    offset = records(path.read_bytes())[3]
    change(path, offset + 90)
    return path, offset, base(path) + 3


def sealed_is_missing(store: Path) -> tuple[Path, int, int]:
    path = segments(store)[1]
    path.unlink()
    return path, 0, base(path)


def sealed_of_another_store(store: Path) -> tuple[Path, int, int]:
    path = segments(store)[2]
    change(path, 20, header=True)
    return path, 0, base(path)


def sealed_behind_another_chain(store: Path) -> tuple[Path, int, int]:
    path = segments(store)[2]
    change(path, 60, header=True)
    return path, 0, base(path)


def active_behind_another_chain(store: Path) -> tuple[Path, int, int]:
    path = segments(store)[-1]
    change(path, 60, header=True)
    return path, 0, base(path)


def active_is_missing(store: Path) -> tuple[Path, int, int]:
    path = segments(store)[-1]
    path.unlink()
    return path, 0, base(path)


def below_a_promise(store: Path) -> tuple[Path, int, int]:
    path = segments(store)[-1]
    offset = records(path.read_bytes())[1]
    change(path, offset + 90)
    return path, offset, base(path) + 1


REFUSED = [
    in_sealed,
    sealed_is_missing,
    sealed_of_another_store,
    sealed_behind_another_chain,
    active_behind_another_chain,
    active_is_missing,
    below_a_promise,
]


@pytest.mark.parametrize("harm", REFUSED)
def test_damage_is_refused_and_placed(killed: Path, harm: Callable[[Path], tuple[Path, int, int]]):
    path, offset, position = harm(killed)
    before = {file: file.read_bytes() for file in killed.rglob("*") if file.is_file() and file.name != "LOCK"}
    with pytest.raises(CorruptLog) as caught:
        open_log(killed)
    error, text = caught.value, str(caught.value)
    assert (error.path, error.offset, error.position) == (str(path), offset, position)
    said = (str(path), f"offset {offset}", f"position {position}", f"everything before position {position} is safe")
    for word in (*said, "nothing was changed", "prime verify", "prime repair --salvage", "read_only=True"):
        assert word in text, text
    after = {file: file.read_bytes() for file in killed.rglob("*") if file.is_file() and file.name != "LOCK"}
    assert after == before
    with open_log(killed, read_only=True) as reader:
        assert len(contents(reader)) == position - 1
        assert reader.recovery.damaged
        assert (reader.recovery.file, reader.recovery.offset, reader.recovery.position) == (str(path), offset, position)
        for word in (*said, "the log is damaged", "prime verify", "prime repair --salvage"):
            assert word in reader.recovery.message, reader.recovery.message


def test_zeros_where_a_promise_reaches_are_damage(killed: Path):
    with open_log(killed) as log:
        append(log, note(EVENTS + 1))
    path = segments(killed)[-1]  # closed: its header promises every event
    data = bytearray(path.read_bytes())
    last, end = records(data)[-2:]
    data[last:end] = bytes(end - last)
    path.write_bytes(data)
    with pytest.raises(CorruptLog, match=f"position {EVENTS + 2} were on stable storage") as caught:
        open_log(killed)
    assert (caught.value.path, caught.value.offset, caught.value.position) == (str(path), last, EVENTS + 2)


def zeroed(path: Path, number: int) -> int:
    """Zeros over one record of a segment, as a lost sector leaves them; gives its offset."""
    data = bytearray(path.read_bytes())
    offset, end = records(data)[number : number + 2]
    data[offset:end] = bytes(end - offset)
    path.write_bytes(data)
    return offset


def test_zeros_before_a_batch_that_promises_them_are_damage_to_all_who_look(killed: Path):
    path = segments(killed)[-1]
    offset, position = zeroed(path, 1), base(path) + 1
    with pytest.raises(CorruptLog) as caught:
        open_log(killed)
    assert (caught.value.path, caught.value.offset, caught.value.position) == (str(path), offset, position)
    with open_log(killed, read_only=True) as reader:
        assert reader.recovery.damaged and reader.recovery.offset == offset
        assert len(contents(reader)) == position - 1
    with pytest.raises(CorruptLog):
        copies.backup(RealStorage(), str(killed), str(killed) + ".backup", until=None)
    found = [it for it in checking.check_store(RealStorage(), str(killed)).findings if it.severity == "damage"]
    assert [(it.code, it.file, it.offset, it.position) for it in found] == [("record", str(path), offset, position)]


@pytest.mark.parametrize("which", [1, -1])
def test_what_stands_behind_zeros_is_salvaged_at_its_place(killed: Path, which: int):
    path = segments(killed)[which]
    lost = base(path) + 1
    with open_log(killed, read_only=True) as reader:
        before = contents(reader)
    zeroed(path, 1)
    target = killed.parent / "saved"
    report = salvaging.salvage(RealStorage(), str(killed), str(target))
    assert [(it.first_position, it.last_position) for it in report.lost_ranges] == [(lost, lost)]
    with open_log(target) as log:
        after = contents(log)
    assert len(after) == len(before)
    assert [a for n, a in enumerate(after, 1) if n != lost] == [b for n, b in enumerate(before, 1) if n != lost]


@pytest.fixture
def early(tmp_path) -> tuple[Path, Path, bytes, int]:
    """A store when its owner had written one event, its segment, what that holds later, and where the second begins.

    Later a batch promises the five events before it.
    """
    with open_log(tmp_path / "live") as log:
        append(log, note(0))
        log.flush()
        shutil.copytree(tmp_path / "live", tmp_path / "s")
        for number in range(1, 5):
            append(log, note(number))
        log.flush()
        append_batch(log, [note(5), note(6)])
        (live,) = segments(tmp_path / "live")
        data = live.read_bytes()
    (path,) = segments(tmp_path / "s")
    return tmp_path / "s", path, data, records(data)[1]


def write_from(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data[offset:])


def test_a_reader_that_follows_is_told_of_damage_before_a_promise(early):
    """It was opened when all that was there held, and meets the damage on its way: it says so at every look."""
    store, path, data, begin = early
    with open_log(store, read_only=True) as reader:
        assert reader.recovery is None and reader.wal.last_position == 1
        changed = bytearray(data)
        changed[begin + 90] ^= 4
        write_from(path, begin, changed)
        for _ in range(2):
            with pytest.raises(CorruptLog, match="up to position 5 were on stable storage") as caught:
                reader.refresh()
            assert (caught.value.path, caught.value.offset, caught.value.position) == (str(path), begin, 2)
        assert reader.wal.last_position == 1 and len(contents(reader)) == 1


def test_a_reader_does_not_take_for_damage_what_an_owner_writes_on(early, monkeypatch):
    """Between a walk and the look for promises behind it the owner may write on, and promise what is there by then."""
    store, path, data, begin = early
    real = finder.Finder._look_behind

    def late(self, ending):
        write_from(path, begin, data)
        return real(self, ending)

    monkeypatch.setattr(finder.Finder, "_look_behind", late)
    with open_log(store, read_only=True) as reader:
        assert reader.recovery is None and len(contents(reader)) == 7


@pytest.mark.parametrize("number", [0, 2, -1])
def test_a_read_error_is_never_a_tail(killed: Path, number: int, monkeypatch):
    path = segments(killed)[number]
    real = RealStorage.map

    def failing(self, name, **options):
        if name == str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO), name)
        return real(self, name, **options)

    monkeypatch.setattr(RealStorage, "map", failing)
    for read_only in (False, True):
        with pytest.raises(StorageFailure, match="nothing was taken for a torn tail") as caught:
            open_log(killed, read_only=read_only)
        assert str(path) in str(caught.value)
    monkeypatch.undo()
    with open_log(killed) as log:
        assert len(contents(log)) == EVENTS + 1


def test_a_tail_that_nobody_promised_is_set_aside(tmp_path):
    """Copied, blanked, reported; what follows it in later segments goes along."""
    log = open_log(tmp_path / "live")
    for number in range(5):
        append(log, note(number))
    log.flush()
    for number in range(5, 60):
        append(log, note(number))
    assert len(log.wal.segment_list) > 2
    shutil.copytree(tmp_path / "live", tmp_path / "s")
    log.close()
    store = tmp_path / "s"
    first, *later = segments(store)
    data = first.read_bytes()
    offset, end = records(data)[9], records(data)[-1]
    change(first, offset + 90)
    torn = first.read_bytes()[offset:end].rstrip(b"\0")  # zeros at the end are nothing
    gone = {file.name: file.read_bytes() for file in later}
    with open_log(store) as log:
        report = log.recovery
        assert len(contents(log)) == report.events == 9 and not report.damaged
        assert (report.file, report.offset, report.position) == (str(first), offset, 10)
        assert report.bytes_set_aside == len(torn) + sum(map(len, gone.values()))
        for word in (str(first), f"offset {offset}", f"{report.bytes_set_aside} bytes", "quarantine", "all 9 events"):
            assert word in report.message
        kept = {file.name: file.read_bytes() for file in (store / "quarantine").iterdir()}
        assert torn in kept.values()
        for name, held in gone.items():
            assert [data for file, data in kept.items() if file.endswith(name)] == [held]
        assert first.read_bytes()[offset:] == bytes(len(data) - offset) and segments(store) == [first]
    with open_log(store) as log:
        assert log.recovery is None and len(contents(log)) == 9
