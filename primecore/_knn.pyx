# Nearest neighbours by cosine. The contract stands in _knn.pxd, the scan in _sift.pyx.

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.math cimport isfinite
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, strcmp

from primecore._event cimport MAX_ENTITY_ID_BYTES, NONE32, slice_t
from primecore._graph cimport Graph
from primecore._records cimport node_t
from primecore._sift cimport ask, asked_t, forget, is_visible, nearest, score as score_of, scored_t, sort_scored
from primecore._states cimport NODE_HEADER
from primecore._vectors cimport Space, Vectors, arrival_t, vector_t

from primecore.model import Hit


new_tuple = tuple.__new__           # a named tuple's own constructor takes several times as long


cdef class Look:
    """The vectors as they are when it is made, asked for those nearest to `numbers`. Use it in one thread; close it.

    Raises ValueError for numbers that make no vector of the space in force.
    """

    def __cinit__(self, Graph graph not None, const float[::1] numbers not None, int kernel=-1):
        cdef int status
        self.slot = -1
        self.graph = graph
        self.space = graph.vectors.current
        if self.space is None or <size_t>numbers.shape[0] != self.space.dimensions:
            raise ValueError("not of the dimensions of the space")
        status = ask(self.space, &numbers[0], kernel, &self.asked)
        if status == -2:
            check_numbers(numbers)
        if status < 0:
            raise MemoryError("no room for a query")
        # From here on nothing that shows at this position is overwritten. No Python code runs in between.
        self.slot = graph.epochs.enter()
        self.asked.position = <uint32_t>graph.applied_position
        self.stamp = graph.stamp
        self.count = self.asked.count = self.space.count

    def __dealloc__(self):
        self.close()
        forget(&self.asked)
        free(self.allowed)
        free(self.tail)

    def close(self):
        """Lets go of the position: rows may be used again."""
        if self.slot >= 0:
            self.graph.epochs.leave(self.slot)
            self.slot = -1

    @property
    def moved(self):
        """Whether anything was folded since it began: nodes may say something else by now."""
        return self.graph.stamp != self.stamp

    @property
    def position(self):
        """The position at which it stands."""
        return self.asked.position

    @property
    def read_bytes(self):
        """Bytes of signs and codes that its last scan read."""
        return self.asked.read_bytes

    cdef bint sees(self, uint32_t row) noexcept nogil:
        return is_visible(self.space.record(row), self.asked.position)

    # Filters.

    def restrict(self, list prefixes not None, domain, bytes without):
        """Keeps rows whose entity's id begins with each of the prefixes, whose node is of a domain, and not `without`."""
        cdef size_t count = <size_t>len(prefixes), i
        cdef uint32_t number = NONE32
        cdef uint32_t skipped = NONE32
        cdef const char** starts = <const char**>malloc((count + 1) * sizeof(char*))
        cdef uint32_t* sizes = <uint32_t*>malloc((count + 1) * sizeof(uint32_t))
        cdef bint any_domain = domain is None
        cdef int status
        cdef bytes name
        try:
            if starts == NULL or sizes == NULL:
                raise MemoryError("no room for a filter")
            for i in range(count):
                starts[i] = PyBytes_AS_STRING(<bytes?>prefixes[i])
                sizes[i] = <uint32_t>len(<bytes>prefixes[i])
            if not any_domain:
                name = <bytes?>domain
                number = self.graph.domains.find(
                    self.graph.domains.hash(name, <uint32_t>len(name)), name, <uint32_t>len(name)
                )
            if without is not None and self.count:
                skipped = self.graph.vectors.find(without, <uint32_t>len(without))
                skipped = NONE32 if skipped == NONE32 else self.space.row(skipped)
            if self.allowed == NULL:
                self.make_allowed()
            with nogil:
                status = self.mark(starts, sizes, count, any_domain, number, skipped)
            if not any_domain and self.graph.stamp != self.stamp:
                # Domains moved meanwhile: once more, at the position that holds now.
                self.asked.position = <uint32_t>self.graph.applied_position
                self.stamp = self.graph.stamp
                status = self.mark(starts, sizes, count, any_domain, number, skipped)
            return status
        finally:
            free(starts)
            free(sizes)

    cdef int make_allowed(self) except -1:
        # Room for a byte for each row, and for those that fill the last block.
        free(self.allowed)
        self.allowed = <uint8_t*>calloc(<size_t>self.count + 64, 1)
        if self.allowed == NULL:
            raise MemoryError("no room for a filter")
        self.asked.allowed = self.allowed
        return 0

    cdef int mark(self, const char** prefixes, uint32_t* sizes, size_t count, bint any_domain, uint32_t domain,
                  uint32_t without) noexcept nogil:
        cdef char[MAX_ENTITY_ID_BYTES + 8] key
        cdef uint32_t row, size
        cdef int kept = 0
        cdef size_t i
        cdef bint fits
        cdef vector_t* record
        cdef node_t* node
        for row in range(self.count):
            record = self.space.record(row)
            fits = row != without and self.sees(row)
            if fits and not any_domain:
                fits = domain != NONE32 and record.node != NONE32
                if fits:
                    node = self.graph.node(record.node)
                    fits = node.born != 0 and node.domain == domain
            if fits and count:
                size = self.graph.entities.copy_key(record.entity, key)
                for i in range(count):
                    fits = fits and size - 4 >= sizes[i] and memcmp(key + 4, prefixes[i], sizes[i]) == 0
            self.allowed[row] = fits
            kept += fits
        return kept

    # The scan.

    def nearest(self, size_t wanted, double least=-2.0):
        """The `wanted` nearest as [(score, row), ...], best first, further ones that tie with the last included.

        Scores below `least` are left out. Exact: what the codes cannot decide is scored in full.
        """
        cdef scored_t* found = NULL
        cdef size_t count = 0
        cdef int status
        if wanted == 0 or self.count == 0:
            return []
        with nogil:
            status = nearest(self.space, &self.asked, wanted, least, &found, &count)
        if status < 0:
            free(found)
            raise MemoryError("no room for a search")
        return best_of(found, count, wanted)

    # What another index found, and what it has not taken in yet.

    def add_tail(self, size_t first, uint32_t definition):
        """Also weighs what arrived after the first `first` arrivals. False where the space is another by now.

        `definition` is the one that the other index is of.
        """
        cdef Vectors vectors = self.graph.vectors
        if vectors.space != definition or vectors.current is not self.space:
            return False
        cdef size_t count = vectors.arrived - first if vectors.arrived > first else 0
        free(self.tail)
        self.tail = <arrival_t*>malloc((count + 1) * sizeof(arrival_t))
        if self.tail == NULL:
            raise MemoryError("no room for a search")
        if count:
            memcpy(self.tail, vectors.arrivals + first, count * sizeof(arrival_t))
        self.tail_count = count
        return True

    def among(self, const uint64_t[::1] keys not None, size_t wanted, double least=-2.0):
        """As nearest(), of the rows in `keys` (birth << 32 | row; those that are gone are left out) and of the tail."""
        cdef size_t count = <size_t>keys.shape[0], i, taken = 0
        cdef scored_t* found = <scored_t*>malloc((count + self.tail_count + 1) * sizeof(scored_t))
        cdef uint32_t row, born
        cdef double score
        if found == NULL:
            raise MemoryError("no room for a search")
        with nogil:
            for i in range(count + self.tail_count):
                row = <uint32_t>keys[i] if i < count else self.tail[i - count].row
                born = <uint32_t>(keys[i] >> 32) if i < count else self.tail[i - count].born
                if row >= self.count or not self.sees(row) or self.space.record(row).born != born:
                    continue
                score = score_of(self.space, &self.asked, row)
                if score >= least:
                    found[taken].score = score
                    found[taken].row = row
                    taken += 1
        return best_of(found, taken, wanted)

    # What rows hold. With the GIL held, while the look is open.

    def hits(self, list found not None, size_t k, str without, loads not None):
        """The first `k` of what nearest() or among() gave as hits, but for the entity `without`; equal scores by id.

        `loads` makes a dict of metadata.
        """
        return hits_of(self.graph, self.space, found, k, without, loads)

    def entity_id(self, uint32_t row):
        """Whose vector it is, without `vec:`."""
        return self.graph.entities.key_str(self.space.record(row).entity)[4:]

    def text(self, uint32_t row):
        """The text stored with the vector, None where there is none."""
        cdef slice_t text = self.space.text(row)
        return text.data[:text.size].decode("utf-8", "replace") if text.size else None

    def about(self, uint32_t row):
        """The metadata stored with the vector, as JSON; None where there is none."""
        cdef slice_t about = self.space.about(row)
        return PyBytes_FromStringAndSize(about.data, about.size) if about.size else None

    def node_state(self, uint32_t row):
        """(properties, labels) of the live node it is of, as JSON (labels may be empty); None where it is of none."""
        cdef uint32_t number = self.space.record(row).node
        cdef slice_t properties, labels
        if number == NONE32 or self.graph.node(number).born == 0:
            return None
        properties = self.graph.states.properties(self.graph.node(number).state, NODE_HEADER)
        labels = self.graph.states.labels(self.graph.node(number).state, NODE_HEADER)
        return (
            PyBytes_FromStringAndSize(properties.data, properties.size),
            PyBytes_FromStringAndSize(labels.data, labels.size) if labels.size else b"",
        )


def check_numbers(const float[::1] numbers not None):
    """Raises ValueError unless all are finite and one is not zero: what the log asks of an event's vector."""
    cdef Py_ssize_t i
    cdef bint nonzero = False
    for i in range(numbers.shape[0]):
        if not isfinite(numbers[i]):
            raise ValueError("expected numbers that are finite as float32")
        nonzero |= numbers[i] != 0
    if not nonzero:
        raise ValueError("expected numbers that are not all zero")


cdef list best_of(scored_t* found, size_t count, size_t wanted):
    # Frees `found`.
    cdef list out = []
    cdef size_t i
    cdef uint32_t last = NONE32
    cdef double bar = 0.0
    try:
        sort_scored(found, count)
        for i in range(count):
            if found[i].row == last:
                continue
            last = found[i].row
            if <size_t>len(out) >= wanted and found[i].score != bar:
                break
            bar = found[i].score
            out.append((found[i].score, found[i].row))
        return out
    finally:
        free(found)


cdef list hits_of(Graph graph, Space space, list found, size_t k, str without, loads):
    cdef list named = []
    cdef list out = []
    cdef double last = 2.0
    cdef bint tied = False
    cdef uint32_t row
    cdef double score
    cdef slice_t text, about
    cdef char[MAX_ENTITY_ID_BYTES + 8] key
    for pair in found:                  # all keys at once are fetched in less time than one by one
        row = (<tuple?>pair)[1]
        graph.entities.copy_key(space.record(row).entity, key)
    for pair in found:
        score = (<tuple?>pair)[0]
        row = (<tuple>pair)[1]
        tied |= score == last
        last = score
        named.append((-score, graph.entities.key_str(space.record(row).entity)[4:], row))
    if tied:
        named.sort()
    for negative, id, number in named:
        if <size_t>len(out) >= k:
            break
        if id == without:
            continue
        row = number
        score = -<double>negative
        text = space.text(row)
        about = space.about(row)
        out.append(new_tuple(Hit, (
            id, score, text.data[:text.size].decode("utf-8", "replace") if text.size else None,
            loads(about.data[:about.size]) if about.size else None, {"vector": score}, None, (),
        )))
    return out


def quick_hits(Graph graph not None, vector, size_t k, uint32_t least, loads):
    """(hits, bytes read): the `k` nearest to `vector` as Look.nearest() and Look.hits() give them, without filters.

    0 bytes are told where fewer than `least` vectors show. None where `vector` is no flat buffer of float32, or no vector
    of the space: to say what it is takes longer.
    """
    cdef Space space = graph.vectors.current
    cdef Py_buffer view
    cdef asked_t asked
    cdef scored_t* found = NULL
    cdef size_t count = 0
    cdef int slot, status
    if space is None or graph.vectors.awaiting or k == 0 or not PyObject_CheckBuffer(vector):
        return None
    try:
        PyObject_GetBuffer(vector, &view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS)
    except (BufferError, ValueError):
        return None
    status = -2
    if (
        view.ndim == 1 and view.itemsize == 4 and view.format != NULL and strcmp(view.format, b"f") == 0
        and <size_t>view.len == 4 * <size_t>space.dimensions
    ):
        status = ask(space, <const float*>view.buf, -1, &asked)
    PyBuffer_Release(&view)
    if status < 0:
        return None
    # As in Look: no Python code runs between these.
    slot = graph.epochs.enter()
    asked.position = <uint32_t>graph.applied_position
    asked.count = space.count
    try:
        if asked.count:
            with nogil:
                status = nearest(space, &asked, k, -2.0, &found, &count)
        if status < 0:
            free(found)
            raise MemoryError("no room for a search")
        hits = hits_of(graph, space, best_of(found, count, k), k, None, loads)
        return hits, asked.read_bytes if graph.vectors.shown >= least else 0
    finally:
        graph.epochs.leave(slot)
        forget(&asked)
