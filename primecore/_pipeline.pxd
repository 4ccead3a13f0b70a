# The write path: text or arguments in, events checked, numbered, logged and folded. Knows the log's and the graph's C faces; no files.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from primecore._dedupe cimport Dedupe
from primecore._event cimport event_t, slice_t
from primecore._graph cimport Graph
from primecore._buffers cimport scratch_t
from primecore._wal cimport Wal


cdef enum:
    SLICE = 64                      # events between two looks at the GIL: about 30 us each of scanning and of folding


cdef enum step_status:
    STEP_OK = 0
    STEP_DUPLICATE = 1              # event.position and version are those of the first
    STEP_CONFLICT = -20             # event.position is that of the first
    STEP_DIMENSIONS = -21           # a vector that the space does not take
    STEP_NEEDS_SPACE = -22          # the first vector: the space is defined before it
    STEP_NO_MEMORY = -23
    STEP_FULL = -24                 # the last position is taken
    STEP_DEGREE = -25               # an end of the edge has as many edges as a list can hold
    STEP_UNREADABLE = -26           # the log does not give the event at event.position, which may have the same id
    # else a wal_status


# Versions given out to events that are logged but not folded yet; emptied by moving on to the next generation.
ctypedef struct pending_slot_t:
    uint64_t key                    # kind of entity << 32 | number
    uint32_t version
    uint32_t generation


@cython.final
cdef class Pipeline:
    cdef readonly Graph graph
    cdef readonly Dedupe dedupe
    cdef readonly Wal wal
    cdef object log
    cdef object lock
    cdef object acquire                     # its methods, looked up once
    cdef object release
    cdef object torn
    cdef object history                     # rows that the first event of a duplicate was last read from
    cdef event_t* events
    cdef uint64_t* id_hashes
    cdef scratch_t scratch
    cdef pending_slot_t* pending
    cdef size_t pending_mask
    cdef uint32_t generation
    cdef uint32_t space_dimensions          # as logged, perhaps not folded yet
    cdef bytes model                        # JSON: what the space is defined with when its first vector has
    cdef uint32_t model_dimensions          # this many numbers
    cdef uint64_t[2] random

    cdef uint64_t next_random(self) noexcept nogil
    cdef void assign_id(self, event_t* event) noexcept nogil
    cdef int64_t now_us(self) noexcept nogil
    cdef void hash_keys(self, event_t* event) noexcept nogil
    cdef void prefetch_keys(self, event_t* event) noexcept nogil        # its keys are hashed
    cdef void prefetch_records(self, event_t* events, size_t count) noexcept nogil      # prefetch_keys() came before
    cdef void prefetch_lists(self, event_t* event) noexcept nogil       # resolve() came before
    # STEP_OK: no event has this id; STEP_DUPLICATE: `first` has; STEP_UNREADABLE: the one at first.position may.
    cdef int first_of_id(self, const uint8_t* event_id, uint64_t id_hash, event_t* first) noexcept nogil
    cdef int find_duplicate(self, event_t* event, uint64_t id_hash) noexcept nogil
    cdef int read_history(self, uint64_t position, event_t* out) noexcept nogil
    cdef int history_event(self, uint64_t position, event_t* out) noexcept
    cdef uint32_t next_version(self, event_t* event) noexcept nogil
    cdef void note_version(self, event_t* event) noexcept nogil
    cdef int check_space(self, event_t* event) noexcept nogil
    cdef int log_event(self, event_t* event, uint64_t id_hash) noexcept nogil
    cdef int step(self, event_t* event, uint64_t id_hash, int64_t now_us) noexcept nogil
    cdef int fold(self, event_t* events, size_t count) except -1
    cdef int fill(self, event_t* event, tuple prepared) except -1
    cdef int decode(self, event_t* event) except -1            # its parts are given: checks them, finds what they say
    cdef object append_filled(self, event_t* event, expected_version, bint strict)     # holding `lock`: a Receipt
    cdef int log_with_room(self, event_t* event, uint64_t id_hash) except? -99
    cdef tuple space_definition(self, uint32_t dimensions)     # what append() takes, for prime.space.defined
    cdef int define_space(self, uint32_t dimensions) except -1
    cdef int require_version(self, event_t* event, expected_version) except -1
    cdef int require_live(self, event_t* event) except -1
    cdef int require_node(self, slice_t key) except -1
    cdef object failure(self, int status, event_t* event, str source)
    cdef object wrong_dimensions(self, event_t* event, uint32_t expected, str source)


cdef inline slice_t slice_of(const char* data, Py_ssize_t size) noexcept:
    # Anything over 4 GiB is over every limit: it stays so when cut.
    return slice_t(data, <uint32_t>size if size < 0xFFFFFFFF else <uint32_t>0xFFFFFFFE)


cdef inline slice_t slice_of_bytes(bytes data) noexcept:
    return slice_of(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


cdef object receipt_of(event_t* event, bint duplicate)          # a model.Receipt
cdef str text_of(slice_t text)
cdef bint is_default_space(event_t* event) noexcept nogil
cdef bint same_content(event_t* a, event_t* b) noexcept nogil   # as idempotency means it
