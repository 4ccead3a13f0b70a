"""Types of the compiled `_batch`: batches into the write path, whole or not at all."""

from primecore._pipeline import Answer, Pipeline, Prepared

def append_many(writer: Pipeline, prepared: list[Prepared], expected_versions: list[int | None]) -> list[Answer]: ...
