"""Types of the compiled `_walks`: breadth first and shortest paths, over numbers."""

from primecore._graph import Graph

def direction_bits(direction: str) -> int: ...
def breadth_first(
    graph: Graph,
    start_numbers: list[int],
    depth: int,
    relation: int = 0xFFFFFFFF,
    direction: str = "both",
    limit: int = ...,
) -> tuple[list[tuple[int, int, int, bool]], bool, int]: ...
def shortest_path(
    graph: Graph,
    source: int,
    target: int,
    *,
    weighted: bool = False,
    relation: int = 0xFFFFFFFF,
    direction: str = "both",
    max_depth: int = 0xFFFFFFFF,
) -> tuple[list[int], list[int], float] | None: ...
