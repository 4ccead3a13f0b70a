"""The index of a large space in checkpoints: read instead of built, exact about what came after, and never trusted."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_vectors_index import LEAST, clustered, large, recall, settled

import primecore
from primecore import checkpoint, checkpointer, keeper
from primecore.log import Log
from primecore.projections import hnsw
from primecore.storage import RealStorage


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of vectors that indexes took in."""
    taken: list[int] = []
    add = hnsw.Index.add

    def counted(self: Any, keys: bytes, numbers: bytes) -> None:
        taken.append(len(keys) // 8)
        add(self, keys, numbers)

    monkeypatch.setattr(hnsw.Index, "add", counted)
    monkeypatch.setattr(hnsw, "LOAD_SECONDS", 0.0)
    return taken


def saved_size(path: Path) -> int:
    """Vectors in the index that the latest checkpoint holds; 0: it holds none."""
    found, reasons = checkpoint.find(RealStorage(), str(path))
    assert found is not None and not reasons
    found.checking.wait()
    return int(found.image.notes.get(hnsw.SECTION, {"size": 0})["size"])


def filled(path: Path, rows: np.ndarray) -> None:
    """A store that was closed with an index that has all of it."""
    with large(rows, path) as prime:
        settled(prime)
    assert saved_size(path) == len(rows)


def reopened(path: Path, **settings: Any) -> primecore.Prime:
    return primecore.open(path, exact_vectors=LEAST, **settings)


@pytest.mark.parametrize("read_only", [False, True])
def test_closing_saves_it_and_opening_builds_nothing(tmp_path: Path, built: list[int], read_only: bool) -> None:
    rows = clustered(2000)
    filled(tmp_path, rows)
    built.clear()
    with reopened(tmp_path, read_only=read_only) as prime:
        settled(prime)
        assert sum(built) == 0 and prime._views.vectors.follower.size == len(rows)
        assert recall(prime, rows, np.ones(len(rows), bool)) >= 0.99


def test_what_came_later_is_added_and_what_went_is_gone(tmp_path: Path, built: list[int]) -> None:
    rows = clustered(2400)
    alive = np.ones(len(rows), bool)
    filled(tmp_path, rows[:2000])
    with reopened(tmp_path, checkpoint_events=0) as prime:  # without one at closing: the log behind is replayed
        for at in range(0, 600, 2):
            prime.delete_vector(f"m:{at}")
            alive[at] = False
        for at in range(2000, 2400):
            prime.embed(f"m:{at}", rows[at])
        for at in range(1, 100, 2):
            rows[at] = -rows[at]
            prime.embed(f"m:{at}", rows[at])
    built.clear()
    with reopened(tmp_path) as prime:
        assert prime.opening.replayed == 300 + 400 + 50
        settled(prime)
        assert sum(built) == 400 + 50  # rows that were given back and used again among them
        assert recall(prime, rows, alive, 200) >= 0.99
        for at in range(1, 100, 2):
            assert prime.similar(rows[at], k=1)[0].id == f"m:{at}"


def test_checkpoints_that_are_asked_for_and_the_helpers_carry_it_along(tmp_path: Path, built: list[int]) -> None:
    rows = clustered(900)
    filled(tmp_path, rows[:800])
    with reopened(tmp_path, checkpoint_events=0) as prime:
        prime.embed("m:800", rows[800])
        prime.checkpoint()
        assert saved_size(tmp_path) == 800
        for at in range(801, 900):
            prime.embed(f"m:{at}", rows[at])
    written = checkpointer.run(str(tmp_path), RealStorage())
    assert written is not None and written.position == 901
    built.clear()
    assert saved_size(tmp_path) == 800
    with reopened(tmp_path) as prime:
        settled(prime)
        assert sum(built) == 100
        assert recall(prime, rows, np.ones(len(rows), bool), 50) >= 0.99


def test_another_space_takes_none_of_it(tmp_path: Path, built: list[int]) -> None:
    rows = clustered(700)
    filled(tmp_path, rows)
    with reopened(tmp_path, checkpoint_events=0) as prime:
        prime.append("prime.space.defined", "space:default", {"dimensions": rows.shape[1]})
        for at in range(500):
            prime.embed(f"new:{at}", rows[at])
    built.clear()
    with reopened(tmp_path) as prime:
        settled(prime)
        assert sum(built) >= 500
        assert {hit.id[:4] for hit in prime.similar(rows[3], k=20)} == {"new:"}


@pytest.mark.parametrize("what", ["writer", "connectivity", "bytes", "size"])
def test_one_that_does_not_fit_is_built_anew(
    tmp_path: Path, built: list[int], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    rows = clustered(700)
    with monkeypatch.context() as patch:
        if what in ("writer", "connectivity"):
            note = hnsw.Index._note
            patch.setattr(hnsw.Index, "_note", lambda self: note(self) | {what: "another"})
        elif what == "bytes":
            patch.setattr(hnsw.Index, "save", lambda self: hnsw.Saved(self._note(), bytes(8 * self.size) + b"nonsense"))
        else:
            save = hnsw.Index.save

            def shorter(self: Any) -> hnsw.Saved:
                saved = save(self)
                return hnsw.Saved(saved.note | {"size": saved.size - 1}, saved.read()[8:])

            patch.setattr(hnsw.Index, "save", shorter)
        with large(rows, tmp_path) as prime:
            settled(prime)
    built.clear()
    with reopened(tmp_path) as prime:
        settled(prime)
        assert prime._views.vectors.follower.error is None
        assert sum(built) == len(rows)
        assert recall(prime, rows, np.ones(len(rows), bool), 50) >= 0.99


def test_keys_of_another_life_of_the_tables_are_only_gone(tmp_path: Path, built: list[int]) -> None:
    # A replay may give rows other numbers than the process had that built the index: then it lacks them, no more.
    rows = clustered(1200)
    filled(tmp_path, rows)
    found, _ = checkpoint.find(RealStorage(), str(tmp_path))
    assert found is not None
    with Log.open(tmp_path, read_only=True) as log:
        tables = keeper.open_tables(log, found, [], threading.Lock(), lambda: None, 1201, None, LEAST)
        saved = tables.views.vectors.follower.saved
        assert saved is not None
        keys = np.frombuffer(saved.read(), "u8", saved.size)
        index = hnsw.Index(rows.shape[1], 1, 0)
        index.keys += (keys ^ 1).tobytes()  # each names its neighbour's row
        births = tables.views.graph.vectors.snapshot()[0]
        assert len(index.lacks(births)) == len(rows)
        index.keys += keys.tobytes()
        assert index.lacks(births) == []
        tables.views.graph.close()


def test_a_process_that_is_soon_gone_does_not_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clustered(700)
    filled(tmp_path, rows)
    monkeypatch.setattr(hnsw, "LOAD_SECONDS", 60.0)
    monkeypatch.setattr(hnsw.Index, "load", lambda self, saved: pytest.fail("it was read"))
    begun = time.monotonic()
    with reopened(tmp_path) as prime:
        assert prime.similar(rows[0], k=1)[0].id == "m:0"
    assert time.monotonic() - begun < 30
    assert saved_size(tmp_path) == len(rows)


def test_the_digest_knows_nothing_of_it(tmp_path: Path) -> None:
    rows = clustered(500)
    filled(tmp_path, rows)
    with reopened(tmp_path) as prime:
        settled(prime)
        assert prime.replay(verify=True).equal and prime.verify().ok
