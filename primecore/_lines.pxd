# Lines into the write path: where they come from and how far they have come.

from libc.stdint cimport uint32_t, uint64_t

from primecore._slices cimport Slices


cdef class Source:
    # Where lines come from, and how far they have come.
    cdef readonly str name
    cdef readonly bint derives_ids
    cdef readonly bytes identity
    cdef Slices slices                      # reads `identity`
    cdef readonly uint32_t line             # of the line that comes next
    cdef readonly uint64_t read
    cdef public uint64_t appended
    cdef public uint64_t duplicates
    cdef public uint64_t refused
    cdef public object error                # of the line that stopped it
    cdef public size_t bad_start            # that line, as offsets into the chunk
    cdef public size_t bad_end
    cdef uint64_t own_after                 # duplicates behind this position were appended by an earlier try
