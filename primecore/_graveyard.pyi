"""Types of the compiled `_graveyard`: dead edges."""

class Graveyard:
    """The dead edges of every node, the latest death first."""

    @property
    def count(self) -> int: ...
    @property
    def used_bytes(self) -> int: ...
