# Text into words, as the lexical index and its queries see it. Knows Unicode; nothing of documents, JSON or scores.

from libc.stdint cimport uint8_t, uint32_t

from primecore._buffers cimport buffer_t


cdef enum:
    MAX_WORD_BYTES = 64             # of a folded word: a longer one is cut here, at the end of a character
    MAX_RUN_BYTES = 256             # letters without a break: beyond, it is data and no name, and is not taken apart


ctypedef struct word_t:
    uint32_t at                     # into words_t.text
    uint32_t size
    uint32_t start                  # where it stands in the text that was split, in bytes (of its NFKC form, if it
    uint32_t end                    # is not ASCII)
    uint8_t over                    # lies over the words behind it (a whole compound, a pair): it takes no place


ctypedef struct words_t:            # a zeroed one is empty; grows as needed
    buffer_t text                   # the folded words, end to end
    word_t* items
    uint32_t count
    uint32_t capacity


# Appends the words of UTF-8 text. 0, or -1: no memory (what was appended is then taken back).
cdef int words_split(words_t* words, const char* text, uint32_t size) noexcept nogil
cdef void words_reset(words_t* words) noexcept nogil
cdef void words_free(words_t* words) noexcept nogil
