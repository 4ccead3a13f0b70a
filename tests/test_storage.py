"""The file seam: each storage keeps the same contract; the simulated disk loses what was not synced, and only that."""

import errno
import os
import random

import pytest

from primecore._mapping import Faults, Mapping
from primecore.memory_storage import MemoryStorage
from primecore.storage import FaultyStorage, RealStorage


@pytest.fixture(params=["real", "memory", "faulty real", "faulty memory"])
def place(request, tmp_path):
    storage = RealStorage() if "real" in request.param else MemoryStorage()
    if "faulty" in request.param:
        storage = FaultyStorage(storage, Faults())
    directory = str(tmp_path / "d") if "real" in request.param else "/d"
    storage.make_directory(directory)
    return storage, directory


def test_small_files(place):
    storage, directory = place
    path, other = f"{directory}/a", f"{directory}/b"
    assert storage.names(directory) == [] and not storage.is_file(path) and storage.is_directory(directory)
    storage.write(path, b"one")
    storage.write(path, memoryview(b"two!"))
    assert storage.read(path) == b"two!" and storage.names(directory) == ["a"]
    storage.write(other, b"")
    storage.replace(path, other)
    assert storage.names(directory) == ["b"] and storage.read(other) == b"two!"
    storage.sync_directory(directory)
    storage.remove(other)
    for call in (storage.read, storage.remove, storage.identity, storage.evict):
        with pytest.raises(FileNotFoundError):
            call(other)
    with pytest.raises(FileNotFoundError):
        storage.names(f"{directory}/none")


@pytest.mark.parametrize("written", [False, True])
def test_prepared_files_are_zeros_and_keep_what_is_mapped(place, written):
    storage, directory = place
    path = f"{directory}/segment"
    storage.prepare(path, 16384)
    mapping = storage.map(path, writable=True, written=written)
    assert mapping.nbytes == len(mapping) == 16384
    view = memoryview(mapping)
    assert bytes(view) == bytes(16384)
    view[100:105] = b"hello"
    mapping.write_through(100, 5)
    mapping.sync()
    assert storage.read(path)[100:105] == b"hello"
    assert bytes(memoryview(storage.map(path, writable=False))[100:105]) == b"hello"
    before = storage.identity(path)
    storage.replace(path, path + "2")
    assert storage.identity(path + "2") == before and before[1] == 16384


def test_extending_keeps_what_is_there(place):
    storage, directory = place
    path = f"{directory}/short"
    storage.write(path, b"x" * 5000)
    storage.extend(path, 12288)
    assert storage.read(path) == b"x" * 5000 + bytes(7288)
    storage.extend(path, 100)
    assert storage.identity(path)[1] == 12288


def test_empty_files_cannot_be_mapped(place):
    storage, directory = place
    storage.write(f"{directory}/empty", b"")
    with pytest.raises(ValueError, match="without bytes"):
        storage.map(f"{directory}/empty", writable=False)


def test_locks_exclude(place):
    storage, directory = place
    held = storage.lock(f"{directory}/LOCK", b"note")
    with pytest.raises(BlockingIOError):
        storage.lock(f"{directory}/LOCK", b"other")
    assert storage.read(f"{directory}/LOCK") == b"note"
    held.close()
    storage.lock(f"{directory}/LOCK", b"").close()


def test_real_read_only_mappings_refuse_writes(tmp_path):
    storage = RealStorage()
    storage.prepare(str(tmp_path / "a"), 8192)
    mapping = storage.map(str(tmp_path / "a"), writable=False)
    with pytest.raises(TypeError):
        memoryview(mapping)[0] = 1
    view = memoryview(mapping)
    with pytest.raises(BufferError):
        mapping.close()
    view.release()
    mapping.close()
    mapping.close()
    with pytest.raises(BufferError):
        memoryview(mapping)


def test_settling_keeps_addresses_and_bytes(tmp_path):
    storage = RealStorage()
    storage.prepare(str(tmp_path / "a"), 8192)
    mapping = storage.map(str(tmp_path / "a"), writable=True, written=True)
    memoryview(mapping)[:4] = b"abcd"
    mapping.write_through(0, 4)
    assert mapping.writes_through
    mapping.settle()
    assert bytes(memoryview(mapping)[:5]) == b"abcd\0" and not mapping.writes_through


def test_a_full_disk_leaves_no_file_behind():
    storage = MemoryStorage(room_bytes=10_000)
    storage.make_directory("/d")
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        storage.prepare("/d/a", 16384)
    assert storage.names("/d") == []


def test_a_faulty_storage_fails_the_operation_it_is_told_to(tmp_path):
    faults = Faults()
    storage = FaultyStorage(MemoryStorage(), faults)
    storage.make_directory("/d")
    storage.prepare("/d/a", 8192)
    mapping = storage.map("/d/a", writable=True)
    for sticky in (False, True):
        faults.arm(3, errno.EIO, sticky=sticky)
        storage.write("/d/b", b"1234")
        mapping.sync()
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            storage.write("/d/b", b"5678")
        assert storage.read("/d/b") == b"56" if not sticky else faults.armed
        if sticky:
            with pytest.raises(OSError, match=os.strerror(errno.EIO)):
                mapping.sync()
        faults.disarm()
    assert faults.operations > 8


# --- power loss


def synced_and_not():
    disk = MemoryStorage()
    disk.make_directory("/d")
    disk.prepare("/d/a", 8192)
    disk.sync_directory("/d")
    mapping = disk.map("/d/a", writable=True)
    memoryview(mapping)[0:2048] = b"s" * 2048
    mapping.sync()
    memoryview(mapping)[1024:4096] = b"n" * 3072
    disk.replace("/d/a", "/d/b")
    disk.write("/d/c", b"c")
    return disk


def test_power_loss_keeps_what_was_synced_and_any_part_of_the_rest():
    kept = set()
    for seed in range(60):
        crashed = synced_and_not().crash_clone(random.Random(seed))
        names = crashed.names("/d")
        assert ("a" in names) != ("b" in names)
        data = crashed.read("/d/a" if "a" in names else "/d/b")
        assert data[:1024] == b"s" * 1024 and set(data[1024:2048]) <= set(b"sn")
        assert set(data[2048:4096]) <= set(b"\0n") and data[4096:] == bytes(4096)
        kept.add(("a" in names, "c" in names, data.count(b"n") // 512))
    assert len(kept) > 8


def test_kill_9_keeps_everything_but_syncs_nothing():
    killed = synced_and_not().crash_clone(random.Random(0), keep_everything=True)
    assert killed.names("/d") == ["b", "c"]
    assert killed.read("/d/b")[1024:4096] == b"n" * 3072
    lost = set()
    for seed in range(40):
        after = killed.crash_clone(random.Random(seed))
        lost.add(tuple(after.names("/d")))
    assert ("a",) in lost


def test_a_clone_does_not_share_with_its_original():
    disk = synced_and_not()
    clone = disk.crash_clone(random.Random(1), keep_everything=True)
    memoryview(disk.map("/d/b", writable=True))[0:3] = b"new"
    disk.remove("/d/c")
    assert clone.read("/d/b")[:3] == b"sss" and clone.is_file("/d/c")


def test_a_directory_handle_has_no_bytes():
    handle = Mapping.directory()
    with pytest.raises(BufferError):
        memoryview(handle)
    handle.sync()
