"""Power loss, kill -9 and damage: what was confirmed is there, what is there was written."""

import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time

import pytest
from wal_kit import SMALL, append, append_batch, contents, event, expected

from primecore import _wal_door as door
from primecore._crc32c import crc32c
from primecore.errors import CorruptLog, PrimeError
from primecore.log import Log
from primecore.memory_storage import MemoryStorage
from primecore.segments import SegmentSizes

TINY = SegmentSizes(first_bytes=8192, max_bytes=8192)


def open_log(storage, **options):
    return Log.open(
        "/s", storage=storage, segment_sizes=options.pop("sizes", SMALL), fsync_interval_ms=60_000, **options
    )


def plain_event(number, size=20):
    return {"entity_id": f"node:a:{number}", "event_type": "prime.node.created", "payload": b"%d" % number * size}


# --- power loss


@pytest.mark.parametrize("seed", range(40))
def test_simulated_power_loss(seed):
    """Random work, then the disk as power loss may leave it; again and again on the same store."""
    rng = random.Random(seed)
    print(f"seed {seed}")
    disk, model, confirmed = MemoryStorage(), [], 0
    for _ in range(6):
        log = open_log(disk)
        held = contents(log)
        assert len(held) >= confirmed, "confirmed events are gone"
        assert held == model[: len(held)], "events that were never written, or in another order"
        if log.recovery:
            assert log.recovery.message and not log.recovery.damaged
        model = held
        confirmed = log.wal.durable_position
        assert confirmed == len(held)
        for _ in range(rng.randrange(40)):
            action = rng.random()
            if action < 0.5:
                fields = event(rng, biggest=900)
                append(log, fields)
                model.append(expected(fields))
            elif action < 0.8:
                many = [event(rng, biggest=600) for _ in range(rng.randrange(1, 12))]
                append_batch(log, many)
                model += [expected(fields) for fields in many]
            elif action < 0.95:
                confirmed = log.flush()
            else:
                log.close()
                confirmed = len(model)
                log = open_log(disk)
        crashed = disk.crash_clone(rng, keep_everything=rng.random() < 0.2)
        log.close()
        disk = crashed


def test_power_loss_between_rotation_and_sync_drops_later_segments():
    """A segment behind an unpromised tear joins its quarantine; before it, all is kept."""
    seen = 0
    for seed in range(30):
        disk = MemoryStorage()
        log = open_log(disk, sizes=TINY)
        for number in range(5):
            append(log, plain_event(number))
        log.flush()
        for number in range(5, 200):
            append(log, plain_event(number))
        crashed = disk.crash_clone(random.Random(seed))
        log.close()
        with open_log(crashed, sizes=TINY) as log:
            held = contents(log)
            assert 5 <= len(held) <= 200
            assert held == [expected(plain_event(number)) for number in range(len(held))]
            if log.recovery and crashed.is_directory("/s/quarantine"):
                seen += any(name.endswith(".wal") for name in crashed.names("/s/quarantine"))
            append(log, plain_event(len(held)))
        with open_log(crashed, sizes=TINY) as log:
            assert len(contents(log)) == len(held) + 1 and log.recovery is None
    assert seen


def test_power_loss_when_an_empty_segment_is_replaced_by_a_larger_one():
    """It takes the name of one whose header was on stable storage: its own must be there before."""
    for seed in range(30):
        disk = MemoryStorage()
        log = open_log(disk, sizes=TINY)
        append(log, plain_event(1, size=20_000))
        crashed = disk.crash_clone(random.Random(seed))
        log.close()
        with open_log(crashed, sizes=TINY) as log:
            assert contents(log) in ([], [expected(plain_event(1, size=20_000))])
            append(log, plain_event(2))


def test_bytes_behind_a_clean_mark_do_not_come_back():
    """A clean mark outlived the appends after it, and one of them reached the disk without the one before it.

    Left there, it would have followed the next append of the same length as if it had been written behind that one.
    """
    disk = MemoryStorage()
    with open_log(disk) as log:
        append(log, plain_event(0))
    path = f"/s/wal/{1:020d}.wal"
    clean = disk.read(path)
    with open_log(disk) as log:
        start = log.wal.segment_list[0].tail
        append(log, plain_event(1))
        behind = log.wal.segment_list[0].tail
        append(log, plain_event(2))
        crashed = disk.crash_clone(random.Random(0), keep_everything=True)
    crashed.patch(path, 0, clean[:4096])
    crashed.patch(path, start, bytes(behind - start))
    with open_log(crashed) as log:
        assert contents(log) == [expected(plain_event(0))] and log.recovery.bytes_set_aside
        append(log, plain_event(1))
    with open_log(crashed) as log:
        assert contents(log) == [expected(plain_event(0)), expected(plain_event(1))]


def test_recovery_itself_may_crash():
    for seed in range(30):
        rng = random.Random(seed)
        disk = MemoryStorage()
        log = open_log(disk, sizes=TINY)
        for number in range(20):
            append(log, plain_event(number))
        confirmed = log.flush()
        for number in range(20, 120):
            append(log, plain_event(number))
        crashed = disk.crash_clone(rng)
        log.close()
        for _ in range(4):
            log = open_log(crashed, sizes=TINY)
            held = contents(log)
            assert len(held) >= confirmed
            confirmed = len(held)
            crashed = crashed.crash_clone(rng)
            log.close()


# --- kill -9

CHILD = """
import random, sys
from wal_kit import SMALL, append, append_batch, event
from primecore.log import Log
log = Log.open(sys.argv[1], segment_sizes=SMALL, backend=sys.argv[2], fsync_interval_ms=5)
number = log.wal.last_position
while True:
    numbers = range(number, number + 1 + number % 4)
    many = [{"entity_id": str(n + 1), "event_type": "t", "payload": b"p" * (n % 700)} for n in numbers]
    if number % 3:
        append_batch(log, many)
    else:
        for fields in many:
            append(log, fields)
    number += len(many)
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("backend", ["mapping", "pwrite"])
def test_kill_9_loses_nothing_acknowledged(tmp_path, backend):
    rng = random.Random(backend)
    environment = os.environ | {"PYTHONPATH": f"{os.path.dirname(__file__)}{os.pathsep}{os.getcwd()}"}
    last = 0
    for _ in range(7):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, tmp_path / "s", backend], stdout=subprocess.PIPE, text=True, env=environment
        )
        child.stdout.readline()
        time.sleep(rng.random() * 0.2)
        os.kill(child.pid, signal.SIGKILL)
        said = child.stdout.read().split("\n")[:-1]  # the last one may be cut
        child.wait()
        acknowledged = max([int(line) for line in said if line] or [last])
        with Log.open(tmp_path / "s", segment_sizes=SMALL, backend=backend) as log:
            found = door.scan_events(log.wal)
            assert [one["entity_id"] for one in found] == [str(one["position"]) for one in found]
            assert [len(one["payload"]) for one in found] == [(one["position"] - 1) % 700 for one in found]
            assert len(found) >= acknowledged >= last
            last = len(found)
    assert last > 20


# --- torn tails


@pytest.mark.parametrize("ending", ["event", "batch"])
def test_torn_at_every_byte_of_the_last_record(ending):
    disk = MemoryStorage()
    log = open_log(disk, sizes=TINY)
    for number in range(3):
        append(log, plain_event(number))
    start = log.wal.segment_list[0].tail
    append(log, plain_event(3)) if ending == "event" else append_batch(log, [plain_event(3), plain_event(4)])
    end = log.wal.segment_list[0].tail
    whole = log.wal.last_position
    source = disk.crash_clone(random.Random(0), keep_everything=True)
    log.close()
    path = f"/s/wal/{1:020d}.wal"
    data = source.read(path)
    for cut in range(start, end + 1):
        disk = source.crash_clone(random.Random(0), keep_everything=True)
        disk.patch(path, cut, bytes(len(data) - cut))
        with open_log(disk, read_only=True) as reader:
            seen = contents(reader)
        with open_log(disk, sizes=TINY) as log:
            held = contents(log)
            assert held == seen
            if not data[cut:end].strip(b"\0"):  # only pad was cut off
                assert len(held) == whole and log.recovery is None
            else:
                assert len(held) == 3
                left = data[start:cut].rstrip(b"\0")
                if left:
                    assert disk.read(log.recovery.quarantine) == left
                    assert (log.recovery.bytes_set_aside, log.recovery.offset) == (len(left), start)
                    assert log.recovery.quarantine in log.recovery.message
                else:
                    assert log.recovery is None
            append(log, plain_event(9))
        with open_log(disk, sizes=TINY) as log:
            assert contents(log) == [*held, expected(plain_event(9))] and log.recovery is None


@pytest.mark.parametrize("cut", [5000, 4096 + 8 * 30, 8191])
def test_a_file_cut_short_is_made_whole_again(tmp_path, cut):
    log = Log.open(tmp_path / "s", segment_sizes=TINY, fsync_interval_ms=60_000)
    for number in range(12):
        append(log, plain_event(number))
    shutil.copytree(tmp_path / "s", tmp_path / "copy")
    log.close()
    name = tmp_path / "copy" / "wal" / f"{1:020d}.wal"
    os.truncate(name, cut)
    with Log.open(tmp_path / "copy", segment_sizes=TINY) as log:
        held = len(contents(log))
        for number in range(held, 60):
            append(log, plain_event(number))
    assert name.stat().st_size == 8192
    with Log.open(tmp_path / "copy") as log:
        assert contents(log) == [expected(plain_event(number)) for number in range(60)]


def test_a_torn_tail_below_a_promise_is_damage(tmp_path):
    log = Log.open(tmp_path / "s", segment_sizes=TINY)
    for number in range(10):
        append(log, plain_event(number))
    log.flush()
    append_batch(log, [plain_event(10)])  # its commit says that position 10 was durable
    shutil.copytree(tmp_path / "s", tmp_path / "copy")
    log.close()
    name = tmp_path / "copy" / "wal" / f"{1:020d}.wal"
    data = bytearray(name.read_bytes())
    data[4096 + 100] ^= 1
    name.write_bytes(data)
    before = {path: path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    with pytest.raises(CorruptLog) as caught:
        Log.open(tmp_path / "copy")
    assert (caught.value.path, caught.value.offset, caught.value.position) == (str(name), 4096, 1)
    for word in ("up to position 10", "everything before position 1 is safe", "prime verify", "prime repair --salvage"):
        assert word in str(caught.value)
    after = {
        path: path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file() and path.name != "LOCK"
    }
    assert after == {path: data for path, data in before.items() if path.name != "LOCK"}


def test_a_commit_that_does_not_fit_its_batch_is_a_torn_tail():
    """A checksum proves a record, not that the events before it are the ones it was written for."""
    changes = ((24, 1, "hash"), (40, 1, "one more"), (40, 3, "one less"), (8, 1, "position"))
    for offset_in_commit, bits, what in changes:
        disk = MemoryStorage()
        log = open_log(disk)
        append(log, plain_event(0))
        append_batch(log, [plain_event(1), plain_event(2)])
        crashed = disk.crash_clone(random.Random(0), keep_everything=True)
        start = log.wal.segment_list[0].tail - 80
        log.close()
        path = f"/s/wal/{1:020d}.wal"
        data = crashed.read(path)
        commit = bytearray(data[start : start + 80])
        commit[offset_in_commit] ^= bits
        seed = crc32c(data[72:80])
        commit[4:8] = struct.pack("<I", crc32c(commit[8:], crc32c(commit[:4], seed)))
        crashed.patch(path, start, bytes(commit))
        with open_log(crashed) as log:
            assert contents(log) == [expected(plain_event(0))], what
            assert "batch" in log.recovery.reason


# --- damage anywhere


def build_small_store():
    disk = MemoryStorage()
    log = open_log(disk, sizes=TINY)
    for number in range(30):
        append(log, plain_event(number, size=40))
    append_batch(log, [plain_event(number) for number in range(30, 33)])
    model = contents(log)
    assert len(log.wal.segment_list) == 2
    return disk, log, model


@pytest.mark.parametrize("closed", [True, False])
def test_every_byte_flipped(closed):
    """Each byte of a small log in turn: it is refused, or reported, or it did not matter. Never a wrong event."""
    disk, log, model = build_small_store()
    if closed:
        log.close()
    source = disk.crash_clone(random.Random(0), keep_everything=True)
    log.close()
    outcomes = {"refused": 0, "set aside": 0, "no matter": 0}
    rng = random.Random(closed)
    for name in source.names("/s/wal"):
        path = f"/s/wal/{name}"
        data = source.read(path)
        # The segment that is being prepared may hold nothing yet.
        used = max((offset for offset in range(len(data)) if data[offset]), default=-1) + 1
        for offset in [*range(0, 4096, 1 if used < 4200 else 5), *range(4096, min(used + 64, len(data)))]:
            if rng.random() < 0.5 and offset > 4200:
                continue
            disk = source.crash_clone(random.Random(0), keep_everything=True)
            disk.patch(path, offset, bytes([data[offset] ^ (1 << rng.randrange(8))]))
            outcomes[outcome_of(disk, model, closed)] += 1
    assert outcomes["refused"] and outcomes["no matter"]
    assert outcomes["set aside"] or closed


def outcome_of(disk, model, closed):
    reader = None
    try:
        reader = open_log(disk, sizes=TINY, read_only=True)
        assert contents(reader) == model[: reader.wal.last_position]
    except PrimeError:
        pass
    try:
        log = open_log(disk, sizes=TINY)
    except CorruptLog as error:
        assert error.path.startswith("/s/") and ("prime verify" in str(error) or "read_only" in str(error))
        if reader is not None:
            assert reader.recovery is not None
        return "refused"
    with log:
        held = contents(log)
        assert held == model[: len(held)]
        if log.recovery:
            assert log.recovery.bytes_set_aside and not (closed and len(held) < len(model))
            return "set aside"
        assert held == model
        return "no matter"


def test_missing_files_are_refused(tmp_path):
    log = Log.open(tmp_path / "s", segment_sizes=TINY)
    for number in range(200):
        append(log, plain_event(number))
        log.flush()
    log.close()
    names = sorted(path.name for path in (tmp_path / "s" / "wal").iterdir())
    assert len(names) > 3
    for name in names:
        shutil.copytree(tmp_path / "s", tmp_path / name)
        (tmp_path / name / "wal" / name).unlink()
        with pytest.raises(CorruptLog):
            Log.open(tmp_path / name)
        with Log.open(tmp_path / name, read_only=True) as reader:
            assert reader.recovery.damaged
            assert len(contents(reader)) == (int(name[:20]) - 1)


def test_a_segment_of_another_store_is_refused(tmp_path):
    for store in ("a", "b"):
        with Log.open(tmp_path / store, segment_sizes=TINY) as log:
            append(log, plain_event(1))
    name = f"{1:020d}.wal"
    shutil.copy(tmp_path / "a" / "wal" / name, tmp_path / "b" / "wal" / name)
    with pytest.raises(CorruptLog, match="another store"):
        Log.open(tmp_path / "b")


@pytest.mark.parametrize("field, offset", [("segment_id", 32), ("previous_chain", 56)])
def test_a_sealed_segment_that_does_not_follow_is_refused(tmp_path, field, offset):
    """As one of a copy of this store would be, that went its own way: every checksum of its own holds."""
    with Log.open(tmp_path / "s", segment_sizes=TINY) as log:
        for number in range(200):
            append(log, plain_event(number))
    names = sorted((tmp_path / "s" / "wal").iterdir())
    assert len(names) > 3
    data = bytearray(names[1].read_bytes())
    data[offset] ^= 4
    struct.pack_into("<I", data, 508, crc32c(data[:508]))
    names[1].write_bytes(data)
    with pytest.raises(CorruptLog, match="does not follow") as caught:
        Log.open(tmp_path / "s")
    assert caught.value.path == str(names[1]) and caught.value.position == int(names[1].name[:20])
    with Log.open(tmp_path / "s", read_only=True) as reader:
        assert reader.recovery.damaged and len(contents(reader)) == int(names[1].name[:20]) - 1


def test_a_format_from_the_future_is_refused(tmp_path):
    with Log.open(tmp_path / "s", segment_sizes=TINY) as log:
        append(log, plain_event(1))
    name = tmp_path / "s" / "wal" / f"{1:020d}.wal"
    data = bytearray(name.read_bytes())
    struct.pack_into("<I", data, 8, 2)
    struct.pack_into("<I", data, 508, crc32c(data[:508]))
    name.write_bytes(data)
    with pytest.raises(CorruptLog, match="format 2 is not known"):
        Log.open(tmp_path / "s")


def test_a_damaged_manifest_is_refused(tmp_path):
    with Log.open(tmp_path / "s") as log:
        append(log, plain_event(1))
    path = tmp_path / "s" / "MANIFEST"
    good = path.read_bytes()
    for offset in range(len(good)):
        path.write_bytes(good[:offset] + bytes([good[offset] ^ 4]) + good[offset + 1 :])
        with pytest.raises(CorruptLog, match="MANIFEST is damaged"):
            Log.open(tmp_path / "s")
    path.write_bytes(good)
    Log.open(tmp_path / "s").close()
