"""Runs projections: builds those kept at once, and feeds the deferred ones from the log on a thread of their own.

Knows projections and a way to read events; nothing of files or of who asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from primecore._graph import Graph
from primecore._reads import Reader
from primecore.config import EXACT_VECTORS
from primecore.errors import CorruptLog, InvalidArgument, PrimeError, StoreClosed
from primecore.model import Event, ParkedProjection
from primecore.projections.adjacency import Adjacency
from primecore.projections.base import AtOnce, Projection
from primecore.projections.cross_domain import CrossDomain
from primecore.projections.domains import DomainIndex
from primecore.projections.history import History
from primecore.projections.nodes import NodeState
from primecore.projections.recall import Recall
from primecore.projections.stats import Stats
from primecore.projections.types import TypeIndex
from primecore.projections.vectors import VectorIndex
from primecore.projections.words import Words

IDLE_SECONDS = 0.05
CATCH_UP_EVENTS = 1000  # between two looks at whether to stop


class Views:
    """The projections kept at once, over one graph. Each sees an event before its append returns."""

    def __init__(self, exact_vectors: int = EXACT_VECTORS) -> None:
        self.graph = Graph()
        self.reader = Reader(self.graph)
        self.nodes = NodeState(self.graph, self.reader)
        self.adjacency = Adjacency(self.graph, self.reader)
        self.types = TypeIndex(self.graph, self.reader)
        self.domains = DomainIndex(self.graph, self.reader)
        self.cross_domain = CrossDomain(self.graph, self.reader, self.domains.numbers)
        self.stats = Stats(self.graph)
        self.history = History(self.graph, self.reader)
        self.words = Words(self.graph, self.types.table)
        self.vectors = VectorIndex(self.graph, exact_vectors)
        self.recall = Recall(self.graph, self.words, self.vectors)

    def all(self) -> tuple[AtOnce, ...]:
        """Every one of them, in the order of their digests."""
        return (
            self.nodes, self.adjacency, self.types, self.domains, self.cross_domain, self.stats, self.history,
            self.words, self.vectors,
        )  # fmt: skip

    @property
    def position(self) -> int:
        """The position they all show."""
        return self.graph.applied_position


class Deferred:
    """One projection of the user's own, and how far it has come."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.position = 0
        self.error: BaseException | None = None
        self._whole = threading.Lock()  # held while an event is taken in: what is saved has seen all of it or nothing

    def restore(self, version: int, position: int, data: bytes, last: int) -> None:
        """Go on from what an earlier process saved, if that fits. Raises what the projection's `restore` raises."""
        give_back = getattr(self.projection, "restore", None)
        if callable(give_back) and version == self.projection.version and position <= last:
            give_back(data)
            self.position = position

    def save(self) -> tuple[int, int, bytes] | None:
        """(version, position, bytes) of what it holds; None where it does not say, or is parked."""
        save = getattr(self.projection, "save", None)
        if not callable(save) or self.error is not None:
            return None
        with self._whole:
            return self.projection.version, self.position, bytes(save())

    def feed(self, read: Callable[[int], Event], until: int, stopped: Callable[[], bool]) -> None:
        """Takes in the events up to `until`, or up to where it raises, or until `stopped()`."""
        while self.position < until and self.error is None and not stopped():
            with self._whole:
                try:
                    self.projection.apply(read(self.position + 1))
                except BaseException as error:
                    # What a user's class raises, an exit too, is its own affair: it is parked and shown.
                    self.error = error
                    return
                self.position += 1


class Runner:
    """Feeds deferred projections. `applied()` is the position they run towards, `read(position)` gives an event."""

    def __init__(self, applied: Callable[[], int], read: Callable[[int], Event]) -> None:
        self._applied = applied
        self._read = read
        self._deferred: dict[str, Deferred] = {}
        self.saved: dict[str, tuple[int, int, bytes]] = {}  # from the checkpoint, for those who register again
        self._wake = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def register(self, projection: Projection) -> None:
        """Feeds a projection from the first event on. Raises InvalidArgument for a name that is missing or taken."""
        if not callable(getattr(projection, "apply", None)):
            kind = type(projection).__name__
            raise InvalidArgument(f"projection: expected an object with apply(event), found {kind}")
        name = getattr(projection, "name", "")
        if not isinstance(name, str) or not name:
            raise InvalidArgument("projection: expected a name", hint="set the class attribute `name`")
        with self._wake:
            if name in self._deferred:
                raise InvalidArgument(f"projection: the name {name!r} is taken", hint="give it a name of its own")
            deferred = Deferred(projection)
            if name in self.saved:
                deferred.restore(*self.saved[name], self._applied())
            self._deferred[name] = deferred
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="prime-projections", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def get(self, name: str, timeout: float | None) -> Projection:
        """A projection that has seen everything applied by now.

        Raises InvalidArgument, TimeoutError, or PrimeError when it is parked.
        """
        target = self._applied()
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._wake:
            if name not in self._deferred:
                raise InvalidArgument(f"projection: none is registered as {name!r}")
            deferred = self._deferred[name]
            self._wake.notify_all()
            while deferred.position < target and deferred.error is None and not self._stopped:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError(f"projection {name!r} is at position {deferred.position} of {target}")
                self._wake.wait(left)
        if deferred.error is None and deferred.position < target:
            raise StoreClosed("the store was closed", hint="open it again")
        if deferred.error is not None:
            raise PrimeError(
                f"projection {name!r} is parked at position {deferred.position + 1}: {deferred.error!r}",
                hint="mend it and register it again in a new process",
            ) from deferred.error
        return deferred.projection

    def adopt(self, other: Runner, same_log: bool) -> None:
        """Takes over the projections of `other`, and stops it; if their log is not this one, those that saw it park."""
        other.stop()
        with self._wake:
            self._deferred.update(other._deferred)
            for deferred in other._deferred.values():
                if not same_log and deferred.position:
                    deferred.error = deferred.error or CorruptLog(
                        "the owner of the store recovered less than this projection had seen"
                    )
            if self._deferred and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="prime-projections", daemon=True)
                self._thread.start()
    def save(self) -> dict[str, tuple[int, int, bytes]]:
        """What the projections save, by name; of those that are not registered now, what they saved before.

        Raises what a projection's `save` raises.
        """
        with self._wake:
            registered = list(self._deferred.items())
        saved = dict(self.saved)
        for name, deferred in registered:
            state = deferred.save()
            if state is not None:
                saved[name] = state
        return saved

    def positions(self) -> dict[str, int]:
        """How far each has come."""
        with self._wake:
            return {name: deferred.position for name, deferred in self._deferred.items()}

    def parked(self) -> tuple[ParkedProjection, ...]:
        """Those that raised, with the position of the event that they raised at."""
        with self._wake:
            return tuple(
                ParkedProjection(name, deferred.position + 1, repr(deferred.error))
                for name, deferred in self._deferred.items()
                if deferred.error is not None
            )

    def stop(self) -> None:
        """Ends the thread; what was not fed yet is fed from the log next time."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._stopped:
                    return
                waiting = list(self._deferred.values())
            target = self._applied()
            busy = False
            for deferred in waiting:
                if deferred.error is None and deferred.position < target:
                    deferred.feed(self._read, min(target, deferred.position + CATCH_UP_EVENTS), lambda: self._stopped)
                    busy = True
            with self._wake:
                self._wake.notify_all()
                if not busy and not self._stopped:
                    self._wake.wait(IDLE_SECONDS)
