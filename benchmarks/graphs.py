"""Builds the graph workload into a store: COUNT nodes, five edges each way. Knows the workload and the public API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import common
import workloads

import primecore


def fill(prime: Any, name: str, count: int) -> None:
    """Ingest "nodes" or "edges" of the graph of `count` nodes."""
    expected = count if name == "nodes" else count * workloads.EDGES_EACH_WAY
    with workloads.stream(name, count) as lines:
        report = prime.ingest(lines)
    assert report.appended == expected, report


def build(path: Path, count: int) -> Path:
    """A closed store with the graph; one that is there already is taken as it is."""
    done = path.with_suffix(".complete")
    if not done.exists():
        common.say(f"building a graph of {count:,} nodes and {count * workloads.EDGES_EACH_WAY:,} edges")
        with primecore.open(common.fresh(path), checkpoint_events=0) as prime:
            fill(prime, "nodes", count)
            fill(prime, "edges", count)
        done.touch()
    return path
