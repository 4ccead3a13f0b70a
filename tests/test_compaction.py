"""Compaction: closed segments become Parquet, and nobody who reads notices; a crash at any step loses nothing."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.children import child_environment
from support.command_line import Shell
from support.compare import assert_same
from support.disks import STORE, events_of, open_on
from support.feed import feed_on
from support.fold import Fold
from support.generate import Generator
from support.realdata import KNOWN, real_log
from support.steps import cut_at_each, fail_each
from support.stores import new_id

import primecore
from primecore import checking, compaction, copies, manifest, parquet
from primecore.errors import CorruptLog, InvalidArgument, StorageFailure
from primecore.memory_storage import MemoryStorage
from primecore.storage import RealStorage


def fill(prime: Any, count: int, seed: int = 0) -> None:
    """Events of several types and sizes, some of whose payloads JSON would print otherwise."""
    rng = random.Random(seed)
    for number in range(count):
        kind = rng.choice(("chat.line", "chat.mention", "sensor.read"))
        prime.append(
            kind, f"stream:{rng.randrange(20)}", {"n": number, "t": "é" * rng.randrange(200)}, event_id=new_id()
        )
    prime.flush()


# --- the same answers


@pytest.mark.parametrize("seed", range(3))
def test_random_sequences_read_the_same_across_history_and_log(seed: int) -> None:
    storage, fold, generator, rng = MemoryStorage(), Fold(), Generator(seed, clock=True), random.Random(seed)
    turned = 0
    for turn in range(8):
        with open_on(storage, fsync="always") as prime:
            fold = feed_on(prime, fold, generator.events(120), rng.choice(("append", "ingest", "append_many")), turn)
            turned += prime.compact(codec=rng.choice(parquet.CODECS)).segments
            assert prime.replay(verify=True).equal
            digest = prime.digest()
            if rng.random() < 0.5:
                prime.checkpoint()
    assert turned > 3
    with open_on(storage, read_only=True) as prime:
        assert prime.digest() == digest
        assert_same(prime, fold)
    known = manifest.load(storage, STORE)
    assert known is not None and known.history
    assert len(known.history) == 1, "small files are written anew together with what follows"
    assert all(parquet.verify(storage, STORE, file) == "" for file in known.history)


@pytest.mark.parametrize("codec", parquet.CODECS)
@pytest.mark.parametrize("name", sorted(KNOWN))
def test_real_logs_come_to_a_fraction_and_say_the_same(name: str, codec: str, tmp_path: Path) -> None:
    with primecore.open(tmp_path / "s", checkpoint_events=0) as prime:
        prime.ingest(str(real_log(name)))
        events, digest = events_of(prime), prime.digest()
        report = prime.compact(codec=codec)
        assert report.segments and report.bytes_after < (0.25 if codec == "zstd" else 0.40) * report.bytes_before
        assert events_of(prime) == events
        assert prime.ingest(str(real_log(name))).appended == 0, "ids stay taken"
        stats = prime.stats()
        assert (stats.history_files, stats.history_bytes) == (1, report.bytes_after)
    with primecore.open(tmp_path / "s", checkpoint_events=0) as prime:
        assert prime.opening.replayed == len(events)
        assert prime.digest() == digest and events_of(prime) == events


def test_payloads_are_kept_to_the_byte(tmp_path: Path) -> None:
    lines = [
        '{"event_type":"note","entity_id":"n","payload":{ "a" : 1.0, "b":1e2 ,"c":"\\u00e9\\/" }}',
        '{"event_type":"note","entity_id":"n","payload":{},"metadata":{"x": [1,  2]}}',
        '{"event_type":"note","entity_id":"n"}',
        '{"event_type":"note","entity_id":"n","payload":{"big":12345678901234567890123456789}}',
    ]
    source = tmp_path / "lines.jsonl"
    source.write_text("\n".join(lines))
    storage = MemoryStorage()
    with open_on(storage) as prime:
        prime.ingest(str(source))
        fill(prime, 200)
        before = list(prime._engine.events.batches(prime.position))
        assert prime.compact().segments
        assert list(prime._engine.events.batches(prime.position)) == before
        assert prime._engine.log.first_position > 4
    import pyarrow.parquet as pq

    known = manifest.load(storage, STORE)
    assert known is not None
    table = pq.read_table(_as_file(storage, known.history[0], tmp_path))
    rows = {row["position"]: row for row in table.to_pylist()}
    assert [rows[n]["payload"] for n in (1, 4)] == [
        '{ "a" : 1.0, "b":1e2 ,"c":"\\u00e9\\/" }',
        '{"big":12345678901234567890123456789}',
    ]
    assert rows[2]["metadata"] == '{"x": [1,  2]}'


def _as_file(storage: MemoryStorage, file: manifest.HistoryFile, folder: Path) -> Path:
    out = folder / file.name
    out.write_bytes(storage.read(parquet.path_of(STORE, file.name)))
    return out


def test_a_large_event_among_small_ones() -> None:
    storage = MemoryStorage()
    with open_on(storage) as prime:
        fill(prime, 100)
        prime.append("note", "n", {"text": "x" * 3_000_000})
        fill(prime, 100, 1)
        events = events_of(prime)
        prime.compact()
        assert events_of(prime) == events


def test_nothing_to_do_does_nothing(tmp_path: Path) -> None:
    with primecore.open(tmp_path / "s") as prime:
        prime.append("note", "n", {})
        assert prime.compact()[:5] == (0, 0, 0, 0, 0)
        with pytest.raises(InvalidArgument, match="codec"):
            prime.compact(codec="rle")
    with primecore.open(":memory:") as prime, pytest.raises(InvalidArgument):
        prime.compact()


def test_duplicates_and_conflicts_of_events_that_are_history() -> None:
    storage, event_id = MemoryStorage(), new_id()
    with open_on(storage) as prime:
        first = prime.append("note", "n", {"a": 1}, event_id=event_id)
        fill(prime, 200)
        prime.compact()
        envelope = {"event_type": "note", "entity_id": "n", "payload": {"a": 1}, "event_id": event_id}
        assert prime._engine.log.first_position > first.position
        assert prime.append("note", "n", {"a": 1}, event_id=event_id)[:2] == first[:2]
        assert prime.append_many([envelope])[0].duplicate
        with pytest.raises(primecore.IdempotencyConflict):
            prime.append("note", "n", {"a": 2}, event_id=event_id)
        storage.patch(parquet.path_of(STORE, prime._engine.log.known.history[0].name), 2000, b"\0" * 3000)
    with pytest.raises(CorruptLog), open_on(storage) as prime:
        prime.append("note", "n", {"a": 1}, event_id=event_id)


# --- readers beside it


def test_readers_that_are_open_meanwhile_read_on(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with primecore.open(path, checkpoint_events=0) as prime:
        prime.ingest(str(real_log("redb-history.jsonl.gz")))
        events = events_of(prime)
        with primecore.open(path, read_only=True) as before:
            half = before.events()
            assert [next(half) for _ in range(100)] == events[:100]
            assert prime.compact().segments
            assert list(half) == events[100:]
            assert before.replay(verify=True).equal
            with primecore.open(path, read_only=True) as after:
                assert events_of(after) == events
                assert after._engine.log.first_position > 1


def test_segments_are_unmapped_but_not_under_a_reader() -> None:
    storage = MemoryStorage()
    with open_on(storage) as prime:
        fill(prime, 300)
        wal = prime._engine.log.wal
        wal.pin()
        prime.compact()
        assert not any(segment.is_gone for segment in wal.segment_list)
        wal.unpin()
        fill(prime, 300, 1)
        prime.compact()
        assert sum(segment.is_gone for segment in wal.segment_list) > 2
        assert prime.replay(verify=True).equal
        assert [event.position for event in prime.events()] == list(range(1, 601))


# --- damage


def compacted() -> tuple[MemoryStorage, list[Any], manifest.HistoryFile]:
    storage = MemoryStorage()
    with open_on(storage) as prime:
        fill(prime, 300)
        prime.compact()
        return storage, events_of(prime), prime._engine.log.known.history[0]


@pytest.mark.parametrize("what", ["missing", "cut", "damaged"])
def test_a_history_file_that_is_not_what_it_was_refuses_writers(what: str) -> None:
    storage, _events, file = compacted()
    path = parquet.path_of(STORE, file.name)
    if what == "missing":
        storage.remove(path)
    elif what == "cut":
        storage.write(path, storage.read(path)[:-7])
    else:
        storage.patch(path, 1500, bytes(500))
    assert parquet.verify(storage, STORE, file)
    with pytest.raises(CorruptLog) as caught:
        open_on(storage)
    assert path in str(caught.value) and "salvage" in caught.value.hint
    if what != "damaged":
        with open_on(storage, read_only=True) as prime:
            assert prime.position == 0 and prime.recovery.damaged


def test_a_history_file_that_cannot_be_read_is_not_called_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails, or a process that ran out of files, is no reason to salvage."""
    storage, events, file = compacted()
    path = parquet.path_of(STORE, file.name)
    real = MemoryStorage.map

    def failing(self: MemoryStorage, name: str, **how: bool) -> Any:
        if name == path:
            raise OSError(errno.EIO, "Input/output error", name)
        return real(self, name, **how)

    with monkeypatch.context() as patched:
        patched.setattr(MemoryStorage, "map", failing)
        with pytest.raises(StorageFailure, match="Input/output") as caught:
            open_on(storage)
        assert path in str(caught.value) and "salvage" not in str(caught.value)
        (found,) = checking.check_store(storage, STORE).findings
        assert (found.code, found.file) == ("unreadable", path)
        with pytest.raises(OSError, match="Input/output"):
            copies.backup(storage, STORE, "/backup")
        assert copies.load(storage, "/backup") is None
    assert checking.check_store(storage, STORE).findings == []
    with open_on(storage) as prime:
        assert events_of(prime) == events


def test_any_flipped_byte_is_found() -> None:
    storage, _, file = compacted()
    path = parquet.path_of(STORE, file.name)
    whole, rng = storage.read(path), random.Random(2)
    for offset in [*range(0, len(whole), max(1, len(whole) // 150)), len(whole) - 1]:
        storage.patch(path, offset, bytes([whole[offset] ^ (1 << rng.randrange(8))]))
        assert parquet.verify(storage, STORE, file), offset
        storage.patch(path, offset, whole[offset : offset + 1])
    assert parquet.verify(storage, STORE, file) == ""


def test_a_file_that_says_something_else_does_not_fit_the_chain() -> None:
    # The bytes are whole and the checksums hold; only what is said differs.
    from primecore._crc32c import crc32c
    from primecore._rows import gather_rows

    storage, _, file = compacted()
    other = MemoryStorage()
    with open_on(other) as prime:
        fill(prime, 300, 5)
        history = parquet.History(storage, STORE, lambda: (file,))
        groups = [gather_rows(rows) for rows in history.groups(file)]
        groups[0].columns["version"] = groups[0].columns["version"][:-4] + b"\x09\0\0\0"
        facts = {"base_position": file.base_position, "last_position": file.last_position}
        data = parquet.encode(iter(groups), "zstd", facts)
    storage.write(parquet.path_of(STORE, file.name), data)
    reason = parquet.verify(storage, STORE, file._replace(nbytes=len(data), crc32c=crc32c(data)))
    assert "chain" in reason


def test_a_damaged_log_is_not_made_history() -> None:
    storage = MemoryStorage()
    with open_on(storage) as prime:
        fill(prime, 300)
        mapping = prime._engine.log.wal.segment_list[0].mapping
        memoryview(mapping)[4096 + 100] ^= 1
        with pytest.raises(CorruptLog):
            prime.compact()
        assert prime._engine.log.known.history == ()


# --- crashes


def two_turns(prime: Any) -> tuple[list[Any], str]:
    """A history file that will be written anew, and segments behind it."""
    fill(prime, 120)
    prime.compact()
    fill(prime, 130, 1)
    return events_of(prime), prime.digest()


def all_is_there(prime: Any, state: tuple[list[Any], str]) -> None:
    assert events_of(prime) == state[0] and prime.digest() == state[1]


@pytest.mark.parametrize("sticky", [False, True])
def test_any_operation_of_a_compaction_may_fail(sticky: bool) -> None:
    fail_each(two_turns, lambda prime: prime.compact(), all_is_there, sticky=sticky)


def test_power_cuts_at_any_operation_leave_each_position_once() -> None:
    state, taken = cut_at_each(two_turns, lambda prime: prime.compact())
    histories = set()
    for picture in taken:
        with open_on(picture) as again:
            all_is_there(again, state)
            histories.add(again._engine.log.first_position)
            again.append("note", "n", {})
            again.compact()
            assert [event.position for event in again.events()] == list(range(1, len(state[0]) + 2))
    assert len(histories) == 2, "the old, and the new"


def test_segments_that_power_loss_brings_back_are_passed_over() -> None:
    storage = MemoryStorage()
    with open_on(storage) as prime:
        fill(prime, 300)
        first = f"{STORE}/wal/{1:020d}.wal"
        old = storage.read(first)
        prime.compact()
        events = events_of(prime)
    storage.write(first, old)
    with open_on(storage) as prime:
        assert events_of(prime) == events
        prime.compact()
        assert not storage.is_file(first)


COMPACT_FOR_EVER = """
import sys, primecore
with primecore.open(sys.argv[1], checkpoint_events=0) as prime:
    print("open", flush=True)
    prime.ingest(sys.argv[2])
    prime.compact()
"""


def test_kill_minus_nine_while_compacting(tmp_path: Path) -> None:
    source, path, rng = real_log("redb-history.jsonl.gz"), tmp_path / "s", random.Random(9)
    for _ in range(4):
        victim = subprocess.Popen(
            [sys.executable, "-c", COMPACT_FOR_EVER, str(path), str(source)],
            env=child_environment(),
            stdout=subprocess.PIPE,
        )
        assert victim.stdout is not None and victim.stdout.readline()
        time.sleep(rng.uniform(0.02, 0.4))
        victim.kill()
        victim.communicate()
        with primecore.open(path, checkpoint_events=0) as prime:
            positions = [event.position for event in prime.events()]
            assert positions == list(range(1, prime.position + 1))
            assert prime.replay(verify=True).equal
    with primecore.open(path, checkpoint_events=0) as prime:
        prime.ingest(str(source))
        assert prime.position == KNOWN[source.name][0]
        prime.compact()
    assert all(name.endswith(".parquet") for name in os.listdir(path / "history"))


# --- planning, and in the background


def test_the_plan_takes_small_files_along_and_leaves_large_ones() -> None:
    def segment(number: int, nbytes: int) -> manifest.SealedSegment:
        return manifest.SealedSegment(number, number * 10, number * 10 + 9, nbytes, "00" * 16)

    def file(log_bytes: int) -> manifest.HistoryFile:
        return manifest.HistoryFile("f", 1, 9, 1, 1, 0, log_bytes, "00" * 16, "00" * 16)

    known = manifest.Manifest("", 0, segments=tuple(segment(number, 50 << 20) for number in range(1, 6)))
    jobs = compaction.plan(known)
    assert [len(job.segments) for job in jobs] == [3, 2]
    assert compaction.plan(known._replace(history=(file(1 << 20),)))[0].former is not None
    assert compaction.plan(known._replace(history=(file(200 << 20),)))[0].former is None
    assert compaction.plan(known._replace(segments=(), history=(file(1),))) == []


def test_it_can_run_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from primecore import keeper

    monkeypatch.setattr(keeper, "COMPACT_LOG_BYTES", 1 << 20)
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.02)
    with primecore.open(tmp_path / "s", checkpoint_events=0, compact=True) as prime:
        prime.ingest(str(real_log("redb-history.jsonl.gz")))
        events = events_of(prime)
        until = time.monotonic() + 60
        while not prime.stats().history_files and time.monotonic() < until:
            time.sleep(0.02)
        assert prime.stats().history_files == 1
        assert events_of(prime) == events
    known = manifest.load(RealStorage(), str(tmp_path / "s"))
    assert known is not None and parquet.verify(RealStorage(), str(tmp_path / "s"), known.history[0]) == ""


# --- others read it


def test_the_example_asks_duckdb_and_pandas(tmp_path: Path) -> None:
    with primecore.open(tmp_path / "s", checkpoint_events=0) as prime:
        prime.ingest(str(real_log("redb-history.jsonl.gz")))
        turned = prime.compact().events
        counts: dict[str, int] = {}
        for event in prime.events(until=turned):
            counts[event.event_type] = counts.get(event.event_type, 0) + 1
    example = Path(__file__).resolve().parents[1] / "examples" / "query_history.py"
    done = subprocess.run([sys.executable, str(example), str(tmp_path / "s")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert {line.split()[1]: int(line.split()[0].replace(",", "")) for line in lines} == counts
    assert last.startswith("{") and ":" in last


def test_the_command_reports_and_does_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell(tmp_path, monkeypatch)
    with primecore.open(shell.store, checkpoint_events=0) as prime:
        for turn in range(3):  # the first segments are small, and closed soon
            said = {"event_type": "note", "payload": {"text": "to be remembered " * 9}}
            prime.append_many(said | {"entity_id": f"n:{turn}-{number}"} for number in range(6000))
        for number in range(40):
            prime.embed(f"m:{number}", [number + 1.0] * 64)
        events, digest = events_of(prime), prime.digest()
    [report] = shell("compact", "--codec", "snappy", "--json").documents
    assert report["files"] == 1 and report["segments"] >= 2 and 0 < report["events"] < len(events)
    assert 0 < report["bytes_after"] < report["bytes_before"] / 3
    files = {path.name: path.read_bytes() for path in (shell.store / "history").iterdir()}
    assert sum(map(len, files.values())) == report["bytes_after"]
    [again] = shell("compact", "--json").documents
    assert (again["files"], again["events"], again["bytes_before"], again["bytes_after"]) == (0, 0, 0, 0)
    assert {path.name: path.read_bytes() for path in (shell.store / "history").iterdir()} == files
    with primecore.open(shell.store, read_only=True) as prime:
        assert events_of(prime) == events and prime.digest() == digest
    assert primecore.verify(shell.store).ok
