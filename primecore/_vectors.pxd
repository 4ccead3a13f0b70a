# Vectors: which are live, what they hold, and which space is in force. Knows numbers and bytes of events; no graph, no queries.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from primecore._event cimport event_t, slice_t
from primecore._memory cimport Arena, Epochs, Region
from primecore._records cimport entity_t
from primecore._shards cimport KeyTable


ctypedef struct vector_t:           # 64 bytes: one stored vector
    double norm                     # length of the vector
    float scale                     # of the codes: x / norm is about scale * code
    float residual                  # how far off that is at most
    int32_t sum                     # of the codes
    uint32_t entity                 # number of its vec: key
    uint32_t node                   # number of the node it is of, NONE32: of none, or of one that never was
    uint32_t born                   # position that stored it, 0: never used
    uint32_t shown                  # position from which on queries see it, 0: not yet
    uint32_t died                   # position that ended it, 0: live
    uint32_t next                   # in a chain of dead rows: row + 1, 0 ends it
    uint32_t text                   # arena ref of the text and, behind it, the metadata
    uint32_t text_bytes
    uint32_t about_bytes            # of the metadata, a JSON object; 0: none
    int64_t time_us                 # of the event that stored it


# The vectors stored under one definition. Rows are written once and never change: a row that died is used again when
# no reader is left that began before. So a reader who notes the applied position and enters an epoch slot, both under
# one hold of the GIL, may scan without it, and sees what was live at that position.
cdef class Space:
    cdef readonly uint32_t dimensions
    cdef readonly uint32_t stride           # bytes of a row of codes: `dimensions` padded to 64
    cdef readonly uint32_t stride4          # bytes of a row of 4-bit codes
    cdef readonly uint32_t sign_bytes       # bytes of the signs of a row
    cdef readonly uint32_t count            # rows in use, dead ones included
    cdef readonly uint32_t live             # rows that did not die
    cdef readonly object model              # str, None: unknown
    cdef Region rows                        # vector_t
    cdef Region floats                      # float[dimensions] a row, as stored
    cdef Region codes                       # int8[stride] a row
    cdef Region nibbles                     # 4-bit codes, stride4 bytes a row, in whole blocks of rows
    cdef Region hints                       # knn_rows_t: their scales and residuals, by block
    cdef Region signs                       # signs and leans, in whole blocks of rows (include/knn_signs.h)
    cdef int64_t read_ns                    # when the signs were last read, by a clock of no meaning
    cdef Region row_of                      # row + 1 by entity number, 0: none
    cdef Arena texts
    cdef uint32_t limbo                     # chains of dead rows: since the last fold,
    cdef uint32_t waiting                   # until the readers of waiting_stamp are gone,
    cdef uint32_t free                      # to be used again
    cdef uint64_t waiting_stamp

    cdef uint32_t row(self, uint32_t entity) noexcept nogil                  # of its live vector, NONE32: none
    cdef uint32_t put(self, uint32_t entity, uint32_t node, const event_t* event, bint shows) noexcept nogil
    cdef void end(self, uint32_t row, uint32_t position) noexcept nogil
    cdef void reclaim(self, Epochs epochs) noexcept nogil                    # before a fold
    cdef slice_t text(self, uint32_t row) noexcept nogil
    cdef slice_t about(self, uint32_t row) noexcept nogil
    cdef uint32_t take_row(self) noexcept nogil
    cdef void widen(self) noexcept nogil

    cdef inline vector_t* record(self, uint32_t row) noexcept nogil:
        return (<vector_t*>self.rows.base) + row

    cdef inline float* numbers(self, uint32_t row) noexcept nogil:
        return (<float*>self.floats.base) + <size_t>row * self.dimensions


# Stored since a follower began to listen: what an index that lags behind has still to take in.
ctypedef struct arrival_t:
    uint32_t row
    uint32_t born


cdef class Vectors:
    cdef KeyTable entities                  # entity_t, vec:{id} among them
    cdef KeyTable nodes                     # node_t
    cdef Epochs epochs
    cdef readonly Space current             # None: no space is defined
    cdef readonly uint32_t space_dimensions # of the space in force, 0: none defined
    cdef uint32_t space                     # definitions so far: a vector of an earlier one is gone
    cdef uint32_t shown                     # live vectors that queries may return
    cdef uint32_t hidden                    # live vectors of nodes that are not live
    cdef uint32_t came                      # what the last call did: the row that began to show, NONE32
    cdef uint32_t gone                      # the row that ceased to show, NONE32
    cdef list formers                       # spaces whose texts wait for vectors of the current one
    cdef readonly uint32_t awaiting         # such texts
    cdef bint listening                     # arrivals are noted
    cdef arrival_t* arrivals
    cdef size_t arrived                     # count of arrivals noted
    cdef size_t arrivals_capacity

    cdef entity_t* entity(self, uint32_t number) noexcept nogil
    cdef bint is_live(self, uint32_t number) noexcept nogil
    # Each sets `came` and `gone` and returns by how much the number of shown vectors changed.
    cdef int stored(self, uint32_t number, const event_t* event) except -2
    cdef int deleted(self, uint32_t number, const event_t* event) except -2
    cdef int node_born(self, uint32_t node, const event_t* event) except -2
    cdef int node_died(self, const event_t* event) except -2
    cdef int define_space(self, const event_t* event) except -1              # 0: it is another space's, and changes nothing
    cdef uint32_t of_node(self, const char* key, uint32_t size) noexcept nogil
    cdef uint32_t find(self, const char* key, uint32_t size) noexcept nogil  # number of vec:{key}, NONE32: none
    cdef void reclaim(self) noexcept nogil                                   # before a fold

    # Steps inside.
    cdef bint shows(self, const event_t* event, uint32_t* node) noexcept nogil
    cdef int end(self, uint32_t number, uint32_t position, bint shows) except -2
    cdef int answer(self, uint32_t number, uint32_t position) except -1
    cdef int note_arrival(self, uint32_t row, uint32_t born) except -1
