# cython: language_level=3
"""Payloads: the rules that the event types Prime knows obey. Knows nothing of envelopes, files or tables."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memchr, memcmp, memset
from primecore._embedding cimport embedding_capacity, embedding_read
from primecore._event cimport (
    CODE_CUSTOM, CODE_EDGE_CREATED, CODE_EDGE_UPDATED, CODE_NODE_CREATED, CODE_NODE_DELETED, CODE_SPACE_DEFINED,
    CODE_VECTOR_DELETED, CODE_VECTOR_STORED, FIELD_ABSENT, FIELD_CLEARED, FIELD_SET, MAX_DEPTH, MAX_METADATA_BYTES,
    MAX_PAYLOAD_BYTES, event_t, slice_t,
)
from primecore._fields cimport (
    AT_DIMENSIONS, AT_DOMAIN, AT_EMBEDDING, AT_LABELS, AT_METADATA, AT_METADATA_EMBEDDING, AT_MODEL, AT_NODE_TYPE,
    AT_PROPERTIES, AT_PROPERTIES_DOMAIN, AT_REEMBED, AT_RELATION, AT_SOURCE, AT_TARGET, AT_TEXT, AT_VALID_FROM, AT_VALID_TO,
    AT_WEIGHT, field_t, fields_t, walk_metadata, walk_payload,
)
from primecore._json cimport (
    JSON_ARRAY, JSON_NULL, JSON_NUMBER, JSON_OBJECT, JSON_STRING, JSON_TRUE, SCAN_METADATA_TOO_LARGE, SCAN_MISSING, SCAN_NO_MEMORY,
    SCAN_OK, SCAN_PAYLOAD_TOO_LARGE, SCAN_TRAILING_TEXT, SCAN_WANT_DIMENSIONS, SCAN_WANT_EDGE_ID, SCAN_WANT_EMBEDDING,
    SCAN_WANT_ENTITY_ID, SCAN_WANT_EVENT_TYPE, SCAN_WANT_FINITE_NUMBER, SCAN_WANT_NODE_ID, SCAN_WANT_NODE_TYPE,
    SCAN_WANT_OBJECT, SCAN_WANT_RELATION, SCAN_WANT_SAME_DIMENSIONS, SCAN_WANT_SPACE_ID, SCAN_WANT_STRING,
    SCAN_WANT_STRINGS, SCAN_WANT_STRING_OR_NULL, SCAN_WANT_TIME, SCAN_WANT_TIME_OR_NULL, SCAN_WANT_VECTOR_ID, kind_at,
    parser_fail, parser_open, parser_refuse, parser_t, scan_error_t, unescape,
)
from primecore._literals cimport check_entity_id, check_event_type, event_code_of, parse_double
from primecore._buffers cimport scratch_t, scratch_take
from primecore._times cimport parse_time


cdef extern from "json_text.h" nogil:
    int text_string(const char** at, const char* end, uint8_t* escaped) noexcept
    const char* text_skip_space(const char* at, const char* end) noexcept


cdef inline const char* place_of(const field_t* field) noexcept nogil:
    return field.text.data - (1 if field.kind == JSON_STRING else 0)


cdef inline field_t* given(fields_t* fields, int slot) noexcept nogil:
    """The field, NULL where it is absent or null."""
    return &fields.at[slot] if fields.present >> slot & 1 and fields.at[slot].kind != JSON_NULL else NULL


cdef int take_string(parser_t* parser, field_t* field, int code, const char* name, slice_t* out) noexcept nogil:
    """The unescaped string in out[0]; refuses another kind with `code`."""
    if field.kind != JSON_STRING:
        return parser_refuse(parser, code, place_of(field), name)
    out[0] = field.text
    if field.escaped and unescape(out, 1, parser.scratch) != 0:
        return parser_fail(parser, SCAN_NO_MEMORY, field.text.data)
    return SCAN_OK


cdef int take_optional(
    parser_t* parser, fields_t* fields, int slot, int kind, int code, const char* name
) noexcept nogil:
    """Refuses a field that is given and of another kind."""
    cdef field_t* field = given(fields, slot)
    if field is not NULL and field.kind != kind:
        return parser_refuse(parser, code, place_of(field), name)
    return SCAN_OK


cdef int take_properties(parser_t* parser, fields_t* fields, event_t* event) noexcept nogil:
    cdef field_t* field = given(fields, AT_PROPERTIES)
    if field is NULL:
        return SCAN_OK
    if field.kind != JSON_OBJECT:
        return parser_refuse(parser, SCAN_WANT_OBJECT, place_of(field), b"payload.properties")
    event.properties = field.text
    return SCAN_OK


cdef int take_labels(parser_t* parser, fields_t* fields, event_t* event) noexcept nogil:
    """The array's text; it is known to be good JSON, so only what begins each element is looked at."""
    cdef field_t* field = given(fields, AT_LABELS)
    cdef const char* at
    cdef const char* end
    cdef uint8_t escaped
    if field is NULL:
        return SCAN_OK
    at = place_of(field)
    if field.kind != JSON_ARRAY:
        return parser_refuse(parser, SCAN_WANT_STRINGS, at, b"payload.labels")
    end = at + field.text.size
    at = text_skip_space(at + 1, end)
    while at[0] != c']':
        if at[0] != c'"':
            return parser_refuse(parser, SCAN_WANT_STRINGS, at, b"payload.labels")
        at += 1
        text_string(&at, end, &escaped)
        at = text_skip_space(at + 1, end)
        if at[0] == c',':
            at = text_skip_space(at + 1, end)
    event.labels = field.text
    return SCAN_OK


cdef int take_domain(parser_t* parser, fields_t* fields, event_t* event) noexcept nogil:
    cdef field_t* field = &fields.at[AT_DOMAIN]
    if fields.present >> AT_DOMAIN & 1:
        event.domain_state = FIELD_CLEARED if field.kind == JSON_NULL else FIELD_SET
        if event.domain_state == FIELD_CLEARED:
            return SCAN_OK
        return take_string(parser, field, SCAN_WANT_STRING_OR_NULL, b"payload.domain", &event.domain)
    if fields.present >> AT_PROPERTIES_DOMAIN & 1:
        # What is no string is no domain: properties are the user's own, so that is nothing to refuse.
        field = &fields.at[AT_PROPERTIES_DOMAIN]
        event.domain_state = FIELD_SET if field.kind == JSON_STRING else FIELD_CLEARED
        if event.domain_state == FIELD_SET:
            return take_string(parser, field, SCAN_WANT_STRING, b"payload.properties.domain", &event.domain)
    return SCAN_OK


cdef int take_time(
    parser_t* parser, fields_t* fields, int slot, bint clears, const char* name, uint8_t* state, int64_t* out_us
) noexcept nogil:
    cdef field_t* field = &fields.at[slot]
    cdef slice_t text
    cdef int code = SCAN_WANT_TIME_OR_NULL if clears else SCAN_WANT_TIME
    state[0] = FIELD_ABSENT
    if not fields.present >> slot & 1:
        return SCAN_OK
    if field.kind == JSON_NULL:
        state[0] = FIELD_CLEARED if clears else FIELD_ABSENT
        return SCAN_OK
    if take_string(parser, field, code, name, &text) != SCAN_OK:
        return parser.error.code
    if parse_time(text.data, text.size, out_us) != 0:
        return parser_refuse(parser, code, place_of(field), name)
    state[0] = FIELD_SET
    return SCAN_OK


cdef int take_name(
    parser_t* parser, fields_t* fields, int slot, int code, const char* name, slice_t* out
) noexcept nogil:
    """A required entity id or relation."""
    cdef field_t* field = &fields.at[slot]
    if not fields.present >> slot & 1:
        return parser_refuse(parser, SCAN_MISSING, fields.begin, name)
    if take_string(parser, field, SCAN_WANT_STRING, name, out) != SCAN_OK:
        return parser.error.code
    if check_entity_id(out[0]) != 0:
        return parser_refuse(parser, code, place_of(field), name)
    return SCAN_OK


cdef inline bint begins_with(slice_t text, const char* prefix, uint32_t size) noexcept nogil:
    """Whether `text` is the prefix and at least one byte more."""
    return text.size > size and memcmp(text.data, prefix, size) == 0


cdef int apply_node(event_t* event, fields_t* fields, parser_t* parser) noexcept nogil:
    cdef slice_t text = event.entity
    cdef const char* colon = NULL
    cdef field_t* node_type = given(fields, AT_NODE_TYPE)
    cdef uint32_t type_size
    if begins_with(text, b"node:", 5):
        colon = <const char*>memchr(text.data + 5, c':', text.size - 5)
    if colon is NULL or colon == text.data + 5 or colon + 1 == text.data + text.size:
        return parser_refuse(parser, SCAN_WANT_NODE_ID, fields.entity_at, b"entity_id")
    if event.code == CODE_NODE_DELETED:
        return SCAN_OK
    if take_properties(parser, fields, event) != SCAN_OK or take_labels(parser, fields, event) != SCAN_OK:
        return parser.error.code
    if take_domain(parser, fields, event) != SCAN_OK:
        return parser.error.code
    if event.properties.size == 0:
        if fields.present >> AT_PROPERTIES & 1 and event.code == CODE_NODE_CREATED:
            return parser_refuse(parser, SCAN_WANT_OBJECT, fields.at[AT_PROPERTIES].text.data, b"payload.properties")
        if event.code == CODE_NODE_CREATED or (event.labels.size == 0 and event.domain_state == FIELD_ABSENT):
            return parser_refuse(parser, SCAN_MISSING, fields.begin, b"payload.properties")
    if event.code == CODE_NODE_CREATED and node_type is not NULL:
        if take_string(parser, node_type, SCAN_WANT_STRING, b"payload.node_type", &text) != SCAN_OK:
            return parser.error.code
        type_size = <uint32_t>(colon - event.entity.data) - 5
        if text.size != type_size or memcmp(text.data, event.entity.data + 5, type_size) != 0:
            return parser_refuse(parser, SCAN_WANT_NODE_TYPE, place_of(node_type), b"payload.node_type")
    return SCAN_OK


cdef int apply_edge(event_t* event, fields_t* fields, parser_t* parser) noexcept nogil:
    cdef field_t* weight = given(fields, AT_WEIGHT)
    cdef bint updates = event.code == CODE_EDGE_UPDATED
    if not begins_with(event.entity, b"edge:", 5):
        return parser_refuse(parser, SCAN_WANT_EDGE_ID, fields.entity_at, b"entity_id")
    if not updates and event.code != CODE_EDGE_CREATED:
        return SCAN_OK
    if not updates and (
        take_name(parser, fields, AT_SOURCE, SCAN_WANT_ENTITY_ID, b"payload.source", &event.source) != SCAN_OK
        or take_name(parser, fields, AT_TARGET, SCAN_WANT_ENTITY_ID, b"payload.target", &event.target) != SCAN_OK
        or take_name(parser, fields, AT_RELATION, SCAN_WANT_RELATION, b"payload.relation", &event.relation) != SCAN_OK
    ):
        return parser.error.code
    if weight is not NULL:
        if weight.kind != JSON_NUMBER or parse_double(weight.text.data, weight.text.size, &event.weight) != 0:
            return parser_refuse(parser, SCAN_WANT_FINITE_NUMBER, place_of(weight), b"payload.weight")
        event.has_weight = 1
    if take_properties(parser, fields, event) != SCAN_OK:
        return parser.error.code
    if take_time(
        parser, fields, AT_VALID_FROM, updates, b"payload.valid_from", &event.valid_from_state, &event.valid_from_us
    ) != SCAN_OK:
        return parser.error.code
    return take_time(
        parser, fields, AT_VALID_TO, updates, b"payload.valid_to", &event.valid_to_state, &event.valid_to_us
    )


cdef int take_dimensions(parser_t* parser, fields_t* fields, uint32_t* out) noexcept nogil:
    """An integer from 1 to 65,536, written without point or exponent. out[0] is 0 where there is none."""
    cdef field_t* field = given(fields, AT_DIMENSIONS)
    cdef uint32_t i
    out[0] = 0
    if field is NULL:
        return SCAN_OK
    if field.kind == JSON_NUMBER and field.text.size <= 5:
        for i in range(field.text.size):
            if <uint8_t>(field.text.data[i] - c'0') > 9:
                out[0] = 0
                break
            out[0] = out[0] * 10 + <uint8_t>(field.text.data[i] - c'0')
    if out[0] == 0 or out[0] > 65536:
        return parser_refuse(parser, SCAN_WANT_DIMENSIONS, place_of(field), b"payload.dimensions")
    return SCAN_OK


cdef int take_embedding(
    parser_t* parser, field_t* field, const char* name, event_t* event
) noexcept nogil:
    cdef slice_t text = field.text
    cdef const char* fault
    cdef float* numbers
    cdef uint32_t capacity
    cdef int code
    if field.kind != JSON_ARRAY and field.kind != JSON_STRING:
        return parser_refuse(parser, SCAN_WANT_EMBEDDING, place_of(field), name)
    if field.kind == JSON_STRING and take_string(parser, field, SCAN_WANT_EMBEDDING, name, &text) != SCAN_OK:
        return parser.error.code
    capacity = embedding_capacity(text, field.kind == JSON_ARRAY)
    numbers = <float*>scratch_take(parser.scratch, <size_t>capacity * sizeof(float) + 1)
    if numbers is NULL:
        return parser_fail(parser, SCAN_NO_MEMORY, text.data)
    code = embedding_read(text, field.kind == JSON_ARRAY, numbers, capacity, &event.dimensions, &fault)
    event.vector = numbers
    if code != SCAN_OK:
        return parser_refuse(parser, code, fault if field.kind == JSON_ARRAY else place_of(field), name)
    return SCAN_OK


cdef int apply_vector(event_t* event, fields_t* fields, parser_t* parser) noexcept nogil:
    cdef field_t* field = given(fields, AT_EMBEDDING)
    cdef const char* end = parser.end
    cdef uint32_t dimensions
    if not begins_with(event.entity, b"vec:", 4):
        return parser_refuse(parser, SCAN_WANT_VECTOR_ID, fields.entity_at, b"entity_id")
    if event.code == CODE_VECTOR_DELETED:
        return SCAN_OK
    if field is not NULL:
        if take_embedding(parser, field, b"payload.embedding", event) != SCAN_OK:
            return parser.error.code
    else:
        field = given(fields, AT_METADATA_EMBEDDING)
        if field is NULL:
            return parser_refuse(parser, SCAN_MISSING, fields.begin, b"payload.embedding")
        parser.end = fields.metadata_end
        if take_embedding(parser, field, b"metadata.embedding", event) != SCAN_OK:
            return parser.error.code
        parser.end = end
    if take_dimensions(parser, fields, &dimensions) != SCAN_OK:
        return parser.error.code
    if dimensions != 0 and dimensions != event.dimensions:
        return parser_refuse(
            parser, SCAN_WANT_SAME_DIMENSIONS, fields.at[AT_DIMENSIONS].text.data, b"payload.dimensions"
        )
    field = given(fields, AT_TEXT)
    event.text.size = 0
    if field is not NULL and take_string(parser, field, SCAN_WANT_STRING, b"payload.text", &event.text) != SCAN_OK:
        return parser.error.code
    if take_optional(parser, fields, AT_METADATA, JSON_OBJECT, SCAN_WANT_OBJECT, b"payload.metadata") != SCAN_OK:
        return parser.error.code
    field = given(fields, AT_METADATA)
    event.about.size = 0
    if field is not NULL:
        event.about = field.text
    return SCAN_OK


cdef int apply_space(event_t* event, fields_t* fields, parser_t* parser) noexcept nogil:
    if not begins_with(event.entity, b"space:", 6):
        return parser_refuse(parser, SCAN_WANT_SPACE_ID, fields.entity_at, b"entity_id")
    if take_dimensions(parser, fields, &event.dimensions) != SCAN_OK:
        return parser.error.code
    if event.dimensions == 0:
        return parser_refuse(parser, SCAN_MISSING, fields.begin, b"payload.dimensions")
    cdef field_t* field = given(fields, AT_MODEL)
    event.model.size = 0
    if field is not NULL and (
        take_string(parser, field, SCAN_WANT_STRING_OR_NULL, b"payload.model", &event.model) != SCAN_OK
    ):
        return parser.error.code
    # Anything but true is a fact without effect, as it was before the field was known.
    field = given(fields, AT_REEMBED)
    event.reembeds = field is not NULL and field.kind == JSON_TRUE
    return SCAN_OK


cdef int apply_rules(event_t* event, fields_t* fields, parser_t* parser) noexcept nogil:
    if event.payload.size:
        fields.begin = event.payload.data
    if event.code == CODE_CUSTOM:
        return SCAN_OK
    if event.code <= CODE_NODE_DELETED:
        return apply_node(event, fields, parser)
    if event.code < CODE_VECTOR_STORED:
        return apply_edge(event, fields, parser)
    if event.code < CODE_SPACE_DEFINED:
        return apply_vector(event, fields, parser)
    return apply_space(event, fields, parser)


# ---- events that are no line: the Python API and replay ----

cdef int walk_part(
    event_t* event, slice_t* part, fields_t* fields, parser_t* parser, scratch_t* scratch, bint is_payload
) noexcept nogil:
    """Checks the payload or metadata as a text of its own, trims the white space around it. 0, or a scan_error."""
    cdef const char* field = b"payload" if is_payload else b"metadata"
    cdef uint32_t limit = MAX_PAYLOAD_BYTES if is_payload else MAX_METADATA_BYTES
    cdef int status
    parser_open(parser, part.data, part.size, MAX_DEPTH, scratch)
    parser.at = text_skip_space(parser.at, parser.end)
    if kind_at(parser.at, parser.end) != JSON_OBJECT:
        return parser_refuse(parser, SCAN_WANT_OBJECT, parser.at, field)
    part.data = parser.at
    status = walk_payload(parser, fields) if is_payload else walk_metadata(parser, fields)
    if status != SCAN_OK:
        parser.error.field.data = field
        parser.error.field.size = 7 if is_payload else 8
        return status
    part.size = <uint32_t>(parser.at - part.data)
    if part.size > limit:
        status = SCAN_PAYLOAD_TOO_LARGE if is_payload else SCAN_METADATA_TOO_LARGE
        return parser_refuse(parser, status, part.data, field)
    if text_skip_space(parser.at, parser.end) != parser.end:
        return parser_refuse(parser, SCAN_TRAILING_TEXT, parser.at, field)
    return SCAN_OK


cdef void place_error(event_t* event, parser_t* parser, scan_error_t* error) noexcept nogil:
    cdef const char* at = parser.error.at
    if at is NULL:
        parser.error.offset = 0
    elif event.payload.size and event.payload.data <= at <= event.payload.data + event.payload.size:
        parser.error.offset = <uint32_t>(at - event.payload.data)
    elif event.metadata.size and event.metadata.data <= at <= event.metadata.data + event.metadata.size:
        parser.error.offset = <uint32_t>(at - event.metadata.data)
        parser.error.other = event.metadata
    error[0] = parser.error


cdef int decode_parts(event_t* event, scratch_t* scratch, parser_t* parser, bint trusted) noexcept nogil:
    cdef fields_t fields
    fields.present = 0
    fields.entity_at = NULL
    fields.begin = NULL
    parser_open(parser, NULL, 0, MAX_DEPTH, scratch)
    if not trusted or event.code == CODE_CUSTOM:
        # A record names a known type by its code: there is nothing to check, or to look up.
        event.code = <uint8_t>event_code_of(event.type)
        if event.code == CODE_CUSTOM and check_event_type(event.type) != 0:
            return parser_refuse(parser, SCAN_WANT_EVENT_TYPE, NULL, b"event_type")
    if check_entity_id(event.entity) != 0:
        return parser_refuse(parser, SCAN_WANT_ENTITY_ID, NULL, b"entity_id")
    if event.metadata.size and walk_part(event, &event.metadata, &fields, parser, scratch, False) != SCAN_OK:
        return parser.error.code
    if event.payload.size and walk_part(event, &event.payload, &fields, parser, scratch, True) != SCAN_OK:
        return parser.error.code
    return apply_rules(event, &fields, parser)


cdef void forget_fields(event_t* event) noexcept nogil:
    """An event_t may be used again: nothing of an earlier decoding may stay."""
    event.domain_state = event.valid_from_state = event.valid_to_state = FIELD_ABSENT
    event.has_weight = 0
    event.weight = 0.0
    event.dimensions = 0
    event.vector = NULL
    event.reembeds = 0
    event.valid_from_us = event.valid_to_us = 0
    memset(&event.properties, 0, sizeof(slice_t))
    memset(&event.labels, 0, sizeof(slice_t))
    memset(&event.domain, 0, sizeof(slice_t))
    memset(&event.source, 0, sizeof(slice_t))
    memset(&event.target, 0, sizeof(slice_t))
    memset(&event.relation, 0, sizeof(slice_t))
    memset(&event.text, 0, sizeof(slice_t))
    memset(&event.about, 0, sizeof(slice_t))
    memset(&event.model, 0, sizeof(slice_t))


cdef int decode_payload(event_t* event, scratch_t* scratch, scan_error_t* error) noexcept nogil:
    cdef parser_t parser
    cdef int code
    forget_fields(event)
    code = decode_parts(event, scratch, &parser, False)
    if code != SCAN_OK:
        place_error(event, &parser, error)
    return code


cdef int decode_trusted(event_t* event, scratch_t* scratch) noexcept nogil:
    cdef parser_t parser
    forget_fields(event)
    return decode_parts(event, scratch, &parser, True)
