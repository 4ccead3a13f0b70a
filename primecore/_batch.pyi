"""Types of the compiled `_batch`: batches into the write path, whole or not at all."""

from primecore._pipeline import Pipeline, _Prepared
from primecore.model import Receipt

def append_many(
    writer: Pipeline,
    prepared: list[_Prepared],
    expected_versions: list[int | None],
    strict: list[bool] | None = None,
    live: list[bytes] | None = None,
) -> list[Receipt]: ...
def knows_id(writer: Pipeline, event_id: bytes) -> bool: ...
