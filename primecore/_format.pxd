# The bytes on disk. docs/format.md is the law; tests compare its tables with these structs. Everything here is frozen:
# a change is a new FORMAT_VERSION. Zero means preallocated space and is never a valid kind, length or version.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef enum format:
    FORMAT_VERSION = 1
    HEADER_BYTES = 4096
    PROMISE_OFFSET_EVEN = 1024
    PROMISE_OFFSET_ODD = 1536
    SEGMENT_HEADER_BYTES = 512
    PROMISE_BYTES = 32
    RECORD_BYTES = 80               # the fixed part; a commit is as long, so that `kind` has one place
    LIVE_VERSION = 1
    LIVE_BYTES = 192
    CHAIN_BYTES = 16
    CHAIN_INPUT_BYTES = 112         # chain, record, hash of entity and type
    INDEX_STRIDE = 32               # in memory only: events from one entry of a segment's offset index to the next


cdef enum record_kind:
    KIND_EVENT = 1
    KIND_COMMIT = 2


cdef enum record_flag:
    FLAG_TIME_ASSIGNED = 1
    FLAG_ID_ASSIGNED = 2
    FLAG_ERASED = 4
    FLAG_IN_BATCH = 8
    FLAG_BATCH_FIRST = 16
    FLAGS_KNOWN = 31
    FLAGS_LOGICAL = 3               # those that the chain covers


ctypedef struct segment_header_t:
    char magic[8]
    uint32_t format_version
    uint32_t header_bytes
    uint8_t store_uuid[16]
    uint64_t segment_id
    uint64_t base_position
    uint64_t previous_bytes
    uint8_t previous_chain[16]
    uint64_t salt
    uint64_t segment_bytes
    int64_t created_us
    uint8_t reserved[412]
    uint32_t crc32c


ctypedef struct promise_t:
    uint64_t sequence
    uint64_t durable_position
    uint64_t clean_bytes
    uint32_t reserved
    uint32_t crc32c


ctypedef struct record_t:
    uint32_t length
    uint32_t crc32c
    uint64_t position
    int64_t time_us
    uint8_t event_id[16]
    uint8_t nonce[16]
    uint32_t payload_bytes
    uint32_t metadata_bytes
    uint32_t version
    uint32_t namespace
    uint16_t entity_bytes
    uint16_t flags
    uint8_t kind
    uint8_t code
    uint8_t type_bytes
    uint8_t reserved


ctypedef struct commit_t:
    uint32_t length
    uint32_t crc32c
    uint64_t position
    uint64_t durable_position
    uint8_t batch_hash[16]
    uint32_t event_count
    uint8_t reserved[32]
    uint8_t kind
    uint8_t reserved_tail[3]


ctypedef struct live_t:             # each position in a cache line of its own
    char magic[8]
    uint32_t format_version
    uint32_t reserved
    uint8_t store_uuid[16]
    uint64_t epoch
    uint8_t reserved_epoch[24]
    uint64_t committed_position
    uint8_t reserved_committed[56]
    uint64_t durable_position
    uint8_t reserved_durable[56]
