# Reads of the present: nodes, edges, neighbours, made into the result types. Knows the tables; never the log.

from libc.stdint cimport uint32_t, uint64_t

from primecore._adjacency cimport OpenResult
from primecore._graph cimport Graph


cdef class Reader:
    cdef readonly Graph graph
    cdef bint watched                   # closed, or of a follower: look() before reading
    cdef bint closed
    cdef object closed_error
    cdef const uint64_t* published      # how far the owner's log goes; NULL: it is this process's own
    cdef uint64_t seen                  # what was published when the tables were brought up to it
    cdef bint held                      # nothing may be folded just now
    cdef object catch_up
    cdef Reader successor               # answers neighbors() for those who kept the method

    cdef uint32_t find_node(self, str id) except? 0xFFFFFFFE
    cdef uint32_t find_edge(self, str id) except? 0xFFFFFFFE
    cdef uint32_t relation_number(self, relation) except? 0xFFFFFFFD
    cdef object make_node(self, uint32_t number)
    cdef object make_edge(self, uint32_t number)
    cdef object raw_node(self, uint32_t number)
    cdef object raw_edge(self, uint32_t number)
    cdef int check(self) except -1
    cdef int attend(self) except -1


cdef enum:
    FEW = 32                        # entries of a list that need no memory of their own while it is made


cdef class Neighbors(OpenResult):
    cdef Graph graph
    cdef uint64_t out_word
    cdef uint64_t in_word
    cdef uint32_t loops                 # edges to itself: they stand in both lists and show once
    cdef uint32_t own                   # number of the node asked for
    cdef uint32_t relation              # NONE32: any
    cdef uint32_t limit
    cdef list items                     # once made

    cdef list rows(self, bint whole)
    cdef list make(self)
    cdef uint32_t length(self) noexcept
    cdef uint32_t collect(self, uint64_t word, bint skip_loops, uint32_t room, uint32_t* peers,
                          uint32_t* edges) noexcept

    # Steps inside.
    cdef object row(self, str direction)                # of an entry that fill() completes
    cdef int fill(self, object row, uint32_t peer, uint32_t number) except -1
    cdef int freeze(self) except -1


cdef object finish_node(object node)    # parses the properties of what raw_node() gave, in place
cdef object finish_edge(object edge)
