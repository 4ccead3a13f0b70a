# A follower's tables: brought up to what the owner of the log publishes, from the log's own bytes. Folds and reads
# records; opens no file (`refresh` does), appends nothing.
#
# One thread at a time, under the lock that also keeps `digest` and the like still. Everything but waiting for that lock
# happens in one hold of the GIL a slice, so that readers see a batch whole or not at all.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from primecore._event cimport event_t
from primecore._live cimport Live
from primecore._pipeline cimport Pipeline
from primecore._reads cimport Reader
from primecore._wal cimport Wal


cdef class Follow:
    cdef readonly uint64_t epoch        # of the owner whose log was read last
    cdef Pipeline writer
    cdef Wal wal
    cdef Live live
    cdef Reader reader
    cdef object log
    cdef object lock
    cdef uint32_t checksum              # of the last event that was taken in
    cdef event_t* events
    cdef size_t capacity

    cdef bint step(self, int64_t until_us) except -1
    cdef bint walk(self, uint64_t published) except -1
    cdef bint read_files(self) except -1
    cdef bint same_owner(self) except -1
    cdef bint note_end(self) except -1
    cdef int fold(self, int64_t until_us) except -1
    cdef size_t gather(self, uint64_t position, uint64_t until) except 0
    cdef int reserve(self, size_t wanted) except -1
    cdef int resolve(self, size_t count) noexcept nogil     # 0, -1: damaged, -2: out of memory
