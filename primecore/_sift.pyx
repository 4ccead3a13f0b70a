# Which rows may be among the nearest. The contract stands in _sift.pxd, the arithmetic in include/knn.h and knn_signs.h.
#
# A scan reads the signs of all rows, of those that they leave in doubt the 4-bit codes, of those the 8-bit codes, and
# scores the few that are left in full. Each step rules out only what is certain to be worse than `wanted` others, so the
# answer is that of scoring everything.

from libc.math cimport isfinite
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcpy, memset

from primecore._vectors cimport Space, vector_t


cdef extern from "knn.h" nogil:
    enum:
        KNN_ROWS
        KNN_SCALAR
    const float KNN_SLACK
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
    ctypedef void (*knn_row_kernel)(const uint8_t* query, const int8_t* row, size_t stride, int32_t* sums) noexcept nogil
    ctypedef struct knn_coded_t:
        double norm
        float scale
        float residual
        int32_t sum
    int knn_best() noexcept
    size_t KNN_NIBBLES(size_t stride) noexcept
    knn_rows_kernel knn_rows_kernel_of(int which) noexcept
    knn_row_kernel knn_row_kernel_of(int which) noexcept
    void knn_heap_make(float* heap, size_t count) noexcept
    void knn_heap_replace(float* heap, size_t count, float value) noexcept
    void knn_ranks_make(float* heap, uint32_t* rows, size_t count) noexcept
    void knn_ranks_replace(float* heap, uint32_t* rows, size_t count, float value, uint32_t row) noexcept
    float knn_encode_rest(const float* x, size_t count, double norm, float scale, const int8_t* codes, int8_t* rest) noexcept
    void knn_prefetch(const void* data, size_t nbytes) noexcept
    double knn_dot(const float* a, const float* b, size_t count) noexcept
    void knn_encode(const float* x, size_t count, int8_t* codes, size_t stride, uint8_t* nibbles, size_t stride4,
                    knn_coded_t* out) noexcept


cdef extern from "knn_signs.h" nogil:
    enum:
        SIGNS_ROWS
        SIGNS_WIDE
    ctypedef uint32_t (*signs_sums_kernel)(const uint8_t* tables, const uint8_t* block, size_t size, uint64_t live,
                                           uint16_t* sums) noexcept nogil
    ctypedef uint64_t (*signs_over_kernel)(const uint16_t* sums, const float* leans, const signs_asked_t* asked,
                                           float bar) noexcept nogil
    size_t SIGNS_BLOCK_BYTES(size_t size) noexcept
    size_t SIGNS_TABLES_BYTES(size_t size) noexcept
    void signs_widen(const uint8_t* tables, size_t size, uint8_t* wide) noexcept
    void signs_ask(const float* query, size_t count, double norm, size_t size, uint8_t* tables, signs_asked_t* out) noexcept
    bint signs_are_far(size_t nbytes, int64_t* read_ns) noexcept
    uint64_t signs_allowed(const uint8_t* allowed) noexcept
    bint signs_any(uint32_t most, const float* leans, const signs_asked_t* asked, float bar) noexcept
    uint64_t signs_least(const uint16_t* sums, uint32_t least) noexcept
    signs_sums_kernel signs_sums_kernel_of(int which) noexcept
    signs_over_kernel signs_over_kernel_of(int which) noexcept


cdef extern from "stdlib.h" nogil:
    void* aligned_alloc(size_t alignment, size_t size) noexcept


cdef extern from * nogil:
    int __builtin_ctzll(unsigned long long) noexcept


cdef enum:
    AHEAD = 64                      # rows that are fetched before the first of them is looked at
    SHORT = 48                      # what is sorted by insertion
    NEAR = 4                        # and before one is scored in full
    MORE = 8                        # rows that are looked at first, over half as many again as are wanted


# What one scan has at hand.
ctypedef struct sift_t:
    float bar                       # what is certainly worse is none of the best
    size_t wanted
    size_t held                     # of `heap`
    float* heap                     # what the best so far have for certain, the least first
    doubt_t* doubts
    size_t count
    size_t capacity


cdef int BEST = knn_best()


cdef int ask(Space space, const float* numbers, int kernel, asked_t* out) noexcept nogil:
    cdef size_t size = KNN_NIBBLES(space.stride4), stride = space.stride, i
    cdef size_t floats = <size_t>space.dimensions * sizeof(float)
    cdef knn_coded_t coded
    cdef float* unit
    memset(out, 0, sizeof(asked_t))
    out.tables = <uint8_t*>aligned_alloc(64, (SIGNS_TABLES_BYTES(space.sign_bytes) + 2 * floats + size + 2 * stride + 63) & ~<size_t>63)
    if out.tables == NULL:
        return -1
    out.numbers = <float*>(out.tables + SIGNS_TABLES_BYTES(space.sign_bytes))
    memcpy(out.numbers, numbers, floats)
    out.codes = <int8_t*>out.numbers + floats
    out.raised = <uint8_t*>out.codes + size
    unit = <float*>(out.raised + 2 * stride)        # of length one: numbers may be too small to be divided by
    memset(out.codes, 0, size + 2 * stride)
    coded.norm = knn_dot(out.numbers, out.numbers, space.dimensions)
    if not (isfinite(coded.norm) and coded.norm > 0.0):
        forget(out)                         # squares of float32 stay within float64: a number is not finite, or all are zero
        return -2
    knn_encode(out.numbers, space.dimensions, out.codes, space.stride, NULL, 0, &coded)
    for i in range(space.dimensions):
        unit[i] = <float>(out.numbers[i] / coded.norm)
    out.residual16 = knn_encode_rest(unit, space.dimensions, 1.0, coded.scale, out.codes, <int8_t*>out.raised + stride)
    memcpy(out.raised, out.codes, stride)
    for i in range(2 * stride):
        out.raised[i] ^= 128                # + 128
    signs_ask(unit, space.dimensions, 1.0, space.sign_bytes, out.tables, &out.signs)
    out.norm = coded.norm
    out.scale = coded.scale
    out.residual = coded.residual
    out.sum = coded.sum
    out.count = space.count
    out.kernel = BEST if kernel < 0 else kernel
    return 0


cdef void forget(asked_t* asked) noexcept nogil:
    free(asked.tables)
    asked.tables = NULL


cdef double score(Space space, const asked_t* asked, uint32_t row) noexcept nogil:
    cdef double found = knn_dot(asked.numbers, space.numbers(row), space.dimensions)
    found /= asked.norm * space.record(row).norm
    return 1.0 if found > 1.0 else -1.0 if found < -1.0 else found


cdef int nearest(Space space, asked_t* asked, size_t wanted, double least, scored_t** out, size_t* out_count) noexcept nogil:
    cdef sift_t sift
    cdef size_t blocks = (<size_t>asked.count + SIGNS_ROWS - 1) // SIGNS_ROWS
    cdef size_t leaders
    cdef uint16_t* sums
    cdef int status
    memset(&sift, 0, sizeof(sift))
    out_count[0] = 0
    sift.wanted = wanted if wanted < asked.count else asked.count
    leaders = sift.wanted + sift.wanted // 2 + MORE
    sift.bar = <float>least - KNN_SLACK
    # What is needed for a while, in one piece: sums of signs, the most of each block, two heaps and the rows of one.
    sift.heap = <float*>malloc(
        (sift.wanted + 2 * leaders) * sizeof(float) + blocks * (SIGNS_ROWS + 1) * sizeof(uint16_t)
    )
    if sift.heap == NULL:
        return -1
    sums = <uint16_t*>(sift.heap + sift.wanted + 2 * leaders)
    asked.read_bytes = blocks * SIGNS_BLOCK_BYTES(space.sign_bytes)
    sum_signs(space, asked, blocks, sums)
    lead(space, asked, blocks, sums, leaders, &sift)
    status = sift_rows(space, asked, blocks, sums, &sift)
    if status == 0:
        out[0] = <scored_t*>malloc((sift.count + 1) * sizeof(scored_t))
        status = -1 if out[0] == NULL else 0
    if status == 0:
        out_count[0] = score_doubts(space, asked, least, &sift, out[0])
    free(sift.doubts)
    free(sift.heap)
    return status


cdef inline uint64_t live_of(const asked_t* asked, size_t block) noexcept nogil:
    # A bit for each row of a block that there is and that a filter allows.
    cdef size_t first = block * SIGNS_ROWS
    cdef uint64_t live = <uint64_t>-1
    if asked.count - first < SIGNS_ROWS:
        live = (<uint64_t>1 << (asked.count - first)) - 1
    return live if asked.allowed == NULL else live & signs_allowed(asked.allowed + first)


cdef inline const uint8_t* block_of(Space space, size_t block) noexcept nogil:
    return <const uint8_t*>space.signs.base + block * SIGNS_BLOCK_BYTES(space.sign_bytes)


cdef void sum_signs(Space space, const asked_t* asked, size_t blocks, uint16_t* sums) noexcept nogil:
    cdef signs_sums_kernel kernel = signs_sums_kernel_of(asked.kernel)
    cdef uint16_t* most = sums + blocks * SIGNS_ROWS
    cdef size_t block, nbytes = SIGNS_BLOCK_BYTES(space.sign_bytes)
    cdef uint64_t live
    cdef bint far = signs_are_far(blocks * nbytes, &space.read_ns)
    for block in range(blocks):
        if far and block + 2 < blocks:
            knn_prefetch(block_of(space, block + 2), nbytes)
        live = live_of(asked, block)
        most[block] = 0
        if live:
            most[block] = <uint16_t>kernel(
                asked.tables, block_of(space, block), space.sign_bytes, live, sums + block * SIGNS_ROWS
            )


cdef void lead(Space space, const asked_t* asked, size_t blocks, const uint16_t* sums, size_t leaders,
               sift_t* sift) noexcept nogil:
    # A first bar: what the best of those whose signs fit best have for certain.
    cdef float* heap = sift.heap + sift.wanted
    cdef uint32_t* rows = <uint32_t*>(heap + leaders)
    cdef const uint16_t* most = sums + blocks * SIGNS_ROWS
    cdef size_t held = 0, block, i
    cdef uint32_t least = 0, row
    cdef uint64_t left
    cdef float sum, low
    for block in range(blocks):
        if held < leaders:
            heap[held] = most[block]
            held += 1
            if held == leaders:
                knn_heap_make(heap, held)
        elif most[block] > heap[0]:
            knn_heap_replace(heap, held, most[block])
    if held == leaders:
        least = <uint32_t>heap[0]
    held = 0
    for block in range(blocks):
        left = live_of(asked, block) if most[block] >= least else 0
        left &= signs_least(sums + block * SIGNS_ROWS, least) if left else 0
        while left:
            row = <uint32_t>(block * SIGNS_ROWS) + <uint32_t>__builtin_ctzll(left)
            left &= left - 1
            sum = sums[row]
            if held == leaders and sum <= heap[0]:
                continue
            fetch(space, row)
            if held < leaders:
                heap[held] = sum
                rows[held] = row
                held += 1
                if held == leaders:
                    knn_ranks_make(heap, rows, held)
            else:
                knn_ranks_replace(heap, rows, held, sum, row)
    for i in range(held):
        if not is_visible(space.record(rows[i]), asked.position):
            continue
        low = estimate(space, asked, rows[i]) - error(space, asked, rows[i])
        note(sift, low)
    sift.held = 0                           # the scan itself meets them again


cdef inline void note(sift_t* sift, float low) noexcept nogil:
    # A row is worth `low` for certain: the bar rises to the least of the `wanted` best.
    if sift.held < sift.wanted:
        sift.heap[sift.held] = low
        sift.held += 1
        if sift.held == sift.wanted:
            knn_heap_make(sift.heap, sift.held)
    elif low > sift.heap[0]:
        knn_heap_replace(sift.heap, sift.held, low)
    if sift.held == sift.wanted and sift.heap[0] > sift.bar:
        sift.bar = sift.heap[0]


cdef inline float estimate(Space space, const asked_t* asked, uint32_t row) noexcept nogil:
    # A score by the row's 8-bit codes.
    cdef const vector_t* record = space.record(row)
    cdef int32_t[2] sums
    knn_row_kernel_of(asked.kernel)(
        asked.raised, <const int8_t*>space.codes.base + <size_t>row * space.stride, space.stride, sums
    )
    return asked.scale * record.scale * (
        <float>(sums[0] - 128 * record.sum) + <float>(sums[1] - 128 * record.sum) / 254
    )


cdef inline float error(Space space, const asked_t* asked, uint32_t row) noexcept nogil:
    # How far off that is at most.
    cdef float off = space.record(row).residual
    return off + (1 + off) * asked.residual16 + KNN_SLACK


cdef inline void fetch(Space space, uint32_t row) noexcept nogil:
    knn_prefetch(space.record(row), sizeof(vector_t))
    knn_prefetch(<const int8_t*>space.codes.base + <size_t>row * space.stride, space.stride)


cdef inline bint is_many(uint64_t rows) noexcept nogil:
    # More than four of a block of 4-bit codes: fewer are rather looked at one by one.
    rows &= rows - 1
    rows &= rows - 1
    rows &= rows - 1
    return rows & (rows - 1) != 0


cdef int sift_rows(Space space, asked_t* asked, size_t blocks, const uint16_t* sums, sift_t* sift) noexcept nogil:
    # Rows that may be among the best.
    cdef signs_over_kernel over = signs_over_kernel_of(asked.kernel)
    cdef knn_rows_kernel kernel = knn_rows_kernel_of(asked.kernel)
    cdef const knn_rows_t* hints = <const knn_rows_t*>space.hints.base
    cdef const uint8_t* nibbles = <const uint8_t*>space.nibbles.base
    cdef knn_asked_t about
    cdef int32_t[KNN_ROWS] none
    cdef float[KNN_ROWS] most
    cdef const float* leans
    cdef size_t block, first
    cdef uint64_t left, some
    cdef uint32_t[AHEAD] rows               # on their way into the cache
    cdef uint32_t shift, waiting = 0, i
    about.factor = asked.scale
    about.wide = 1 + asked.residual
    about.slack = asked.residual + KNN_SLACK
    about.bias = 8 * asked.sum
    for block in range(blocks):
        left = live_of(asked, block)
        if left == 0:
            continue
        if 0.0 <= sift.bar < 1.0:
            leans = <const float*>(block_of(space, block) + SIGNS_ROWS * space.sign_bytes)
            if not signs_any(sums[blocks * SIGNS_ROWS + block], leans, &asked.signs, sift.bar):
                continue
            left &= over(sums + block * SIGNS_ROWS, leans, &asked.signs, sift.bar)
        shift = 0
        while shift < SIGNS_ROWS and left >> shift:
            some = left >> shift & ((<uint64_t>1 << KNN_ROWS) - 1)
            first = block * SIGNS_ROWS + shift
            shift += KNN_ROWS
            if some == 0:
                continue
            if is_many(some):
                asked.read_bytes += KNN_ROWS * <uint64_t>space.stride4
                some &= kernel(
                    asked.codes, nibbles + first * space.stride4, space.stride4, hints + first // KNN_ROWS, &about,
                    sift.bar, none, most,
                )
            while some:
                if waiting == <uint32_t>AHEAD:
                    waiting = 0
                    for i in range(<uint32_t>AHEAD):
                        if doubt(space, asked, rows[i], sift) < 0:
                            return -1
                rows[waiting] = <uint32_t>first + <uint32_t>__builtin_ctzll(some)
                fetch(space, rows[waiting])
                waiting += 1
                some &= some - 1
    for i in range(waiting):
        if doubt(space, asked, rows[i], sift) < 0:
            return -1
    return 0


cdef int doubt(Space space, asked_t* asked, uint32_t row, sift_t* sift) noexcept nogil:
    # Keeps a row that its 8-bit codes leave in doubt.
    cdef float near, off
    cdef doubt_t* grown
    if not is_visible(space.record(row), asked.position):
        return 0
    asked.read_bytes += space.stride
    near = estimate(space, asked, row)
    off = error(space, asked, row)
    if near + off < sift.bar:
        return 0
    if sift.count == sift.capacity:
        sift.capacity = 2 * sift.capacity if sift.capacity else 256
        grown = <doubt_t*>realloc(sift.doubts, sift.capacity * sizeof(doubt_t))
        if grown == NULL:
            return -1
        sift.doubts = grown
    sift.doubts[sift.count].most = near + off
    sift.doubts[sift.count].row = row
    sift.count += 1
    note(sift, near - off)
    return 0


cdef size_t score_doubts(Space space, const asked_t* asked, double least, sift_t* sift, scored_t* out) noexcept nogil:
    # Scores in full, the most promising first, while one can still be as good as the `wanted` best.
    cdef size_t count = 0, taken = 0, fetched = 0, i
    cdef double found
    cdef size_t floats = <size_t>space.dimensions * sizeof(float)
    for i in range(sift.count):
        if sift.doubts[i].most >= sift.bar:
            sift.doubts[count] = sift.doubts[i]
            count += 1
    sort_doubts(sift.doubts, count)
    sift.held = 0
    for i in range(count):
        if sift.doubts[i].most < sift.bar:
            break
        while fetched < count and fetched < i + NEAR:
            knn_prefetch(space.numbers(sift.doubts[fetched].row), floats)
            fetched += 1
        found = score(space, asked, sift.doubts[i].row)
        if found < least:
            continue
        out[taken].score = found
        out[taken].row = sift.doubts[i].row
        taken += 1
        note(sift, <float>found - KNN_SLACK)
    return taken


cdef void sort_doubts(doubt_t* doubts, size_t count) noexcept nogil:
    cdef doubt_t moving
    cdef size_t i, at
    if count > SHORT:
        qsort(doubts, count, sizeof(doubt_t), &by_most)
        return
    for i in range(1, count):
        moving = doubts[i]
        at = i
        while at and doubts[at - 1].most < moving.most:
            doubts[at] = doubts[at - 1]
            at -= 1
        doubts[at] = moving


cdef void sort_scored(scored_t* found, size_t count) noexcept nogil:
    # The best first, equal scores by row. They come nearly in this order.
    cdef scored_t moving
    cdef size_t i, at
    if count > SHORT:
        qsort(found, count, sizeof(scored_t), &by_score)
        return
    for i in range(1, count):
        moving = found[i]
        at = i
        while at and by_score(&found[at - 1], &moving) > 0:
            found[at] = found[at - 1]
            at -= 1
        found[at] = moving


cdef int by_score(const void* a, const void* b) noexcept nogil:
    cdef const scored_t* first = <const scored_t*>a
    cdef const scored_t* second = <const scored_t*>b
    if first.score != second.score:
        return -1 if first.score > second.score else 1
    return -1 if first.row < second.row else 1 if first.row > second.row else 0


cdef int by_most(const void* a, const void* b) noexcept nogil:
    cdef float first = (<const doubt_t*>a).most
    cdef float second = (<const doubt_t*>b).most
    return -1 if first > second else 1 if first < second else 0


# ---- for Python: what the kernels give, so that they can be compared ----

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


def row_sums(int kernel, const uint8_t[::1] query not None, const int8_t[::1] row not None):
    """What a kernel makes of a query's codes, coarse and fine, and a row of half as many 8-bit codes: sums of products."""
    cdef int32_t[2] sums
    check_kernel(kernel, <size_t>row.shape[0], query.shape[0] == 2 * row.shape[0])
    knn_row_kernel_of(kernel)(&query[0], &row[0], <size_t>row.shape[0], sums)
    return sums[0], sums[1]


def sign_sums(int kernel, const uint8_t[::1] tables not None, const uint8_t[::1] block not None, uint64_t live):
    """(the sums that a kernel looks up for the 64 rows of a block of signs, the largest of those that live)."""
    cdef uint16_t[SIGNS_ROWS] sums
    cdef size_t size = <size_t>tables.shape[0] // 32
    cdef uint32_t most
    cdef bytearray all_ = bytearray(SIGNS_WIDE * size) + bytes(tables)
    cdef uint8_t* wide = <uint8_t*><char*>all_
    check_kernel(
        kernel, 64, size > 0 and tables.shape[0] == 32 * <Py_ssize_t>size
        and block.shape[0] == <Py_ssize_t>SIGNS_BLOCK_BYTES(size),
    )
    signs_widen(&tables[0], size, wide)
    most = signs_sums_kernel_of(kernel)(wide, &block[0], size, live, sums)
    return [sums[i] for i in range(SIGNS_ROWS)], most


cdef int check_kernel(int kernel, size_t stride, bint fits) except -1:
    if not KNN_SCALAR <= kernel <= BEST or stride % 64 != 0 or stride == 0 or not fits:
        raise ValueError("expected a kernel of this processor, and codes in blocks of 64")
    return 0
