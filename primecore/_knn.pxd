# Nearest neighbours by cosine, exactly: a scan over codes, then scores in full. Knows the tables; no words, no models.

from libc.stdint cimport int8_t, int32_t, uint8_t, uint32_t, uint64_t

from primecore._graph cimport Graph
from primecore._vectors cimport Space, arrival_t


ctypedef struct scored_t:
    double score
    uint32_t row


# A row that codes left in doubt, and the most that its score can be.
ctypedef struct doubt_t:
    float most
    uint32_t row


# One question, at one position. Stands in an epoch slot until closed: rows that it saw keep what they hold.
cdef class Look:
    cdef Graph graph
    cdef Space space
    cdef readonly uint32_t position
    cdef uint64_t stamp
    cdef int slot                           # -1: closed
    cdef uint32_t count                     # rows when it began
    cdef int kernel
    cdef float* query
    cdef int8_t* codes                      # its codes, padded to what a row of 4-bit codes holds
    cdef uint8_t* asked                     # the same + 128
    cdef double norm
    cdef float scale
    cdef float residual
    cdef int32_t sum                        # of its codes
    cdef uint8_t* allowed                   # by row, NULL: all
    cdef arrival_t* tail
    cdef size_t tail_count

    cdef bint sees(self, uint32_t row) noexcept nogil
    cdef double score(self, uint32_t row) noexcept nogil
    cdef int mark(self, const char** prefixes, uint32_t* sizes, size_t count, bint any_domain, uint32_t domain,
                  uint32_t without) noexcept nogil
    cdef int scan(self, size_t wanted, double least, scored_t** out, size_t* out_count) noexcept nogil
    cdef float estimate(self, size_t wanted, float bar, float* most, float* heap, uint32_t* best) noexcept nogil
    cdef bint may_give(self, uint32_t row) noexcept nogil
    cdef float estimate_of(self, uint32_t row) noexcept nogil
    cdef float error_of(self, uint32_t row) noexcept nogil
    cdef int sift(self, size_t wanted, const float* most, float* heap, float* bar, doubt_t** out,
                  size_t* out_count) noexcept nogil
    cdef list best(self, scored_t* found, size_t count, size_t wanted)
