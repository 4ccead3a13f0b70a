"""Types of the compiled `_states`: properties, labels and validity in an arena. Its work is done from compiled code."""

class States:
    """The arena of what nodes and edges say of themselves."""

    def __new__(cls) -> States: ...
    @property
    def used_bytes(self) -> int: ...
