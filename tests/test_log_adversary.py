"""Ways in which a log once could lose, double, invent or hide an event. Each test's head tells the story."""

import errno
import os
import random
import shutil
import sys
import time
from pathlib import Path

import pytest
from wal_kit import append, append_batch, contents, expected

from primecore import _wal_door as door
from primecore._mapping import Faults
from primecore.errors import DiskFull, OutcomeUnknown, StorageFailure, StoreLocked, StorePoisoned
from primecore.log import Log
from primecore.memory_storage import MemoryStorage
from primecore.segments import SegmentSizes
from primecore.storage import FaultyStorage, RealStorage

TINY = SegmentSizes(first_bytes=8192, max_bytes=8192)
FIRST = f"/s/wal/{1:020d}.wal"


def same_size(number: int, life: str = "a") -> dict:
    return {"entity_id": f"node:{life}:{number:04d}", "event_type": "prime.node.created", "payload": b"{}"}


def open_log(storage, **options):
    options = {"segment_sizes": TINY, "fsync_interval_ms": 60_000} | options
    return Log.open("/s", storage=storage, **options)


class CloneAtRename(MemoryStorage):
    """Keeps what kill -9 would leave at the moment a segment has just taken its name."""

    clone = None

    def replace(self, source, target):
        super().replace(source, target)
        if target.endswith(".wal"):
            self.clone = self.crash_clone(random.Random(0), keep_everything=True)


def test_an_open_batch_left_in_the_segment_before_is_never_read_again():
    """Rotation takes an open batch along to the new segment and blanks the old place; killed between the two, the old
    segment keeps the batch's records behind its end. A scan (and so replay) once walked on into them and gave events
    that were never committed, in place of those that took their positions later."""
    disk = CloneAtRename()
    log = open_log(disk)
    number = 0
    while log.wal.segment_list[-1].tail < 7500:
        append(log, same_size(number))
        number += 1
    disk.clone = None
    append_batch(log, [same_size(1000 + n, "ghost") for n in range(12)])
    crashed = disk.clone
    log.close()
    assert crashed is not None and b"ghost" in crashed.read(FIRST)
    with open_log(crashed) as log:
        assert contents(log) == [expected(same_size(n)) for n in range(number)]
        assert log.recovery is not None and log.recovery.bytes_set_aside
        assert b"ghost" in crashed.read(log.recovery.quarantine)
        for n in range(number, number + 5):
            append(log, same_size(n))
        assert contents(log) == [expected(same_size(n)) for n in range(number + 5)]
    assert b"ghost" not in crashed.read(FIRST)
    with open_log(crashed) as log:
        assert contents(log) == [expected(same_size(n)) for n in range(number + 5)] and log.recovery is None


def test_a_lost_event_does_not_come_back_behind_a_later_one():
    """A store that was closed cleanly and opened again is no longer clean. That mark was once not synced: power loss
    could undo it and the first new record, and keep the second. The log then looked clean, the second record was left
    standing behind the end, and an event of the same size appended later joined up with it."""
    disk = MemoryStorage()
    with open_log(disk) as log:
        append(log, same_size(0))
    log = open_log(disk)
    before = bytes(disk._file(FIRST).content.synced_copy())
    manifest = disk.read("/s/MANIFEST")
    tail = log.wal.segment_list[0].tail
    append(log, same_size(1))
    size = log.wal.segment_list[0].tail - tail
    append(log, same_size(2, "lost"))
    now = disk.read(FIRST)
    log.close()
    # Power loss: of all bytes since the last sync, only those of the second record reached the disk.
    crashed = MemoryStorage()
    crashed.make_directory("/s")
    crashed.make_directory("/s/wal")
    crashed.write("/s/MANIFEST", manifest)
    at = tail + size
    crashed.write(FIRST, before[:at] + now[at : at + size] + before[at + size :])
    log = open_log(crashed)
    assert contents(log) == [expected(same_size(0))]
    append(log, same_size(1, "b"))
    second = crashed.crash_clone(random.Random(0), keep_everything=True)
    log.close()
    with open_log(second) as log:
        assert contents(log) == [expected(same_size(0)), expected(same_size(1, "b"))]


@pytest.mark.parametrize("name", [f"{1:020d}.wal.tmp", "next.tmp"])
def test_a_creation_killed_before_its_file_had_bytes(tmp_path, name):
    """kill -9 between the making of the first segment's file and the reservation of its room left a file of no bytes,
    which once could not be opened any more: ValueError, and no store."""
    (tmp_path / "s" / "wal").mkdir(parents=True)
    (tmp_path / "s" / "wal" / name).touch()
    with Log.open(tmp_path / "s") as log:
        append(log, same_size(0))
    with Log.open(tmp_path / "s") as log:
        assert len(contents(log)) == 1


def test_a_removed_lock_file_lets_nobody_else_in(tmp_path):
    """People remove "stale" lock files. The lock once was that file alone: its removal let a second owner in, and both
    wrote to the same segment."""
    with Log.open(tmp_path / "s") as log:
        append(log, same_size(0))
        (tmp_path / "s" / "LOCK").unlink()
        with pytest.raises(StoreLocked):
            Log.open(tmp_path / "s")
        append(log, same_size(1))
    with Log.open(tmp_path / "s") as log:
        assert len(contents(log)) == 2


def test_a_full_disk_opens_for_writing(tmp_path, monkeypatch):
    """The note in LOCK is for people. On a full disk it once kept the store from opening."""
    Log.open(tmp_path / "s").close()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with Log.open(tmp_path / "s") as log:
        append(log, same_size(0))
        assert log.flush() == 1


def test_no_sync_that_failed_is_tried_again_not_even_for_want_of_room():
    """ENOSPC from a sync is not ENOSPC from a reservation: the kernel may have dropped what it could not write, and a
    second sync says that all is well. It was once taken for a full disk that heals."""
    for countdown in range(1, 30):
        disk, faults = MemoryStorage(), Faults()
        storage = FaultyStorage(disk, faults)
        log = open_log(storage)
        faults.arm(countdown, errno.ENOSPC)
        # The first batch does not fit: its segment replaces the empty one, whose successor must be synced at once.
        refused = None
        try:
            append_batch(log, [same_size(n) for n in range(200)])
        except (DiskFull, StorageFailure, StorePoisoned, OutcomeUnknown) as error:
            refused = error
        if not faults.armed and isinstance(refused, DiskFull):
            assert log.wal.status == "ok"
            append_batch(log, [same_size(n) for n in range(200)])
            log.flush()
        with_sync = log.wal.status == "poisoned"
        try:
            log.close()
        except (DiskFull, StorageFailure, OutcomeUnknown):
            pass
        faults.disarm()
        survived = disk.crash_clone(random.Random(countdown))
        with open_log(survived) as log:
            held = contents(log)
            assert held == [expected(same_size(n)) for n in range(len(held))]
            assert len(held) in (0, 200)
            assert with_sync or refused is None or len(held) == 200


def test_closing_tells_of_a_sync_that_failed_in_the_background():
    """The timer's sync failed, and the store was closed before anyone wrote or waited again. That once was silent."""
    disk, faults = MemoryStorage(), Faults()
    log = open_log(FaultyStorage(disk, faults), fsync_interval_ms=1)
    append(log, same_size(0))
    log.flush()
    faults.arm(1, errno.EIO, sticky=True)
    append(log, same_size(1))
    until = time.monotonic() + 30
    while not log.wal.error and time.monotonic() < until:
        time.sleep(0.001)
    with pytest.raises(OutcomeUnknown, match="up to position 1 are safe"):
        log.close()
    log.close()
    faults.disarm()
    with open_log(disk) as log:
        assert contents(log) == [expected(same_size(n)) for n in range(log.wal.last_position)]


@pytest.mark.parametrize("act", ["removed", "cut"])
def test_a_sync_notices_that_its_file_was_taken_away(tmp_path, act):
    """Somebody else removed the store's files, or cut them, while it was open: a sync of what is left says nothing
    about what can be opened again. It once was believed."""
    log = Log.open(tmp_path / "s", fsync_interval_ms=60_000)
    append(log, same_size(0))
    assert log.flush() == 1
    append(log, same_size(1))
    if act == "removed":
        shutil.rmtree(tmp_path / "s")
    else:
        os.truncate(tmp_path / "s" / "wal" / f"{1:020d}.wal", 4096 * 4)
    with pytest.raises(OutcomeUnknown, match="removed or cut short"):
        log.flush()
    with pytest.raises(StorePoisoned):
        append(log, same_size(2))
    log.close()


def dirty_kib(path) -> int:
    """How much of the mapping of a file is still to be written."""
    kib, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0]:
            inside = words[-1] == str(path)
        elif inside and words[0] in ("Shared_Dirty:", "Private_Dirty:"):
            kib += int(words[1])
    return kib


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="this system has no /proc/self/smaps")
def test_recovery_writes_again_what_it_serves(tmp_path):
    """A follower keeps pages in memory that a failed sync left marked as written: dropping the cache does not drop
    them, and a second sync has nothing to write. So recovery asks the disk, and writes every byte it serves again."""
    log = Log.open(tmp_path / "s", fsync_interval_ms=60_000, segment_sizes=TINY)
    for n in range(3):
        append(log, same_size(n))
    shutil.copytree(tmp_path / "s", tmp_path / "copy")
    log.close()
    path = tmp_path / "copy" / "wal" / f"{1:020d}.wal"
    data = path.read_bytes()
    evicted, evict = [], RealStorage.evict
    storage = RealStorage()
    storage.evict = lambda path: (evicted.append(os.path.basename(path)), evict(storage, path))
    mapping = storage.map(str(path), writable=True)
    mapping.sync()
    if not dirty_kib(path):  # else this file system keeps all in memory
        mapping.rewrite(4097)
        assert dirty_kib(path) >= 8
    assert bytes(mapping) == data
    mapping.close()
    with Log.open(tmp_path / "copy", storage=storage, segment_sizes=TINY) as log:
        assert len(contents(log)) == 3
        assert evicted == [f"{1:020d}.wal"]


def test_a_clean_end_is_not_clean_any_more_when_it_was_opened(tmp_path):
    """A mark that outlived its close would tell the next recovery to trust the cache."""
    Log.open(tmp_path / "s", segment_sizes=TINY).close()
    log = Log.open(tmp_path / "s", fsync_interval_ms=60_000, segment_sizes=TINY)
    shutil.copytree(tmp_path / "s", tmp_path / "opened")
    append(log, same_size(1))
    shutil.copytree(tmp_path / "s", tmp_path / "killed")
    log.close()
    for name in ("opened", "killed"):
        evicted, storage = [], RealStorage()
        storage.evict = evicted.append
        with Log.open(tmp_path / name, storage=storage, segment_sizes=TINY) as log:
            assert evicted == [str(tmp_path / name / "wal" / f"{1:020d}.wal")]
            assert len(contents(log)) == (name == "killed")


@pytest.mark.parametrize("batch", [False, True])
def test_an_append_whose_write_failed_has_an_unknown_outcome(tmp_path, batch):
    """With pwrite, the write happens inside the append. Its failure once was told as an earlier one's, as though this
    event were surely not in the log; but a write that reports an error may have arrived whole."""
    log = Log.open(tmp_path / "s", backend="pwrite", fsync_interval_ms=60_000, segment_sizes=TINY)
    append(log, same_size(0))
    faults = Faults()
    log.wal.segment_list[0].mapping.share_faults(faults)
    faults.arm(1, errno.EIO)
    with pytest.raises(OutcomeUnknown, match="Input/output error"):
        append_batch(log, [same_size(1)]) if batch else append(log, same_size(1))
    with pytest.raises(StorePoisoned):
        append(log, same_size(2))
    assert [one["entity_id"] for one in door.scan_events(log.wal)] == ["node:a:0000"]
    log.close()
    with Log.open(tmp_path / "s", backend="pwrite", segment_sizes=TINY) as log:
        assert contents(log) == [expected(same_size(n)) for n in range(log.wal.last_position)]
        assert door.append_event(log.wal, same_size(9)) == "ok"
