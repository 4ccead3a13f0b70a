# Before an event is logged: the numbers of its keys, given out where a key is new, and its entity's version.
# Knows the graph's tables; no log.

from libc.stdint cimport uint32_t

from primecore._event cimport event_t
from primecore._graph cimport Graph


# Notes in these events which numbers their keys have, so that resolve() need not look them up. Their keys are hashed.
# By any thread, beside the writer.
cdef void look_up(Graph graph, event_t* events, size_t count) noexcept nogil

# Asks for the memory that resolve() and the fold of an event that was looked up will touch.
cdef void prefetch_looked_up(Graph graph, const event_t* event) noexcept nogil

# By the writer, the rest too. FOLD_NO_MEMORY, or FOLD_OK.
cdef int resolve(Graph graph, event_t* event) noexcept nogil

# Of an event that was resolved.
cdef bint is_crowded(Graph graph, event_t* event) noexcept nogil
cdef uint32_t version_of(Graph graph, event_t* event) noexcept nogil
