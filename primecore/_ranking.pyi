"""Types of the compiled `_ranking`: a query over the lexical index."""

from primecore._lexical import Lexical
from primecore.model import Hit

def search(
    index: Lexical,
    clauses: list[tuple[int, bytes, int, str]],
    phrases: list[list[bytes]],
    k: int,
    filters: tuple[str | None, str | None, str | None, int, int, int, int],
    position: int,
    explain: bool = False,
) -> list[tuple[Hit, list[str | bytes] | None]] | None: ...
