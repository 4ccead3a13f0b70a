"""Types of the compiled `_briefs`: properties of many nodes as JSON text."""

from primecore._reads import Reader

def properties_json(reader: Reader, ids: list[str]) -> list[bytes | None]: ...
