# JSON values as trees: merge patch, canonical form, equality. Knows nothing of events, files or Python objects.
# Numbers stay text throughout: nothing here goes through a float.

from primecore._event cimport slice_t
from primecore._buffers cimport buffer_t


# Each appends to `out`. 0: fine; a scan_error: broken JSON or no memory (`out` is then as it was before the call).
# RFC 7396. `target` of size 0 counts as absent; a target that is no object counts as {}.
cdef int json_merge(slice_t target, slice_t patch, buffer_t* out) noexcept nogil
# Keys sorted by their UTF-8 bytes, shortest escapes, numbers normalised as exact decimals, no white space.
cdef int json_canonical(slice_t value, buffer_t* out) noexcept nogil

# 1: equal, 0: not, negative: broken JSON or no memory. Two absent values (size 0) are equal; absent differs from any
# value.
cdef int json_equal(slice_t a, slice_t b) noexcept nogil
