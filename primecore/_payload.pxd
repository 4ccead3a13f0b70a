# Payloads: the rules that the event types Prime knows obey. Knows nothing of envelopes, files or tables.

from primecore._event cimport event_t
from primecore._fields cimport fields_t
from primecore._json cimport parser_t, scan_error_t
from primecore._buffers cimport scratch_t


# Checks entity and fields by event.code, fills in what event_t has of the payload. 0, or a scan_error.
cdef int apply_rules(event_t* event, fields_t* fields, parser_t* parser) noexcept nogil

# For an event whose type, entity, payload and metadata are set (size 0: absent): checks all four as scan_line would,
# sets `code` and the payload's fields. error[0].offset counts from the start of the payload, or of the metadata where
# the field says so; it is 0 for the type and the entity.
cdef int decode_payload(event_t* event, scratch_t* scratch, scan_error_t* error) noexcept nogil

# The same fields from bytes that decode_payload or scan_line accepted before. SCAN_OK, or a code if they did not.
cdef int decode_trusted(event_t* event, scratch_t* scratch) noexcept nogil
