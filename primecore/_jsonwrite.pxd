# JSON trees back to text: as they were written, or in canonical form. Knows nothing of where the trees come from.

from libc.stdint cimport uint32_t
from primecore._event cimport slice_t
from primecore._json cimport tree_t
from primecore._buffers cimport buffer_t, scratch_t


# Appends the value `root`, compactly. Not canonical: what is not `rebuilt` is copied as it was written, keys too.
# Canonical: everything is written anew, members in the order of their lists. 0, or -1: no memory.
cdef int put_tree(tree_t* tree, uint32_t root, bint canonical, buffer_t* out, scratch_t* scratch) noexcept nogil

# Appends the canonical form of a JSON number. 0, or -1: no memory.
cdef int put_number(const char* text, uint32_t size, buffer_t* out) noexcept nogil

# The next number from `where` on that is neither an integer of at most 18 digits nor a decimal without exponent of at
# most 15: 1, the number without its sign, and `where` behind it; 0: there is none. Trusts its input.
cdef int json_next_long(const char** where, const char* end, slice_t* number) noexcept nogil
