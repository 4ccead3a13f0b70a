"""Types of the compiled `_prefixes`: interned heads of keys."""

from typing import final

from typing_extensions import Buffer

@final
class Prefixes:
    """Up to 65,536 texts of at most 255 bytes, numbered from 1 in the order they came; 0 is the empty text."""

    def __new__(cls, seed: int) -> Prefixes: ...
    @property
    def count(self) -> int: ...
    def number(self, text: Buffer) -> int: ...
    def text_of(self, prefix: int) -> bytes: ...
