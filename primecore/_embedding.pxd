# Embeddings in JSON: an array of numbers, or base64 of little-endian float32. Knows nothing of events or vector
# indexes.

from libc.stdint cimport uint32_t
from primecore._event cimport slice_t


cdef enum:
    MAX_DIMENSIONS = 65536

# `text` is an array's JSON (known to be good), or a base64 string's unescaped content. Checks that there are 1 to
# 65,536 numbers, each finite as float32 and not all zero. Writes the first `capacity` of them to `out` and their
# number to out_count. 0, or a scan_error with fault[0] at what is wrong (inside `text`).
cdef int embedding_read(
    slice_t text, bint is_array, float* out, uint32_t capacity, uint32_t* out_count, const char** fault
) noexcept nogil

# Room for the numbers of any embedding whose text is this long.
cdef uint32_t embedding_capacity(slice_t text, bint is_array) noexcept nogil
