# Nearest neighbours by cosine. The contract stands in _knn.pxd, the arithmetic in include/knn.h.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.math cimport isfinite
from libc.stdint cimport int8_t, int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy, memset

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
    const float KNN_NEVER
    ctypedef struct knn_rows_t:
        float* scale
        float* residual
    ctypedef struct knn_asked_t:
        float factor
        float wide
        float slack
        int32_t bias
    ctypedef uint32_t (*knn_rows_kernel)(const int8_t* query, const uint8_t* rows, size_t stride, const knn_rows_t* about,
                                         const knn_asked_t* asked, float bar, int32_t* sums, float* most) noexcept nogil
    ctypedef int32_t (*knn_row_kernel)(const uint8_t* query, const int8_t* row, size_t stride) noexcept nogil
    ctypedef struct knn_coded_t:
        double norm
        float scale
        float residual
        int32_t sum
    int knn_best() noexcept
    bint knn_any(const float* most, float bar) noexcept
    bint knn_any_of(const uint8_t* allowed, size_t left) noexcept
    size_t KNN_NIBBLES(size_t stride) noexcept
    knn_rows_kernel knn_rows_kernel_of(int which) noexcept
    knn_row_kernel knn_row_kernel_of(int which) noexcept
    void knn_heap_make(float* heap, size_t count) noexcept
    void knn_heap_replace(float* heap, size_t count, float value) noexcept
    void knn_ranks_make(float* heap, uint32_t* rows, size_t count) noexcept
    void knn_ranks_replace(float* heap, uint32_t* rows, size_t count, float value, uint32_t row) noexcept
    double knn_dot(const float* a, const float* b, size_t count) noexcept
    void knn_encode(const float* x, size_t count, int8_t* codes, size_t stride, uint8_t* nibbles, size_t stride4,
                    knn_coded_t* out) noexcept


cdef extern from * nogil:
    uint32_t __atomic_load_n(const uint32_t*, int) noexcept
    int __builtin_ctz(unsigned int) noexcept
    enum:
        __ATOMIC_ACQUIRE


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
        cdef size_t i, size
        self.slot = -1
        self.graph = graph
        self.space = graph.vectors.current
        self.kernel = BEST if kernel < 0 else kernel
        if self.space is None or <size_t>numbers.shape[0] != self.space.dimensions:
            raise ValueError("not of the dimensions of the space")
        check_numbers(numbers)
        self.query = <float*>malloc(self.space.dimensions * sizeof(float))
        size = KNN_NIBBLES(self.space.stride4)
        self.asked = <uint8_t*>malloc(size)
        self.codes = <int8_t*>calloc(size, 1)
        if self.query == NULL or self.asked == NULL or self.codes == NULL:
            raise MemoryError("no room for a query")
        memcpy(self.query, &numbers[0], self.space.dimensions * sizeof(float))
        knn_encode(self.query, self.space.dimensions, self.codes, self.space.stride, NULL, 0, &coded)
        for i in range(size):
            self.asked[i] = <uint8_t>(self.codes[i] + 128)
        self.norm = coded.norm
        self.scale = coded.scale
        self.residual = coded.residual
        self.sum = coded.sum
        # From here on nothing that shows at this position is overwritten. No Python code runs in between.
        self.slot = graph.epochs.enter()
        self.position = <uint32_t>graph.applied_position
        self.stamp = graph.stamp
        self.count = self.space.count

    def __dealloc__(self):
        self.close()
        free(self.query)
        free(self.asked)
        free(self.codes)
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
                self.allowed = <uint8_t*>malloc(<size_t>self.count + 1)
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
        cdef size_t rows = (<size_t>self.count + KNN_ROWS - 1) // KNN_ROWS * KNN_ROWS
        cdef size_t count = 0, doubt_count = 0, i
        cdef float bar = 0.0
        cdef float* most = <float*>malloc(rows * sizeof(float))
        cdef float* heap
        cdef doubt_t* doubts = NULL
        cdef double score
        cdef int status
        if wanted > self.count:
            wanted = self.count
        heap = <float*>malloc(2 * wanted * sizeof(float))
        status = -1 if most == NULL or heap == NULL else 0
        if status == 0:
            bar = self.estimate(wanted, <float>least - KNN_SLACK, most, heap, <uint32_t*>(heap + wanted))
            status = self.sift(wanted, most, heap, &bar, &doubts, &doubt_count)
        free(most)
        free(heap)
        if status == 0:
            for i in range(doubt_count):
                count += doubts[i].most >= bar
            out[0] = <scored_t*>malloc((count + 1) * sizeof(scored_t))
            status = -1 if out[0] == NULL else 0
        count = 0
        if status == 0:
            for i in range(doubt_count):
                if doubts[i].most < bar:
                    continue
                score = self.score(doubts[i].row)
                if score >= least:
                    out[0][count].score = score
                    out[0][count].row = doubts[i].row
                    count += 1
        free(doubts)
        out_count[0] = count
        return status

    cdef float estimate(self, size_t wanted, float bar, float* most, float* heap, uint32_t* best) noexcept nogil:
        # What every row's score is at most, by the 4-bit codes, and a first bar: what the best of them have for certain.
        cdef knn_rows_kernel kernel = knn_rows_kernel_of(self.kernel)
        cdef const uint8_t* nibbles = <const uint8_t*>self.space.nibbles.base
        cdef const knn_rows_t* hints = <const knn_rows_t*>self.space.hints.base
        cdef const uint8_t* allowed = self.allowed
        cdef size_t stride = self.space.stride4, held = 0
        cdef uint32_t count = self.count, block, first, row, left
        cdef int32_t[KNN_ROWS] sums
        cdef knn_asked_t about
        cdef float low, least = bar, high = bar
        about.factor = self.scale
        about.wide = 1 + self.residual
        about.slack = self.residual + KNN_SLACK
        about.bias = 8 * self.sum
        for block in range((count + KNN_ROWS - 1) // KNN_ROWS):
            first = block * KNN_ROWS
            if allowed != NULL and not knn_any_of(allowed + first, count - first):
                for row in range(first, first + KNN_ROWS):
                    most[row] = KNN_NEVER
                continue
            left = kernel(
                self.codes, nibbles + <size_t>first * stride, stride, hints + block, &about, high, sums, most + first
            )
            if count - first < KNN_ROWS:
                left &= (<uint32_t>1 << (count - first)) - 1
                for row in range(count, first + KNN_ROWS):
                    most[row] = KNN_NEVER
            while left:
                row = first + <uint32_t>__builtin_ctz(left)
                left &= left - 1
                if most[row] < high or not self.may_give(row):
                    continue
                if held < wanted:
                    best[held] = row
                    heap[held] = most[row]
                    held += 1
                    if held == wanted:
                        knn_ranks_make(heap, best, held)
                else:
                    knn_ranks_replace(heap, best, held, most[row], row)
                if held == wanted and heap[0] > high:
                    high = heap[0]
        if held < wanted:
            return bar
        least = 2.0
        for row in range(<uint32_t>held):
            low = self.estimate_of(best[row]) - self.error_of(best[row])
            least = low if low < least else least
        return least if least > bar else bar

    cdef inline bint may_give(self, uint32_t row) noexcept nogil:
        return (self.allowed == NULL or self.allowed[row] != 0) and self.sees(row)

    cdef inline float estimate_of(self, uint32_t row) noexcept nogil:
        # A score by the 8-bit codes.
        cdef const vector_t* record = self.space.record(row)
        cdef int32_t sum = knn_row_kernel_of(self.kernel)(
            self.asked, <const int8_t*>self.space.codes.base + <size_t>row * self.space.stride, self.space.stride
        )
        return self.scale * record.scale * <float>(sum - 128 * record.sum)

    cdef inline float error_of(self, uint32_t row) noexcept nogil:
        # How far off that is at most.
        cdef float off = self.space.record(row).residual
        return off + (1 + off) * self.residual + KNN_SLACK

    cdef int sift(self, size_t wanted, const float* most, float* heap, float* bar, doubt_t** out,
                  size_t* out_count) noexcept nogil:
        # Rows that may be among the best. The bar rises to the least that one of the `wanted` best has for certain: a
        # row whose estimate and error together stay below that is none of them.
        cdef uint32_t block, row
        cdef size_t held = 0, capacity = 0
        cdef float estimate, off
        cdef doubt_t* grown
        for block in range((self.count + KNN_ROWS - 1) // KNN_ROWS):
            if not knn_any(most + block * KNN_ROWS, bar[0]):
                continue
            for row in range(block * KNN_ROWS, block * KNN_ROWS + KNN_ROWS):
                if most[row] < bar[0] or row >= self.count or not self.may_give(row):
                    continue
                estimate, off = self.estimate_of(row), self.error_of(row)
                if estimate + off < bar[0]:
                    continue
                if out_count[0] == capacity:
                    capacity = 2 * capacity if capacity else 256
                    grown = <doubt_t*>realloc(out[0], capacity * sizeof(doubt_t))
                    if grown == NULL:
                        return -1
                    out[0] = grown
                out[0][out_count[0]].most = estimate + off
                out[0][out_count[0]].row = row
                out_count[0] += 1
                if held < wanted:
                    heap[held] = estimate - off
                    held += 1
                    if held == wanted:
                        knn_heap_make(heap, held)
                elif estimate - off > heap[0]:
                    knn_heap_replace(heap, held, estimate - off)
                if held == wanted and heap[0] > bar[0]:
                    bar[0] = heap[0]
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


def rows_sums(int kernel, const int8_t[::1] query not None, const uint8_t[::1] rows not None):
    """What a kernel makes of a query's codes and 16 rows of half as many bytes of 4-bit codes: 16 sums of products."""
    cdef int32_t[KNN_ROWS] sums
    cdef size_t stride = <size_t>query.shape[0] // 2
    cdef float[2 * KNN_ROWS] none
    cdef float[KNN_ROWS] most
    cdef knn_asked_t about
    check_kernel(kernel, stride, query.shape[0] == 2 * <Py_ssize_t>stride and rows.shape[0] == KNN_ROWS * <Py_ssize_t>stride)
    memset(none, 0, sizeof(none))
    memset(&about, 0, sizeof(about))
    knn_rows_kernel_of(kernel)(&query[0], &rows[0], stride, <const knn_rows_t*>none, &about, 0.0, sums, most)
    return [sums[i] for i in range(KNN_ROWS)]


def row_sum(int kernel, const uint8_t[::1] query not None, const int8_t[::1] row not None):
    """What a kernel makes of a query's codes and a row of as many 8-bit codes: the sum of products."""
    check_kernel(kernel, <size_t>query.shape[0], row.shape[0] == query.shape[0])
    return knn_row_kernel_of(kernel)(&query[0], &row[0], <size_t>query.shape[0])


cdef int check_kernel(int kernel, size_t stride, bint fits) except -1:
    if not KNN_SCALAR <= kernel <= BEST or stride % 64 != 0 or stride == 0 or not fits:
        raise ValueError("expected a kernel of this processor, and codes in blocks of 64")
    return 0
