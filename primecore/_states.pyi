"""Types of the compiled `_states`: properties, labels and validity in an arena. Its work is done from compiled code."""

from primecore._memory import Arena

class States:
    """The arena of what nodes and edges say of themselves."""

    def __new__(cls) -> States: ...
    @property
    def arena(self) -> Arena: ...
    @property
    def used_bytes(self) -> int: ...
