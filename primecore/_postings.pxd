# The lexical index: documents as sequences of words, the places of each word, and BM25 over them. Knows words, documents
# by number and what they may be filtered by; nothing of nodes, events or text.
#
# One writer, any number of readers, kept apart by the owner's lock. What is fixed in size is plain data in regions and
# arenas, so that a checkpoint may dump it.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from primecore._memory cimport Arena, Region
from primecore._shards cimport KeyTable


cdef enum:
    OVER = 0x80000000               # in a sequence: the word takes no place
    GAP = 0xFFFFFFFF                # in a sequence: the end of a string, which no phrase crosses
    MAX_TERMS = 0x7FFFFFF0


ctypedef struct term_t:             # 48 bytes
    char key[24]
    uint32_t list                   # arena block of posting_t, 0: none
    uint32_t count                  # postings in it, sorted by document
    uint32_t dead                   # of these, those of documents that hold the word no longer
    uint32_t frequency              # in the document that is being put
    uint32_t seen                   # the writer's mark
    uint32_t capacity               # of the block, postings


ctypedef struct posting_t:
    uint32_t document
    uint32_t frequency              # weighted occurrences, 0: dead


ctypedef struct document_t:         # 48 bytes
    uint32_t sequence               # arena block: terms in order, then labels
    uint32_t size                   # entries of the sequence, 0: no document
    uint32_t labels                 # entries behind it
    uint32_t subject                # whose words these are: a number of the owner's
    uint32_t type                   # NONE32: none
    uint32_t domain                 # NONE32: none
    int64_t created_us
    int64_t updated_us
    uint8_t kind                    # of the subject: the owner's
    uint8_t[7] pad


ctypedef struct filter_t:           # what a hit must be
    uint32_t type                   # NONE32: any
    uint32_t domain
    uint32_t label
    int64_t created_from_us
    int64_t created_until_us        # the first that is too late
    int64_t updated_from_us
    int64_t updated_until_us


ctypedef struct clause_t:           # a word of a query, or all words that it stands for
    const posting_t* items
    uint32_t count
    uint32_t frequency              # documents that hold it
    uint32_t at
    double weight                   # idf, times how often the query says it
    posting_t* own                  # to be freed


ctypedef struct hit_t:
    double score
    uint32_t document


cdef class Postings:
    cdef readonly KeyTable terms            # term_t
    cdef readonly KeyTable labels           # names, numbered
    cdef Arena lists
    cdef Arena sequences
    cdef Region documents                   # document_t by number
    cdef Region lengths                     # u32 by number of the document: weighted words, 0: no document
    cdef readonly uint32_t count            # documents
    cdef readonly int64_t length            # of all documents
    cdef readonly uint32_t idle_terms       # words that no document holds
    cdef uint32_t mark
    cdef uint32_t* old                      # the distinct terms that a document had before
    cdef size_t old_capacity

    cdef document_t* document(self, uint32_t number) noexcept nogil     # NULL: there never was one
    cdef uint32_t numbers(self) noexcept nogil                          # above every document's number
    cdef uint32_t term_number(self, const char* word, uint32_t size) noexcept nogil       # NONE32: none holds it
    # Writer. 0, or -1: no memory (what the index says is then undefined).
    cdef uint32_t add_term(self, const char* word, uint32_t size) noexcept nogil          # NONE32: no memory
    # Makes document `number` what `sequence` says: `count` terms with OVER and GAP, each of weight `weights[i]`, then
    # labels. The rest of the document comes from `about`. count 0 takes it away.
    cdef int put(self, uint32_t number, const document_t* about, const uint32_t* sequence, const uint8_t* weights,
                 uint32_t count, uint32_t labels) noexcept nogil
    # Readers.
    cdef int open_clause(self, clause_t* clause, uint32_t term) noexcept nogil
    cdef int open_union(self, clause_t* clause, const uint32_t* terms, uint32_t count) noexcept nogil
    cdef void weigh(self, clause_t* clause, uint32_t times) noexcept nogil
    cdef double score(self, const clause_t* clause, uint32_t document) noexcept nogil     # 0: not in it
    cdef bint has_phrase(self, uint32_t document, const uint32_t* terms, uint32_t count) noexcept nogil
    cdef bint passes(self, uint32_t document, const filter_t* filter) noexcept nogil

    # Steps inside.
    cdef int note_old(self, const document_t* document, uint32_t* out) noexcept nogil
    cdef int set_posting(self, term_t* term, uint32_t document, uint32_t frequency) noexcept nogil
    cdef void tidy(self, term_t* term) noexcept nogil


cdef uint32_t find_posting(const posting_t* items, uint32_t count, uint32_t document) noexcept nogil
