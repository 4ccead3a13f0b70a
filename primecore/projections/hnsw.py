"""A graph index over the vectors of a large space, built and fed on a thread of its own. Knows rows, never texts.

Hierarchical navigable small worlds (Malkov and Yashunin, 2016), by usearch, in bfloat16. It lags behind the fold and
never forgets by itself: whoever asks it adds what arrived since, and leaves out what is gone. Once half of it is gone a
new one is built beside it.

Checkpoints carry it: an index read from one is brought up to date before it is asked. What a key names (a row, and the
position that stored it) is the same in every life of a log, so an index of any age only lacks some vectors.
"""

from __future__ import annotations

import threading
from typing import Any

from primecore import _stored
from primecore._graph import Graph
from primecore._image import Draft, Image
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
LOAD_SECONDS = 0.25  # a process that is gone by then has no use for what reading an index costs
SECTION = "vectors.hnsw"

Found = list[tuple[float, int]]


class Saved:
    """An index as a checkpoint holds it: its keys, then what usearch writes. `note` says what it is of."""

    def __init__(self, note: dict[str, Any], data: bytes | Image) -> None:
        self.note = note
        self._data = data

    @property
    def size(self) -> int:
        """Vectors in it."""
        return int(self.note["size"])

    def add_to(self, draft: Draft) -> None:
        """Put it into a checkpoint."""
        if isinstance(self._data, bytes):
            draft.add_bytes(SECTION, self._data)
        else:
            draft.add_again(self._data, SECTION)
        draft.notes[SECTION] = self.note

    def read(self) -> bytes:
        """Its bytes."""
        return self._data if isinstance(self._data, bytes) else self._data.get(SECTION)


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
        self.keys = bytearray()  # all that were taken in, as uint64

    @property
    def size(self) -> int:
        """Vectors in it, those that are gone by now included."""
        return len(self.keys) // 8

    def _note(self) -> dict[str, Any]:
        from usearch import __version__

        return {
            "definition": self.definition,
            "dimensions": self.dimensions,
            "connectivity": CONNECTIVITY,
            "writer": f"usearch {__version__}",
            "size": self.size,
        }

    def save(self) -> Saved:
        """What a checkpoint is to hold of it. Keeps the GIL for as long as copying it takes."""
        return Saved(self._note(), b"".join((self.keys, self.graph.save())))

    def load(self, saved: Saved) -> bool:
        """Take over what save() gave, into an empty one; False, and nothing is taken, where it is not of this kind."""
        if saved.note != self._note() | {"size": saved.size}:
            return False
        data = memoryview(saved.read())
        keys = data[: 8 * saved.size]
        self.graph.load(data[len(keys) :])
        if len(self.graph) != saved.size:
            raise ValueError(f"an index has {len(self.graph)} vectors instead of {saved.size}")
        self.keys += keys
        return True

    def lacks(self, births: bytes) -> list[int]:
        """The rows of which the vector that was born at `births` (uint32 by row, 0: none lives) is not in it."""
        import numpy

        born = numpy.frombuffer(births, "u4").astype("u8")
        wanted = born << 32 | numpy.arange(len(born), dtype="u8")
        held = numpy.isin(wanted, numpy.frombuffer(bytes(self.keys), "u8"))
        return numpy.flatnonzero((born != 0) & ~held).tolist()

    def add(self, keys: bytes, numbers: bytes) -> None:
        """Takes in vectors: uint64 keys, float32 numbers of length one."""
        import numpy

        if keys:
            rows = numpy.frombuffer(numbers, "f4").reshape(-1, self.dimensions)
            self.graph.add(numpy.frombuffer(keys, "u8"), rows, threads=1)
            self.keys += keys

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
        self.least = least
        self.asleep = True  # no index is there, and none is being made
        self._lock = threading.Lock()  # around every use of an index: usearch does not let one search while it adds
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._index: Index | None = None  # what queries ask; None while there is none
        self._read_bytes = 0.0  # by a scan of all, lately
        self.saved: Saved | None = None  # the latest one that a checkpoint holds, or will hold
        self._unread = False
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

    @property
    def is_unsaved(self) -> bool:
        """Whether a checkpoint would spare the next opening at least half of the building."""
        return self._serves() and self.size > 2 * (self.saved.size if self.saved is not None else 0)

    def offer(self, saved: Saved) -> None:
        """Begin with an index that a checkpoint holds, once there is need of one."""
        self.saved = saved
        self._unread = True

    def save(self) -> None:
        """Keep the index as it is now for the next checkpoint. Everybody waits for as long as copying it takes."""
        with self._lock:
            if self._index is not None and self._serves():
                self.saved = self._index.save()

    def _serves(self) -> bool:
        return self._index is not None and self._index.definition == self._vectors.definitions

    def scanned(self, read_bytes: int) -> None:
        """Notes what a scan of all had to read: how far signs go depends on the vectors and on what is asked.

        The mean begins at nothing, so that no single question, unlike all that is stored, calls for an index.
        """
        self._read_bytes += (read_bytes - self._read_bytes) / SCANS

    def _is_called_for(self) -> bool:
        space = self._vectors.current
        if space is None or self._vectors.shown_count < self.least:
            return False
        return self._unread or self._read_bytes > self.least * space.stride4

    def nudge(self) -> None:
        """Begins to build where scans have become long. Costs next to nothing otherwise."""
        if self._thread is not None or not self._is_called_for():
            return
        with self._wake:
            if self._thread is None and not self._stopped:
                self.asleep = False
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
                if self._vectors.shown_count < self.least // 2:
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
        if space is None or self._vectors.shown_count < self.least:
            return
        index = self._begin(space.dimensions, definition)
        snapshot, index.arrivals = self._vectors.snapshot()
        births, lacking = memoryview(snapshot).cast("I"), index.lacks(snapshot)
        if index.size > 2 * sum(map(bool, births)):
            index, lacking = Index(space.dimensions, definition, index.arrivals), [*range(len(births))]
        for first in range(0, len(lacking), SLICE):
            if self._stopped or self._vectors.definitions != definition:
                return
            rows = lacking[first : first + SLICE]
            index.add(*_stored.normalised(self._graph, rows, [births[row] for row in rows]))
        while self._feed(index, until=10 * SLICE) and not self._stopped:
            pass
        with self._lock:
            if self._vectors.definitions == definition:
                self._index = index

    def _begin(self, dimensions: int, definition: int) -> Index:
        """An empty index, or the one that a checkpoint held."""
        index = Index(dimensions, definition, 0)
        if self.saved is None or not self._unread:
            return index
        self._unread = False
        with self._wake:
            if not self._stopped:
                self._wake.wait(LOAD_SECONDS)
        if self._stopped:
            return index
        try:
            index.load(self.saved)
        except Exception:
            # Of what broke off in the middle nothing is used. The library says what it will of bytes it does not like.
            self.saved = None
            return Index(dimensions, definition, 0)
        return index

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
