# Candidates of a recall: who may be a hit, what each arm says of it, and what edges add. Knows the tables and both indexes
# by number; no words of a query, no Python values.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from primecore._buffers cimport scratch_t
from primecore._event cimport slice_t
from primecore._graph cimport Graph
from primecore._knn cimport Look
from primecore._lexical cimport Lexical
from primecore._ranking cimport search_t


cdef enum:
    MAX_CANDIDATES = 8192
    SLOTS = 16384                   # of the map of candidates, a power of two


ctypedef struct candidate_t:
    uint8_t kind                    # subject_kind
    bint fits                       # the filters
    uint32_t number                 # of the node, or of the vector's entity
    uint32_t row                    # of its vector, NONE32: none
    uint32_t giver                  # the candidate whose share it keeps, NONE32: none
    uint32_t edge                   # along which it came
    uint32_t source                 # who gave what it shares, NONE32: it has it of itself
    double cosine                   # -2: no vector
    double bm25
    double vector                   # parts of the score
    double words
    double graph
    double recency
    double importance
    double value                    # what it shares with its neighbours
    double score


ctypedef struct recall_t:
    candidate_t* items
    uint32_t count
    uint32_t capacity
    uint32_t* slots                 # candidate + 1 by hash, 0: none
    search_t* search                # NULL: no words are asked for
    double words_in_all             # what a document could have at most
    double best_words
    double least_cosine, best_cosine
    # what a hit must be
    slice_t type                    # without data: anything
    uint32_t domain                 # NONE32: any
    slice_t label
    slice_t conversation
    int64_t from_us, until_us       # of the last change
    int64_t at_us                   # UNBOUNDED: any; what was not there, and edges that did not hold then, do not count
    # how it is weighed
    double vector_weight, words_weight, graph_weight, recency_weight, importance_weight
    double floor
    double half_life_us             # 0: age does not matter
    int64_t now_us
    slice_t importance              # the property that says it, without data: none
    bint reads_json
    bint reads_times                # whether any filter asks when something was made or changed
    scratch_t scratch


# All with the GIL held and nothing folded since the look began, but for mark() without a filter on JSON.
cdef bint fits(Graph graph, recall_t* recall, uint8_t kind, uint32_t number, uint32_t row) noexcept nogil
cdef void mark(Graph graph, Look look, recall_t* recall) noexcept nogil         # which rows a scan may give
# The one of this subject, made where there is none; NULL: no memory, or too many.
cdef candidate_t* candidate(recall_t* recall, uint8_t kind, uint32_t number, bint* is_new) noexcept nogil
cdef double bm25_of(Lexical index, recall_t* recall, const candidate_t* it) noexcept nogil
# Both scores of a candidate that an arm gave; `bm25` where it is known, else -1.
cdef void look_up(Lexical index, Look look, recall_t* recall, candidate_t* it, double bm25) noexcept nogil
# In this order, once all arms have given theirs. give(): `depth` rounds of the `givers` best; 0, or -1: no memory.
cdef void set_scale(recall_t* recall) noexcept nogil
cdef void weigh(recall_t* recall, candidate_t* it) noexcept nogil
cdef int give(Graph graph, Lexical index, recall_t* recall, uint32_t depth, uint32_t givers) noexcept nogil
cdef void score_all(Graph graph, recall_t* recall) noexcept nogil
