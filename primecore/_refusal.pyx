# cython: language_level=3
"""Words for what the scanners refuse: builds InvalidEvent out of a scan_error_t. Knows nothing of files or tables."""

from libc.stdint cimport uint32_t
from primecore._json cimport (
    JSON_ARRAY, JSON_FALSE, JSON_NULL, JSON_NUMBER, JSON_OBJECT, JSON_STRING, JSON_TRUE, SCAN_BAD_CONTROL,
    SCAN_BAD_ESCAPE, SCAN_BAD_NUMBER, SCAN_BAD_UNICODE_ESCAPE, SCAN_BAD_UTF8, SCAN_BOTH_EVENT_IDS, SCAN_BYTE_ORDER_MARK,
    SCAN_DUPLICATE_KEY, SCAN_EXPECTED_ARRAY_END, SCAN_EXPECTED_COLON, SCAN_EXPECTED_KEY, SCAN_EXPECTED_OBJECT_END,
    SCAN_EXPECTED_VALUE, SCAN_LONE_SURROGATE, SCAN_LONG_EXPONENT, SCAN_METADATA_TOO_LARGE, SCAN_MISSING, SCAN_NOT_FINITE, SCAN_NO_MEMORY,
    SCAN_PAYLOAD_TOO_LARGE, SCAN_TOO_DEEP, SCAN_TRAILING_COMMA, SCAN_TRAILING_TEXT, SCAN_TRUNCATED, SCAN_UNKNOWN_FIELD,
    SCAN_WANT_ARRAY, SCAN_WANT_BASE64, SCAN_WANT_DIMENSIONS, SCAN_WANT_EDGE_ID, SCAN_WANT_EMBEDDING,
    SCAN_WANT_ENTITY_ID, SCAN_WANT_EVENT_TYPE, SCAN_WANT_FINITE_NUMBER, SCAN_WANT_FLOAT32, SCAN_WANT_NODE_ID,
    SCAN_WANT_NODE_TYPE, SCAN_WANT_NONZERO, SCAN_WANT_OBJECT, SCAN_WANT_RELATION, SCAN_WANT_SAME_DIMENSIONS,
    SCAN_WANT_SPACE_ID, SCAN_WANT_STRING, SCAN_WANT_STRINGS, SCAN_WANT_STRING_OR_NULL, SCAN_WANT_TENANT, SCAN_WANT_TIME,
    SCAN_WANT_TIME_OR_NULL, SCAN_WANT_UUID, SCAN_WANT_VECTOR_ID, scan_error_t,
)

import json
import re

from primecore.errors import InvalidEvent


cdef dict WORDS = {
    SCAN_TRUNCATED: "the text ends too early",
    SCAN_BAD_CONTROL: "a control character in a string must be escaped",
    SCAN_BAD_ESCAPE: 'expected one of " \\ / b f n r t u after a backslash',
    SCAN_BAD_UNICODE_ESCAPE: "expected four hexadecimal digits after \\u",
    SCAN_LONE_SURROGATE: "a surrogate escape must come in a pair, high then low",
    SCAN_BAD_UTF8: "the bytes are not UTF-8",
    SCAN_BAD_NUMBER: "expected a number as JSON writes it",
    SCAN_LONG_EXPONENT: "expected an exponent of at most 17 digits",
    SCAN_NOT_FINITE: "NaN and Infinity are not JSON",
    SCAN_EXPECTED_VALUE: "expected a JSON value",
    SCAN_EXPECTED_KEY: "expected a key in double quotes",
    SCAN_EXPECTED_COLON: 'expected ":" after the key',
    SCAN_EXPECTED_OBJECT_END: 'expected "," or "}"',
    SCAN_EXPECTED_ARRAY_END: 'expected "," or "]"',
    SCAN_TRAILING_COMMA: "a comma must be followed by a further member",
    SCAN_TRAILING_TEXT: "expected nothing more after the value",
    SCAN_BYTE_ORDER_MARK: "a byte order mark may stand only at the start of the file",
    SCAN_TOO_DEEP: "nested too deep: 512 levels at most",
    SCAN_DUPLICATE_KEY: "the key is given twice",
    SCAN_NO_MEMORY: "there was no memory to scan it",
    SCAN_UNKNOWN_FIELD: "no such field in an event's envelope",
    SCAN_MISSING: "required, but missing",
    SCAN_WANT_OBJECT: "expected an object",
    SCAN_WANT_ARRAY: "expected an array",
    SCAN_WANT_STRING: "expected a string",
    SCAN_WANT_STRING_OR_NULL: "expected a string or null",
    SCAN_WANT_STRINGS: "expected an array of strings",
    SCAN_WANT_FINITE_NUMBER: "expected a finite number",
    SCAN_WANT_EVENT_TYPE: "expected 1 to 128 bytes of dotted lower-case words (a-z 0-9 _ -)",
    SCAN_WANT_ENTITY_ID: "expected an entity id: 1 to 1,024 bytes without control characters",
    SCAN_WANT_RELATION: "expected a relation: 1 to 1,024 bytes without control characters",
    SCAN_WANT_UUID: "expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057",
    SCAN_WANT_TIME: "expected an RFC 3339 time with offset such as 2026-01-31T09:30:00Z",
    SCAN_WANT_TIME_OR_NULL: "expected an RFC 3339 time with offset such as 2026-01-31T09:30:00Z, or null",
    SCAN_WANT_TENANT: 'expected "default", the one tenant of this store',
    SCAN_WANT_NODE_ID: "expected node:{type}:{id} for this event type",
    SCAN_WANT_EDGE_ID: "expected edge:{id} for this event type",
    SCAN_WANT_VECTOR_ID: "expected vec:{entity_id} for this event type",
    SCAN_WANT_SPACE_ID: "expected space:{name} for this event type",
    SCAN_WANT_NODE_TYPE: "expected the type that entity_id names",
    SCAN_WANT_EMBEDDING: "expected an array of numbers, or a string of base64 (little-endian float32)",
    SCAN_WANT_FLOAT32: "expected numbers that are finite as float32",
    SCAN_WANT_BASE64: "expected padded base64 of whole little-endian float32 numbers",
    SCAN_WANT_NONZERO: "expected at least one number that is not zero",
    SCAN_WANT_DIMENSIONS: "expected 1 to 65,536 dimensions",
    SCAN_WANT_SAME_DIMENSIONS: "expected the number of dimensions that the embedding has",
    SCAN_PAYLOAD_TOO_LARGE: "larger than 16 MiB",
    SCAN_METADATA_TOO_LARGE: "larger than 1 MiB",
    SCAN_BOTH_EVENT_IDS: "given beside event_id, of which id is another name",
}

cdef dict KINDS = {
    JSON_NULL: "null",
    JSON_FALSE: "false",
    JSON_TRUE: "true",
    JSON_NUMBER: "a number",
    JSON_STRING: "a string",
    JSON_ARRAY: "an array",
    JSON_OBJECT: "an object",
}

# Where the kind of what was found says all there is to say; elsewhere the value itself is shown.
cdef frozenset SHOWS_KIND = frozenset(
    [
        SCAN_WANT_OBJECT, SCAN_WANT_ARRAY, SCAN_WANT_STRING, SCAN_WANT_STRING_OR_NULL, SCAN_WANT_STRINGS,
        SCAN_WANT_EMBEDDING,
    ]
)
cdef frozenset SHOWS_VALUE = frozenset(
    [
        SCAN_WANT_EVENT_TYPE, SCAN_WANT_ENTITY_ID, SCAN_WANT_RELATION, SCAN_WANT_UUID, SCAN_WANT_TIME, SCAN_WANT_TENANT,
        SCAN_WANT_TIME_OR_NULL, SCAN_WANT_NODE_ID, SCAN_WANT_EDGE_ID, SCAN_WANT_VECTOR_ID, SCAN_WANT_SPACE_ID,
        SCAN_WANT_NODE_TYPE, SCAN_WANT_FLOAT32, SCAN_WANT_DIMENSIONS, SCAN_WANT_SAME_DIMENSIONS,
        SCAN_WANT_FINITE_NUMBER,
    ]
)

# Tokens of JSON text up to the fault: what stands before it is known to be good.
TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


def explain(int code) -> str:
    """What was expected where a scan was refused with `code`. Raises KeyError for a code there is not."""
    return WORDS[code]


def path_at(str before not None) -> str:
    """The dotted path of the value in which a JSON text that is good as far as `before` breaks off.

    >>> path_at('{"payload": {"properties": {"tags": ["a", ')
    'payload.properties.tags[1]'
    """
    cdef list steps = []            # of the containers that are open, but the innermost
    cdef str token
    step = None                     # of the innermost one: a key, an index, or None (no key yet)
    previous = ""
    for match in TOKEN.finditer(before):
        token = match.group()
        if token == "{" or token == "[":
            steps.append(step)
            step = None if token == "{" else 0
        elif token == "}" or token == "]":
            step = steps.pop()
        elif token == ",":
            step = step + 1 if isinstance(step, int) else None
        elif token == ":":
            step = json.loads(previous)
        previous = token
    steps.append(step)
    return "".join([join_path(index, step) for index, step in enumerate(steps[1:]) if step is not None])


def join_path(int index, step) -> str:
    """One step of a path, with what separates it from the step before."""
    if isinstance(step, int):
        return f"[{step}]"
    quoted = json.dumps(step, ensure_ascii=False)
    if index == 0:
        return quoted[1:len(quoted) - 1] or quoted
    return f".{step}" if PLAIN_KEY.match(step) else f"[{quoted}]"


cdef str _found(int code, int kind, str rest):
    """ ", found ..." for what stands in `rest`, or nothing."""
    if code in SHOWS_KIND and kind in KINDS:
        return f", found {KINDS[kind]}"
    if code in SHOWS_VALUE and kind in KINDS:
        if kind == JSON_STRING:
            if code == SCAN_WANT_FINITE_NUMBER:
                return ", found a string"
            shown = TOKEN.match(rest)
        elif kind == JSON_NUMBER:
            shown = re.match(r"[-+.eE0-9]+", rest)
        else:
            return f", found {KINDS[kind]}"
        text = shown.group() if shown else rest
        return f", found {text if len(text) <= 80 else text[:77] + '...'}"
    if code == SCAN_WANT_OBJECT and rest:
        return f", found {json.dumps(rest[:12], ensure_ascii=False)}"
    return ""


cdef object refusal(const scan_error_t* error, const char* text, uint32_t size, str source, long line):
    if error.other.size:
        text = error.other.data
        size = error.other.size
    cdef uint32_t offset = error.offset if error.offset < size else size
    cdef str field = error.field.data[:error.field.size].decode("ascii") if error.field.size else ""
    # Only what stands before the fault is known to be UTF-8.
    cdef str before = text[:offset].decode("utf-8", "replace")
    cdef str rest = text[offset:size if size - offset < 4096 else offset + 4096].decode("utf-8", "replace")
    cdef str reason = WORDS[error.code]
    cdef str where
    if error.code >= SCAN_MISSING:
        # A rule of events: the field is known.
        reason = f"{field + ': ' if field else ''}{reason}{_found(error.code, error.found, rest)}"
    else:
        # A rule of JSON: `field` is at most what the whole text is, the path goes on from there.
        where = path_at(before)
        where = field + ("." if field and where and where[0] != "[" else "") + where
        field = ""
        if error.code == SCAN_DUPLICATE_KEY or error.code == SCAN_UNKNOWN_FIELD:
            key = json.loads(f'"{error.key.data[:error.key.size].decode("utf-8")}"')
            field = where + join_path(1 if where else 0, key)
            reason = f"{field}: {reason}"
        elif error.code == SCAN_TOO_DEEP:
            # The path to it has 512 steps: the first says enough.
            field = re.split(r"[.\[]", where)[0]
            reason = f"{field + ': ' if field else ''}{reason}"
        else:
            reason = f"{reason}{' (in ' + where + ')' if where else ''}"
    return InvalidEvent(reason, field=field, source=source, line=line, column=len(before) + 1 if line else 0)
