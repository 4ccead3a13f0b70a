# A query over the lexical index: the k best documents, at one position. Knows the index and the graph; not how a query is
# written.

from libc.stdint cimport uint32_t

from primecore._event cimport MAX_ENTITY_ID_BYTES
from primecore._graph cimport Graph
from primecore._lexical cimport Lexical
from primecore._postings cimport Postings, clause_t, filter_t, hit_t


cdef enum:
    WINDOW = 2048


ctypedef struct phrase_t:           # words that stand side by side
    uint32_t* terms
    uint32_t count


ctypedef struct search_t:
    clause_t* clauses
    uint32_t clause_count
    phrase_t* phrases
    uint32_t phrase_count
    filter_t filter
    hit_t* hits                     # a heap: the worst first
    uint32_t hit_count
    uint32_t room
    char worst_id[MAX_ENTITY_ID_BYTES]      # of the worst hit: many documents score alike
    uint32_t worst_size
    double sums[WINDOW]


# A zeroed search_t, opened, ranked under the index's lock, and closed in any case.
cdef bint open_filter(Lexical index, filter_t* filter, tuple filters) except -1         # False: nobody has such a name
# False where a phrase holds a word that no document holds. `k`: room for hits.
cdef bint open_search(Postings index, search_t* search, list clauses, list phrases, uint32_t k) except -1
cdef void rank(Lexical index, search_t* search) noexcept nogil                          # hits: the best first
cdef void close_search(search_t* search) noexcept
cdef object own_text(Graph graph, uint32_t node)      # what a node says of itself: its `text`, else its name, or None
