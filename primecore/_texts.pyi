"""Types of the compiled `_texts`: texts by number."""

class Texts:
    """What was stored as text beside vectors, by the number of their entity."""

    def __new__(cls) -> Texts: ...
    @property
    def count(self) -> int: ...
    @property
    def used_bytes(self) -> int: ...
