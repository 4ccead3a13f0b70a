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


@pytest.mark.parametrize("size", (1, 48, 128, 1024))
def test_every_kernel_looks_up_the_same_sums_of_signs(size):
    rng = np.random.default_rng(size)
    most = min(127, 65_535 // (2 * size))  # sums fit 16 bits, as they do of a query
    for live in (2**64 - 1, 0, 1, 1 << 63, int(rng.integers(2**62)), 0xAAAA_AAAA_AAAA_AAAA):
        tables = rng.integers(0, most + 1, (2 * size, 16)).astype(np.uint8)
        lines = rng.integers(0, 128, (size, 64)).astype(np.uint8)
        halves = np.arange(size)
        by_place = (tables[2 * halves][:, :].astype(int)[halves[:, None], lines & 15]
                    + tables[2 * halves + 1].astype(int)[halves[:, None], lines >> 4]).sum(axis=0)  # fmt: skip
        by_row = np.concatenate([by_place[0::2], by_place[1::2]])
        expected = [int(sum_) if live >> row & 1 else 0 for row, sum_ in enumerate(by_row)]
        block = np.concatenate([lines.reshape(-1), np.zeros(576, np.uint8)])
        for kernel in _sift.kernels():
            assert _sift.sign_sums(kernel, tables.reshape(-1), block, live) == (expected, max(expected)), kernel


def test_a_kernel_takes_whole_blocks_only():
    for kernel, tables, block in ((0, 31, 640), (0, 0, 576), (0, 32, 639), (99, 32, 640), (-1, 32, 640)):
        with pytest.raises(ValueError, match="blocks of 64"):
            _sift.sign_sums(kernel, bytearray(tables), bytearray(block), 0)
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


def around_centres(rng: np.random.Generator, count: int, dimensions: int, spread: float) -> np.ndarray:
    centres = np.random.default_rng(0).standard_normal((40, dimensions))
    noise = spread * rng.standard_normal((count, dimensions))
    return (centres[rng.integers(40, size=count)] + noise).astype(np.float32)


@pytest.mark.parametrize("kernel", _sift.kernels())
@pytest.mark.parametrize(("dimensions", "spread"), [(30, 0.1), (64, 0.6), (200, 0.5), (1100, 0.6), (96, 30.0)])
def test_what_signs_and_codes_rule_out_is_none_of_the_best(kernel, dimensions, spread):
    # Where vectors lie around centres the signs rule out nearly all; where they lie anywhere, next to nothing.
    rng = np.random.default_rng(dimensions)
    rows = around_centres(rng, 3000, dimensions, spread)
    rows[::7] *= -1  # opposite ones
    rows[1::50, dimensions // 3 :] = 0.0  # and some whose signs say little
    alive, odd = np.ones(len(rows), bool), np.arange(len(rows)) % 2 == 1
    queries = [*around_centres(rng, 10, dimensions, spread), -rows[5], np.eye(1, dimensions, 1, dtype=np.float32)[0]]
    with primecore.open(":memory:") as prime:
        for at, row in enumerate(rows):
            prime.embed(f"{'even' if at % 2 == 0 else 'odd'}:{at}", row)
        for _ in range(3):
            for query in queries:
                expected = cosines(rows, query)
                for k, allowed in ((1, alive), (10, alive), (100, alive), (10, alive & odd)):
                    look = Look(prime._views.graph, query, kernel)
                    if allowed is not alive:
                        look.restrict([b"odd:"], None, None)
                    found = look.nearest(k)
                    hits = look.hits(found, k, None, bytes)
                    read = look.read_bytes
                    look.close()
                    best = np.sort(np.where(allowed, expected, -9.0))[::-1][:k]
                    assert np.allclose([hit.score for hit in hits], best, atol=1e-12)
                    assert all(allowed[int(hit.id.partition(":")[2])] for hit in hits)
                    if dimensions >= 200 and best[-1] > 0.7:
                        space = prime._views.vectors._vectors.current
                        assert read < 2 * (space.count + 64) * (space.sign_bytes + 9)
            for at in rng.choice(np.flatnonzero(alive), 900, replace=False):
                name = f"{'even' if at % 2 == 0 else 'odd'}:{at}"
                if rng.random() < 0.5:
                    prime.delete_vector(name)
                    alive[at] = False
                else:
                    rows[at] = around_centres(rng, 1, dimensions, spread)[0]
                    prime.embed(name, rows[at])


@pytest.mark.parametrize("count", (1, 2, 63, 64, 65, 130))
def test_blocks_that_are_not_full_rule_out_nothing(count):
    rng = np.random.default_rng(count)
    for dimensions in (3, 40):
        rows = rng.standard_normal((count, dimensions)).astype(np.float32)
        with filled(rows) as prime:
            for query in rng.standard_normal((40, dimensions)).astype(np.float32):
                expected = np.sort(cosines(rows, query))[::-1][:3]
                assert np.allclose([hit.score for hit in prime.similar(query, k=3)], expected, atol=1e-12)


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
