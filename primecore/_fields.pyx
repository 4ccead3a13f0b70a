# cython: language_level=3
"""The fields of a payload that Prime knows, noted in one pass whatever the event's type. Knows no rules."""

from libc.stdint cimport uint32_t
from libc.string cimport memcmp
from primecore._event cimport slice_t
from primecore._json cimport (
    JSON_NONE, JSON_OBJECT, JSON_STRING, SCAN_OK, close_keys, fail_duplicate, next_member, note_key, parser_t,
    walk_plain_string, walk_value,
)
from primecore._keyset cimport object_open, object_t


cdef int walk_field(parser_t* parser, uint32_t depth, field_t* field) noexcept nogil:
    cdef const char* start = parser.at
    cdef int kind
    if walk_plain_string(parser):
        field.kind = JSON_STRING
        field.escaped = 0
        field.text.data = start + 1
        field.text.size = <uint32_t>(parser.at - start) - 2
        return SCAN_OK
    kind = walk_value(parser, depth, NULL)
    if kind == JSON_NONE:
        return parser.error.code
    field.kind = <uint8_t>kind
    field.text.data = start
    field.text.size = <uint32_t>(parser.at - start)
    if kind == JSON_STRING:
        field.escaped = parser.escaped
        field.text.data += 1
        field.text.size -= 2
    return SCAN_OK


cdef inline int slot_of(slice_t key) noexcept nogil:
    """The slot of a payload's key, -1 for one that Prime does not know."""
    cdef const char* name = key.data
    if key.size == 10:
        if memcmp(name, b"properties", 10) == 0:
            return AT_PROPERTIES
        if memcmp(name, b"valid_from", 10) == 0:
            return AT_VALID_FROM
        if memcmp(name, b"dimensions", 10) == 0:
            return AT_DIMENSIONS
    elif key.size == 6:
        if memcmp(name, b"source", 6) == 0:
            return AT_SOURCE
        if memcmp(name, b"target", 6) == 0:
            return AT_TARGET
        if memcmp(name, b"weight", 6) == 0:
            return AT_WEIGHT
        if memcmp(name, b"domain", 6) == 0:
            return AT_DOMAIN
        if memcmp(name, b"labels", 6) == 0:
            return AT_LABELS
    elif key.size == 8:
        if memcmp(name, b"relation", 8) == 0:
            return AT_RELATION
        if memcmp(name, b"valid_to", 8) == 0:
            return AT_VALID_TO
        if memcmp(name, b"metadata", 8) == 0:
            return AT_METADATA
    elif key.size == 9:
        if memcmp(name, b"node_type", 9) == 0:
            return AT_NODE_TYPE
        if memcmp(name, b"embedding", 9) == 0:
            return AT_EMBEDDING
    elif key.size == 4 and memcmp(name, b"text", 4) == 0:
        return AT_TEXT
    elif key.size == 7 and memcmp(name, b"reembed", 7) == 0:
        return AT_REEMBED
    elif key.size == 5 and memcmp(name, b"model", 5) == 0:
        return AT_MODEL
    return -1


cdef int walk_noting_one(
    parser_t* parser, uint32_t depth, const char* name, uint32_t name_size, int slot, fields_t* fields
) noexcept nogil:
    """Steps over the object at parser.at; of its members, `name` is noted in `slot`. 0, or a scan_error."""
    cdef object_t keys
    cdef slice_t key
    cdef field_t other
    cdef bint first = True
    cdef bint wanted
    cdef int more
    object_open(&parser.keyset, &keys)
    parser.at += 1
    while True:
        more = next_member(parser, first, &key)
        if more <= 0:
            return parser.error.code if more < 0 else close_keys(parser, &keys)
        first = False
        if note_key(parser, &keys, key) != SCAN_OK:
            return parser.error.code
        wanted = key.size == name_size and memcmp(key.data, name, name_size) == 0
        if walk_field(parser, depth, &fields.at[slot] if wanted else &other) != SCAN_OK:
            return parser.error.code
        if wanted:
            fields.present |= <uint32_t>1 << slot


cdef int walk_metadata(parser_t* parser, fields_t* fields) noexcept nogil:
    fields.metadata_end = parser.end
    return walk_noting_one(parser, 1, b"embedding", 9, AT_METADATA_EMBEDDING, fields)


cdef int walk_properties(parser_t* parser, fields_t* fields) noexcept nogil:
    cdef field_t* field = &fields.at[AT_PROPERTIES]
    cdef int status
    field.kind = JSON_OBJECT
    field.text.data = parser.at
    status = walk_noting_one(parser, 2, b"domain", 6, AT_PROPERTIES_DOMAIN, fields)
    field.text.size = <uint32_t>(parser.at - field.text.data)
    return status


cdef int walk_payload(parser_t* parser, fields_t* fields) noexcept nogil:
    cdef object_t keys
    cdef slice_t key
    cdef field_t other
    cdef field_t* field
    cdef bint first = True
    cdef int more, slot, status
    object_open(&parser.keyset, &keys)
    parser.at += 1
    while True:
        more = next_member(parser, first, &key)
        if more <= 0:
            return parser.error.code if more < 0 else close_keys(parser, &keys)
        first = False
        slot = slot_of(key)
        if slot < 0:
            if note_key(parser, &keys, key) != SCAN_OK:
                return parser.error.code
            field = &other
        else:
            if fields.present >> slot & 1:
                return fail_duplicate(parser, parser.raw_key)
            fields.present |= <uint32_t>1 << slot
            field = &fields.at[slot]
        if slot == AT_PROPERTIES and parser.at < parser.end and parser.at[0] == c'{':
            status = walk_properties(parser, fields)
        else:
            status = walk_field(parser, 1, field)
        if status != SCAN_OK:
            return status
