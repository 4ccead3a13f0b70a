"""Types of the compiled `_append`: one event of the ordinary kind, appended in one call."""

from primecore._pipeline import Pipeline
from primecore.model import Receipt

def append_ordinary(writer: Pipeline, event_type: object, entity_id: object, payload: object) -> Receipt | None: ...
