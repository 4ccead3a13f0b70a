"""Disks that fail or fill up: what a caller hears, and what is there afterwards."""

import contextlib
import errno
import os
import random
import subprocess
import threading

import pytest
from support.sharing import wait_until
from wal_kit import SMALL, append, append_batch, contents, event, expected

from primecore._mapping import Faults
from primecore.errors import (
    CorruptLog,
    DiskFull,
    EnvironmentFailure,
    OutcomeUnknown,
    StorageFailure,
    StorePoisoned,
)
from primecore.log import Log
from primecore.memory_storage import MemoryStorage
from primecore.segments import SegmentSizes
from primecore.storage import FaultyStorage, RealStorage

ONE = {"entity_id": "node:a:1", "event_type": "prime.node.created", "payload": b"{}"}


def faulty(disk=None):
    faults = Faults()
    return FaultyStorage(disk or MemoryStorage(), faults), faults


def test_a_failed_sync_poisons():
    storage, faults = faulty()
    log = Log.open("/s", storage=storage, fsync_interval_ms=60_000, segment_sizes=SMALL)
    append(log, ONE)
    log.flush()
    append(log, ONE)
    faults.arm(1, errno.EIO)
    with pytest.raises(OutcomeUnknown, match="Input/output error"):
        log.wait_durable(2)
    assert log.wal.durable_position == 1
    with pytest.raises(StorePoisoned, match="position 1 are safe"):
        append(log, ONE)
    for call in (log.flush, lambda: log.make_room(1), lambda: log.wait_durable(2)):
        with pytest.raises(StorePoisoned):
            call()
    assert len(contents(log)) == 2
    log.close()
    with Log.open("/s", storage=storage.inner) as log:
        assert log.wal.last_position == 2


def test_a_promise_that_cannot_be_written_poisons(tmp_path):
    """The sync thread writes it by itself, a second after the sync that it speaks of, and nobody waits for it."""
    storage, faults = faulty(RealStorage())
    log = Log.open(tmp_path / "s", storage=storage, backend="pwrite", fsync_interval_ms=3_600_000)
    append(log, ONE)
    log.flush()
    faults.arm(1, errno.EIO)
    wait_until(lambda: log.wal.status != "ok")
    with pytest.raises(StorePoisoned, match="position 1 are safe"):
        append(log, ONE)
    log.close()
    with Log.open(tmp_path / "s") as log:
        assert log.wal.last_position == 1


def test_waiters_of_a_failed_sync_all_hear_of_it():
    storage, faults = faulty()
    log = Log.open("/s", storage=storage, fsync_interval_ms=60_000)
    append(log, ONE)
    faults.arm(1, errno.EIO, sticky=True)
    said = []

    def wait():
        try:
            log.wait_durable(1)
        except (OutcomeUnknown, StorePoisoned) as error:
            said.append(error.code)

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(said) == 5 and "outcome_unknown" in said
    log.close()


def test_a_full_disk_refuses_and_heals():
    disk = MemoryStorage(room_bytes=SMALL.first_bytes)
    log = Log.open("/s", storage=disk, segment_sizes=SMALL)
    held = 0
    with pytest.raises(DiskFull, match="free some space"):
        for _ in range(1000):
            append(log, ONE | {"payload": b"p" * 500})
            held += 1
    assert held == log.wal.last_position > 10
    with pytest.raises(DiskFull):
        append_batch(log, [ONE] * 200)
    assert held == log.wal.last_position
    append(log, ONE)
    disk.room_bytes = 10 << 20
    for _ in range(100):
        append(log, ONE | {"payload": b"p" * 500})
    assert log.flush() == held + 101
    log.close()
    with Log.open("/s", storage=disk) as log:
        assert len(contents(log)) == held + 101 and log.recovery is None


@pytest.mark.skipif(
    not os.path.isdir("/dev/shm") or os.geteuid() != 0, reason="needs root and /dev/shm to mount a small tmpfs"
)
def test_a_full_tmpfs_refuses_and_heals(tmp_path):
    target = tmp_path / "small"
    target.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=5m", "none", target], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        blocker = target / "blocker"
        blocker.write_bytes(bytes(3 << 20))
        with Log.open(target / "s") as log:
            with pytest.raises(DiskFull):
                for _ in range(5000):
                    append(log, ONE | {"payload": b"p" * 1000})
            held = log.wal.last_position
            blocker.unlink()
            for _ in range(500):
                append(log, ONE | {"payload": b"p" * 1000})
            assert log.flush() == held + 500
        with Log.open(target / "s") as log:
            assert log.wal.last_position == held + 500
    finally:
        subprocess.run(["umount", "--lazy", target], check=False)


@pytest.mark.parametrize("sticky", [False, True])
def test_any_single_operation_may_fail(sticky):
    """Each operation in turn fails, once or from then on: what was confirmed as durable is there after reopening."""
    total = None
    number = 0
    while total is None or number < total:
        number += 1
        disk = MemoryStorage()
        storage, faults = faulty(disk)
        faults.arm(number, errno.EIO, sticky=sticky)
        written, confirmed = [], 0
        log = None
        try:
            log = Log.open("/s", storage=storage, segment_sizes=SMALL, fsync_interval_ms=60_000)
            for round_number in range(12):
                rng = random.Random(round_number)
                many = [event(rng) for _ in range(20)]
                append_batch(log, many) if round_number % 2 else [append(log, fields) for fields in many]
                written += [expected(fields) for fields in many]
                confirmed = log.flush()
        except (StorageFailure, OutcomeUnknown, StorePoisoned):
            pass
        finally:
            if log is not None:
                try:
                    log.close()
                    confirmed = max(confirmed, log.wal.durable_position)
                except (StorageFailure, OutcomeUnknown):
                    pass
        if faults.armed and not sticky:
            total = number
        if sticky and number > 60:
            total = number
        faults.disarm()
        survived = disk.crash_clone(random.Random(number))
        with Log.open("/s", storage=survived, segment_sizes=SMALL) as log:
            held = contents(log)
        assert len(held) >= confirmed
        assert held[: len(written)] == written[: len(held)]


def test_a_missing_manifest_beside_events_is_damage(tmp_path):
    with Log.open(tmp_path / "s") as log:
        append(log, ONE)
    (tmp_path / "s" / "MANIFEST").unlink()
    with pytest.raises(CorruptLog, match=r"MANIFEST is missing.*prime verify"):
        Log.open(tmp_path / "s")


@pytest.mark.parametrize("call", ["write", "replace", "sync_directory"])
def test_a_manifest_that_cannot_be_renewed_poisons(tmp_path, call, monkeypatch):
    """The helper lists what is sealed while nobody waits for it: the next append hears that it failed."""
    sizes = SegmentSizes(8192, 8192)
    with contextlib.suppress(EnvironmentFailure), Log.open(tmp_path / "s", segment_sizes=sizes) as log:
        append(log, {"entity_id": "e", "event_type": "t"})
        log.flush()
        plain = getattr(RealStorage, call)

        def failing(self, path, *rest):
            if (call == "sync_directory" and path == str(tmp_path / "s")) or "MANIFEST" in path:
                raise OSError(errno.EIO, "the disk is gone", path)
            return plain(self, path, *rest)

        monkeypatch.setattr(RealStorage, call, failing)
        with contextlib.suppress(StorePoisoned, OutcomeUnknown):
            for _ in range(30):  # into the next segment, and the one behind it
                append(log, {"entity_id": "e", "event_type": "t", "payload": b"p" * 500})
                log.flush()
        wait_until(lambda: log.wal.status == "poisoned")
        monkeypatch.undo()
        with pytest.raises(StorePoisoned, match="mend the disk"):
            append(log, ONE)
        assert len(contents(log)) == log.wal.committed_position
    with Log.open(tmp_path / "s", segment_sizes=sizes) as log:
        assert len(contents(log)) >= 1


def test_a_store_whose_making_failed_at_the_last_sync_keeps_its_name_from_then_on():
    # The manifest took its name, the sync of that failed, and the process was killed: the next must not trust it.
    for operation in range(1, 40):
        disk, faults, rng = MemoryStorage(), Faults(), random.Random(operation)
        faults.arm(operation, errno.EIO)
        with contextlib.suppress(EnvironmentFailure):
            Log.open("/s", storage=FaultyStorage(disk, faults), segment_sizes=SMALL).close()
        faults.disarm()
        disk = disk.crash_clone(rng, keep_everything=True)
        log = Log.open("/s", storage=disk, segment_sizes=SMALL)
        fields = event(rng, biggest=100)
        append(log, fields)
        log.flush()
        clones = [disk.crash_clone(rng) for _ in range(8)]
        log.close()
        for clone in clones:
            again = Log.open("/s", storage=clone, segment_sizes=SMALL)
            assert contents(again) == [expected(fields)]
            again.close()
