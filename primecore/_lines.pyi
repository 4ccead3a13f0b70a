"""Types of the compiled `_lines`: lines into the write path."""

from typing_extensions import Buffer

from primecore._pipeline import Pipeline
from primecore.errors import PrimeError

class Source:
    """A stream of lines, and how far it has come. Lines without an id get one from `identity`, else a random one."""

    def __new__(
        cls, name: str, identity: str | None = None, *, line: int = 1, own_after: int | None = None
    ) -> Source: ...
    @property
    def name(self) -> str: ...
    @property
    def identity(self) -> bytes: ...
    @property
    def derives_ids(self) -> bool: ...
    @property
    def line(self) -> int: ...
    @property
    def read(self) -> int: ...
    appended: int
    duplicates: int
    refused: int
    error: PrimeError | None
    bad_start: int
    bad_end: int
    def advance(self, read: int, line: int, appended: int, duplicates: int) -> None: ...
    def refuse_oversized(self, exception: PrimeError) -> None: ...

def ingest(writer: Pipeline, chunk: Buffer, offset: int, source: Source) -> int: ...
