"""Types of the compiled `_recall`: what vectors, words and edges bring, as hits."""

from primecore._graph import Graph
from primecore._knn import Look
from primecore._lexical import Lexical
from primecore.model import Hit

def recall(
    graph: Graph,
    index: Lexical,
    look: Look | None,
    rows: list[tuple[float, int]] | None,
    clauses: list[tuple[int, bytes, int, str]],
    phrases: list[list[bytes]],
    k: int,
    pool: int,
    depth: int,
    filters: tuple[bytes | None, bytes | None, bytes | None, bytes | None, int, int, int | None],
    how: tuple[float, float, float, float, float, float, float, int, bytes | None, bool, bool],
    min_score: float,
    diversity: float,
    position: int,
) -> list[Hit] | None: ...
