"""Types of the compiled `_replay`: the log's events into the tables."""

from collections.abc import Callable

from primecore._pipeline import Pipeline

def replay(
    writer: Pipeline, until: int, progress: Callable[[int], object] | None = None, latest_us: int | None = None
) -> None: ...
