"""Opening, locking, following, waiting, failing: what a log promises around its events."""

import contextlib
import errno
import json
import os
import random
import stat
import subprocess
import sys
import threading
import time
import warnings

import pytest
from wal_kit import SMALL, append, append_batch, contents, event, expected

from primecore import _wal_door as door
from primecore import manifest
from primecore._mapping import Faults
from primecore.errors import (
    InvalidArgument,
    StorageFailure,
    StoreClosed,
    StoreForked,
    StoreLocked,
    StoreNotFound,
)
from primecore.log import Log
from primecore.memory_storage import MemoryStorage
from primecore.segments import SegmentSizes
from primecore.storage import FaultyStorage, RealStorage

ONE = {"entity_id": "node:a:1", "event_type": "prime.node.created", "payload": b"{}"}


def fill(log, count, seed=0):
    rng = random.Random(seed)
    many = [event(rng) for _ in range(count)]
    for fields in many:
        append(log, fields)
    return [expected(fields) for fields in many]


def bytes_of(directory):
    return {
        os.path.join(folder, name): open(os.path.join(folder, name), "rb").read()
        for folder, _, names in os.walk(directory)
        for name in names
    }


# --- opening


def test_files_are_private_and_an_empty_store_is_small(tmp_path):
    path = tmp_path / "deep" / "store"
    Log.open(path).close()
    for folder, _, names in os.walk(path):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        for name in names:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600
    assert sum(len(data) for data in bytes_of(path).values()) < (1 << 20) + 4096


def test_absent_stores(tmp_path):
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(StoreNotFound):
            Log.open(tmp_path / "none", **options)
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreNotFound):
        Log.open(tmp_path / "empty", read_only=True)
    assert os.listdir(tmp_path / "empty") == []


@pytest.mark.parametrize("options", [{"fsync": "sometimes"}, {"fsync_interval_ms": 0}, {"backend": "tape"}])
def test_wrong_arguments(tmp_path, options):
    with pytest.raises(InvalidArgument):
        Log.open(tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()


def test_an_interrupted_creation_is_taken_up_again():
    faults = Faults()
    for number in range(1, 30):
        disk = MemoryStorage()
        storage = FaultyStorage(disk, faults)
        faults.arm(number, errno.EIO, sticky=True)
        with contextlib.suppress(StorageFailure):
            Log.open("/s", storage=storage, segment_sizes=SMALL).close()
        faults.disarm()
        for seed in range(5):
            survived = disk.crash_clone(random.Random(seed))
            with Log.open("/s", storage=survived, segment_sizes=SMALL) as log:
                append(log, ONE)


def test_a_network_file_system_is_refused_unless_forced(monkeypatch, tmp_path):
    monkeypatch.setattr(RealStorage, "filesystem", lambda self, path: "nfs4")
    with pytest.raises(StorageFailure, match="network"):
        Log.open(tmp_path / "s")
    with Log.open(tmp_path / "s", force=True) as log:
        append(log, ONE)
        assert log.wal.segment_list[0].mapping.writes_through


def test_an_unclosed_log_warns(tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        log = Log.open(tmp_path / "s")
        append(log, ONE)
        del log
    assert [str(one.message) for one in caught if one.category is ResourceWarning]
    with Log.open(tmp_path / "s") as log:
        assert log.wal.last_position == 1


# --- locking


def test_a_second_owner_is_told_who_has_it(tmp_path):
    with Log.open(tmp_path / "s"):
        with pytest.raises(StoreLocked, match=f"pid {os.getpid()}.*read_only=True"):
            Log.open(tmp_path / "s")
        code = "import sys; from primecore.log import Log; Log.open(sys.argv[1])"
        other = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "s"], capture_output=True, text=True, check=False
        )
        assert "StoreLocked" in other.stderr and f"process {os.getpid()} " in other.stderr
    Log.open(tmp_path / "s").close()


def test_racing_processes_get_one_owner(tmp_path):
    code = """
import sys
from primecore.log import Log
from primecore.errors import StoreLocked
try:
    log = Log.open(sys.argv[1])
except StoreLocked:
    print("locked")
else:
    print("owner", flush=True)
    sys.stdin.read()
    log.close()
"""
    command = [sys.executable, "-c", code, tmp_path / "s"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racers = [subprocess.Popen(command, **pipes) for _ in range(4)]
    said = sorted(racer.stdout.readline().strip() for racer in racers)  # the owner stays until all have tried
    for racer in racers:
        racer.communicate()
    assert said == ["locked"] * 3 + ["owner"]


def test_a_forked_child_is_refused(tmp_path):
    log = Log.open(tmp_path / "s")
    append(log, ONE)
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        said = [door.append_event(log.wal, ONE), door.begin_batch(log.wal)]
        for call in (log.flush, lambda: log.make_room(10), lambda: log.wait_durable(1)):
            try:
                call()
            except StoreForked:
                said.append("refused")
        said.append(len(contents(log)))
        log.close()
        os.write(write_end, json.dumps(said).encode())
        os._exit(0)
    os.close(write_end)
    assert json.loads(os.read(read_end, 1000)) == ["forked", "forked", "refused", "refused", "refused", 1]
    os.waitpid(child, 0)
    append(log, ONE)
    assert log.flush() == 2
    with pytest.raises(StoreLocked):
        Log.open(tmp_path / "s")
    log.close()


# --- reading beside an owner


def test_a_reader_follows_and_changes_nothing(tmp_path):
    with Log.open(tmp_path / "s", segment_sizes=SMALL) as log:
        held = fill(log, 30)
        log.flush()
        before = bytes_of(tmp_path / "s")
        reader = Log.open(tmp_path / "s", read_only=True)
        assert contents(reader) == held
        assert reader.refresh() == 30
        assert bytes_of(tmp_path / "s") == before
        for round_number in range(20):
            held += fill(log, 25, seed=round_number)
            assert reader.refresh() == len(held)
        assert log.stats().segments > 3
        door.begin_batch(log.wal)
        append(log, ONE)
        assert reader.refresh() == len(held)
        door.commit_batch(log.wal)
        assert reader.refresh() == len(held) + 1
        assert contents(reader)[:-1] == held
        with pytest.raises(InvalidArgument):
            append(reader, ONE)
        reader.close()


def test_a_reader_finds_the_segment_that_replaced_an_empty_one(tmp_path):
    with Log.open(tmp_path / "s", segment_sizes=SMALL) as log, Log.open(tmp_path / "s", read_only=True) as reader:
        append(log, ONE | {"payload": b"x" * 100_000})
        assert reader.refresh() == 1
        assert contents(reader) == contents(log)
    with Log.open(tmp_path / "s") as log:
        assert log.wal.last_position == 1 and log.recovery is None


def test_a_reader_in_another_process_sees_a_prefix_at_any_moment(tmp_path):
    code = """
import sys
from primecore.log import Log
from primecore import _wal_door as door
from primecore import manifest
with Log.open(sys.argv[1], read_only=True) as log:
    seen = 0
    while seen < 3000:
        last = log.refresh()
        assert last >= seen, (last, seen)
        for one in door.scan_events(log.wal, seen + 1):
            seen += 1
            assert (one["position"], one["entity_id"]) == (seen, str(seen)), one
print("followed")
"""
    log = Log.open(tmp_path / "s", segment_sizes=SMALL)
    follower = subprocess.Popen([sys.executable, "-c", code, tmp_path / "s"], stdout=subprocess.PIPE, text=True)
    position = 0
    while position < 3000:
        many = [{"entity_id": str(position + n + 1), "event_type": "t", "payload": b"p" * 50} for n in range(3)]
        append_batch(log, many)
        position += 3
        time.sleep(0.0002)
    said, _ = follower.communicate(timeout=20)
    log.close()
    assert said.strip() == "followed" and follower.returncode == 0


def test_a_reader_that_was_ahead_of_a_recovered_owner_begins_anew(tmp_path):
    """After a failed sync the owner may recover less than a reader saw in the page cache."""
    log = Log.open(tmp_path / "s", segment_sizes=SMALL, fsync_interval_ms=60_000)
    held = fill(log, 7)
    name = tmp_path / "s" / "wal" / f"{1:020d}.wal"
    on_disk = name.read_bytes()
    fill(log, 3, seed=1)
    reader = Log.open(tmp_path / "s", read_only=True)
    assert len(contents(reader)) == reader.refresh() == 10
    former = reader.wal
    log.close()
    (tmp_path / "s" / "MANIFEST").write_bytes(
        manifest.encode(manifest.decode((tmp_path / "s" / "MANIFEST").read_bytes(), "")._replace(durable_position=0))
    )
    with open(name, "r+b") as file:
        file.write(on_disk)
    with Log.open(tmp_path / "s", segment_sizes=SMALL) as log:
        held += fill(log, 40, seed=2)
        assert reader.refresh() == 47 and reader.generation == 1 and reader.wal is not former
        assert contents(reader) == contents(log) == held
        held += fill(log, 40, seed=3)
        assert reader.refresh() == 87 and reader.generation == 1
    reader.close()


# --- durability


def test_waiting_flushes_at_once(tmp_path):
    with Log.open(tmp_path / "s", fsync_interval_ms=60_000) as log:
        append(log, ONE)
        began = time.monotonic()
        assert log.wait_durable(1, timeout=10) is True
        assert log.flush() == log.wal.durable_position == 1
        assert time.monotonic() - began < 5
        append(log, ONE)
        with pytest.raises(InvalidArgument):
            log.wait_durable(3)


def test_the_interval_syncs_by_itself(tmp_path):
    with Log.open(tmp_path / "s", fsync_interval_ms=20) as log:
        append(log, ONE)
        until = time.monotonic() + 5
        while log.wal.durable_position < 1 and time.monotonic() < until:
            time.sleep(0.005)
        assert log.wal.durable_position == 1
        stats = log.stats()
        assert stats.worst_unsynced_ms >= 19 and stats.oldest_unsynced_ms == 0


def test_never_syncs_only_on_request(tmp_path):
    with Log.open(tmp_path / "s", fsync="never", fsync_interval_ms=1) as log:
        append(log, ONE)
        time.sleep(0.1)
        assert log.wal.durable_position == 0
        assert log.stats().oldest_unsynced_ms > 90
        assert log.flush() == 1


def test_many_waiters_share_syncs(tmp_path):
    with Log.open(tmp_path / "s", fsync="always") as log:
        lock, count = threading.Lock(), 40

        def work():
            for _ in range(count):
                with lock:
                    append(log, ONE)
                    mine = log.wal.last_position
                log.wait_durable(mine)
                assert log.wal.durable_position >= mine

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.wal.durable_position == 8 * count
        assert log.stats().syncs < 8 * count


def test_everything_is_durable_in_memory():
    with Log.open(None) as log:
        append(log, ONE)
        assert log.wal.durable_position == 1
        assert log.flush() == 1 and log.wait_durable(1)
        assert log.stats().oldest_unsynced_ms == 0


def test_a_closed_log_refuses(tmp_path):
    for path in (None, tmp_path / "s"):
        log = Log.open(path)
        append(log, ONE)
        log.close()
        log.close()
        for call in (log.flush, log.refresh, lambda log=log: log.make_room(1), lambda log=log: append(log, ONE)):
            with pytest.raises(StoreClosed):
                call()


@pytest.mark.parametrize("backend", ["mapping", "pwrite"])
def test_a_batch_that_moves_on_leaves_zeros_where_it_began(tmp_path, backend):
    """Else the sealed segment would hold bytes behind its end: damage to verify, and recovery sets them aside."""
    rng = random.Random(3)
    sizes = SegmentSizes(first_bytes=8192, max_bytes=8192)
    with Log.open(tmp_path / "s", segment_sizes=sizes, backend=backend) as log:
        append(log, event(rng, biggest=300))
        append_batch(log, [event(rng, biggest=300) for _ in range(30)])
        first, *later = log.wal.segment_list
        assert later and first.event_count == 1
        assert first.end_of_bytes() == first.tail
        (path, *_) = sorted((tmp_path / "s" / "wal").glob("*.wal"))
        assert not any(path.read_bytes()[first.tail :])
