"""Types of the compiled `_vectors`: which vectors are live, and their texts."""

from primecore._texts import Texts

class Vectors:
    """Liveness of stored vectors: until deleted, until their node is, until the space is defined anew."""

    @property
    def texts(self) -> Texts: ...
