"""One record of the log: its size, writing, checking, reading and hashing it. Knows bytes; no segment, no file."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from primecore._crc32c cimport crc32c_extend
from primecore._event cimport (CODE_CUSTOM, CODE_SPACE_DEFINED, MAX_ENTITY_ID_BYTES, MAX_EVENT_TYPE_BYTES,
                               MAX_METADATA_BYTES, MAX_PAYLOAD_BYTES, event_t, slice_t)
from primecore._format cimport (CHAIN_INPUT_BYTES, FLAG_ERASED, FLAG_ID_ASSIGNED, FLAG_TIME_ASSIGNED, FLAGS_KNOWN,
                                FLAGS_LOGICAL, KIND_COMMIT, KIND_EVENT, PROMISE_BYTES, RECORD_BYTES,
                                SEGMENT_HEADER_BYTES, commit_t, live_t, promise_t, record_t, segment_header_t)

cdef extern from "atomics.h" nogil:
    uint32_t load_acquire_u32(const uint32_t*)
    void store_release_u32(uint32_t*, uint32_t)

cdef extern from "xxhash.h" nogil:
    ctypedef struct XXH128_hash_t:
        pass
    ctypedef struct XXH128_canonical_t:
        uint8_t digest[16]
    XXH128_hash_t XXH3_128bits(const void*, size_t)
    XXH128_hash_t XXH3_128bits_withSeed(const void*, size_t, uint64_t)
    void XXH128_canonicalFromHash(XXH128_canonical_t*, XXH128_hash_t)


cdef slice_t[10] type_names


cdef void name_types() noexcept:
    type_names[1].data = "prime.node.created"
    type_names[2].data = "prime.node.updated"
    type_names[3].data = "prime.node.deleted"
    type_names[4].data = "prime.edge.created"
    type_names[5].data = "prime.edge.updated"
    type_names[6].data = "prime.edge.deleted"
    type_names[7].data = "prime.vector.stored"
    type_names[8].data = "prime.vector.deleted"
    type_names[9].data = "prime.space.defined"
    for code in range(1, 10):
        type_names[code].size = 18 if code < 7 else 19 if code != 8 else 20


cdef uint8_t record_code(slice_t type) noexcept nogil:
    cdef uint8_t code
    for code in range(1, 10):
        if type_names[code].size == type.size and memcmp(type_names[code].data, type.data, type.size) == 0:
            return code
    return CODE_CUSTOM


cdef uint64_t record_size(const event_t* event) noexcept nogil:
    cdef uint64_t size
    if event.entity.size - 1 >= MAX_ENTITY_ID_BYTES or event.payload.size > MAX_PAYLOAD_BYTES:
        return 0
    if event.metadata.size > MAX_METADATA_BYTES or event.code > CODE_SPACE_DEFINED:
        return 0
    size = <uint64_t>RECORD_BYTES + event.entity.size + event.payload.size + event.metadata.size + 7
    if event.code == CODE_CUSTOM:
        if event.type.size - 1 >= MAX_EVENT_TYPE_BYTES:
            return 0
        size += event.type.size
    return size & ~<uint64_t>7


cdef inline uint32_t record_crc(const char* at, uint32_t size, uint32_t crc_seed) noexcept nogil:
    cdef uint32_t crc = crc32c_extend(crc_seed, &size, 4)
    return crc32c_extend(crc, at + 8, size - 8)


cdef inline char* put(char* at, slice_t part) noexcept nogil:
    memcpy(at, part.data, part.size)
    return at + part.size


cdef void record_write(char* at, const event_t* event, uint64_t size, uint16_t batch_flags, uint64_t nonce,
                       uint32_t crc_seed) noexcept nogil:
    cdef record_t* record = <record_t*>at
    cdef uint8_t custom = event.code == CODE_CUSTOM
    cdef char* end
    record.position = event.position
    record.time_us = event.time_us
    memcpy(record.event_id, event.event_id, 16)
    memcpy(record.nonce, &nonce, 8)
    memset(record.nonce + 8, 0, 8)
    record.payload_bytes = event.payload.size
    record.metadata_bytes = event.metadata.size
    record.version = event.version
    record.namespace = 0
    record.entity_bytes = <uint16_t>event.entity.size
    record.flags = batch_flags | (0 if event.has_time else FLAG_TIME_ASSIGNED) | \
        (0 if event.has_event_id else FLAG_ID_ASSIGNED)
    record.kind = KIND_EVENT
    record.code = event.code
    record.type_bytes = <uint8_t>event.type.size if custom else 0
    record.reserved = 0
    end = put(at + RECORD_BYTES, event.entity)
    if custom:
        end = put(end, event.type)
    if event.payload.size:
        end = put(end, event.payload)
    if event.metadata.size:
        end = put(end, event.metadata)
    memset(end, 0, at + size - end)
    record.crc32c = record_crc(at, <uint32_t>size, crc_seed)


cdef void commit_write(char* at, uint64_t position, uint32_t event_count, uint64_t durable_position,
                       const uint8_t* batch_hash, uint32_t crc_seed) noexcept nogil:
    cdef commit_t* commit = <commit_t*>at
    memset(at + 4, 0, RECORD_BYTES - 4)
    commit.position = position
    commit.durable_position = durable_position
    memcpy(commit.batch_hash, batch_hash, 16)
    commit.event_count = event_count
    commit.kind = KIND_COMMIT
    commit.crc32c = record_crc(at, RECORD_BYTES, crc_seed)


cdef void record_publish(char* at, uint32_t size) noexcept nogil:
    store_release_u32(<uint32_t*>at, size)


cdef uint32_t record_length(const char* at) noexcept nogil:
    return load_acquire_u32(<const uint32_t*>at)


cdef void record_reseed(char* at, uint32_t size, uint32_t crc_seed) noexcept nogil:
    (<record_t*>at).crc32c = record_crc(at, size, crc_seed)


cdef int record_check(const char* at, uint64_t room, uint32_t crc_seed) noexcept nogil:
    cdef uint32_t length
    cdef uint64_t end
    cdef const record_t* record = <const record_t*>at
    cdef const commit_t* commit = <const commit_t*>at
    if room < RECORD_BYTES:
        return RECORD_CUT
    length = record_length(at)
    if length < RECORD_BYTES or length & 7:
        return RECORD_LENGTH
    if length > room:
        return RECORD_CUT
    if record_crc(at, length, crc_seed) != record.crc32c:
        return RECORD_CHECKSUM
    if record.kind == KIND_COMMIT:
        return RECORD_FINE if length == RECORD_BYTES and commit.event_count else RECORD_FIELDS
    if record.kind != KIND_EVENT or record.flags & ~<uint16_t>FLAGS_KNOWN or record.entity_bytes == 0:
        return RECORD_FIELDS
    if record.code > CODE_SPACE_DEFINED or (record.code == CODE_CUSTOM) != (record.type_bytes != 0):
        return RECORD_FIELDS
    end = <uint64_t>RECORD_BYTES + record.entity_bytes + record.type_bytes
    end += <uint64_t>record.payload_bytes + record.metadata_bytes
    return RECORD_FINE if (end + 7) & ~<uint64_t>7 == length else RECORD_FIELDS


cdef void record_read(const char* at, event_t* out) noexcept nogil:
    cdef const record_t* record = <const record_t*>at
    cdef const char* next = at + RECORD_BYTES
    memset(out, 0, sizeof(event_t))
    out.position = record.position
    out.time_us = record.time_us
    memcpy(out.event_id, record.event_id, 16)
    out.version = record.version
    out.code = record.code
    out.has_time = not record.flags & FLAG_TIME_ASSIGNED
    out.has_event_id = not record.flags & FLAG_ID_ASSIGNED
    out.entity.data = next
    out.entity.size = record.entity_bytes
    next += record.entity_bytes
    if record.code == CODE_CUSTOM:
        out.type.data = next
        out.type.size = record.type_bytes
        next += record.type_bytes
    else:
        out.type = type_names[record.code]
    if record.flags & FLAG_ERASED:
        out.erased = 1
        return
    out.payload.data = next
    out.payload.size = record.payload_bytes
    out.metadata.data = next + record.payload_bytes
    out.metadata.size = record.metadata_bytes


cdef void chain_extend(uint8_t* chain, const char* at) noexcept nogil:
    cdef uint8_t[CHAIN_INPUT_BYTES] joined
    cdef XXH128_canonical_t canonical
    cdef record_t* record = <record_t*>(joined + 16)
    cdef uint32_t named_bytes
    cdef uint64_t seed
    memcpy(joined, chain, 16)
    memcpy(record, at, RECORD_BYTES)
    named_bytes = record.entity_bytes + record.type_bytes
    if not record.flags & FLAG_ERASED:
        memcpy(&seed, record.nonce, 8)
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSeed(
            at + RECORD_BYTES + named_bytes, <size_t>record.payload_bytes + record.metadata_bytes, seed))
        memcpy(record.nonce, canonical.digest, 16)
    record.length = 0
    record.crc32c = 0
    record.flags &= FLAGS_LOGICAL
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(at + RECORD_BYTES, named_bytes))
    memcpy(joined + 16 + RECORD_BYTES, canonical.digest, 16)
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(joined, CHAIN_INPUT_BYTES))
    memcpy(chain, canonical.digest, 16)


FAULT_WORDS = {
    RECORD_LENGTH: "no record has such a length",
    RECORD_CUT: "the record is longer than its file",
    RECORD_CHECKSUM: "the checksum does not hold",
    RECORD_FIELDS: "the checksum holds, but the fields contradict each other",
    RECORD_POSITION: "the record's position is not the one due here",
    RECORD_BATCH: "a batch whose beginning, count or hash does not fit",
}


def layout() -> dict[str, list[tuple[str, int, int]]]:
    """The compiled layout: for each struct of the format, its fields as (name, offset, size), both in bytes."""
    cdef segment_header_t h
    cdef promise_t p
    cdef record_t r
    cdef commit_t c
    cdef live_t l
    return {
        "segment_header_t": [
            ("magic", <char*>&h.magic - <char*>&h, sizeof(h.magic)),
            ("format_version", <char*>&h.format_version - <char*>&h, sizeof(h.format_version)),
            ("header_bytes", <char*>&h.header_bytes - <char*>&h, sizeof(h.header_bytes)),
            ("store_uuid", <char*>&h.store_uuid - <char*>&h, sizeof(h.store_uuid)),
            ("segment_id", <char*>&h.segment_id - <char*>&h, sizeof(h.segment_id)),
            ("base_position", <char*>&h.base_position - <char*>&h, sizeof(h.base_position)),
            ("previous_bytes", <char*>&h.previous_bytes - <char*>&h, sizeof(h.previous_bytes)),
            ("previous_chain", <char*>&h.previous_chain - <char*>&h, sizeof(h.previous_chain)),
            ("salt", <char*>&h.salt - <char*>&h, sizeof(h.salt)),
            ("segment_bytes", <char*>&h.segment_bytes - <char*>&h, sizeof(h.segment_bytes)),
            ("created_us", <char*>&h.created_us - <char*>&h, sizeof(h.created_us)),
            ("reserved", <char*>&h.reserved - <char*>&h, sizeof(h.reserved)),
            ("crc32c", <char*>&h.crc32c - <char*>&h, sizeof(h.crc32c)),
        ],
        "promise_t": [
            ("sequence", <char*>&p.sequence - <char*>&p, sizeof(p.sequence)),
            ("durable_position", <char*>&p.durable_position - <char*>&p, sizeof(p.durable_position)),
            ("clean_bytes", <char*>&p.clean_bytes - <char*>&p, sizeof(p.clean_bytes)),
            ("reserved", <char*>&p.reserved - <char*>&p, sizeof(p.reserved)),
            ("crc32c", <char*>&p.crc32c - <char*>&p, sizeof(p.crc32c)),
        ],
        "record_t": [
            ("length", <char*>&r.length - <char*>&r, sizeof(r.length)),
            ("crc32c", <char*>&r.crc32c - <char*>&r, sizeof(r.crc32c)),
            ("position", <char*>&r.position - <char*>&r, sizeof(r.position)),
            ("time_us", <char*>&r.time_us - <char*>&r, sizeof(r.time_us)),
            ("event_id", <char*>&r.event_id - <char*>&r, sizeof(r.event_id)),
            ("nonce", <char*>&r.nonce - <char*>&r, sizeof(r.nonce)),
            ("payload_bytes", <char*>&r.payload_bytes - <char*>&r, sizeof(r.payload_bytes)),
            ("metadata_bytes", <char*>&r.metadata_bytes - <char*>&r, sizeof(r.metadata_bytes)),
            ("version", <char*>&r.version - <char*>&r, sizeof(r.version)),
            ("namespace", <char*>&r.namespace - <char*>&r, sizeof(r.namespace)),
            ("entity_bytes", <char*>&r.entity_bytes - <char*>&r, sizeof(r.entity_bytes)),
            ("flags", <char*>&r.flags - <char*>&r, sizeof(r.flags)),
            ("kind", <char*>&r.kind - <char*>&r, sizeof(r.kind)),
            ("code", <char*>&r.code - <char*>&r, sizeof(r.code)),
            ("type_bytes", <char*>&r.type_bytes - <char*>&r, sizeof(r.type_bytes)),
            ("reserved", <char*>&r.reserved - <char*>&r, sizeof(r.reserved)),
        ],
        "commit_t": [
            ("length", <char*>&c.length - <char*>&c, sizeof(c.length)),
            ("crc32c", <char*>&c.crc32c - <char*>&c, sizeof(c.crc32c)),
            ("position", <char*>&c.position - <char*>&c, sizeof(c.position)),
            ("durable_position", <char*>&c.durable_position - <char*>&c, sizeof(c.durable_position)),
            ("batch_hash", <char*>&c.batch_hash - <char*>&c, sizeof(c.batch_hash)),
            ("event_count", <char*>&c.event_count - <char*>&c, sizeof(c.event_count)),
            ("reserved", <char*>&c.reserved - <char*>&c, sizeof(c.reserved)),
            ("kind", <char*>&c.kind - <char*>&c, sizeof(c.kind)),
            ("reserved_tail", <char*>&c.reserved_tail - <char*>&c, sizeof(c.reserved_tail)),
        ],
        "live_t": [
            ("magic", <char*>&l.magic - <char*>&l, sizeof(l.magic)),
            ("format_version", <char*>&l.format_version - <char*>&l, sizeof(l.format_version)),
            ("reserved", <char*>&l.reserved - <char*>&l, sizeof(l.reserved)),
            ("store_uuid", <char*>&l.store_uuid - <char*>&l, sizeof(l.store_uuid)),
            ("epoch", <char*>&l.epoch - <char*>&l, sizeof(l.epoch)),
            ("reserved_epoch", <char*>&l.reserved_epoch - <char*>&l, sizeof(l.reserved_epoch)),
            ("committed_position", <char*>&l.committed_position - <char*>&l, sizeof(l.committed_position)),
            ("reserved_committed", <char*>&l.reserved_committed - <char*>&l, sizeof(l.reserved_committed)),
            ("durable_position", <char*>&l.durable_position - <char*>&l, sizeof(l.durable_position)),
            ("reserved_durable", <char*>&l.reserved_durable - <char*>&l, sizeof(l.reserved_durable)),
        ],
    }


name_types()
if (sizeof(record_t), sizeof(commit_t), sizeof(promise_t), sizeof(segment_header_t)) != \
        (RECORD_BYTES, RECORD_BYTES, PROMISE_BYTES, SEGMENT_HEADER_BYTES):
    raise ImportError("this compiler lays the log's structs out otherwise than docs/format.md says")
