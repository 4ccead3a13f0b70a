"""The index of a large space: nearly always what a scan finds, never behind, never showing what is gone."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import primecore
from primecore.projections import hnsw

LEAST = 100
DIMENSIONS = 48


def clustered(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((20, DIMENSIONS))
    rows = centres[rng.integers(20, size=count)] + 0.5 * rng.standard_normal((count, DIMENSIONS))
    return rows.astype(np.float32)


def large(rows: np.ndarray, path: object = ":memory:") -> primecore.Prime:
    prime = primecore.open(path, exact_vectors=LEAST)
    for at, row in enumerate(rows):
        prime.embed(f"m:{at}", row, f"text {at}")
    return prime


def settled(prime: primecore.Prime) -> None:
    """Waits until the index has everything."""
    follower = prime._views.vectors.follower
    for _ in range(hnsw.SCANS):  # whoever scans finds out that it takes long
        prime.similar(np.ones(DIMENSIONS, np.float32))
    until = time.monotonic() + 60
    while not (follower.size and follower.is_current) and time.monotonic() < until:
        assert follower.error is None
        time.sleep(0.01)
    assert follower.size and follower.is_current


def nearest(rows: np.ndarray, alive: np.ndarray, query: np.ndarray, k: int) -> list[str]:
    scores = rows @ query / np.linalg.norm(rows, axis=1)
    return [f"m:{at}" for at in np.argsort(np.where(alive, -scores, np.inf), kind="stable")[: min(k, alive.sum())]]


def recall(prime: primecore.Prime, rows: np.ndarray, alive: np.ndarray, queries: int = 100) -> float:
    rng = np.random.default_rng(7)
    found = 0
    for at in rng.choice(np.flatnonzero(alive), queries):
        query = rows[at] + 0.2 * rng.standard_normal(DIMENSIONS).astype(np.float32)
        hits = [hit.id for hit in prime.similar(query)]
        assert len(hits) == min(10, alive.sum())
        found += len(set(hits) & set(nearest(rows, alive, query, 10)))
    return found / (10 * queries)


@pytest.fixture
def asked(monkeypatch):
    """Counts what the index answered, so that a test knows it was asked at all."""
    answers: list[bool] = []
    search = hnsw.Follower.search

    def counted(self, *arguments):
        found = search(self, *arguments)
        answers.append(found is not None)
        return found

    monkeypatch.setattr(hnsw.Follower, "search", counted)
    return answers


def test_the_index_finds_what_a_scan_finds(asked):
    rows = clustered(3000)
    with large(rows) as prime:
        settled(prime)
        asked.clear()
        assert recall(prime, rows, np.ones(len(rows), bool), 200) >= 0.99
        assert sum(asked) > 150
        hit = prime.similar(rows[5])[0]
        assert (hit.id, hit.text) == ("m:5", "text 5") and hit.score == pytest.approx(1.0)
        assert "m:5" not in {hit.id for hit in prime.similar(id="m:5")}
        assert next(hit.id for hit in prime.similar(rows[5], prefix="m:5")) == "m:5"


def test_what_was_stored_or_deleted_shows_at_once(asked):
    rows = clustered(1500)
    with large(rows) as prime:
        settled(prime)
        asked.clear()
        for at in range(0, 200):
            prime.delete_vector(f"m:{at}")
            assert f"m:{at}" not in {hit.id for hit in prime.similar(rows[at])}
            prime.embed(f"again:{at}", rows[at], "again")
            first = prime.similar(rows[at])[0]
            assert first.score == pytest.approx(1.0) and first.text == "again"
            prime.embed(f"m:{at + 200}", -rows[at + 200])
            assert f"m:{at + 200}" not in {hit.id for hit in prime.similar(rows[at + 200])}
        assert any(asked)


def test_churn_costs_no_recall_and_builds_anew(asked):
    rows = clustered(4000)
    alive = np.ones(len(rows), bool)
    with large(rows[:2500]) as prime:
        alive[2500:] = False
        settled(prime)
        rng = np.random.default_rng(3)
        for start in (2500, 3000, 3500):
            for at in rng.choice(np.flatnonzero(alive), 500, replace=False):
                prime.delete_vector(f"m:{at}")
                alive[at] = False
            for at in range(start, start + 500):
                prime.embed(f"m:{at}", rows[at])
                alive[at] = True
            assert recall(prime, rows, alive, 60) >= 0.99
        for at in np.flatnonzero(alive)[:2000]:
            prime.delete_vector(f"m:{at}")
            alive[at] = False
        follower = prime._views.vectors.follower
        until = time.monotonic() + 60
        while follower.size > 1000 and time.monotonic() < until:
            time.sleep(0.01)
        assert alive.sum() <= follower.size <= 1000 and follower.error is None
        assert recall(prime, rows, alive) >= 0.99


def test_a_space_defined_anew_is_another_index():
    rows = clustered(1000)
    with large(rows) as prime:
        settled(prime)
        prime.append("prime.space.defined", "space:default", {"dimensions": DIMENSIONS})
        assert prime.similar(rows[0]) == []
        for at in range(500):
            prime.embed(f"new:{at}", rows[at])
            assert prime.similar(rows[at], k=1)[0].id == f"new:{at}"
        settled(prime)
        assert {hit.id[:4] for hit in prime.similar(rows[700])} == {"new:"}


def test_forgotten_after_opening_again(tmp_path):
    rows = clustered(900)
    with large(rows, tmp_path / "store") as prime:
        settled(prime)
        for at in range(0, 900, 3):
            prime.delete_vector(f"m:{at}")
        digest = prime.digest()
    with primecore.open(tmp_path / "store", exact_vectors=LEAST) as prime:
        assert prime.digest() == digest
        for wait in (False, True):
            if wait:
                settled(prime)
            for at in range(0, 900, 30):
                assert not {int(hit.id[2:]) % 3 for hit in prime.similar(rows[at], k=20)} & {0}
    with primecore.open(tmp_path / "store", read_only=True) as prime:
        assert prime.similar(rows[1], k=1)[0].id == "m:1"


def test_one_question_unlike_all_that_is_stored_calls_for_no_index(monkeypatch):
    # Signs tell it apart from nothing, so its scan reads all there is; those that follow read little.
    read: list[int] = []
    scanned = hnsw.Follower.scanned
    monkeypatch.setattr(hnsw.Follower, "scanned", lambda self, nbytes: (read.append(nbytes), scanned(self, nbytes))[1])
    rows = clustered(1000)
    with primecore.open(":memory:", exact_vectors=900) as prime:
        for at, row in enumerate(rows):
            prime.embed(f"m:{at}", row)
        follower = prime._views.vectors.follower
        prime.similar(np.random.default_rng(9).standard_normal(DIMENSIONS).astype(np.float32))
        for row in rows:
            prime.similar(row)
        allowed = follower.least * prime._engine.views.graph.vectors.current.stride4
        assert read[0] > allowed > 2 * np.mean(read[1:])
        assert follower.asleep and follower.is_current and follower.size == 0
        for _ in range(2 * hnsw.SCANS):  # where all questions are like that, one is built
            prime.similar(np.random.default_rng(9).standard_normal(DIMENSIONS).astype(np.float32))
        assert not follower.asleep


def test_an_index_that_fails_leaves_the_scan(monkeypatch):
    def broken(self, *arguments):
        raise RuntimeError("no index today")

    monkeypatch.setattr(hnsw.Index, "__init__", broken)
    rows = clustered(600)
    with large(rows) as prime:
        for row in rows[: hnsw.SCANS]:
            prime.similar(row)
        follower = prime._views.vectors.follower
        until = time.monotonic() + 20
        while follower.error is None and time.monotonic() < until:
            time.sleep(0.01)
        assert isinstance(follower.error, RuntimeError)
        assert "no index today" in prime.stats().parked[0].error
        assert prime.similar(rows[9], k=1)[0].id == "m:9"


@pytest.mark.parametrize("exact_vectors", (10**9, 20))
def test_questions_beside_writes_see_whole_states(exact_vectors):
    # Each batch moves all vectors of one group at once; an answer of several groups would be of no position.
    rng = np.random.default_rng(1)
    base = rng.standard_normal((400, 16)).astype(np.float32)
    stop, wrong = threading.Event(), []

    with primecore.open(":memory:", exact_vectors=exact_vectors) as prime:

        def write(round: int) -> None:
            prime.append_many(
                {
                    "event_type": "prime.vector.stored",
                    "entity_id": f"vec:m:{at}",
                    "payload": {"embedding": row.tolist(), "text": str(round)},
                }
                for at, row in enumerate(base)
            )

        def ask() -> None:
            while not stop.is_set():
                hits = prime.similar(base[7], k=30)
                if len(hits) != 30 or len({hit.text for hit in hits}) != 1 or hits[0].id != "m:7":
                    wrong.append(hits)

        write(0)
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for round in range(1, 40):
            write(round)
        stop.set()
        for thread in threads:
            thread.join()
        assert not wrong
        assert prime.similar(base[7], k=1)[0].text == "39"
        assert prime._views.graph.vectors.current.count < 12_000  # of 16,000 stored
        assert prime.replay(verify=True).equal
