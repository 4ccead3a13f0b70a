"""The exact search against numpy: every kernel, every awkward vector, whatever the codes lose."""

from __future__ import annotations

import random
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import primecore
from primecore import _sift
from primecore._knn import Look

DIMENSIONS = (1, 2, 7, 63, 64, 65, 384)


def cosines(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    wide = rows.astype(np.float64)
    asked = query.astype(np.float64)
    return wide @ asked / np.linalg.norm(wide, axis=1) / np.linalg.norm(asked)


def filled(rows: np.ndarray) -> primecore.Prime:
    prime = primecore.open(":memory:")
    prime.append_many(
        {
            "event_type": "prime.vector.stored",
            "entity_id": f"vec:{at:06}",
            "payload": {"embedding": [float(number) for number in row]},
        }
        for at, row in enumerate(rows)
    )
    return prime


@pytest.mark.parametrize("stride", (64, 128, 384, 65_536))
def test_every_kernel_gives_the_same_integers(stride):
    rng = np.random.default_rng(stride)
    extremes = [(np.full(stride, 255), np.full(stride, 127)), (np.full(stride, 255), np.full(stride, -127))]
    draws = [(rng.integers(1, 256, stride), rng.integers(-127, 128, stride)) for _ in range(8)]
    for query, row in [*extremes, *draws]:
        for kernel in _sift.kernels():
            both = np.concatenate([query, query[::-1]]).astype(np.uint8)
            found = _sift.row_sums(kernel, both, row.astype(np.int8))
            assert found == (int(row @ query), int(row @ query[::-1])), kernel


@pytest.mark.parametrize("stride", (64, 192, 32_768))
def test_every_kernel_gives_the_same_integers_of_four_bit_codes(stride):
    rng = np.random.default_rng(stride)
    extremes = [(np.full(2 * stride, one), np.full((16, 2 * stride), 15)) for one in (127, -127)]
    draws = [(rng.integers(-127, 128, 2 * stride), rng.integers(0, 16, (16, 2 * stride))) for _ in range(8)]
    for query, codes in [*extremes, *draws]:
        halves = codes.reshape(16, stride // 64, 2, 64)
        nibbles = (halves[:, :, 0] | halves[:, :, 1] << 4).reshape(-1).astype(np.uint8)
        for kernel in _sift.kernels():
            assert _sift.rows_sums(kernel, query.astype(np.int8), nibbles) == (codes @ query).tolist(), kernel


def test_a_kernel_takes_whole_blocks_only():
    for kernel, query, rows in ((0, 127, 1008), (0, 128, 1023), (99, 128, 1024), (-1, 128, 1024), (0, 0, 0)):
        with pytest.raises(ValueError, match="blocks of 64"):
            _sift.rows_sums(kernel, np.zeros(query, np.int8), bytearray(rows))
    for kernel, query, rows in ((0, 126, 63), (0, 128, 63), (0, 64, 64), (99, 128, 64), (-1, 128, 64), (0, 0, 0)):
        with pytest.raises(ValueError, match="blocks of 64"):
            _sift.row_sums(kernel, bytearray(query), np.zeros(rows, np.int8))


@pytest.mark.parametrize("dimensions", DIMENSIONS)
@pytest.mark.parametrize("kernel", _sift.kernels())
def test_the_scan_finds_what_numpy_finds(dimensions, kernel):
    rng = np.random.default_rng(dimensions)
    rows = (rng.standard_normal((403, dimensions)) * 10.0 ** rng.integers(-30, 30, (403, 1))).astype(np.float32)
    with filled(rows) as prime:
        for k in (1, 10, 402, 403, 1000):
            query = rng.standard_normal(dimensions).astype(np.float32)
            expected = cosines(rows, query)
            look = Look(prime._views.graph, query, kernel)
            found = look.nearest(k)
            look.close()
            assert len(found) >= min(k, len(rows))  # ties come too
            scores = [score for score, _ in found]
            assert scores == sorted(scores, reverse=True)
            assert np.allclose(scores[:k], np.sort(expected)[::-1][:k], atol=1e-12)
            assert np.allclose(scores, expected[[row for _, row in found]], atol=1e-12)


def test_what_the_codes_cannot_tell_apart_is_told_apart():
    # One large number takes all of the scale, the rest codes to zero: only the scores in full know better.
    rng = np.random.default_rng(5)
    rows = np.zeros((500, 96), np.float32)
    rows[:, 0] = 1.0
    rows[:, 1:] = rng.standard_normal((500, 95)) * 1e-3
    with filled(rows) as prime:
        for at in range(0, 500, 50):
            query = rows[at] + np.float32(1e-5)
            expected = cosines(rows, query)
            found = prime.similar(query, k=7)
            assert {int(hit.id) for hit in found} == set(np.argsort(-expected, kind="stable")[:7].tolist())


def test_equal_scores_stand_by_id_and_answers_repeat():
    rows = np.tile(np.array([[1.0, 2.0, 3.0]], np.float32), (300, 1)) * np.arange(1, 301, dtype=np.float32)[:, None]
    order = list(range(300))
    random.Random(1).shuffle(order)
    with primecore.open(":memory:") as prime:
        for at in order:
            prime.embed(f"m:{at:03}", np.tile([1.0, 2.0, 3.0], 1))
        for _ in range(3):
            assert [hit.id for hit in prime.similar([1.0, 2.0, 3.0], k=20)] == [f"m:{at:03}" for at in range(20)]
    with filled(rows) as prime:
        assert all(hit.score == pytest.approx(1.0, abs=1e-6) for hit in prime.similar(rows[0], k=300))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), dimensions=st.integers(1, 5))
def test_any_vectors(data, dimensions):
    number = st.floats(width=32, allow_nan=False, allow_infinity=False)
    vector = st.lists(number, min_size=dimensions, max_size=dimensions).filter(any)
    rows = np.array(data.draw(st.lists(vector, min_size=1, max_size=12)), np.float32)
    query = np.array(data.draw(vector), np.float32)
    k = data.draw(st.integers(1, 14))
    with filled(rows) as prime:
        found = prime.similar(query, k=k)
        expected = cosines(rows, query)
        assert len(found) == min(k, len(rows))
        assert np.allclose([hit.score for hit in found], np.sort(expected)[::-1][:k], atol=1e-9)


@pytest.mark.parametrize(
    "bad",
    [[], [1.0], [1.0, 2.0, 3.0], [0.0, 0.0], [-0.0, 0.0], [1.0, float("nan")], [float("inf"), 1.0], [1e39, 1.0],
     "ab", b"ab", {"a": 1}, ["a", "b"], [None, 1.0], 5, [[1.0, 2.0]], [1e-60, 0.0]],
    ids=repr,
)  # fmt: skip
def test_bad_queries_are_refused(bad):
    with primecore.open(":memory:") as prime:
        prime.embed("a", [1.0, 2.0])
        with pytest.raises(primecore.InvalidArgument):
            prime.similar(vector=bad)


def test_vectors_may_come_as_anything_that_holds_numbers():
    with primecore.open(":memory:") as prime:
        kinds = [
            [1, 2.5], (1.0, 2.5), array("f", [1, 2.5]), array("d", [1, 2.5]), np.array([1, 2.5]),
            np.array([1, 2.5], np.float32), np.array([1, 9, 2.5, 9], np.float32)[::2], np.array([1, 2.5], np.float16),
        ]  # fmt: skip
        for at, kind in enumerate(kinds):
            prime.embed(f"m:{at}", kind)
            assert prime.similar(kind, k=1)[0].score == 1.0
        assert {hit.score for hit in prime.similar([1.0, 2.5], k=20)} == {1.0}
