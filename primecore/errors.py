"""The errors Prime raises, and nothing else.

    PrimeError
    ├── MisuseError (also a ValueError)      what was asked cannot be asked
    │   ├── InvalidEvent                     an event breaks a rule: field, line, column, what was expected
    │   ├── InvalidArgument                  an argument of a call
    │   └── LimitExceeded                    a stated limit
    ├── DataError                            the data says no
    │   ├── NodeNotFound (also a KeyError)
    │   ├── EdgeNotFound (also a KeyError)
    │   ├── VectorNotFound (also a KeyError)
    │   ├── ModelMismatch                    vectors of another model; `prime reembed` makes new ones
    │   ├── ReembedUnfinished                texts that wait for vectors of a new model
    │   ├── VersionConflict
    │   ├── IdempotencyConflict
    │   ├── StoreNotFound
    │   └── CorruptLog                       path, offset, position
    └── EnvironmentFailure                   the world around the store
        ├── StoreLocked
        ├── StoreClosed
        ├── StoreForked
        ├── StorePoisoned
        ├── OutcomeUnknown
        ├── DiskFull
        └── StorageFailure

Each class has a stable `code`; `operations.py` holds the one map from codes to exit codes.
Messages say what happened, then, in `hint`, what to do next.
"""

from __future__ import annotations

from typing import ClassVar


class PrimeError(Exception):
    """Anything Prime raises on purpose. `code` is stable, `hint` says what to do next (may be empty)."""

    code: ClassVar[str] = "prime_error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class MisuseError(PrimeError, ValueError):
    """What was asked cannot be asked."""

    code = "misuse"


class InvalidEvent(MisuseError):
    """An event breaks a rule of the format.

    `field` names the offending field (dotted, empty where the JSON itself is broken), `line` and `column` are 1-based
    (columns count characters; both 0 where the event did not come from text), `source` is the file's name.
    """

    code = "invalid_event"

    def __init__(
        self, reason: str, *, field: str = "", source: str = "", line: int = 0, column: int = 0, hint: str = ""
    ) -> None:
        place = f"{source or '<events>'}:{line}:{column}: " if line else ""
        super().__init__(place + reason, hint=hint)
        self.reason = reason
        self.field = field
        self.source = source
        self.line = line
        self.column = column


class InvalidArgument(MisuseError):
    """An argument of a call is wrong; the message names it and says what was expected."""

    code = "invalid_argument"


class LimitExceeded(MisuseError):
    """A stated limit would be passed; the message names the limit."""

    code = "limit_exceeded"


class DataError(PrimeError):
    """The data says no."""

    code = "data_error"


class NodeNotFound(DataError, KeyError):
    """A node that must be live is not."""

    code = "node_not_found"
    __str__ = PrimeError.__str__


class EdgeNotFound(DataError, KeyError):
    """An edge that must be live is not."""

    code = "edge_not_found"
    __str__ = PrimeError.__str__


class VectorNotFound(DataError, KeyError):
    """An entity whose vector must be there has none."""

    code = "vector_not_found"
    __str__ = PrimeError.__str__


class ModelMismatch(DataError):
    """The store's vectors were made by another model than the one at hand."""

    code = "model_mismatch"


class ReembedUnfinished(DataError):
    """A change of model was broken off: some texts have no vector yet, so no search can be whole."""

    code = "reembed_unfinished"


class VersionConflict(DataError):
    """`expected_version` does not hold. `expected` and `actual` are versions of `entity_id`."""

    code = "version_conflict"

    def __init__(self, entity_id: str, expected: int, actual: int) -> None:
        super().__init__(
            f"{entity_id} is at version {actual}, not {expected}",
            hint="read it again and retry with the version you find",
        )
        self.entity_id = entity_id
        self.expected = expected
        self.actual = actual


class IdempotencyConflict(DataError):
    """An `event_id` was used before, with other content. `position` is that of the first event."""

    code = "idempotency_conflict"

    def __init__(self, event_id: str, position: int, *, where: str = "") -> None:
        super().__init__(
            f"{where}event_id {event_id} is taken by another event, at position {position}",
            hint="give the new event an id of its own",
        )
        self.event_id = event_id
        self.position = position


class StoreNotFound(DataError):
    """There is no store at this path, and none was to be made."""

    code = "store_not_found"


class CorruptLog(DataError):
    """Bytes on disk are not what was written. `path`, `offset` (bytes) and `position` say where."""

    code = "corrupt_log"

    def __init__(self, message: str, *, path: str = "", offset: int = 0, position: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.offset = offset
        self.position = position


class EnvironmentFailure(PrimeError):
    """The world around the store failed."""

    code = "environment_failure"


class StoreLocked(EnvironmentFailure):
    """Another process owns the store."""

    code = "store_locked"


class StoreClosed(EnvironmentFailure):
    """The store was closed."""

    code = "store_closed"


class StoreForked(EnvironmentFailure):
    """A forked child used its parent's store."""

    code = "store_forked"


class StorePoisoned(EnvironmentFailure):
    """A write or sync failed earlier: reads go on, writes do not, until the store is opened again."""

    code = "store_poisoned"


class OutcomeUnknown(EnvironmentFailure):
    """A write or sync failed while this call waited, or the owner of the store did not answer it.

    Whether its events survive is not known yet. `event_ids` are the ids that they have or will have: the same write
    with the same `event_id` is safe to repeat. Empty where the caller gave none and nothing was sent.
    """

    code = "outcome_unknown"

    def __init__(self, message: str, *, hint: str = "", event_ids: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.event_ids = event_ids


class DiskFull(EnvironmentFailure):
    """There is no room for the next event. Nothing was written; it heals when space returns."""

    code = "disk_full"


class StorageFailure(EnvironmentFailure):
    """The operating system refused a read or write."""

    code = "storage_failure"
