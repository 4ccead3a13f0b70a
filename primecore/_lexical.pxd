# Keeps the lexical index in step with the graph: notes what changed, reads it again, puts its words in place. Knows the
# graph's tables and JSON; the index by its own contract. Nothing of queries.
#
# Locks are taken in this order: the index's lock, then the GIL. Nobody waits for the index's lock with the GIL held.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from primecore._buffers cimport buffer_t, scratch_t
from primecore._event cimport slice_t
from primecore._graph cimport Graph, Part
from primecore._index cimport TypeIndex
from primecore._memory cimport Region
from primecore._postings cimport Postings, document_t
from primecore._records cimport change_t
from primecore._words cimport words_t


cdef extern from "rw_lock.h" nogil:
    ctypedef struct rw_lock_t:
        pass
    rw_lock_t* rw_lock_new() noexcept
    void rw_lock_free(rw_lock_t* lock) noexcept
    void rw_lock_read(rw_lock_t* lock) noexcept
    void rw_lock_write(rw_lock_t* lock) noexcept
    void rw_lock_leave(rw_lock_t* lock) noexcept


# A document's subject: a node, or another entity that a vector was stored for (by the number of `vec:{id}`).
cdef enum subject_kind:
    SUBJECT_NODE = 0
    SUBJECT_VECTOR = 1


ctypedef struct job_t:              # a subject as it is now; its bytes stand behind it in the buffer of jobs
    document_t about
    uint32_t properties_bytes
    uint32_t labels_bytes
    uint32_t text_bytes
    uint32_t is_live


cdef class Lexical(Part):
    cdef readonly Graph graph
    cdef readonly TypeIndex types
    cdef readonly Postings postings
    cdef readonly uint64_t position         # the index shows the graph as it was here, if it is whole
    cdef readonly bint active               # it is kept from the first question on
    cdef bint whole                         # all of `position`, and nothing later
    cdef rw_lock_t* lock
    cdef uint64_t* queue                    # subjects that changed: kind << 32 | number
    cdef size_t queue_head
    cdef size_t queue_count
    cdef size_t queue_capacity
    cdef Region node_marks                  # u8 by number, 1: it waits in the queue
    cdef Region vector_marks
    cdef Region node_places                 # u32 by number, the document's number + 1
    cdef Region vector_places
    cdef uint32_t documents                 # numbers given out
    cdef buffer_t jobs
    cdef buffer_t sequence                  # u32
    cdef buffer_t weights                   # u8
    cdef words_t words
    cdef scratch_t scratch

    cdef uint32_t* place(self, uint8_t kind, uint32_t number) noexcept nogil        # NULL: no memory
    cdef bint waits(self, uint8_t kind, uint32_t number) noexcept nogil             # changed since it was read
    cdef uint32_t copy_id(self, uint32_t document, char* out) noexcept nogil        # bytes; without "vec:"
    cdef uint32_t row_of(self, uint8_t kind, uint32_t number) noexcept nogil        # of its shown vector, NONE32: none

    # Steps inside.
    cdef int fold(self, Graph graph, const change_t* changes, size_t count) except -1
    cdef int note(self, uint8_t kind, uint32_t number) except -1
    cdef int note_vector(self, uint32_t number) except -1
    cdef int begin(self) except -1
    cdef size_t take(self, size_t limit) except? 0
    cdef int take_one(self, uint8_t kind, uint32_t number) except -1
    cdef int index_jobs(self) noexcept nogil
    cdef int index_job(self, const job_t* job, const char* data) noexcept nogil
    cdef int add_properties(self, slice_t properties) noexcept nogil
    cdef int add_labels(self, slice_t labels, uint32_t* count) noexcept nogil
    cdef int add_string(self, const char* text, uint32_t size, uint8_t weight) noexcept nogil
    cdef int add_json_string(self, slice_t raw, uint8_t weight) noexcept nogil
