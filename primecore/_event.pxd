# The event as compiled code passes it around: an envelope of borrowed byte slices.
# Knows nothing of files, tables or Python.
#
# Every slice borrows: its bytes live in the caller's line buffer, in a mapped segment, or in the scratch memory that
# was handed to the scanner. An event_t is good for as long as those are, and no longer.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


# Codes of the event types that Prime itself understands. Written to disk: frozen, never renumbered.
cdef enum event_code:
    CODE_CUSTOM = 0
    CODE_NODE_CREATED = 1
    CODE_NODE_UPDATED = 2
    CODE_NODE_DELETED = 3
    CODE_EDGE_CREATED = 4
    CODE_EDGE_UPDATED = 5
    CODE_EDGE_DELETED = 6
    CODE_VECTOR_STORED = 7
    CODE_VECTOR_DELETED = 8
    CODE_SPACE_DEFINED = 9


# What an event says of an optional payload field.
cdef enum field_state:
    FIELD_ABSENT = 0
    FIELD_SET = 1
    FIELD_CLEARED = 2


cdef enum limit:
    NONE32 = 0xFFFFFFFF             # "no such number" wherever a u32 numbers things
    MAX_EVENT_TYPE_BYTES = 128
    MAX_ENTITY_ID_BYTES = 1024
    MAX_PAYLOAD_BYTES = 16777216    # 16 MiB
    MAX_METADATA_BYTES = 1048576    # 1 MiB
    MAX_DEPTH = 512


ctypedef struct slice_t:
    const char* data
    uint32_t size                   # bytes


ctypedef struct event_t:
    # Envelope. `entity` and `type` are unescaped UTF-8;
    # `payload` and `metadata` are JSON as it was given (size 0: absent).
    slice_t type
    slice_t entity
    slice_t payload
    slice_t metadata
    uint8_t event_id[16]
    int64_t time_us                 # microseconds since 1970-01-01 UTC
    uint64_t position
    uint32_t version
    uint32_t line                   # 1-based line of the source, 0 where there is none
    uint8_t code                    # event_code
    uint8_t has_event_id            # given by the source, not assigned
    uint8_t has_time                # given by the source, not assigned
    uint8_t erased                  # payload, metadata and nonce were blanked

    # What decode_payload() finds for the known types.
    uint8_t domain_state            # field_state; CLEARED also for a properties.domain that is no string
    uint8_t valid_from_state        # field_state
    uint8_t valid_to_state          # field_state
    uint8_t has_weight
    slice_t properties              # a JSON object (or merge patch), size 0: absent
    slice_t labels                  # a JSON array of strings, size 0: absent
    slice_t domain                  # unescaped UTF-8 when domain_state is FIELD_SET
    slice_t source                  # unescaped UTF-8
    slice_t target
    slice_t relation
    double weight
    int64_t valid_from_us
    int64_t valid_to_us
    uint32_t dimensions             # of a stored vector or a defined space
    const float* vector             # of a stored vector, in the scanner's scratch memory
    slice_t text                    # of a stored vector, unescaped UTF-8, size 0: absent
    slice_t about                   # of a stored vector: its metadata, a JSON object, size 0: absent
    slice_t model                   # of a defined space, unescaped UTF-8, size 0: unknown
    uint8_t reembeds                # of a defined space: the texts of the former one wait for new vectors

    # Filled in by the write path, for the tables.
    uint64_t entity_hash
    uint64_t source_hash
    uint64_t target_hash
    uint32_t entity_number
    uint32_t source_number
    uint32_t target_number
    # Of a slice that was looked up ahead: the numbers above and these are those that the keys had then, which they keep,
    # or NONE32.
    uint32_t relation_number
    uint32_t domain_number
    uint8_t looked_up
