# Tables as sections of a file: what a part adds to a draft when it is dumped, and takes from an image when it is loaded.
# Knows memory and mapped files; not what the sections hold, and no path.
#
# Each part of the tables has one pair: dump(draft, name) and load(image, name). A dump names ranges of memory (they must
# stay as they are until the draft is written) and notes numbers. A load maps the ranges back, privately, into an empty
# part. There are no pointers in what is dumped, only numbers and offsets.

from libc.stdint cimport int64_t, uint64_t

from primecore._mapping cimport Mapping
from primecore._memory cimport Arena, Region


cdef enum:
    BLOCK_BYTES = 1 << 20                   # what one hash covers


ctypedef struct piece_t:
    const char* data
    size_t nbytes


cdef class Draft:
    cdef readonly list sections             # [name, offset, nbytes]
    cdef readonly dict notes                # {name: {field: number, or list of numbers}}
    cdef size_t page_bytes
    cdef size_t end                         # where the next section begins, from the first one's beginning
    cdef piece_t* pieces                    # all sections' memory in order, padding among it
    cdef size_t count
    cdef size_t capacity
    cdef list kept                          # objects whose memory the pieces name

    # Memory that follows what was added last; add() begins a section, more() goes on with it.
    cdef int add(self, str name, const void* data, size_t nbytes) except -1
    cdef int more(self, const void* data, size_t nbytes) except -1
    cdef int piece(self, const void* data, size_t nbytes) except -1
    # The hash of each block into `found`; with a descriptor, the bytes into its file from `offset` on too. 0, or errno.
    cdef int run(self, void* hashing, uint64_t salt, uint64_t* found, int fd, int64_t offset) noexcept nogil
    cdef int region(self, str name, Region region) except -1
    cdef int arena(self, str name, Arena arena) except -1


cdef class Aside:
    cdef int fd
    cdef int pid                            # 0 once it was waited for
    cdef uint64_t* shared                   # errno + 1 once it has ended by itself; behind it the hashes
    cdef size_t shared_bytes
    cdef size_t blocks

    cdef int end(self) noexcept


cdef class Image:
    cdef readonly dict notes
    cdef dict sections                      # {name: (offset, nbytes)}, offsets in the file
    cdef set taken
    cdef Mapping mapping
    cdef char* data                         # a private copy of the file, as far as it is written to
    cdef size_t nbytes

    cdef char* at(self, str name, size_t* nbytes) except NULL       # good for as long as the image; may be written to
    cdef int region(self, str name, Region region) except -1
    cdef int arena(self, str name, Arena arena) except -1


cdef uint64_t block_hash(const char* data, size_t nbytes, uint64_t salt) noexcept nogil
