"""Checkpoints: the same answers as a replay, never ahead of the log, and any doubt about them ends in a replay."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.children import child_environment
from support.compare import assert_same
from support.disks import STORE, events_of, open_on
from support.feed import feed_on
from support.fold import Fold
from support.generate import Generator
from support.realdata import KNOWN, real_log
from support.steps import cut_at_each, fail_each
from support.stores import new_id

import primecore
from primecore import checkpoint, checkpointer
from primecore.errors import CorruptLog, InvalidArgument, PrimeError
from primecore.memory_storage import MemoryStorage
from primecore.storage import RealStorage


def grow(prime: Any, count: int, seed: int = 0) -> None:
    """Nodes, edges that come and go, a domain or two: tables of all kinds."""
    rng = random.Random(seed)
    for number in range(count):
        node = prime.add_node(
            f"type{rng.randrange(3)}", {"n": number, "domain": rng.choice("abc")}, id=f"{seed}-{number}"
        )
        if number > 2:
            other = prime.nodes(limit=1)[0].id
            edge = prime.add_edge(node, other, rng.choice(("knows", "likes")), weight=number, event_id=new_id())
            if rng.random() < 0.3:
                prime.delete_edge(edge)
        if rng.random() < 0.3:
            prime.embed(node, [rng.uniform(-1, 1) for _ in range(4)], text=f"text of {number}", metadata={"n": number})
        if rng.random() < 0.1:
            prime.delete_node(node)
        if rng.random() < 0.2:
            prime.append("chat.line", f"chat:{rng.randrange(9)}", {"text": "x" * rng.randrange(300)})


# --- the same answers


@pytest.mark.parametrize("seed", range(4))
def test_random_sequences_reopened_from_checkpoints_answer_as_the_fold(seed: int) -> None:
    storage, fold, generator, rng = MemoryStorage(), Fold(), Generator(seed, clock=True), random.Random(seed)
    used = 0
    for turn in range(8):
        with open_on(storage) as prime:
            used += prime.opening.checkpoint_position > 0
            assert prime.opening.note == ""
            assert prime.opening.checkpoint_position + prime.opening.replayed == fold.position == prime.position
            fold = feed_on(
                prime, fold, generator.events(rng.choice((0, 1, 30, 150))), rng.choice(("append", "ingest")), turn
            )
            if prime.position and rng.random() < 0.7:
                assert prime.checkpoint().position == prime.position
                fold = feed_on(prime, fold, generator.events(rng.choice((0, 5))), "append_many", turn)
            digest = prime.digest()
            report = prime.replay(verify=True)
            assert report.equal and report.digest == digest
    assert used
    with open_on(storage, read_only=True) as prime:
        assert prime.digest() == digest
        assert_same(prime, fold)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_real_logs_open_from_checkpoints_taken_at_many_positions(name: str, tmp_path: Path) -> None:
    lines = subprocess.run(["gzip", "-dc", real_log(name)], capture_output=True, check=True).stdout.splitlines(True)
    path = tmp_path / "store"
    for part in range(4):
        chunk = tmp_path / f"{part}.jsonl"
        chunk.write_bytes(b"".join(lines[part * len(lines) // 4 : (part + 1) * len(lines) // 4]))
        with primecore.open(path, checkpoint_events=0) as prime:
            assert (prime.opening.checkpoint_position > 0) == (part > 0)
            prime.ingest(str(chunk))
            digest = prime.digest()
            if part < 3:
                prime.checkpoint()
            assert prime.replay(verify=True).equal
    with primecore.open(path, read_only=True) as prime:
        assert prime.digest() == digest
        assert (prime.position, prime.stats().nodes, prime.stats().edges) == KNOWN[name][:3]


def test_what_follows_a_checkpoint_lands_in_the_same_tables() -> None:
    # Numbers that were given back, blocks that were freed, indexes that grow: all go on where they stopped.
    storage, plain = MemoryStorage(), primecore.open(":memory:")
    for turn in range(5):
        events = Generator(turn, vectors=False).events(400)
        with open_on(storage) as prime:
            for store in (prime, plain):
                for event in events:
                    fields = {key: event[key] for key in ("event_id", "timestamp", "metadata") if key in event}
                    try:
                        store.append(event["event_type"], event["entity_id"], event.get("payload"), **fields)
                    except PrimeError:
                        pass
            assert prime.digest() == plain.digest()
            prime.checkpoint()
            grow(prime, 40, turn)
            assert prime.replay(verify=True).equal
            plain.append_many(list(prime.events(after=plain.position)))
            assert prime.digest() == plain.digest()
            prime.checkpoint()
    plain.close()


def test_words_are_found_after_opening_from_one() -> None:
    storage = MemoryStorage()
    with open_on(storage) as prime:
        grow(prime, 10)
        prime.add_node("person", {"name": "Ada Lovelace"}, id="ada")
        prime.embed("memo:1", [1.0, 2.0, 0.0, 1.0], text="a memo on engines")
        before = [prime.search("lovelace"), prime.search("engines")]
        assert all(before)
        prime.checkpoint()
    with open_on(storage) as prime:
        assert prime.opening.replayed == 0
        assert [prime.search("lovelace"), prime.search("engines")] == before
        prime.append("prime.vector.deleted", "vec:memo:1", {})
        assert prime.search("engines") == []
        assert prime.replay(verify=True).equal


@pytest.mark.parametrize("kinds", [31, 32, 33, 63, 64, 65, 700])
def test_stores_of_many_kinds_open_from_one(kinds: int) -> None:
    # Types, relations, domains and labels are numbered each in a table that grows; so are the heads of ids.
    storage, events = MemoryStorage(), []
    for number in range(kinds):
        about = {"name": f"Name {number}", "domain": f"domain{number}", "labels": [f"label{number}"]}
        events.append(("prime.node.created", f"node:type{number}:a", {"properties": about}))
        link = {"source": f"node:type{number}:a", "target": "node:type0:a", "relation": f"relation{number}"}
        events.append(("prime.edge.created", f"edge:kind{number}:a", link))
        events.append((f"note.kind{number}", f"note{number}:a", {}))

    def write(prime: Any, some: list[tuple[str, str, Any]]) -> None:
        prime.append_many([dict(zip(("event_type", "entity_id", "payload"), one, strict=True)) for one in some])

    with open_on(storage) as prime:
        write(prime, events[: len(events) // 2])
        prime.checkpoint()
    with open_on(storage) as prime:
        assert prime.opening.replayed == 0
        write(prime, events[len(events) // 2 :])
        before = prime.digest(), prime.stats(), prime.neighbors("node:type0:a"), prime.domains()
        prime.checkpoint()
    with open_on(storage) as prime:
        assert prime.opening.replayed == 0
        after = prime.digest(), prime.stats(), prime.neighbors("node:type0:a"), prime.domains()
        assert (after[0], after[2], after[3]) == (before[0], before[2], before[3])
        assert after[1].nodes_by_type == before[1].nodes_by_type and len(after[1].nodes_by_type) == kinds
        assert prime.replay(verify=True).equal


def test_event_ids_stay_taken() -> None:
    storage, event_id = MemoryStorage(), new_id()
    with open_on(storage) as prime:
        first = prime.append("note", "n", {"a": 1}, event_id=event_id)
        prime.checkpoint()
    with open_on(storage) as prime:
        assert prime.opening.replayed == 0
        again = prime.append("note", "n", {"a": 1}, event_id=event_id)
        assert again.duplicate and again.position == first.position
        with pytest.raises(primecore.IdempotencyConflict):
            prime.append("note", "n", {"a": 2}, event_id=event_id)


# --- when


def test_closing_writes_one_when_enough_has_come(tmp_path: Path) -> None:
    with primecore.open(tmp_path / "s", checkpoint_events=20) as prime:
        grow(prime, 5)
    assert not (tmp_path / "s/checkpoints").exists()
    with primecore.open(tmp_path / "s", checkpoint_events=20) as prime:
        grow(prime, 30, 1)
        last = prime.position
    assert checkpoint.positions(RealStorage(), str(tmp_path / "s")) == [last]
    with primecore.open(tmp_path / "s", checkpoint_events=20) as prime:
        assert prime.opening.checkpoint_position == last == prime.stats().checkpoint_position
        prime.append("note", "n", {})
    assert checkpoint.positions(RealStorage(), str(tmp_path / "s")) == [last]


def test_it_is_refused_where_it_makes_no_sense(tmp_path: Path) -> None:
    with primecore.open(":memory:") as prime, pytest.raises(InvalidArgument, match="in memory"):
        prime.checkpoint()
    with primecore.open(tmp_path / "s") as prime:
        with pytest.raises(InvalidArgument, match="no event"):
            prime.checkpoint()
        prime.append("note", "n", {})
    with primecore.open(tmp_path / "s", read_only=True) as prime, pytest.raises(InvalidArgument, match="read-only"):
        prime.checkpoint()


def test_a_helper_writes_one_beside_a_running_writer(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with primecore.open(path, checkpoint_events=0) as prime:
        grow(prime, 50)
        prime.flush()
        durable = prime.position
        prime.append("note", "n", {})
        written = None
        until = time.monotonic() + 30
        while written is None or written.position < durable:  # the log says a little later what it holds for good
            assert time.monotonic() < until
            time.sleep(0.02)
            written = checkpointer.run(str(path), RealStorage()) or written
        assert written.position <= prime.position
        assert checkpointer.run(str(path), RealStorage()) is None or prime.durable_position > written.position
        digest = prime.digest()
    with primecore.open(path, read_only=True) as prime:
        assert prime.opening.checkpoint_position >= written.position and prime.digest() == digest


def test_the_helper_killed_at_any_time_leaves_nothing_wrong(tmp_path: Path) -> None:
    path, rng = tmp_path / "s", random.Random(7)
    with primecore.open(path, checkpoint_events=0) as prime:
        for turn in range(6):
            grow(prime, 60, turn)
            prime.flush()
            helper = subprocess.Popen(
                [sys.executable, "-m", "primecore.checkpointer", str(path)], env=child_environment()
            )
            time.sleep(rng.uniform(0, 0.25))
            helper.kill()
            helper.wait()
            with primecore.open(path, read_only=True) as reader:
                assert reader.opening.note == ""
                assert reader.replay(verify=True).equal
        digest = prime.digest()
        prime.checkpoint()
        assert all(name.endswith(checkpoint.SUFFIX) for name in os.listdir(path / "checkpoints"))
    with primecore.open(path, read_only=True) as reader:
        assert reader.digest() == digest


# --- doubt


@pytest.fixture
def small() -> tuple[MemoryStorage, str, str]:
    """A disk with a store and its checkpoint: (disk, path of the checkpoint, digest)."""
    storage = MemoryStorage()
    with open_on(storage) as prime:
        grow(prime, 25)
        file = prime.checkpoint().file
        digest = prime.digest()
    return storage, file, digest


def opens_by_replay(storage: MemoryStorage, digest: str, reason: str) -> None:
    with open_on(storage, read_only=True) as prime:
        assert prime.opening.checkpoint_position == 0
        assert reason in prime.opening.note and "\n" not in prime.opening.note
        assert prime.digest() == digest


def test_every_byte_counts(small: tuple[MemoryStorage, str, str]) -> None:
    storage, file, digest = small
    whole = storage.read(file)
    found, _ = checkpoint.find(storage, STORE)
    assert found is not None
    mark, last = found.catalogue["mark"], found.position
    sound, _, _ = checkpoint.restore(found, last, lambda position: mark)
    sound.graph.close()
    rng = random.Random(1)
    offsets = [*range(0, checkpoint.HEADER.size), *range(checkpoint.HEADER.size, found.begin, 13)]
    offsets += [offset + rng.randrange(300) for offset in range(found.begin, len(whole) - 300, 300)]
    offsets += [len(whole) - 1]
    for offset in offsets:
        storage.patch(file, offset, bytes([whole[offset] ^ (1 << rng.randrange(8))]))
        found, reasons = checkpoint.find(storage, STORE)
        if found is None:
            assert len(reasons) == 1
        else:
            with pytest.raises(checkpoint.Refused):
                checkpoint.restore(found, last, lambda position: mark)
        storage.patch(file, offset, whole[offset : offset + 1])
    storage.patch(file, len(whole) - 5000, bytes([whole[-5000] ^ 1]))
    opens_by_replay(storage, digest, "is not what was written")


def test_a_file_that_was_cut_off(small: tuple[MemoryStorage, str, str]) -> None:
    storage, file, digest = small
    whole = storage.read(file)
    for size in (1, 7, checkpoint.HEADER.size, 4096, len(whole) // 2, len(whole) - 1):
        storage.write(file, whole[:size])
        opens_by_replay(storage, digest, file)


def test_other_layouts_versions_and_stores(
    small: tuple[MemoryStorage, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, file, digest = small
    from primecore.projections.nodes import NodeState

    with monkeypatch.context() as changed:
        changed.setattr(NodeState, "version", 99)
        with open_on(storage, read_only=True) as prime:
            assert prime.opening.checkpoint_position == 0
            assert "laid out otherwise" in prime.opening.note
    with monkeypatch.context() as changed:
        changed.setattr(checkpoint, "FORMAT", 2)
        opens_by_replay(storage, digest, "another version of Prime")
    other = MemoryStorage()
    with open_on(other) as prime:
        grow(prime, 25)
        foreign = storage.read(file)
        other.make_directory(os.path.dirname(file))
        other.write(checkpoint.path_of(STORE, prime.position), foreign)
        digest = prime.digest()
    opens_by_replay(other, digest, "another store")


def test_a_checkpoint_of_another_life_of_the_log() -> None:
    # A store put back from a copy has the same identity, and another history from there on.
    storage = MemoryStorage()
    with open_on(storage) as prime:
        grow(prime, 10)
    copy = storage.crash_clone(random.Random(0), keep_everything=True)
    with open_on(storage) as prime:
        grow(prime, 10, 1)
        file = prime.checkpoint().file
        position = prime.position
    copy.make_directory(os.path.dirname(file))
    copy.write(file, storage.read(file))
    with open_on(copy) as prime:
        assert "the log ends at" in prime.opening.note
        while prime.position < position + 5:
            prime.append("note", "n", {})
        digest = prime.digest()
    opens_by_replay(copy, digest, "another event at position")
    # The next one of this life takes its place, also where it comes earlier.
    with open_on(copy) as prime:
        prime.checkpoint()
    with open_on(copy) as prime:
        assert prime.opening.note == "" and prime.opening.replayed == 0


def test_what_fell_back_is_told_in_one_line(
    small: tuple[MemoryStorage, str, str], caplog: pytest.LogCaptureFixture
) -> None:
    storage, file, _ = small
    storage.patch(file, 0, b"x")
    with caplog.at_level(logging.WARNING, "primecore"), open_on(storage, read_only=True) as prime:
        assert [record.getMessage() for record in caplog.records] == [prime.opening.note]


# --- the log behind it


def sealed_store() -> tuple[MemoryStorage, str]:
    """A store with sealed segments behind its checkpoint, and the path of the first."""
    storage = MemoryStorage()
    with open_on(storage) as prime:
        grow(prime, 300)
        assert len(prime._engine.log.wal.segment_list) > 3
        prime.checkpoint()
    return storage, f"{STORE}/wal/{1:020d}.wal"


def test_sealed_segments_are_not_read_before_they_are_needed() -> None:
    storage, first = sealed_store()
    storage.patch(first, 4096 + 200, b"\xff")
    with open_on(storage, read_only=True) as prime:
        assert prime.opening.replayed == 0
        assert prime.stats().nodes
        with pytest.raises(CorruptLog):
            events_of(prime)
        with pytest.raises(CorruptLog):
            prime.replay(verify=True)


def test_damage_that_is_found_later_ends_appends() -> None:
    storage, first = sealed_store()
    storage.patch(first, 4096 + 200, b"\xff")
    with open_on(storage) as prime:
        prime.append("note", "n", {})
        prime._engine.log.check_trusted(lambda: False)
        with pytest.raises(CorruptLog) as caught:
            prime.append("note", "n", {})
        assert caught.value.position == 1
        assert prime.stats().nodes


def test_without_damage_the_later_check_is_content() -> None:
    storage, _ = sealed_store()
    with open_on(storage) as prime:
        prime._engine.log.check_trusted(lambda: False)
        prime.append("note", "n", {})
        assert prime.replay(verify=True).equal


@pytest.mark.parametrize("what", ["missing", "cut", "foreign"])
def test_a_sealed_segment_that_is_not_there_refuses_at_once(what: str) -> None:
    storage, first = sealed_store()
    if what == "missing":
        storage.remove(first)
    elif what == "cut":
        storage.write(first, storage.read(first)[:5000])
    else:
        storage.patch(first, 16, b"\xff" * 16)
    with pytest.raises(CorruptLog):
        open_on(storage)


# --- failing disks


def two_turns(prime: Any) -> tuple[list[Any], str]:
    """A checkpoint, and events behind it that are durable."""
    grow(prime, 20)
    prime.checkpoint()
    grow(prime, 20, 1)
    prime.flush()
    return events_of(prime), prime.digest()


def all_is_there(prime: Any, state: tuple[list[Any], str]) -> None:
    assert prime.opening.note == ""
    assert events_of(prime) == state[0] and prime.digest() == state[1]


@pytest.mark.parametrize("sticky", [False, True])
def test_any_operation_may_fail(sticky: bool) -> None:
    fail_each(two_turns, lambda prime: prime.checkpoint(), all_is_there, sticky=sticky)


def test_power_cuts_at_any_operation_leave_the_old_or_the_new() -> None:
    state, taken = cut_at_each(two_turns, lambda prime: prime.checkpoint())
    seen = set()
    for picture in taken:
        with open_on(picture, read_only=True) as again:
            all_is_there(again, state)
            seen.add(again.opening.checkpoint_position)
    assert len(seen) == 2 and 0 not in seen, "the old, and the new"
