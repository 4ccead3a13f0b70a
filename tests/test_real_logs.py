"""Real logs, made from public version histories: published counts, the fold's answers, the second ingest."""

from __future__ import annotations

import gzip
import json
import shutil

import pytest
from support.compare import (
    assert_same,
    assert_same_domains,
    assert_same_neighbors,
    assert_same_nodes,
    assert_same_stats,
)
from support.fold import Fold
from support.realdata import KNOWN, real_events, real_log

import primecore


@pytest.fixture(scope="module", params=KNOWN)
def log(request):
    """(name, path, events, fold of them all)"""
    fold, events = Fold(), list(real_events(request.param))
    for event in events:
        fold.apply(event)
    return request.param, real_log(request.param), events, fold


def counts(prime):
    s = prime.stats()
    return s.events, s.nodes, s.edges, s.dangling_edges, s.ignored_events


def test_the_whole_log_live_and_reopened(log, tmp_path):
    name, path, events, fold = log
    with primecore.open(tmp_path / "store") as prime:
        report = prime.ingest(path)
        assert report._replace(events_per_second=0) == (len(events), len(events), 0, 0, 0, len(events))
        assert counts(prime) == KNOWN[name]
        assert prime.durable_position == prime.position
        assert_same(prime, fold)
        digest = prime.digest()
        again = prime.ingest(path)
        assert (again.appended, again.duplicates, again.refused) == (0, len(events), 0)
        assert prime.digest() == digest
    with primecore.open(tmp_path / "store", read_only=True) as prime:
        assert counts(prime) == KNOWN[name]
        assert prime.digest() == digest
        assert_same_nodes(prime, fold)
        assert_same_neighbors(prime, fold)


def test_replay_gives_the_same_state(log, tmp_path):
    name, path, events, fold = log
    with primecore.open(tmp_path / "store", fsync="never") as prime:
        prime.ingest(path)
        report = prime.replay(verify=True)
        assert report.equal is True and report.events == len(events) and report.position == len(events)
        assert counts(prime) == KNOWN[name]
        assert_same_stats(prime, fold)
        assert_same_domains(prime, fold)


def test_a_grown_log_without_event_ids_adds_only_what_is_new(log, tmp_path):
    _, _, events, fold = log
    lines = [json.dumps({k: v for k, v in e.items() if k != "event_id"}).encode() + b"\n" for e in events]
    half = len(lines) // 2
    path = tmp_path / "log.jsonl"
    with primecore.open(tmp_path / "store") as prime:
        path.write_bytes(b"".join(lines[:half]))
        assert prime.ingest(path).appended == half
        path.write_bytes(b"".join(lines))
        report = prime.ingest(path)
        assert (report.appended, report.duplicates) == (len(lines) - half, half)
        with gzip.open(tmp_path / "log.jsonl.gz", "wb", compresslevel=1) as packed, open(path, "rb") as plain:
            shutil.copyfileobj(plain, packed)
        report = prime.ingest(tmp_path / "log.jsonl.gz")
        assert (report.appended, report.duplicates) == (0, len(lines))
        assert_same_stats(prime, fold)
        assert_same_nodes(prime, fold)


def test_events_copied_into_another_store_give_the_same_digest(log, tmp_path):
    path = log[1]
    with primecore.open(tmp_path / "a") as a, primecore.open(tmp_path / "b") as b:
        a.ingest(path)
        batch: list[primecore.Event] = []
        for event in a.events():
            batch.append(event)
            if len(batch) == 5000:
                b.append_many(batch)
                batch = []
        b.append_many(batch)
        assert b.position == a.position and b.digest() == a.digest()
        assert all(x == y for x, y in zip(a.events(limit=500), b.events(limit=500), strict=True))
