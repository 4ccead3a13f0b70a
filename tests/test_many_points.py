"""Time at many points: one digest whichever way a log is read, and one past before and after compaction."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.generate import Generator
from support.past import folded
from support.realdata import KNOWN, real_events, real_log

import primecore
from primecore import config
from primecore.errors import PrimeError
from primecore.segments import SegmentSizes
from primecore.service import Prime

SMALL = SegmentSizes(16384, 65536)
POINTS = 120  # of a real log, before and after compaction
RANDOM = "random"


def open_small(path: Path, **settings: Any) -> Prime:
    """A store on disk with small segments, without checkpoints of its own accord."""
    return Prime(config.settings(path, checkpoint_events=0, **settings), None, None, SMALL)


def append(prime: Prime, events: list[dict[str, Any]]) -> None:
    """Appends what may be appended."""
    for event in events:
        fields = {name: event[name] for name in ("event_id", "timestamp", "metadata") if name in event}
        try:
            prime.append(event["event_type"], event["entity_id"], event.get("payload"), **fields)
        except PrimeError:
            pass


def events_of(name: str) -> list[dict[str, Any]]:
    """A real log, or a random one."""
    return Generator(17).events(700) if name == RANDOM else list(real_events(name))


# --- digests


@pytest.mark.parametrize("name", [RANDOM, *sorted(KNOWN)])
def test_digests_are_equal_in_every_way_at_many_positions(name: str, tmp_path: Path) -> None:
    rng, events = random.Random(5), events_of(name)
    cuts = sorted(rng.sample(range(1, len(events)), 8))
    live: dict[int, str] = {}
    path = tmp_path / "s"
    for first, last in zip([0, *cuts], [*cuts, len(events)], strict=True):
        with open_small(path) as prime:
            assert prime.opening.checkpoint_position == prime.position  # a later round: mapped back, nothing replayed
            assert live.get(prime.position, prime.digest()) == prime.digest()
            append(prime, events[first:last])
            live[prime.position] = prime.digest()
            prime.checkpoint()

    def holds(where: Path, **settings: Any) -> None:
        with open_small(where, **settings) as prime:
            for position in rng.sample(sorted(live), 4):
                assert prime.replay(to=position).digest == live[position], position
            assert prime.digest() == live[prime.position]

    holds(path, read_only=True)
    with open_small(path) as prime:
        assert prime.compact().segments
    holds(path)  # from Parquet and log
    shutil.copytree(path, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "checkpoints")
    holds(tmp_path / "bare", read_only=True)  # replayed whole
    primecore.backup(path, tmp_path / "backup")
    primecore.restore(tmp_path / "backup", tmp_path / "restored")
    holds(tmp_path / "restored")
    with open_small(path, read_only=True) as prime:
        prime.export(tmp_path / "log.jsonl")
    with open_small(tmp_path / "imported") as prime:
        prime.import_from(tmp_path / "log.jsonl")
    holds(tmp_path / "imported")


# --- the past


@contextmanager
def grown(path: Path, name: str) -> Iterator[Prime]:
    with open_small(path) as prime:
        prime.ingest(str(real_log(name)))
        prime.flush()
        yield prime


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_real_log_is_at_any_position_what_its_prefix_is(name: str, tmp_path: Path) -> None:
    rng = random.Random(23)
    with grown(tmp_path / "s", name) as prime, primecore.open(":memory:") as prefix:
        events = list(prime.events())
        positions = sorted(rng.sample(range(1, len(events) + 1), POINTS))
        nodes = sorted({event.entity_id for event in events if event.entity_id.startswith("node:")})
        edges = sorted({event.entity_id for event in events if event.entity_id.startswith("edge:")})
        asked = [(rng.sample(nodes, 8), rng.sample(edges, 8)) for _ in positions]

        def facts(reads: Any, nodes: list[str], edges: list[str]) -> list[Any]:
            found = [[reads.node(node), list(reads.neighbors(node))] for node in nodes]
            domain = [(domain.name, domain.nodes) for domain in reads.domains()]
            return [found, [reads.edge(edge) for edge in edges], domain, reads.cross_domain()]

        wanted = []
        for position, (some, others) in zip(positions, asked, strict=True):
            prefix.append_many(events[prefix.position : position])
            wanted.append(facts(prefix, some, others))
        for _ in range(2):
            for position, (some, others), expected in zip(positions, asked, wanted, strict=True):
                assert facts(prime.at(position=position), some, others) == expected, position
            prime.compact()
        assert prime.stats().history_files


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_real_log_is_at_any_time_what_came_by_then(name: str, tmp_path: Path) -> None:
    rng = random.Random(29)
    with grown(tmp_path / "s", name) as prime:
        events = list(prime.events())
        times = [rng.choice(events).timestamp for _ in range(4)]
        shown = [folded([event for event in events if event.timestamp <= time]) for time in times]
        asked = [rng.sample(sorted(fold.nodes), min(12, len(fold.nodes))) for fold in shown]
        for _ in range(2):
            for time, fold, nodes in zip(times, shown, asked, strict=True):
                view = prime.at(time)
                for node in nodes:
                    found = view.node(node)
                    assert found is not None and found.properties == fold.nodes[node]["properties"]
                    ends = [id for id, edge in fold.edges.items() if node in (edge["source"], edge["target"])]
                    assert sorted(it.edge_id for it in view.neighbors(node)) == sorted(ends)
            prime.compact()
        assert prime.stats().history_files
