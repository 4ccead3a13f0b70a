# One record: its size, writing it, checking it, reading it, hashing it. Knows bytes; nothing of segments or files.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from primecore._event cimport event_t, slice_t


cdef enum record_fault:             # why bytes are not a record; 0: they are one
    RECORD_FINE = 0
    RECORD_LENGTH = 1               # no possible length
    RECORD_CUT = 2                  # reaches beyond the segment
    RECORD_CHECKSUM = 3
    RECORD_FIELDS = 4               # the checksum holds, the fields contradict each other
    RECORD_POSITION = 5             # not the position that is due here
    RECORD_BATCH = 6                # a batch without its beginning, or a commit that does not fit its batch


# The size of the event's record, 0 when a field is beyond its limit.
cdef uint64_t record_size(const event_t* event) noexcept nogil

# Writes all of the record but its length; record_publish() makes it exist.
cdef void record_write(char* at, const event_t* event, uint64_t size, uint16_t batch_flags, uint64_t nonce,
                       uint32_t crc_seed) noexcept nogil
cdef void commit_write(char* at, uint64_t position, uint32_t event_count, uint64_t durable_position,
                       const uint8_t* batch_hash, uint32_t crc_seed) noexcept nogil
cdef void record_publish(char* at, uint32_t size) noexcept nogil

# The length stored at `at`, with acquire order; 0: no record yet.
cdef uint32_t record_length(const char* at) noexcept nogil

# A record_fault. `room` bytes may be read from `at`.
cdef int record_check(const char* at, uint64_t room, uint32_t crc_seed) noexcept nogil

# The code of an event type, CODE_CUSTOM for those that are spelled out.
cdef uint8_t record_code(slice_t type) noexcept nogil

# For events that were checked.
cdef void record_read(const char* at, event_t* out) noexcept nogil
cdef void chain_extend(uint8_t* chain, const char* at) noexcept nogil

# Gives the record another segment's checksum.
cdef void record_reseed(char* at, uint32_t size, uint32_t crc_seed) noexcept nogil
