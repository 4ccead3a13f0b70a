"""The engine against the naive fold on random sequences: however events come, and whatever becomes of the process."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.children import TESTS, child
from support.compare import assert_same, assert_same_stats
from support.feed import WAYS, feed, feed_on
from support.fold import Fold
from support.generate import Generator
from support.writer import BATCH_EVENTS, acceptable

import primecore

FSYNC_MODES = ("interval", "always", "never")


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), count=st.integers(1, 80))
def test_any_short_sequence_in_memory(way, seed, count):
    with primecore.open(":memory:") as prime:
        assert_same(prime, feed(prime, Generator(seed, clock=seed % 2 == 0).events(count), way, seed))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(4))
def test_a_long_sequence_live_reopened_and_replayed(tmp_path, way, seed):
    with primecore.open(tmp_path / "store", fsync=FSYNC_MODES[seed % 3]) as prime:
        fold = feed(prime, Generator(seed, clock=seed % 2 == 1).events(1500), way, seed)
        assert_same(prime, fold)
        live = prime.digest()
        report = prime.replay(verify=True)
        assert (report.events, report.position) == (fold.position, fold.position)
        assert report.equal is True and report.digest == report.live_digest == live
        assert_same(prime, fold)
    with primecore.open(tmp_path / "store") as prime:
        assert_same(prime, fold)
        assert prime.digest() == live
        fold = feed_on(prime, fold, Generator(seed + 1000).events(200), way, seed)
        assert_same(prime, fold)
    with primecore.open(tmp_path / "store", read_only=True) as prime:
        assert_same(prime, fold)


def test_state_is_right_after_every_single_event():
    """Counters that are wrong for a moment and right at the end would slip through the other tests."""
    fold = Fold()
    with primecore.open(":memory:") as prime:
        for event in Generator(99).events(400):
            feed_on(prime, fold, [event], "append")
            assert_same_stats(prime, fold)
        assert_same(prime, fold)


@pytest.mark.parametrize("seed", range(3))
def test_the_digest_does_not_depend_on_how_the_state_came_about(tmp_path, seed):
    events = Generator(seed).events(600)
    digests = {}
    for way in WAYS:
        for fsync in FSYNC_MODES:
            with primecore.open(tmp_path / f"{way}-{fsync}", fsync=fsync, fsync_interval_ms=5) as prime:
                feed(prime, events, way, seed + len(digests))
                digests[way, fsync] = prime.digest()
    with primecore.open(":memory:") as prime:  # without what was repeated or refused
        fold = Fold()
        good = [event for event in events if fold.apply(event).verdict == "appended"]
        feed(prime, good, "append_many")
        digests["good only"] = prime.digest()
    assert len(set(digests.values())) == 1, digests


def test_the_digest_does_not_depend_on_the_route_to_equal_content():
    routes = [
        [
            ("created", "2024-05-06T07:08:09Z", '{"a": 1.0, "b": {"c": [1, 2.50]}}'),
            ("updated", "2024-05-06T07:08:10Z", '{"z": "é"}'),
        ],
        [
            ("created", "2024-05-06T09:08:09.0+02:00", '{"gone": 1, "b": {"c": [1E0, 25e-1], "x": 0}}'),
            ("updated", "2024-05-06T07:08:10Z", r'{"b": {"x": null}, "gone": null, "z": "\u00e9", "a": 10e-1}'),
        ],
    ]
    digests = set()
    for route in routes:
        lines = "".join(
            f'{{"event_type": "prime.node.{kind}", "entity_id": "node:t:a", "timestamp": "{time}",'
            f' "payload": {{"properties": {properties}}}}}\n'
            for kind, time, properties in route
        )
        with primecore.open(":memory:") as prime:
            assert prime.ingest(io.BytesIO(lines.encode())).appended == 2
            digests.add(prime.digest())
    assert len(digests) == 1


TIME = "2024-05-06T07:08:09Z"
NODE = {"properties": {"name": "x", "n": 1}, "domain": "d", "labels": ["l", "m"]}
EDGE = {"source": "node:t:a", "target": "node:t:b", "relation": "r", "weight": 1.5, "properties": {"p": 1}}
VARIATIONS = {
    "a property": (0, {**NODE, "properties": {"name": "x", "n": 2}}),
    "a property's type": (0, {**NODE, "properties": {"name": "x", "n": "1"}}),
    "a null property": (0, {**NODE, "properties": {"name": "x", "n": 1, "m": None}}),
    "the domain": (0, {**NODE, "domain": "e"}),
    "no domain": (0, {**NODE, "domain": None}),
    "a label": (0, {**NODE, "labels": ["l"]}),
    "labels' order": (0, {**NODE, "labels": ["m", "l"]}),
    "labels' joints": (0, {**NODE, "labels": ["lm"]}),
    "an end": (1, {**EDGE, "target": "node:t:c"}),
    "ends swapped": (1, {**EDGE, "source": "node:t:b", "target": "node:t:a"}),
    "the relation": (1, {**EDGE, "relation": "s"}),
    "the weight": (1, {**EDGE, "weight": 1.5000000000000002}),
    "an edge's property": (1, {**EDGE, "properties": {"p": True}}),
    "valid_from": (1, {**EDGE, "valid_from": TIME}),
    "valid_to": (1, {**EDGE, "valid_to": TIME}),
}


def digest_of(node, edge, time=TIME, last="node:t:b"):
    with primecore.open(":memory:") as prime:
        prime.append("prime.node.created", "node:t:a", node, timestamp=time)
        prime.append("prime.edge.created", "edge:1", edge, timestamp=TIME)
        prime.append("prime.node.deleted", last, {}, timestamp=TIME)
        return prime.digest()


def test_the_digest_sees_every_field():
    digests = {"nothing": digest_of(NODE, EDGE), "the time": digest_of(NODE, EDGE, "2024-05-06T07:08:09.000001Z")}
    digests["which entity has history"] = digest_of(NODE, EDGE, last="node:t:c")
    for name, (which, payload) in VARIATIONS.items():
        digests[name] = digest_of(payload, EDGE) if which == 0 else digest_of(NODE, payload)
    seen: dict[str, str] = {}
    for name, digest in digests.items():
        assert digest not in seen, f"{name} gives the digest of {seen[digest]}"
        seen[digest] = name


@pytest.mark.parametrize("fsync", FSYNC_MODES)
@pytest.mark.parametrize("way", WAYS)
def test_kill_loses_nothing_that_was_acknowledged(tmp_path, way, fsync):
    seed, count = 7, 1200
    rng = random.Random(f"{way}/{fsync}")
    wanted_lines = {"append": rng.randrange(1, 900), "append_many": rng.randrange(1, 120), "ingest": 1}[way]
    with child(TESTS / "support" / "writer.py", tmp_path / "store", seed, count, way, fsync) as process:
        acknowledged = 0
        for _ in range(wanted_lines):
            line = process.stdout.readline()
            assert line, "the child ended early"
            if line != b"done\n":
                acknowledged = int(line)
        process.kill()
        process.wait()
    events = acceptable(seed, count)
    with primecore.open(tmp_path / "store") as prime:
        assert prime.position >= acknowledged
        fold, taken = Fold(), 0
        while fold.position < prime.position:
            fold.apply(events[taken])
            taken += 1
        assert fold.position == prime.position, "a space was defined without its first vector"
        if way == "append_many":
            boundaries = Fold(), {0}
            for n, event in enumerate(events, start=1):
                boundaries[0].apply(event)
                if n % BATCH_EVENTS == 0 or n == len(events):
                    boundaries[1].add(boundaries[0].position)
            assert prime.position in boundaries[1], "a part of a batch was recovered"
        assert_same(prime, fold)
        digest = prime.digest()
        assert prime.replay(verify=True).equal is True
        fold = feed_on(prime, fold, events[taken:], "append_many")
        assert_same(prime, fold)
    with primecore.open(":memory:") as prime:
        feed(prime, events[:taken], "append")
        assert prime.digest() == digest


def test_kill_again_and_again(tmp_path):
    """The same file is sent each round: lines known by then are duplicates, with an id of their own or without."""
    seed, count = 11, 500
    for round_number in range(4):
        with child(TESTS / "support" / "writer.py", tmp_path / "store", seed, count, "ingest", "interval") as process:
            lines = [process.stdout.readline() for _ in range(1 + round_number % 2)]
            assert lines[0]
            process.kill()
            process.wait()
        with primecore.open(tmp_path / "store") as prime:
            fold = Fold()
            for event in acceptable(seed, count):
                if fold.position < prime.position:
                    fold.apply(event)
            assert_same(prime, fold)
