"""Types of the compiled `_dedupe`: fingerprints of event ids. Its work is done from compiled code."""

class Dedupe:
    """Positions by event id."""

    def __new__(cls) -> Dedupe: ...
    @property
    def used_bytes(self) -> int: ...
