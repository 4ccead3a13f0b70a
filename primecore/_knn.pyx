# Nearest neighbours by cosine. The contract stands in _knn.pxd, the arithmetic in include/knn.h.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.math cimport INFINITY, isfinite
from libc.stdint cimport int8_t, int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy

from primecore._event cimport MAX_ENTITY_ID_BYTES, NONE32, slice_t
from primecore._graph cimport Graph
from primecore._records cimport node_t
from primecore._states cimport NODE_HEADER
from primecore._vectors cimport Vectors, arrival_t, vector_t


cdef extern from "knn.h" nogil:
    enum:
        KNN_ROWS
        KNN_SCALAR
    const float KNN_SLACK
    ctypedef void (*knn_kernel)(const uint8_t* query, const int8_t* rows, size_t stride, int32_t* sums) noexcept nogil
    ctypedef struct knn_coded_t:
        double norm
        float scale
        float residual
        int32_t sum
    int knn_best() noexcept
    knn_kernel knn_kernel_of(int which) noexcept
    double knn_dot(const float* a, const float* b, size_t count) noexcept
    void knn_encode(const float* x, size_t count, int8_t* codes, size_t stride, knn_coded_t* out) noexcept


cdef extern from * nogil:
    uint32_t __atomic_load_n(const uint32_t*, int) noexcept
    enum:
        __ATOMIC_ACQUIRE


cdef extern from * nogil:
    """
    #define UNSEEN (-4.0f)              /* an estimate below any that a row can have */
    """
    const float UNSEEN


cdef int BEST = knn_best()


cdef inline bint is_visible(const vector_t* record, uint32_t position) noexcept nogil:
    # `died` is read first: a row that is being used again loses `shown` before it loses `died`.
    cdef uint32_t died = __atomic_load_n(&record.died, __ATOMIC_ACQUIRE)
    cdef uint32_t shown = __atomic_load_n(&record.shown, __ATOMIC_ACQUIRE)
    return shown != 0 and shown <= position and (died == 0 or died > position)


cdef class Look:
    """The vectors as they are when it is made, asked for those nearest to `numbers`. Use it in one thread; close it.

    Raises ValueError for numbers that make no vector of the space in force.
    """

    def __cinit__(self, Graph graph not None, const float[::1] numbers not None, int kernel=-1):
        cdef knn_coded_t coded
        cdef int8_t* codes
        cdef size_t i
        self.slot = -1
        self.graph = graph
        self.space = graph.vectors.current
        self.kernel = BEST if kernel < 0 else kernel
        if self.space is None or <size_t>numbers.shape[0] != self.space.dimensions:
            raise ValueError("not of the dimensions of the space")
        check_numbers(numbers)
        self.query = <float*>malloc(self.space.dimensions * sizeof(float))
        self.asked = <uint8_t*>malloc(self.space.stride)
        if self.query == NULL or self.asked == NULL:
            raise MemoryError("no room for a query")
        memcpy(self.query, &numbers[0], self.space.dimensions * sizeof(float))
        codes = <int8_t*>self.asked
        knn_encode(self.query, self.space.dimensions, codes, self.space.stride, &coded)
        for i in range(self.space.stride):
            self.asked[i] = <uint8_t>(codes[i] + 128)
        self.norm = coded.norm
        self.scale = coded.scale
        self.residual = coded.residual
        # From here on nothing that shows at this position is overwritten. No Python code runs in between.
        self.slot = graph.epochs.enter()
        self.position = <uint32_t>graph.applied_position
        self.stamp = graph.stamp
        self.count = self.space.count

    def __dealloc__(self):
        self.close()
        free(self.query)
        free(self.asked)
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

    cdef bint sees(self, uint32_t row) noexcept nogil:
        return is_visible(self.space.record(row), self.position)

    cdef double score(self, uint32_t row) noexcept nogil:
        cdef double found = knn_dot(self.query, self.space.numbers(row), self.space.dimensions)
        found /= self.norm * self.space.record(row).norm
        return 1.0 if found > 1.0 else -1.0 if found < -1.0 else found

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
                self.allowed = <uint8_t*>malloc(<size_t>self.count + KNN_ROWS)
                if self.allowed == NULL:
                    raise MemoryError("no room for a filter")
            with nogil:
                status = self.mark(starts, sizes, count, any_domain, number, skipped)
            if not any_domain and self.graph.stamp != self.stamp:
                # Domains moved meanwhile: once more, at the position that holds now.
                self.position = <uint32_t>self.graph.applied_position
                self.stamp = self.graph.stamp
                status = self.mark(starts, sizes, count, any_domain, number, skipped)
            return status
        finally:
            free(starts)
            free(sizes)

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
            status = self.scan(wanted, least, &found, &count)
        if status < 0:
            free(found)
            raise MemoryError("no room for a search")
        return self.best(found, count, wanted)

    cdef int scan(self, size_t wanted, double least, scored_t** out, size_t* out_count) noexcept nogil:
        cdef float* estimates
        cdef float* heap
        cdef float bar, off
        cdef uint32_t row
        cdef size_t count = 0, capacity = 0
        cdef scored_t* grown
        cdef double score
        cdef int status
        if wanted > self.count:
            wanted = self.count
        estimates = <float*>malloc((<size_t>self.count + KNN_ROWS) * sizeof(float))
        heap = <float*>malloc(wanted * sizeof(float))
        status = -1 if estimates == NULL or heap == NULL else self.estimate(wanted, least, estimates, heap, &bar)
        if status == 0:
            for row in range(self.count):
                if estimates[row] == UNSEEN:
                    continue
                off = self.space.record(row).residual
                off += (1 + off) * self.residual + KNN_SLACK
                if estimates[row] + off < bar:
                    continue
                score = self.score(row)
                if score < least:
                    continue
                if count == capacity:
                    capacity = 2 * capacity if capacity else 256
                    grown = <scored_t*>realloc(out[0], capacity * sizeof(scored_t))
                    if grown == NULL:
                        status = -1
                        break
                    out[0] = grown
                out[0][count].score = score
                out[0][count].row = row
                count += 1
        free(estimates)
        free(heap)
        out_count[0] = count
        return status

    cdef int estimate(self, size_t wanted, double least, float* estimates, float* heap,
                      float* out_least) noexcept nogil:
        # Every row's estimate, and the least that one of the `wanted` best has for certain: a row whose estimate and
        # error together stay below that is none of them.
        # What the loop reads lies in locals: it is most of the work of a search.
        cdef knn_kernel kernel = knn_kernel_of(self.kernel)
        cdef const int8_t* codes = <const int8_t*>self.space.codes.base
        cdef const vector_t* records = <const vector_t*>self.space.rows.base
        cdef const vector_t* record
        cdef const uint8_t* asked = self.asked
        cdef const uint8_t* allowed = self.allowed
        cdef size_t stride = self.space.stride
        cdef uint32_t count = self.count
        cdef uint32_t position = self.position
        cdef float scale = self.scale, blur = self.residual
        cdef int32_t[KNN_ROWS] sums
        cdef bint[KNN_ROWS] seen
        cdef uint32_t row, i, end, block
        cdef float estimate, off, low
        cdef size_t held = 0
        for block in range((count + KNN_ROWS - 1) // KNN_ROWS):
            row = block * KNN_ROWS
            end = KNN_ROWS if count - row > KNN_ROWS else count - row
            for i in range(end):
                seen[i] = (allowed == NULL or allowed[row + i] != 0) and is_visible(&records[row + i], position)
                estimates[row + i] = UNSEEN
            if not (seen[0] or (end > 1 and seen[1]) or (end > 2 and seen[2]) or (end > 3 and seen[3])):
                continue
            kernel(asked, codes + <size_t>row * stride, stride, sums)
            for i in range(end):
                if not seen[i]:
                    continue
                record = &records[row + i]
                estimate = scale * record.scale * <float>(sums[i] - 128 * record.sum)
                estimates[row + i] = estimate
                off = record.residual
                off += (1 + off) * blur + KNN_SLACK
                low = estimate - off
                if held < wanted:
                    heap[held] = low
                    held += 1
                    if held == wanted:
                        heap_make(heap, held)
                elif low > heap[0]:
                    heap[0] = low
                    heap_sink(heap, held, 0)
        out_least[0] = heap[0] if held == wanted else -INFINITY
        if out_least[0] < <float>least - KNN_SLACK:
            out_least[0] = <float>least - KNN_SLACK
        return 0

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
                score = self.score(row)
                if score >= least:
                    found[taken].score = score
                    found[taken].row = row
                    taken += 1
        return self.best(found, taken, wanted)

    cdef list best(self, scored_t* found, size_t count, size_t wanted):
        # Frees `found`.
        cdef list out = []
        cdef size_t i
        cdef uint32_t last = NONE32
        cdef double bar = 0.0
        try:
            if count:
                qsort(found, count, sizeof(scored_t), &by_score)
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

    # What rows hold. With the GIL held, while the look is open.

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


cdef void heap_sink(float* heap, size_t count, size_t at) noexcept nogil:
    # The least of all on top.
    cdef size_t child
    cdef float value = heap[at]
    while True:
        child = 2 * at + 1
        if child >= count:
            break
        if child + 1 < count and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = value


cdef void heap_make(float* heap, size_t count) noexcept nogil:
    cdef size_t at = count // 2
    while at > 0:
        at -= 1
        heap_sink(heap, count, at)


cdef int by_score(const void* a, const void* b) noexcept nogil:
    cdef const scored_t* first = <const scored_t*>a
    cdef const scored_t* second = <const scored_t*>b
    if first.score != second.score:
        return -1 if first.score > second.score else 1
    return -1 if first.row < second.row else 1 if first.row > second.row else 0


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


def kernels():
    """The kernels that this processor can run; 0 is the scalar one."""
    return list(range(BEST + 1))


def block_sums(int kernel, const uint8_t[::1] query not None, const int8_t[::1] rows not None):
    """What a kernel makes of a query's codes and four rows of as many codes: four sums of products."""
    cdef int32_t[KNN_ROWS] sums
    cdef size_t stride = <size_t>query.shape[0]
    if not KNN_SCALAR <= kernel <= BEST or stride % 64 != 0 or stride == 0 or rows.shape[0] != KNN_ROWS * <Py_ssize_t>stride:
        raise ValueError("expected a kernel of this processor, and codes in blocks of 64")
    knn_kernel_of(kernel)(&query[0], &rows[0], stride, sums)
    return [sums[i] for i in range(KNN_ROWS)]
