"""Types of the compiled `_rows`: events as columns and back."""

from typing import Any

from primecore._wal import Wal

class Rows:
    first: int
    last: int
    nbytes: int
    def __new__(cls, columns: dict[str, tuple[int, int, Any]], first: int, count: int) -> Rows: ...
    def chain(self, before: bytes, last: int = ...) -> bytes: ...

class Gathered:
    columns: dict[str, Any]
    count: int
    payload_bytes: int

def gather_records(wal: Wal, first: int, count: int) -> Gathered: ...
def gather_rows(rows: Rows) -> Gathered: ...
