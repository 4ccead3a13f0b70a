"""The hot paths take no more instructions than they did: counted, not timed, so a busy machine changes nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.children import child_environment

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "instructions.py"
sys.path.insert(0, str(SCRIPT.parent))
import instructions  # noqa: E402


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_the_hot_paths_take_the_instructions_they_took():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check"], capture_output=True, text=True, env=child_environment(), timeout=600
    )
    if done.returncode == 2:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, f"{done.stderr}\nif that is meant: python benchmarks/instructions.py --update"


def test_more_fewer_and_unknown_are_told_apart():
    baseline = {"a": 1000.0, "b": 1000.0}
    assert instructions.verdict({"a": 1050.0, "b": 951.0}, baseline) == []
    assert instructions.verdict({"a": 1200.0}, baseline) == ["a: 1,200 instructions, was 1,000 (+20.0%)"]
    assert instructions.verdict({"b": 800.0}, baseline) == ["b: 800 instructions, was 1,000 (-20.0%)"]
    assert instructions.verdict({"c": 5.0}, baseline) == ["c: 5 instructions, and nothing to compare with"]
