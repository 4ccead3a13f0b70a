# Events as columns and back: what Parquet holds of the log. Knows records and buffers; no file, no Arrow.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from primecore._event cimport event_t, slice_t


ctypedef struct column_t:           # of variable size: item i is data[offsets[i]:offsets[i + 1]], absent where it is empty
    const int32_t* offsets
    const char* data


cdef class Rows:
    # The events first..last of one row group, in any order.
    cdef readonly uint64_t first
    cdef readonly uint64_t last
    cdef readonly size_t nbytes
    cdef list kept                  # the buffers
    cdef uint32_t* order            # row of position first + i
    cdef const int64_t* positions
    cdef const int64_t* times
    cdef const uint32_t* versions
    cdef const uint8_t* flags
    cdef const uint8_t* event_ids
    cdef const uint8_t* nonces
    cdef column_t types
    cdef column_t entities
    cdef column_t payloads
    cdef column_t metadata

    cdef int texts(self, dict columns, str name, size_t count, column_t* out) except -1
    # The event of a position, which must lie in first..last. It borrows from the rows.
    cdef void read(self, uint64_t position, event_t* out) noexcept nogil
    cdef uint32_t scan(self, uint64_t position, event_t* out, uint32_t capacity) noexcept nogil
    # The record of a position, as the log held it but for its checksum and its place in a batch.
    cdef uint32_t record_bytes(self, uint64_t position) noexcept nogil
    cdef void write_record(self, uint64_t position, char* out) noexcept nogil
