# Which rows of a space may be nearest to a query: by signs, by 4-bit codes, by 8-bit codes, and in full. Knows no ids, no filters.

from libc.stdint cimport int8_t, int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from primecore._vectors cimport Space, vector_t


cdef extern from "knn_signs.h" nogil:
    ctypedef struct signs_asked_t:
        float unit
        float base
        float error


cdef extern from * nogil:
    uint32_t __atomic_load_n(const uint32_t*, int) noexcept
    enum:
        __ATOMIC_ACQUIRE


ctypedef struct scored_t:
    double score
    uint32_t row


# A row that codes left in doubt, and the most that its score can be.
ctypedef struct doubt_t:
    float most
    uint32_t row


# A query, coded, and what of a space it may see.
ctypedef struct asked_t:
    float* numbers                  # as they were given
    int8_t* codes                   # its codes, padded to what a row of 4-bit codes holds
    uint8_t* raised                 # its codes + 128, and behind `stride` of them those of what they leave over
    uint8_t* tables                 # of its signs; the block that all pointers but `allowed` lead into
    const uint8_t* allowed          # 1 or 0 by row, padded to 64; NULL: all
    signs_asked_t signs
    double norm
    float scale
    float residual
    float residual16                # with the codes of the rest
    int32_t sum                     # of its codes
    uint32_t position               # what is seen is what was live then
    uint32_t count                  # rows when it began
    int kernel
    uint64_t read_bytes             # of signs and codes, by the last scan


cdef inline bint is_visible(const vector_t* record, uint32_t position) noexcept nogil:
    # `died` is read first: a row that is being used again loses `shown` before it loses `died`.
    cdef uint32_t died = __atomic_load_n(&record.died, __ATOMIC_ACQUIRE)
    cdef uint32_t shown = __atomic_load_n(&record.shown, __ATOMIC_ACQUIRE)
    return shown != 0 and shown <= position and (died == 0 or died > position)


cdef int ask(Space space, const float* numbers, int kernel, asked_t* out) noexcept nogil    # -1: no memory, -2: no vector
cdef void forget(asked_t* asked) noexcept nogil
cdef double score(Space space, const asked_t* asked, uint32_t row) noexcept nogil
# The `wanted` best of all that is seen and allowed, and some more, in no order; the caller frees them. -1: no memory.
cdef int nearest(Space space, asked_t* asked, size_t wanted, double least, scored_t** out, size_t* out_count) noexcept nogil
cdef void sort_scored(scored_t* found, size_t count) noexcept nogil     # best first, equal scores by row
