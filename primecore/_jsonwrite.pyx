# cython: language_level=3
"""JSON trees back to text: as they were written, or in canonical form. No number goes through a float."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy, memset
from primecore._event cimport MAX_DEPTH, NONE32, slice_t
from primecore._json cimport JSON_ARRAY, JSON_NUMBER, JSON_OBJECT, JSON_STRING, node_t, tree_t
from primecore._buffers cimport buffer_append, buffer_reserve, buffer_t, scratch_t, scratch_take


cdef extern from "json_text.h" nogil:
    int text_string(const char** at, const char* end, uint8_t* escaped) noexcept
    const char* text_digits_end(const char* at, const char* end) noexcept
    size_t text_unescape(const char* at, size_t size, char* out) noexcept


# ---- strings ----

cdef int put_escaped(const char* text, size_t size, buffer_t* out) noexcept nogil:
    """A string with the shortest escapes: only for what JSON allows in no other way."""
    cdef const char* hexadecimal = b"0123456789abcdef"
    cdef const char* short_forms = b"btn\0fr"        # of U+0008 to U+000D
    cdef size_t i
    cdef uint8_t byte
    cdef char* at
    if buffer_reserve(out, 6 * size + 2) != 0:
        return -1
    at = out.data + out.size
    at[0] = c'"'
    at += 1
    for i in range(size):
        byte = <uint8_t>text[i]
        if byte >= 0x20 and byte != c'"' and byte != c'\\':
            at[0] = <char>byte
            at += 1
            continue
        at[0] = c'\\'
        if byte >= 0x20:
            at[1] = <char>byte
            at += 2
        elif 8 <= byte <= 13 and byte != 11:
            at[1] = short_forms[byte - 8]
            at += 2
        else:
            memcpy(at + 1, b"u00", 3)
            at[4] = hexadecimal[byte >> 4]
            at[5] = hexadecimal[byte & 15]
            at += 6
    at[0] = c'"'
    out.size = <size_t>(at + 1 - out.data)
    return 0


cdef int put_string(const node_t* node, buffer_t* out, scratch_t* scratch) noexcept nogil:
    cdef const char* at = node.text + 1
    cdef uint8_t escaped
    cdef char* content
    text_string(&at, node.text + node.size, &escaped)
    if not escaped:
        return buffer_append(out, node.text, node.size)
    content = scratch_take(scratch, node.size)
    if content is NULL:
        return -1
    return put_escaped(content, text_unescape(node.text + 1, node.size - 2, content), out)


# ---- numbers ----

ctypedef struct decimal_t:
    # A number other than 0: the digits d of text[first:last], its point left out, mean d.ddd times ten to the `power`.
    const char* first
    const char* last                # just past the last digit that is not 0
    uint32_t digits
    int64_t power
    bint negative


cdef int read_decimal(const char* text, uint32_t size, decimal_t* out) noexcept nogil:
    """0 where the number is zero, else 1."""
    cdef const char* end = text + size
    cdef const char* at
    cdef const char* point
    cdef int64_t exponent = 0
    cdef bint negative_exponent
    memset(out, 0, sizeof(decimal_t))
    out.negative = text[0] == c'-'
    at = text + out.negative
    point = NULL
    while at < end and (at[0] | 0x20) != c'e':
        if at[0] == c'.':
            point = at
        elif at[0] != c'0':
            if out.first is NULL:
                out.first = at
            out.last = at + 1
        at += 1
    if out.first is NULL:
        return 0
    if point is NULL:
        point = at
    out.power = point - out.first - 1 if out.first < point else point - out.first
    out.digits = <uint32_t>(out.last - out.first - (1 if out.first < point < out.last else 0))
    if at < end:
        at += 1
        negative_exponent = at[0] == c'-'
        if at[0] == c'-' or at[0] == c'+':
            at += 1
        while at < end:
            exponent = exponent * 10 + (at[0] - c'0')
            at += 1
        out.power += -exponent if negative_exponent else exponent
    return 1


cdef char* put_digits(char* at, const decimal_t* number, uint32_t point_after) noexcept nogil:
    """The significant digits, with a point after so many of them (if more follow)."""
    cdef const char* digit = number.first
    cdef uint32_t done = 0
    while digit < number.last:
        if digit[0] != c'.':
            if done == point_after and done:
                at[0] = c'.'
                at += 1
            at[0] = digit[0]
            at += 1
            done += 1
        digit += 1
    return at


cdef char* put_integer(char* at, int64_t value) noexcept nogil:
    cdef char[20] digits
    cdef int count = 0
    if value < 0:
        at[0] = c'-'
        at += 1
        value = -value
    while value or not count:
        digits[count] = <char>(c'0' + value % 10)
        value //= 10
        count += 1
    while count:
        count -= 1
        at[0] = digits[count]
        at += 1
    return at


cdef int put_number(const char* text, uint32_t size, buffer_t* out) noexcept nogil:
    """Plain digits where the point is at most 21 digits from the start (and 5 zeros after it), as ECMAScript does."""
    cdef decimal_t number
    cdef char* at
    cdef int64_t before_point
    if not read_decimal(text, size, &number):
        return buffer_append(out, b"0", 1)
    if buffer_reserve(out, <size_t>size + 64) != 0:
        return -1
    at = out.data + out.size
    if number.negative:
        at[0] = c'-'
        at += 1
    before_point = number.power + 1
    if before_point > 21 or before_point < -5:
        at = put_digits(at, &number, 1)
        at[0] = c'e'
        at = put_integer(at + 1, number.power)
    elif before_point > 0:
        at = put_digits(at, &number, <uint32_t>before_point)
        if before_point > number.digits:
            memset(at, c'0', before_point - number.digits)
            at += before_point - number.digits
    else:
        memcpy(at, b"0.00000", 2 - before_point)
        at = put_digits(at + 2 - before_point, &number, 0)
    out.size = <size_t>(at - out.data)
    return 0


cdef int json_next_long(const char** where, const char* end, slice_t* number) noexcept nogil:
    cdef const char* at = where[0]
    cdef const char* start
    cdef const char* point
    cdef const char* first
    cdef uint8_t escaped
    while at < end:
        if at[0] == c'"':
            at += 1
            text_string(&at, end, &escaped)
            at += 1
        elif <uint8_t>(at[0] - c'0') > 9:
            at += 1
        else:
            start = first = at
            point = at = text_digits_end(at, end)
            if at < end and at[0] == c'.':
                at = text_digits_end(at + 1, end)
            if at > point and start[0] == c'0':
                first += 1          # not a significant digit
            if at - first > (16 if at > point else 18) or (at < end and (at[0] | 0x20) == c'e'):
                while at < end and (<uint8_t>(at[0] - c'0') <= 9 or (at[0] | 0x20) == c'e' or at[0] == c'+' or at[0] == c'-'):
                    at += 1
                number[0] = slice_t(start, <uint32_t>(at - start))
                where[0] = at
                return 1
    return 0


# ---- trees ----

cdef int put_leaf(const node_t* node, bint canonical, buffer_t* out, scratch_t* scratch) noexcept nogil:
    if canonical and node.kind == JSON_STRING:
        return put_string(node, out, scratch)
    if canonical and node.kind == JSON_NUMBER:
        return put_number(node.text, node.size, out)
    return buffer_append(out, node.text, node.size)


cdef int put_key(const node_t* node, bint canonical, buffer_t* out) noexcept nogil:
    if canonical:
        if put_escaped(node.key, node.key_size, out) != 0:
            return -1
    elif buffer_append(out, node.raw_key, node.raw_key_size) != 0:
        return -1
    return buffer_append(out, b":", 1)


cdef inline int put_close(const node_t* node, buffer_t* out) noexcept nogil:
    return buffer_append(out, b"}" if node.kind == JSON_OBJECT else b"]", 1)


cdef int put_tree(tree_t* tree, uint32_t root, bint canonical, buffer_t* out, scratch_t* scratch) noexcept nogil:
    cdef uint32_t[MAX_DEPTH] open_nodes
    cdef uint32_t depth = 0
    cdef uint32_t number = root
    cdef node_t* node
    while True:
        node = &tree.nodes[number]
        if depth and tree.nodes[open_nodes[depth - 1]].kind == JSON_OBJECT and put_key(node, canonical, out) != 0:
            return -1
        if not node.rebuilt and not (canonical and (node.kind == JSON_OBJECT or node.kind == JSON_ARRAY)):
            if put_leaf(node, canonical, out, scratch) != 0:
                return -1
        else:
            if buffer_append(out, b"{" if node.kind == JSON_OBJECT else b"[", 1) != 0:
                return -1
            if node.child != NONE32:
                open_nodes[depth] = number
                depth += 1
                number = node.child
                continue
            if put_close(node, out) != 0:
                return -1
        # After a value: its sibling, or the ends of what is open.
        while depth and tree.nodes[number].next == NONE32:
            depth -= 1
            number = open_nodes[depth]
            if put_close(&tree.nodes[number], out) != 0:
                return -1
        if not depth:
            return 0
        if buffer_append(out, b",", 1) != 0:
            return -1
        number = tree.nodes[number].next
