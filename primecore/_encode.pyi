"""Types of the compiled `_encode`: an event's parts out of Python values of the ordinary kinds."""

# As in _pipeline.pyi.
_Prepared = tuple[bytes, bytes, bytes, bytes | None, bytes | None, int | None]

def prepare(event_type: object, entity_id: object, payload: object, metadata: object) -> _Prepared | None: ...
