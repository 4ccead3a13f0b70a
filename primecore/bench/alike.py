"""The section about vectors: the nearest of ten thousand, and the first question after one more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import primecore
from primecore.bench import workloads
from primecore.bench.line import PRIME, Line, Setting, latencies

DIMENSIONS, CENTRES, NEAR, K = 384, 200, 0.6, 10


def unit_vectors(count: int) -> Any:
    """Rows of float32 and of length one around 200 centres, as embeddings lie."""
    import numpy

    rng = numpy.random.default_rng(workloads.SEED)
    centres = rng.standard_normal((CENTRES, DIMENSIONS), numpy.float32)
    rows = centres[rng.integers(CENTRES, size=count)]
    rows += NEAR * rng.standard_normal((count, DIMENSIONS), numpy.float32)
    rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
    return rows


class Matrix:
    """The baseline: all vectors in one matrix, and room for more."""

    def __init__(self, rows: Any, room: int) -> None:
        import numpy

        self.count, self.rows = len(rows), numpy.empty((len(rows) + room, rows.shape[1]), numpy.float32)
        self.rows[: self.count] = rows

    def add(self, row: Any) -> None:
        """Takes one more."""
        self.rows[self.count] = row
        self.count += 1

    def nearest(self, query: Any) -> list[int]:
        """The numbers of the ten nearest, the best first."""
        scores = self.rows[: self.count] @ query
        best = scores.argpartition(-K)[-K:]
        return best[(-scores[best]).argsort()].tolist()  # type: ignore[no-any-return]


def similar(setting: Setting) -> Iterator[Line]:
    """The ten nearest of many vectors, each answer exact."""
    count, calls, added = setting.size(10_000, 5_000), setting.size(1_000, 300), setting.size(300, 100)
    setting.say(f"storing {count:,} vectors of {DIMENSIONS} numbers")
    more = (added + 1) * setting.rounds
    every = unit_vectors(count + more + calls)
    stored, late, queries = every[:count], iter(every[count : count + more]), list(every[count + more :])
    matrix = Matrix(stored, more)
    with primecore.open(":memory:") as prime:
        for number, row in enumerate(stored):
            prime.embed(f"memory:{number}", vector=row)
        prime.similar(vector=queries[0])
        setting.say(f"asking {count:,} vectors")
        which = f"{count:,} vectors of {DIMENSIONS}, k={K}"
        contenders = {PRIME: lambda query: prime.similar(vector=query, k=K), "numpy": matrix.nearest}
        yield latencies(setting, "similar", f"similar, {which}", lambda number: queries, contenders)

        numbers = iter(range(count, count + more))

        def further(query: Any) -> None:
            prime.embed(f"memory:{next(numbers)}", vector=query)
            prime.similar(vector=query, k=K)

        def further_row(query: Any) -> None:
            matrix.add(query)
            matrix.nearest(query)

        rounds = [[next(late) for _ in range(added)] for _ in range(setting.rounds)]
        contenders = {PRIME: further, "numpy": further_row}
        yield latencies(setting, "similar", f"embed, then similar, {which}", lambda number: rounds[number], contenders)
