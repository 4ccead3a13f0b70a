# Events out of JSON text: the envelope and the payloads of the types Prime knows. Knows nothing of files or tables.
# Everything but refusal() runs without the GIL. The names below can all be cimported from here.

from libc.stdint cimport uint32_t
from primecore._embedding cimport embedding_read
from primecore._event cimport event_t, slice_t
from primecore._json cimport SCAN_BLANK, SCAN_NO_MEMORY, SCAN_OK, json_check, scan_error_t
from primecore._jsontree cimport json_canonical, json_equal, json_merge
from primecore._literals cimport (
    check_entity_id, check_event_type, event_code_of, event_type_of, format_uuid, parse_double, parse_uuid,
)
from primecore._buffers cimport (
    buffer_append, buffer_free, buffer_init, buffer_reserve, buffer_t, scratch_free, scratch_init, scratch_reset,
    scratch_t, scratch_take,
)
from primecore._payload cimport decode_payload, decode_trusted
from primecore._refusal cimport refusal
from primecore._times cimport format_time, parse_time


# One line, without its ending and without a byte order mark. SCAN_OK, SCAN_BLANK, or the code that is in error[0].
# Zeroes out[0] first. Slices of out[0] borrow from `line`, or from `scratch` where a string had escapes: reset it
# only when the events scanned with it are done with. error[0] is written only when a code is returned; its slices
# borrow from `line` too.
cdef int scan_line(
    const char* line, uint32_t size, event_t* out, scratch_t* scratch, scan_error_t* error
) noexcept nogil
