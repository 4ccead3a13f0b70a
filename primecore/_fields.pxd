# The fields of a payload that Prime knows, noted in one pass whatever the event's type. Knows no rules.

from libc.stdint cimport uint8_t, uint32_t
from primecore._event cimport slice_t
from primecore._json cimport parser_t


# Where a payload's (or metadata's) value is noted, whatever the event's type: that may stand later in the line.
cdef enum:
    AT_SOURCE
    AT_TARGET
    AT_RELATION
    AT_WEIGHT
    AT_PROPERTIES
    AT_VALID_FROM
    AT_VALID_TO
    AT_DOMAIN
    AT_LABELS
    AT_NODE_TYPE
    AT_EMBEDDING
    AT_DIMENSIONS
    AT_TEXT
    AT_METADATA
    AT_MODEL
    AT_REEMBED
    AT_PROPERTIES_DOMAIN            # properties.domain
    AT_METADATA_EMBEDDING           # the envelope's metadata.embedding
    FIELD_SLOTS

ctypedef struct field_t:
    slice_t text                    # raw; a string's without its quotes
    uint8_t kind                    # json_kind
    uint8_t escaped

ctypedef struct fields_t:
    uint32_t present                # a bit for each field_slot
    field_t at[FIELD_SLOTS]
    const char* entity_at           # where the entity id stands in the text, NULL where it does not
    const char* metadata_end        # the end of the text that metadata stands in: not always the payload's
    const char* begin               # what a missing field is reported at where there is no payload, or NULL

# With parser.at at "{": step over the object, note its fields. 0, or a scan_error.
cdef int walk_payload(parser_t* parser, fields_t* fields) noexcept nogil
cdef int walk_metadata(parser_t* parser, fields_t* fields) noexcept nogil
# Steps over any value inside `depth` containers and notes it.
cdef int walk_field(parser_t* parser, uint32_t depth, field_t* field) noexcept nogil
