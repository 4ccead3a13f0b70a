"""A graph index over the vectors of a large space, built and fed on a thread of its own. Knows rows, never texts.

Hierarchical navigable small worlds (Malkov and Yashunin, 2016), by usearch, in bfloat16. It lags behind the fold and
never forgets by itself: whoever asks it adds what arrived since, and leaves out what is gone. Once half of it is gone a
new one is built beside it.
"""

from __future__ import annotations

import threading
from typing import Any

from primecore import _stored
from primecore._graph import Graph
from primecore._knn import Look

CONNECTIVITY = 16
EXPANSION_ADD = 64
EXPANSION_SEARCH = 128
SLICE = 8  # vectors between two looks at who waits: usearch keeps the GIL while it adds
SCANS = 8  # of the latest so many scans the mean of what they read is kept, about
FORGET = 4096  # arrivals taken in before they are dropped from the list
IDLE_SECONDS = 0.02
PATIENCE_SECONDS = 0.005  # what a query waits for the index before it scans instead
MAX_WANTED = 256  # over that a scan is as fast and is exact

Found = list[tuple[float, int]]


class Index:
    """One usearch index, and how many of the arrivals it has taken in."""

    def __init__(self, dimensions: int, definition: int, arrivals: int) -> None:
        from usearch.index import Index as Usearch

        self.graph: Any = Usearch(
            ndim=dimensions,
            metric="cos",
            dtype="bf16",
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION_ADD,
            expansion_search=EXPANSION_SEARCH,
            enable_key_lookups=False,
        )
        self.dimensions = dimensions
        self.definition = definition  # of the space whose vectors it holds
        self.arrivals = arrivals  # noted ones that it has taken in
        self.size = 0

    def add(self, keys: bytes, numbers: bytes) -> None:
        """Takes in vectors: uint64 keys, float32 numbers of length one."""
        import numpy

        if keys:
            rows = numpy.frombuffer(numbers, "f4").reshape(-1, self.dimensions)
            self.graph.add(numpy.frombuffer(keys, "u8"), rows, threads=1)
            self.size += len(rows)

    def nearest(self, numbers: Any, wanted: int) -> Any:
        """Keys of the nearest, about."""
        import numpy

        if self.size == 0:
            return numpy.empty(0, "u8")
        return self.graph.search(numpy.frombuffer(numbers, "f4"), wanted, threads=1).keys


class Follower:
    """Keeps an Index in step with the space in force, where scans read more than the 4-bit codes of `least` vectors."""

    def __init__(self, graph: Graph, least: int) -> None:
        self._graph = graph
        self._vectors = graph.vectors
        self._least = least
        self._lock = threading.Lock()  # around every use of an index: usearch does not let one search while it adds
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._index: Index | None = None  # what queries ask; None while there is none
        self._read_bytes = 0.0  # by a scan of all, lately
        self.error: BaseException | None = None

    @property
    def size(self) -> int:
        """Vectors in the index, those that are gone by now included; 0 without one."""
        index = self._index
        return 0 if index is None else index.size

    @property
    def is_current(self) -> bool:
        """Whether the index has all that was stored, or scans do without one."""
        with self._lock:
            if self._thread is None and not self._is_called_for():
                return True
            return self._serves() and self._index is not None and self._index.arrivals >= self._vectors.arrival_count

    def _serves(self) -> bool:
        return self._index is not None and self._index.definition == self._vectors.definitions

    def scanned(self, read_bytes: int) -> None:
        """Notes what a scan of all had to read: how far signs go depends on the vectors and on what is asked."""
        self._read_bytes += (read_bytes - self._read_bytes) / SCANS if self._read_bytes else read_bytes

    def _is_called_for(self) -> bool:
        space = self._vectors.current
        if space is None or self._vectors.shown_count < self._least:
            return False
        return self._read_bytes > self._least * space.stride4

    def nudge(self) -> None:
        """Begins to build where scans have become long. Costs next to nothing otherwise."""
        if self._thread is not None or not self._is_called_for():
            return
        with self._wake:
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="prime-vectors", daemon=True)
                self._thread.start()

    def search(self, look: Look, numbers: Any, wanted: int) -> Found | None:
        """The nearest as Look.nearest() gives them, nearly always the same; None where a scan is to answer."""
        if self._index is None or wanted > MAX_WANTED or not self._lock.acquire(timeout=PATIENCE_SECONDS):
            return None
        try:
            # The tail is noted before the index is asked: what moves from one to the other meanwhile is in both.
            index = self._index
            if index is None or not look.add_tail(index.arrivals, index.definition):
                return None
            keys = index.nearest(numbers, min(2 * wanted + 16, index.size))
        finally:
            self._lock.release()
        found = look.among(keys, wanted)
        # Where those near are gone, rather look at everything than answer with less than there is.
        return found if len(found) >= min(wanted, self._vectors.shown_count) else None

    def stop(self) -> None:
        """Ends the thread and lets go of the index."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._drop()

    def _run(self) -> None:
        try:
            while not self._stopped:
                if self._vectors.shown_count < self._least // 2:
                    self._drop()
                elif not self._serves() or self._is_half_gone():
                    self._build()
                elif self._index is not None:
                    while self._feed(self._index) and not self._stopped:
                        pass
                with self._wake:
                    if not self._stopped:
                        self._wake.wait(IDLE_SECONDS)
        except BaseException as error:
            # Without an index every query scans: slower, and right. stats() shows it.
            self._drop()
            self.error = error

    def _drop(self) -> None:
        with self._lock:
            self._index = None
            self._vectors.ignore()

    def _is_half_gone(self) -> bool:
        index, space = self._index, self._vectors.current
        if index is None or space is None:
            return False
        tail = self._vectors.arrival_count - index.arrivals
        return index.size > 2 * max(space.live - tail, 1)

    def _build(self) -> None:
        # Beside the one that serves, which goes on with a tail that grows.
        space, definition = self._vectors.current, self._vectors.definitions
        if space is None or self._vectors.shown_count < self._least:
            return
        snapshot, arrivals = self._vectors.snapshot()
        births = memoryview(snapshot).cast("I")
        index = Index(space.dimensions, definition, arrivals)
        for first in range(0, len(births), SLICE):
            if self._stopped or self._vectors.definitions != definition:
                return
            rows = list(range(first, min(first + SLICE, len(births))))
            index.add(*_stored.normalised(self._graph, rows, [births[row] for row in rows]))
        while self._feed(index, until=10 * SLICE) and not self._stopped:
            pass
        with self._lock:
            if self._vectors.definitions == definition:
                self._index = index

    def _feed(self, index: Index, until: int = 0) -> bool:
        """Takes in a slice of what arrived, while more than `until` wait; whether there was any."""
        if self._vectors.definitions != index.definition or self._vectors.arrival_count <= index.arrivals + until:
            return False
        rows, births = self._vectors.arrivals_after(index.arrivals, SLICE)
        keys, numbers = _stored.normalised(self._graph, rows, births)
        with self._lock:
            index.add(keys, numbers)
            if self._vectors.definitions == index.definition:
                index.arrivals += len(rows)
                if index is self._index and index.arrivals >= FORGET:
                    self._vectors.forget_arrivals(index.arrivals)
                    index.arrivals = 0
        return True
