"""Ranges, arenas and epochs."""

import os
import resource
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from primecore._memory import Arena, Epochs, Region


def test_a_region_costs_nothing_until_it_is_touched() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    regions = [Region(1 << 36) for _ in range(8)]
    assert all(r.extend(1 << 35) for r in regions)
    assert regions[0].read((1 << 34) - 3, 6) == bytes(6)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


@given(st.integers(1, 1 << 24), st.integers(0, 1 << 24))
@settings(max_examples=50)
def test_a_region_grows_up_to_its_reservation(reserve: int, wanted: int) -> None:
    region = Region(reserve)
    assert region.reserved >= reserve
    assert region.extend(wanted) == (wanted <= region.reserved)
    assert region.used == (wanted if wanted <= region.reserved else 0)
    assert not region.extend(region.reserved + 1)
    assert region.extend(region.reserved)
    region.write(region.reserved - 1, b"x")
    assert region.read(region.reserved - 1, 1) == b"x"
    assert region.extend(1) and region.used == region.reserved  # never shrinks


def test_a_region_stays_where_it_is_while_it_grows() -> None:
    region = Region(1 << 30)
    region.extend(10)
    region.write(0, b"0123456789")
    region.extend(1 << 29)
    region.write((1 << 29) - 4, b"tail")
    assert region.read(0, 10) == b"0123456789"
    assert region.read((1 << 29) - 4, 4) == b"tail"


def test_a_region_refuses_what_is_not_in_use() -> None:
    region = Region(100)
    region.extend(50)
    for offset, nbytes in ((0, 51), (50, 1), (51, 0), (2**64 - 1, 2), (10, 2**64 - 5)):
        with pytest.raises(IndexError):
            region.read(offset, nbytes)
    with pytest.raises(IndexError):
        region.write(49, b"ab")
    assert region.read(50, 0) == b""
    with pytest.raises(ValueError):
        Region(0)
    with pytest.raises(OverflowError):
        Region(-1)


def test_a_region_takes_less_where_address_space_is_short() -> None:
    code = ("import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33))\n"
            "from primecore._memory import Region\n"
            "r = Region(1 << 38); r.extend(r.reserved); r.write(r.reserved - 1, b'x'); print(r.reserved)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    assert done.returncode == 0, done.stderr
    assert 1 << 26 <= int(done.stdout) <= (1 << 33) // 64, "a share that leaves room for the others"


def test_a_store_opens_where_address_space_is_short() -> None:
    code = ("import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33))\n"
            "import primecore\n"
            "with primecore.open(':memory:') as prime: print(prime.add_node('a', {}, id='b'))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    assert done.stdout == "node:a:b\n", done.stderr


def test_capacities_are_multiples_of_16_and_waste_at_most_a_quarter() -> None:
    arena = Arena(1 << 20)
    for nbytes in [*range(1, 20_000), *(1 << n for n in range(15, 34)), *((1 << n) + 1 for n in range(15, 33))]:
        capacity = arena.capacity_for(nbytes)
        assert capacity >= nbytes and capacity % 16 == 0
        assert capacity < nbytes + 16 if nbytes <= 512 else capacity <= nbytes * 1.25
        assert arena.capacity_for(capacity) == capacity


def test_an_arena_says_when_it_is_full() -> None:
    arena = Arena(1 << 16)
    refs = []
    with pytest.raises(MemoryError):
        while True:
            refs.append(arena.allocate(1000))
    assert len(refs) == ((1 << 16) - 16) // 1024
    for nbytes in (1 << 30, 1 << 36, 2**64 - 1):
        with pytest.raises(MemoryError):
            arena.allocate(nbytes)
    arena.release(refs[3], 1000)
    assert arena.allocate(900) == refs[3]
    arena.release(0, 1000)
    assert arena.free_bytes == 0


class ArenaAgainstModel(RuleBasedStateMachine):
    """Blocks never overlap and keep their contents until they are released."""

    def __init__(self) -> None:
        super().__init__()
        self.arena = Arena(1 << 26)
        self.blocks: dict[int, tuple[int, bytes]] = {}
        self.freed = 0

    @rule(nbytes=st.one_of(st.integers(1, 700), st.integers(1, 40_000)), byte=st.integers(1, 255))
    def allocate(self, nbytes: int, byte: int) -> None:
        ref = self.arena.allocate(nbytes)
        assert ref and ref not in self.blocks
        fill = bytes([byte]) * self.arena.capacity_for(nbytes)
        self.arena.region.write(ref * 16, fill)
        self.blocks[ref] = (nbytes, fill)

    @precondition(lambda self: self.blocks)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        ref = data.draw(st.sampled_from(sorted(self.blocks)))
        nbytes, _ = self.blocks.pop(ref)
        self.arena.release(ref, nbytes)

    @invariant()
    def contents_stay(self) -> None:
        for ref, (_, fill) in self.blocks.items():
            assert self.arena.region.read(ref * 16, len(fill)) == fill

    @invariant()
    def every_byte_is_accounted_for(self) -> None:
        held = sum(len(fill) for _, fill in self.blocks.values())
        assert self.arena.used_bytes == 16 + held + self.arena.free_bytes


TestArenaAgainstModel = ArenaAgainstModel.TestCase
TestArenaAgainstModel.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_memory_waits_for_the_readers_that_came_before() -> None:
    epochs = Epochs()
    first = epochs.begin()
    stamp = epochs.tick()
    assert epochs.horizon() < stamp
    second = epochs.begin()
    epochs.end(first)
    assert epochs.horizon() >= stamp
    later = epochs.tick()
    assert stamp <= epochs.horizon() < later
    epochs.end(second)
    assert epochs.horizon() >= later


def test_more_readers_than_slots_share() -> None:
    epochs = Epochs()
    slots = [epochs.begin() for _ in range(200)]
    assert len(set(slots)) == 64
    stamp = epochs.tick()
    late = [epochs.begin() for _ in range(10)]
    for slot in slots:
        assert epochs.horizon() < stamp
        epochs.end(slot)
    for slot in late:
        epochs.end(slot)
    assert epochs.horizon() >= stamp


def test_leaving_without_entering_is_refused() -> None:
    epochs = Epochs()
    for slot in (0, 63, 64, -1):
        with pytest.raises(ValueError):
            epochs.end(slot)
    epochs.end(epochs.begin())


class EpochsAgainstModel(RuleBasedStateMachine):
    """The horizon never passes a stamp that a reader inside could still hold."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs = Epochs()
        self.clock = 1
        self.readers: list[tuple[int, int]] = []

    @rule()
    def begin(self) -> None:
        self.readers.append((self.epochs.begin(), self.clock))

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        slot, _ = self.readers.pop(data.draw(st.integers(0, len(self.readers) - 1)))
        self.epochs.end(slot)

    @rule()
    def tick(self) -> None:
        self.clock += 1
        assert self.epochs.tick() == self.clock

    @invariant()
    def horizon_is_the_longest_reader(self) -> None:
        assert self.epochs.horizon() == min((stamp for _, stamp in self.readers), default=self.clock)


TestEpochsAgainstModel = EpochsAgainstModel.TestCase
TestEpochsAgainstModel.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_readers_in_threads_leave_no_trace() -> None:
    epochs = Epochs()
    stamps: list[int] = []

    def read() -> None:
        for _ in range(3000):
            slot = epochs.begin()
            stamps.append(epochs.tick())
            epochs.end(slot)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(stamps)) == 12_000
    assert epochs.horizon() == max(stamps)
