"""Types of the compiled `_adjacency`: the lists of every node, and what lazy results over them have in common."""

class OpenResult:
    """A lazy result that still looks into the tables: settled before they change under it."""

class Adjacency:
    """Lists of edges in a pool of blocks. Its work is done from compiled code."""

    @property
    def used_bytes(self) -> int: ...
