"""A subscription: events of the log as they come, pulled by whoever asks. Knows the engine's positions and its reader.

Nothing is pushed and nothing kept: a subscription is a position in the log. So it costs the writer nothing and a slow
reader no memory, and it works the same on a store that another process writes and this one follows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from primecore.engine import Engine
from primecore.errors import InvalidArgument
from primecore.model import Event

# Between two looks at a log that stands still. It doubles from the first to the last.
FIRST_WAIT_SECONDS = 0.001
LAST_WAIT_SECONDS = 0.02


class Subscription:
    """An iterator over events that ends when it (or the store) is closed. Safe to use from many threads.

    Each event goes to one of the threads that ask.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        after: int,
        event_type: str | None,
        type_prefix: str | None,
        entity_id: str | None,
        entity_prefix: str | None,
        durable: bool,
    ) -> None:
        given = {
            "event_type": event_type,
            "type_prefix": type_prefix,
            "entity_id": entity_id,
            "entity_prefix": entity_prefix,
        }
        for name, value in given.items():
            if value is not None and not isinstance(value, str):
                raise InvalidArgument(f"{name}: expected a string, found {type(value).__name__}")
        self._engine = engine  # asked anew each time: a follower whose owner lost events gets another one
        self._position = after
        self._event_type, self._type_prefix = event_type, type_prefix
        self._entity_id, self._entity_prefix = entity_id, entity_prefix
        self._durable = durable
        self._lock = threading.Lock()
        self._closed = threading.Event()

    @property
    def position(self) -> int:
        """Up to here everything was told or did not fit: `after` for the next subscription."""
        return self._position

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closed.is_set()

    def close(self) -> None:
        """Ends it: whoever waits gets nothing more."""
        self._closed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        event = self.next()
        if event is None:
            raise StopIteration
        return event

    def next(self, timeout: float | None = None) -> Event | None:
        """The next event, waiting at most `timeout` seconds (for ever without one). None: none came, or it was closed.

        Raises StoreClosed where the store was closed, CorruptLog.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        wait = FIRST_WAIT_SECONDS
        while not self._closed.is_set():
            event = self._advance()
            if event is not None:
                return event
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            self._closed.wait(wait if left is None else min(wait, left))
            wait = min(wait * 2, LAST_WAIT_SECONDS)
        return None

    def _advance(self) -> Event | None:
        # One thread at a time looks further, so that no event is told twice and none is passed over.
        with self._lock:
            engine = self._engine()
            engine.check()
            last = engine.position
            if self._durable:
                last = min(last, engine.durable_position)
            while self._position < last:
                if self._closed.is_set():
                    return None
                event = self._fitting(engine, self._position + 1)
                self._position += 1
                if event is not None:
                    return event
        return None

    def _fitting(self, engine: Engine, position: int) -> Event | None:
        if not engine.events.matches(position, self._event_type, self._entity_id):
            return None
        event = engine.events.read(position)
        if self._type_prefix is not None and not event.event_type.startswith(self._type_prefix):
            return None
        if self._entity_prefix is not None and not event.entity_id.startswith(self._entity_prefix):
            return None
        return event
