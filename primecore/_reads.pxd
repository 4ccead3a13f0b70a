# Reads of the present: nodes, edges, neighbours, made into the result types. Knows the tables; never the log.

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from primecore._adjacency cimport OpenResult
from primecore._graph cimport Graph


cdef class Reader:
    cdef readonly Graph graph
    cdef bint closed
    cdef object closed_error

    cdef uint32_t find_node(self, str id) except? 0xFFFFFFFE
    cdef uint32_t find_edge(self, str id) except? 0xFFFFFFFE
    cdef uint32_t relation_number(self, relation) except? 0xFFFFFFFD
    cdef object make_node(self, uint32_t number)
    cdef object make_edge(self, uint32_t number)
    cdef object raw_node(self, uint32_t number)
    cdef object raw_edge(self, uint32_t number)
    cdef int check(self) except -1


cdef class Neighbors(OpenResult):
    cdef Graph graph
    cdef uint64_t out_word
    cdef uint64_t in_word
    cdef uint32_t loops                 # edges to itself: they stand in both lists and show once
    cdef uint32_t own                   # number of the node asked for
    cdef uint32_t relation              # NONE32: any
    cdef uint32_t limit
    cdef list items                     # once made

    cdef list make(self)
    cdef uint32_t length(self) noexcept
    cdef uint32_t collect(self, uint64_t word, bint skip_loops, uint32_t room, uint32_t* peers, uint32_t* edges) noexcept

    # Steps inside.
    cdef object neighbor(self, uint32_t peer, uint32_t number, str direction)
    cdef int freeze(self) except -1


cdef object finish_node(object node)    # parses the properties of what raw_node() gave, in place
cdef object finish_edge(object edge)
