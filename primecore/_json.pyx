# cython: language_level=3
"""Strict JSON text (RFC 8259): a parser that walks text in place without recursion. Knows nothing of events."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memset, strlen
from primecore._event cimport MAX_DEPTH, NONE32, slice_t
from primecore._keyset cimport KEYS_DUPLICATE, keyset_open, object_open, object_t
from primecore._buffers cimport scratch_free, scratch_init, scratch_t, scratch_take


cdef extern from "json_text.h" nogil:
    int text_string(const char** at, const char* end, uint8_t* escaped) noexcept
    int text_number(const char** at, const char* end) noexcept
    size_t text_unescape(const char* at, size_t size, char* out) noexcept
    const char* text_skip_space(const char* at, const char* end) noexcept
    const char* text_plain_end_scalar(const char* at, const char* end) noexcept
    bint text_has_control(const char* at, size_t size) noexcept
    bint text_has_control_scalar(const char* at, size_t size) noexcept


# ---- the parser ----

cdef void parser_open(
    parser_t* parser, const char* text, uint32_t size, uint32_t max_depth, scratch_t* scratch
) noexcept nogil:
    parser.at = text
    parser.end = text + size
    parser.scratch = scratch
    parser.max_depth = max_depth if max_depth < MAX_DEPTH else MAX_DEPTH
    parser.raw_key = NULL
    parser.raw_key_size = 0
    parser.escaped = 0
    parser.error.code = SCAN_OK
    keyset_open(&parser.keyset, scratch)


cdef int parser_fail(parser_t* parser, int code, const char* where) noexcept nogil:
    memset(&parser.error, 0, sizeof(scan_error_t))
    parser.error.code = code
    parser.error.at = where
    parser.error.found = kind_at(where, parser.end)
    return code


cdef int parser_refuse(parser_t* parser, int code, const char* where, const char* field) noexcept nogil:
    parser_fail(parser, code, where)
    parser.error.field.data = field
    parser.error.field.size = <uint32_t>strlen(field)
    return code


cdef int kind_at(const char* at, const char* end) noexcept nogil:
    cdef char first
    if at is NULL or at >= end:
        return JSON_NONE
    first = at[0]
    if first == c'"':
        return JSON_STRING
    if first == c'{':
        return JSON_OBJECT
    if first == c'[':
        return JSON_ARRAY
    if first == c'-' or c'0' <= first <= c'9':
        return JSON_NUMBER
    if end - at >= 4 and memcmp(at, b"null", 4) == 0:
        return JSON_NULL
    if end - at >= 4 and memcmp(at, b"true", 4) == 0:
        return JSON_TRUE
    if end - at >= 5 and memcmp(at, b"false", 5) == 0:
        return JSON_FALSE
    return JSON_NONE


cdef int unescape(slice_t* text, bint escaped, scratch_t* scratch) noexcept nogil:
    cdef char* out
    if not escaped:
        return 0
    out = scratch_take(scratch, text.size)
    if out is NULL:
        return -1
    text.size = <uint32_t>text_unescape(text.data, text.size, out)
    text.data = out
    return 0


cdef int fail_at_end(parser_t* parser, int code) noexcept nogil:
    """`code` where a byte stands that should not, SCAN_TRUNCATED where the text just ends."""
    return parser_fail(parser, code if parser.at < parser.end else SCAN_TRUNCATED, parser.at)


cdef int any_next_member(parser_t* parser, bint first, slice_t* key) noexcept nogil:
    cdef const char* at = text_skip_space(parser.at, parser.end)
    cdef const char* end = parser.end
    cdef const char* start
    cdef int status
    parser.at = at
    if at < end and at[0] == c'}':
        parser.at = at + 1
        return 0
    if not first:
        if at >= end or at[0] != c',':
            fail_at_end(parser, SCAN_EXPECTED_OBJECT_END)
            return -1
        at = parser.at = text_skip_space(at + 1, end)
    if at >= end or at[0] != c'"':
        fail_at_end(parser, SCAN_TRAILING_COMMA if at < end and at[0] == c'}' else SCAN_EXPECTED_KEY)
        return -1
    start = at = at + 1
    status = text_string(&at, end, &parser.escaped)
    if status != 0:
        parser_fail(parser, status, at)
        return -1
    key.data = parser.raw_key = start
    key.size = parser.raw_key_size = <uint32_t>(at - start)
    if parser.escaped and unescape(key, 1, parser.scratch) != 0:
        parser_fail(parser, SCAN_NO_MEMORY, start)
        return -1
    parser.at = text_skip_space(at + 1, end)
    if parser.at >= end or parser.at[0] != c':':
        fail_at_end(parser, SCAN_EXPECTED_COLON)
        return -1
    parser.at = text_skip_space(parser.at + 1, end)
    return 1


cdef int fail_duplicate(parser_t* parser, const char* raw_key) noexcept nogil:
    cdef uint8_t escaped
    cdef const char* at = raw_key
    text_string(&at, parser.end, &escaped)
    parser_fail(parser, SCAN_DUPLICATE_KEY, raw_key - 1)
    parser.error.key.data = raw_key
    parser.error.key.size = <uint32_t>(at - raw_key)
    return SCAN_DUPLICATE_KEY


cdef int fail_key(parser_t* parser, int status) noexcept nogil:
    if status == KEYS_DUPLICATE:
        return fail_duplicate(parser, parser.keyset.duplicate)
    return parser_fail(parser, SCAN_NO_MEMORY, parser.at)


# ---- values ----

cdef int walk_scalar(parser_t* parser) noexcept nogil:
    """A value that is no container: its json_kind, or JSON_NONE: failed."""
    cdef const char* at = parser.at
    cdef const char* end = parser.end
    cdef int status
    cdef int kind = kind_at(at, end)
    if kind == JSON_STRING:
        at += 1
        status = text_string(&at, end, &parser.escaped)
        parser.at = at + 1
    elif kind == JSON_NUMBER:
        status = text_number(&at, end)
        if status == SCAN_BAD_NUMBER and (at[0] == c'I' or at[0] == c'N'):
            status = SCAN_NOT_FINITE
        parser.at = at
    elif kind == JSON_NONE:
        if at >= end:
            status = SCAN_TRUNCATED
        elif at[0] == c'N' or at[0] == c'I':
            status = SCAN_NOT_FINITE
        elif end - at >= 3 and memcmp(at, b"\xef\xbb\xbf", 3) == 0:
            status = SCAN_BYTE_ORDER_MARK
        else:
            status = SCAN_EXPECTED_VALUE
    else:
        status = 0
        parser.at = at + (5 if kind == JSON_FALSE else 4)
    if status != 0:
        parser_fail(parser, status, at)
        return JSON_NONE
    return kind


cdef uint32_t add_node(parser_t* parser, tree_t* tree, int kind) noexcept nogil:
    """A node for the value that begins at parser.at, NONE32: no memory. Its key is the last one read."""
    cdef uint32_t capacity
    cdef node_t* nodes
    cdef node_t* node
    if tree.count == tree.capacity:
        capacity = tree.capacity * 2 if tree.capacity else 32
        nodes = <node_t*>scratch_take(parser.scratch, <size_t>capacity * sizeof(node_t))
        if nodes is NULL:
            parser_fail(parser, SCAN_NO_MEMORY, parser.at)
            return NONE32
        if tree.count:
            memcpy(nodes, tree.nodes, <size_t>tree.count * sizeof(node_t))
        tree.nodes = nodes
        tree.capacity = capacity
    node = &tree.nodes[tree.count]
    memset(node, 0, sizeof(node_t))
    node.text = parser.at
    node.next = node.child = node.mate = NONE32
    node.kind = <uint8_t>kind
    tree.count += 1
    return tree.count - 1


ctypedef struct frame_t:
    object_t keys
    uint32_t node                   # NONE32: its members make no nodes
    uint32_t last                   # its latest member's node
    bint is_object


cdef inline uint32_t add_child(parser_t* parser, tree_t* tree, frame_t* frame, int kind, slice_t key) noexcept nogil:
    """A node below the frame's, for the value at parser.at; NONE32: no memory."""
    cdef uint32_t number = add_node(parser, tree, kind)
    cdef node_t* node
    if number == NONE32:
        return NONE32
    if frame.last == NONE32:
        tree.nodes[frame.node].child = number
    else:
        tree.nodes[frame.last].next = number
    frame.last = number
    if frame.is_object:
        node = &tree.nodes[number]
        node.key = key.data
        node.key_size = key.size
        node.raw_key = parser.raw_key - 1
        node.raw_key_size = parser.raw_key_size + 2
    return number


cdef inline int next_element(parser_t* parser, bint first) noexcept nogil:
    """As next_member, for an array."""
    parser.at = text_skip_space(parser.at, parser.end)
    if parser.at < parser.end and parser.at[0] == c']':
        parser.at += 1
        return 0
    if first:
        return 1
    if parser.at >= parser.end or parser.at[0] != c',':
        fail_at_end(parser, SCAN_EXPECTED_ARRAY_END)
        return -1
    parser.at = text_skip_space(parser.at + 1, parser.end)
    if parser.at < parser.end and parser.at[0] == c']':
        parser_fail(parser, SCAN_TRAILING_COMMA, parser.at)
        return -1
    return 1


cdef int next_value(parser_t* parser, frame_t* frame, bint first, slice_t* key) noexcept nogil:
    """1: parser.at is at the frame's next value, 0: the frame is closed, -1: failed."""
    cdef int more
    if not frame.is_object:
        return next_element(parser, first)
    more = next_member(parser, first, key)
    if more == 1 and note_key(parser, &frame.keys, key[0]) != 0:
        return -1
    if more == 0 and close_keys(parser, &frame.keys) != 0:
        return -1
    return more


cdef int walk_container(parser_t* parser, uint32_t depth, tree_t* tree, int kind, uint32_t node) noexcept nogil:
    """Steps over the object or array at parser.at, whose node (or NONE32) is made already. 1, or 0: failed."""
    cdef frame_t frames[MAX_DEPTH]
    cdef frame_t* frame
    cdef uint32_t open = 0          # frames in use
    cdef slice_t key
    cdef bint first
    cdef int more
    key.data = NULL
    key.size = 0
    while True:
        # A container begins at parser.at.
        if depth + open >= parser.max_depth:
            parser_fail(parser, SCAN_TOO_DEEP, parser.at)
            return 0
        frame = &frames[open]
        open += 1
        object_open(&parser.keyset, &frame.keys)
        frame.is_object = kind == JSON_OBJECT
        frame.node = NONE32 if kind == JSON_ARRAY and tree is not NULL and not tree.with_arrays else node
        frame.last = NONE32
        parser.at += 1
        first = True
        while True:
            more = next_value(parser, frame, first, &key)
            if more < 0:
                return 0
            if more == 0:
                # frame.node is NONE32 for an array without nodes of its elements: its own node ends all the same.
                open -= 1
                if open == 0:
                    return 1
                frame = &frames[open - 1]
                if frame.node != NONE32:
                    tree.nodes[frame.last].size = <uint32_t>(parser.at - tree.nodes[frame.last].text)
                first = False
                continue
            first = False
            kind = kind_at(parser.at, parser.end)
            node = NONE32
            if frame.node != NONE32:
                node = add_child(parser, tree, frame, kind, key)
                if node == NONE32:
                    return 0
            if kind == JSON_OBJECT or kind == JSON_ARRAY:
                break
            if walk_scalar(parser) == JSON_NONE:
                return 0
            if node != NONE32:
                tree.nodes[node].size = <uint32_t>(parser.at - tree.nodes[node].text)


cdef int walk_value(parser_t* parser, uint32_t depth, tree_t* tree) noexcept nogil:
    cdef int kind = kind_at(parser.at, parser.end)
    cdef uint32_t node = NONE32
    if tree is not NULL:
        node = add_node(parser, tree, kind)
        if node == NONE32:
            return JSON_NONE
    if kind == JSON_OBJECT or kind == JSON_ARRAY:
        if not walk_container(parser, depth, tree, kind, node):
            return JSON_NONE
    elif walk_scalar(parser) == JSON_NONE:
        return JSON_NONE
    if node != NONE32:
        tree.nodes[node].size = <uint32_t>(parser.at - tree.nodes[node].text)
    return kind


cdef int walk_text(parser_t* parser, tree_t* tree) noexcept nogil:
    cdef int kind
    parser.at = text_skip_space(parser.at, parser.end)
    kind = walk_value(parser, 0, tree)
    if kind == JSON_NONE:
        return JSON_NONE
    parser.at = text_skip_space(parser.at, parser.end)
    if parser.at != parser.end:
        parser_fail(parser, SCAN_TRAILING_TEXT, parser.at)
        return JSON_NONE
    return kind


cdef int json_check(const char* text, uint32_t size, uint32_t max_depth, scan_error_t* error) noexcept nogil:
    cdef scratch_t scratch
    cdef parser_t parser
    cdef int code = SCAN_OK
    scratch_init(&scratch)
    parser_open(&parser, text, size, max_depth, &scratch)
    if walk_text(&parser, NULL) == JSON_NONE:
        code = parser.error.code
        parser.error.offset = <uint32_t>(parser.error.at - text)
        if error is not NULL:
            error[0] = parser.error
    scratch_free(&scratch)
    return code


# ---- for tests: the kernels beside their scalar twins ----

def plain_run(bytes text not None, *, bint scalar = False) -> int:
    """How many bytes stand before the first that a plain run of a JSON string cannot hold."""
    cdef const char* start = text
    cdef const char* end = start + len(text)
    return (text_plain_end_scalar(start, end) if scalar else text_plain_end(start, end)) - start


def has_control(bytes text not None, *, bint scalar = False) -> bool:
    """Whether UTF-8 text holds a control character: C0, DEL or C1."""
    return text_has_control_scalar(text, len(text)) if scalar else text_has_control(text, len(text))
