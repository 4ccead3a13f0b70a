# Strict JSON text (RFC 8259, UTF-8): why a text is refused, a whole-text check, and the parser that walks text in
# place. Knows nothing of events, files or Python objects. Nothing here recurses; no byte at or past `end` is ever
# read.

from libc.stdint cimport uint8_t, uint32_t
from primecore._event cimport slice_t
from primecore._keyset cimport KEYS_FINE, keyset_t, object_close, object_note, object_t
from primecore._buffers cimport scratch_t

cdef extern from "json_text.h" nogil:
    const char* text_plain_end(const char* at, const char* end) noexcept


# Why a text was refused. _refusal.pyx words each. 1 to 8 are the codes of json_text.h.
cdef enum scan_error:
    SCAN_OK = 0
    SCAN_BLANK = -1                 # a line of white space only: not an error, and no event

    # The JSON itself is broken.
    SCAN_TRUNCATED = 1
    SCAN_BAD_CONTROL = 2
    SCAN_BAD_ESCAPE = 3
    SCAN_BAD_UNICODE_ESCAPE = 4
    SCAN_LONE_SURROGATE = 5
    SCAN_BAD_UTF8 = 6
    SCAN_BAD_NUMBER = 7
    SCAN_NOT_FINITE = 8
    SCAN_EXPECTED_VALUE = 9
    SCAN_EXPECTED_KEY = 10
    SCAN_EXPECTED_COLON = 11
    SCAN_EXPECTED_OBJECT_END = 12   # "," or "}"
    SCAN_EXPECTED_ARRAY_END = 13    # "," or "]"
    SCAN_TRAILING_COMMA = 14
    SCAN_TRAILING_TEXT = 15
    SCAN_BYTE_ORDER_MARK = 16
    SCAN_TOO_DEEP = 17
    SCAN_DUPLICATE_KEY = 18         # `key` is its raw text
    SCAN_NO_MEMORY = 19
    SCAN_LONG_EXPONENT = 20         # a number that Decimal does not hold

    # The JSON is fine, the event is not: `field` names what is wrong.
    SCAN_UNKNOWN_FIELD = 32         # `key` is its raw text
    SCAN_MISSING = 33
    SCAN_WANT_OBJECT = 34
    SCAN_WANT_ARRAY = 35
    SCAN_WANT_STRING = 36
    SCAN_WANT_STRING_OR_NULL = 37
    SCAN_WANT_STRINGS = 38          # an array of strings
    SCAN_WANT_FINITE_NUMBER = 39
    SCAN_WANT_EVENT_TYPE = 40
    SCAN_WANT_ENTITY_ID = 41
    SCAN_WANT_RELATION = 42
    SCAN_WANT_UUID = 43
    SCAN_WANT_TIME = 44
    SCAN_WANT_TIME_OR_NULL = 45
    SCAN_WANT_TENANT = 46
    SCAN_WANT_NODE_ID = 47
    SCAN_WANT_EDGE_ID = 48
    SCAN_WANT_VECTOR_ID = 49
    SCAN_WANT_SPACE_ID = 50
    SCAN_WANT_NODE_TYPE = 51        # payload.node_type differs from the id's
    SCAN_WANT_EMBEDDING = 52        # an array of numbers or a base64 string
    SCAN_WANT_FLOAT32 = 53          # a number of the embedding that is no finite float32
    SCAN_WANT_BASE64 = 54
    SCAN_WANT_NONZERO = 55          # the embedding is all zero
    SCAN_WANT_DIMENSIONS = 56       # an integer from 1 to 65,536; also the length of an embedding
    SCAN_WANT_SAME_DIMENSIONS = 57  # payload.dimensions is not the embedding's length
    SCAN_PAYLOAD_TOO_LARGE = 58
    SCAN_METADATA_TOO_LARGE = 59
    SCAN_BOTH_EVENT_IDS = 60        # `event_id` and its alias `id`


cdef enum json_kind:
    JSON_NONE = 0                   # no value here (the end of the text, or what begins no value)
    JSON_NULL = 1
    JSON_FALSE = 2
    JSON_TRUE = 3
    JSON_NUMBER = 4
    JSON_STRING = 5
    JSON_ARRAY = 6
    JSON_OBJECT = 7


ctypedef struct scan_error_t:
    int code                        # scan_error
    uint32_t offset                 # bytes into the text that was scanned
    slice_t field                   # dotted name of the field, static; size 0: none
    slice_t key                     # the key that is meant, as written, without quotes; borrows from the text
    uint8_t found                   # json_kind of what stands there, where a code expects something else
    const char* at                  # where in the text: good only as long as the text is
    slice_t other                   # the text offset counts in, if it is not the one that was handed in; size 0: it is


# Whole texts. 0: fine, else a scan_error (also in error[0].code).
cdef int json_check(const char* text, uint32_t size, uint32_t max_depth, scan_error_t* error) noexcept nogil


# ---- the parser: what the other scanners are made of. Their callers have read _json.pyx. ----

# A value in a tree, or a member when it has a key. Numbers of nodes, since the array of nodes moves as it grows.
ctypedef struct node_t:
    const char* text                # raw; strings with their quotes
    const char* key                 # unescaped
    const char* raw_key             # with its quotes
    uint32_t size
    uint32_t key_size
    uint32_t raw_key_size
    uint32_t next                   # sibling, NONE32 at the end
    uint32_t child                  # first member or element, NONE32 if none
    uint32_t mate                   # for the tree's owner
    uint32_t link                   # for the tree's owner
    uint8_t kind                    # json_kind
    uint8_t rebuilt                 # for the tree's owner

ctypedef struct tree_t:
    node_t* nodes
    uint32_t count
    uint32_t capacity
    int with_arrays                 # 0: an array is one node, whatever it holds

ctypedef struct parser_t:
    const char* at
    const char* end
    scratch_t* scratch
    uint32_t max_depth
    uint32_t raw_key_size
    const char* raw_key             # the last key read, as written, without quotes
    uint8_t escaped                 # whether the last string read has escapes
    scan_error_t error
    keyset_t keyset

cdef void parser_open(
    parser_t* parser, const char* text, uint32_t size, uint32_t max_depth, scratch_t* scratch
) noexcept nogil
# Notes a failure, returns `code`. `where` is a place in the text.
cdef int parser_fail(parser_t* parser, int code, const char* where) noexcept nogil
# The same for a rule of events: `field` is a static dotted name.
cdef int parser_refuse(parser_t* parser, int code, const char* where, const char* field) noexcept nogil
# The same for the key that next_member just gave.
cdef int fail_duplicate(parser_t* parser, const char* raw_key) noexcept nogil

# With parser.at just past "{" (first=1) or past a member's value (first=0): 1 = `key` (unescaped) was read and
# parser.at is at its value, 0 = the object is closed, -1 = failed. Looks for no duplicates: that is what the next two
# do.
cdef int any_next_member(parser_t* parser, bint first, slice_t* key) noexcept nogil
cdef inline int next_member(parser_t* parser, bint first, slice_t* key) noexcept nogil:
    # What most text looks like, ,"key":value without white space or escapes, is not worth a call.
    cdef const char* start = parser.at + (1 if first else 2)
    cdef const char* stop
    if parser.end - parser.at > 4 and (start - 1)[0] == c'"' and (first or parser.at[0] == c','):
        stop = text_plain_end(start, parser.end)
        if parser.end - stop > 2 and stop[0] == c'"' and stop[1] == c':' and stop[2] > c' ':
            key.data = parser.raw_key = start
            key.size = parser.raw_key_size = <uint32_t>(stop - start)
            parser.at = stop + 2
            return 1
    return any_next_member(parser, first, key)
# The scan_error for a keyset_status.
cdef int fail_key(parser_t* parser, int status) noexcept nogil
# Notes the key that next_member just gave. 0, or a scan_error.
cdef inline int note_key(parser_t* parser, object_t* keys, slice_t key) noexcept nogil:
    cdef int status = object_note(&parser.keyset, keys, key.data, key.size, parser.raw_key)
    return fail_key(parser, status) if status != KEYS_FINE else SCAN_OK
# Forgets an object's keys once it is closed. 0, or a scan_error.
cdef inline int close_keys(parser_t* parser, object_t* keys) noexcept nogil:
    cdef int status = object_close(&parser.keyset, keys)
    return fail_key(parser, status) if status != KEYS_FINE else SCAN_OK

# With parser.at at a value inside `depth` containers: steps over it and returns its json_kind, or JSON_NONE: failed.
# `tree` may be NULL; else the value becomes the node tree.count had as number.
cdef int walk_value(parser_t* parser, uint32_t depth, tree_t* tree) noexcept nogil
# Steps over a string without escapes or what is not ASCII: 1. 0, and no step, where none stands at parser.at.
cdef inline bint walk_plain_string(parser_t* parser) noexcept nogil:
    cdef const char* stop
    if parser.at >= parser.end or parser.at[0] != c'"':
        return False
    stop = text_plain_end(parser.at + 1, parser.end)
    if stop >= parser.end or stop[0] != c'"':
        return False
    parser.escaped = 0
    parser.at = stop + 1
    return True
# A whole text: one value with white space around it. Its json_kind, or JSON_NONE: failed.
cdef int walk_text(parser_t* parser, tree_t* tree) noexcept nogil
# The json_kind that the byte at `at` begins.
cdef int kind_at(const char* at, const char* end) noexcept nogil
# A string's content as it is meant. `text` is as written, without quotes. Takes scratch memory only for escapes; 0 or
# -1.
cdef int unescape(slice_t* text, bint escaped, scratch_t* scratch) noexcept nogil
