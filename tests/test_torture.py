"""A slice of every rung of the ladder (tests/torture); `make torture` climbs it for as long as it is told."""

import json
import os
import random
import shutil
import subprocess
import sys

import pytest
from support.children import child_environment
from torture import chores, crowd, faults, flips, fuzz, kills, memory, metamorphic, processes, simulation
from torture.__main__ import RUNGS

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="this system is not Linux")


@pytest.fixture(autouse=True)
def what_the_system_forbids(monkeypatch):
    """A sandbox that forbids something is a reason to skip; a program that is missing is not, in CI."""
    for name in ("failing_sync", "power_cut", "full_disk"):
        plain = getattr(processes, name)

        def asked(*arguments, plain=plain):
            try:
                return plain(*arguments)
            except processes.NotAllowed as error:
                pytest.skip(str(error))

        monkeypatch.setattr(processes, name, asked)


@pytest.fixture
def strace():
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    try:
        processes.may_trace()
    except processes.NotAllowed as error:
        pytest.skip(str(error))


def a_seed() -> int:
    seed = random.SystemRandom().randrange(2**31)
    print(f"seed {seed}")
    return seed


@pytest.mark.parametrize("seed", [*range(12), None])
def test_simulated_lives(seed):
    assert simulation.run(a_seed() if seed is None else seed)["events"]


@pytest.mark.parametrize("seed", range(3))
def test_each_operation_fails_in_memory(seed):
    assert faults.in_memory(seed, step=5) > 10


@pytest.mark.parametrize("backend", ["mapping", "pwrite"])
def test_each_operation_fails_on_a_disk(tmp_path, backend):
    assert faults.on_disk(0, tmp_path, backend, step=13) > 10


@pytest.mark.parametrize("seed", [2, 4, None])
def test_whole_stores_whose_chores_fail(seed):
    assert chores.run(a_seed() if seed is None else seed)


@pytest.mark.parametrize("closed", [False, True])
def test_each_byte_flipped(closed):
    found = flips.run(closed, start=random.randrange(12), step=12)
    assert found["refused"] and (closed or found["set aside"])


def test_sizes_modes_and_backends_give_one_digest(tmp_path):
    assert metamorphic.run(a_seed(), tmp_path) == 3


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_the_corpus_and_some_mutations(kind):
    for data in fuzz.corpus(kind):
        fuzz.KINDS[kind][1](data)
    assert fuzz.run(kind, a_seed(), 300)


@linux
@pytest.mark.parametrize("seed", [4, 6, 7])
def test_memory_runs_out(tmp_path, seed):
    """An event was once in the log and not in the tables, and the store went on: ids found no room after the append."""
    assert memory.run(seed, tmp_path)


@pytest.mark.parametrize("seed", [1, None])
def test_random_kills(tmp_path, seed):
    assert kills.run(a_seed() if seed is None else seed, tmp_path, kills=20)


@linux
@pytest.mark.parametrize(
    "way, backend, fsync", [("append", "pwrite", "always"), ("append_many", "mapping", "interval")]
)
def test_killed_at_a_call(tmp_path, way, backend, fsync):
    assert kills.at_points(a_seed(), tmp_path, way, backend, fsync, step=11 if fsync == "interval" else 31) > 5


def test_a_crowd_of_threads_and_processes(tmp_path):
    assert crowd.run(a_seed(), tmp_path, seconds=2)


@linux
@pytest.mark.parametrize("backend", ["mapping", "pwrite"])
def test_a_disk_that_cannot_sync(tmp_path, strace, backend):
    processes.failing_sync(1, tmp_path, backend)


@linux
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_disk_that_fills_up(tmp_path, seed):
    processes.full_disk(seed, tmp_path)


@linux
@pytest.mark.parametrize("seed", [0, 1])
def test_power_is_cut(tmp_path, seed):
    processes.power_cut(seed, tmp_path)


def test_the_long_run_writes_down_what_it_did(tmp_path):
    environment = child_environment() | {"TORTURE_SECONDS": "0.2", "TORTURE_RESULT": str(tmp_path / "torture.json")}
    done = subprocess.run([sys.executable, "-m", "torture"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "torture.json").read_text())
    assert found["figures"]["rungs"].keys() == RUNGS.keys() and found["figures"]["failures"] == 0


def test_a_failure_says_how_to_repeat_it(monkeypatch, capsys):
    from torture import __main__ as ladder

    def failing(seed, folder):
        assert os.path.isdir(folder) and seed != 17

    monkeypatch.setitem(ladder.RUNGS, "simulation", ladder.Rung(1, "lives", failing))
    assert ladder.main(["simulation", "17"]) == 1
    assert "make torture TORTURE='simulation 17'" in capsys.readouterr().out
