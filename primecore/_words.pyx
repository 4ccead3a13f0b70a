# Text into words. The contract stands in _words.pxd, the rules in docs/architecture.md.
#
# A word is a run of letters, digits and marks. Runs break where case does (getUserName, HTTPServer) and at underscores;
# then the whole run is a word too, laid over its parts. Han and kana have no spaces: each character is a word, each
# pair of neighbours one laid over them (the bigrams of Lucene's CJKBigramFilter, with its unigrams). Folding is the
# caseless match of Unicode's D146 (NFKC, case folding), so ASCII is lower case.

import unicodedata

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from primecore._buffers cimport buffer_append, buffer_free, buffer_t


cdef enum word_class:
    UNKNOWN = 0                     # not looked up yet
    BREAK = 1
    LETTER = 2                      # lower case, without case, digits
    UPPER = 3
    MARK = 4                        # belongs to the character before it
    DROPPED = 5                     # takes no part: soft hyphens, joiners, direction marks
    ALONE = 6                       # a word by itself: emoji
    DENSE = 7                       # Han and kana
    JOINT = 8                       # the underscore


cdef uint8_t[0x110000] classes      # touched only where text is: pages of it cost nothing else
cdef object category = unicodedata.category
cdef object normalize = unicodedata.normalize


cdef uint8_t class_of(uint32_t point):
    cdef str kind = category(chr(point))
    if 0x2E80 <= point and kind in ("Lo", "Lm", "Nl") and (
        0x2E80 <= point <= 0x312F or 0x31A0 <= point <= 0x31FF or 0x3400 <= point <= 0x9FFF
        or 0xF900 <= point <= 0xFAFF or 0x1AFF0 <= point <= 0x1B16F or 0x20000 <= point <= 0x3FFFF
    ):
        return DENSE
    if kind in ("Lu", "Lt"):
        return UPPER
    if kind[0] == "L" or kind[0] == "N":
        return LETTER
    if kind[0] == "M":
        return MARK
    if kind == "Cf":
        return BREAK if point == 0x200B or point == 0xFEFF else DROPPED
    if kind == "So" and (0x2600 <= point <= 0x27BF or 0x2B00 <= point <= 0x2BFF or point >= 0x1F000):
        return ALONE
    if 0x1F3FB <= point <= 0x1F3FF:
        return DROPPED              # tones of skin
    return JOINT if point == 0x5F else BREAK


def _fill_ascii():
    cdef uint32_t point
    for point in range(128):
        classes[point] = class_of(point)


_fill_ascii()


cdef inline uint32_t next_point(const char* text, uint32_t* at) noexcept nogil:
    # The text is known to be UTF-8.
    cdef const uint8_t* bytes_at = <const uint8_t*>text + at[0]
    cdef uint32_t lead = bytes_at[0]
    if lead < 0x80:
        at[0] += 1
        return lead
    if lead < 0xE0:
        at[0] += 2
        return (lead & 0x1F) << 6 | (bytes_at[1] & 0x3F)
    if lead < 0xF0:
        at[0] += 3
        return (lead & 0x0F) << 12 | <uint32_t>(bytes_at[1] & 0x3F) << 6 | (bytes_at[2] & 0x3F)
    at[0] += 4
    return (
        (lead & 0x07) << 18 | <uint32_t>(bytes_at[1] & 0x3F) << 12 | <uint32_t>(bytes_at[2] & 0x3F) << 6
        | (bytes_at[3] & 0x3F)
    )


cdef bint is_ascii(const char* text, uint32_t size) noexcept nogil:
    cdef uint32_t i
    cdef uint8_t seen = 0
    for i in range(size):
        seen |= <uint8_t>text[i]
    return seen < 0x80


cdef object folded(str word):
    # D146 of the Unicode standard: equal for what is the same but for case and compatibility.
    return normalize("NFKC", normalize("NFKC", normalize("NFD", word).casefold()).casefold())


cdef int fold_unicode(buffer_t* out, const char* text, uint32_t size) noexcept nogil:
    cdef int status = 0
    with gil:
        try:
            word = folded(PyUnicode_DecodeUTF8(text, size, NULL)).encode()
            status = buffer_append(out, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))
        except MemoryError:
            status = -1
    return status


cdef int add(words_t* words, const char* text, uint32_t start, uint32_t end, bint over) noexcept nogil:
    # One word, folded, cut, without the characters that take no part.
    cdef word_t* items
    cdef uint32_t capacity, at = start, before, size
    cdef size_t head = words.text.size
    cdef bint ascii = is_ascii(text + start, end - start)
    cdef uint8_t letter
    cdef buffer_t plain
    if words.count == words.capacity:
        capacity = words.capacity * 2 if words.capacity else 64
        items = <word_t*>realloc(words.items, capacity * sizeof(word_t))
        if items == NULL:
            return -1
        words.items = items
        words.capacity = capacity
    if ascii:
        size = end - start if end - start < MAX_WORD_BYTES else <uint32_t>MAX_WORD_BYTES
        if buffer_append(&words.text, text + start, size) < 0:
            return -1
        for at in range(size):
            letter = <uint8_t>words.text.data[head + at]
            if 65 <= letter <= 90:
                words.text.data[head + at] = <char>(letter + 32)
    else:
        memset(&plain, 0, sizeof(buffer_t))
        while at < end and plain.size <= 4 * MAX_WORD_BYTES:
            before = at
            if classes[next_point(text, &at)] != DROPPED and buffer_append(&plain, text + before, at - before) < 0:
                buffer_free(&plain)
                return -1
        if plain.size and fold_unicode(&words.text, plain.data, <uint32_t>plain.size) < 0:
            buffer_free(&plain)
            return -1
        buffer_free(&plain)
        if words.text.size - head > MAX_WORD_BYTES:
            size = MAX_WORD_BYTES
            while <uint8_t>words.text.data[head + size] & 0xC0 == 0x80:
                size -= 1
            words.text.size = head + size
    items = &words.items[words.count]
    items.at = <uint32_t>head
    items.size = <uint32_t>(words.text.size - head)
    items.start = start
    items.end = end
    items.over = over
    words.count += items.size != 0
    return 0


cdef int add_run(words_t* words, const char* text, uint32_t start, uint32_t end) noexcept nogil:
    # A run of letters, digits, marks and underscores: as one word, or as its parts below the whole.
    cdef uint32_t at = start, before, first = start, last = end
    cdef uint32_t part = start                      # where the part began that is being walked
    cdef uint8_t kind, former = BREAK, two_ago = BREAK
    cdef uint32_t former_at = start
    cdef uint32_t whole = words.count
    while first < last and text[first] == c"_":     # _private and __init__ are private and init
        first += 1
    while last > first and text[last - 1] == c"_":
        last -= 1
    if first == last:
        return 0
    if last - first > MAX_RUN_BYTES:
        return add(words, text, first, last, False)
    if add(words, text, first, last, True) < 0:
        return -1
    at = part = first
    while at < last:
        before = at
        kind = classes[next_point(text, &at)]
        if kind == MARK or kind == DROPPED:
            continue
        if kind == JOINT:
            if part < before and add(words, text, part, before, False) < 0:
                return -1
            part = at
            former = two_ago = BREAK
            continue
        if kind == UPPER and former == LETTER:
            if add(words, text, part, before, False) < 0:
                return -1
            part = before
            two_ago = BREAK
        elif (
            kind == LETTER and former == UPPER and two_ago == UPPER and not 48 <= <uint8_t>text[before] <= 57
            and not (text[before] == c"s" and (at == last or text[at] == c"_"))      # the plural of URLs
        ):
            if add(words, text, part, former_at, False) < 0:
                return -1
            part = former_at
        two_ago = former
        former = kind
        former_at = before
    if part == first and part < last:               # in one piece
        words.items[whole].over = 0
        return 0
    return add(words, text, part, last, False) if part < last else 0


cdef int split_known(words_t* words, const char* text, uint32_t size) noexcept nogil:
    # Every character's class is known.
    cdef uint32_t at = 0, before, run = 0, dense = 0
    cdef bint in_run = False                        # letters since `run`
    cdef bint after_dense = False                   # the character at `dense` ends here
    cdef uint8_t kind
    while at < size:
        before = at
        kind = classes[next_point(text, &at)]
        if kind == LETTER or kind == UPPER or kind == JOINT:
            if not in_run:
                run = before
                in_run = True
            after_dense = False
            continue
        if kind == DROPPED or (kind == MARK and in_run):
            continue
        if in_run:
            in_run = False
            if add_run(words, text, run, before) < 0:
                return -1
        if kind == DENSE:
            if after_dense and add(words, text, dense, at, True) < 0:
                return -1
            if add(words, text, before, at, False) < 0:
                return -1
            dense = before
            after_dense = True
            continue
        after_dense = False
        if kind == ALONE and add(words, text, before, at, False) < 0:
            return -1
    if in_run:
        return add_run(words, text, run, size)
    return 0


cdef bytes normalized(const char* text, uint32_t size):
    # NFKC, with the classes of all its characters looked up.
    cdef str plain = normalize("NFKC", PyUnicode_DecodeUTF8(text, size, NULL))
    cdef Py_UCS4 character
    for character in plain:
        if classes[<uint32_t>character] == UNKNOWN:
            classes[<uint32_t>character] = class_of(<uint32_t>character)
    return plain.encode()


cdef int split_unicode(words_t* words, const char* text, uint32_t size) noexcept nogil:
    cdef int status = -1
    with gil:
        try:
            plain = normalized(text, size)
            status = split_known(words, PyBytes_AS_STRING(plain), <uint32_t>PyBytes_GET_SIZE(plain))
        except MemoryError:
            status = -1
    return status


cdef int words_split(words_t* words, const char* text, uint32_t size) noexcept nogil:
    cdef uint32_t count = words.count
    cdef size_t text_size = words.text.size
    cdef int status
    if is_ascii(text, size):
        status = split_known(words, text, size)
    else:
        status = split_unicode(words, text, size)
    if status < 0:
        words.count = count
        words.text.size = text_size
    return status


cdef void words_reset(words_t* words) noexcept nogil:
    words.count = 0
    words.text.size = 0


cdef void words_free(words_t* words) noexcept nogil:
    free(words.items)
    buffer_free(&words.text)
    memset(words, 0, sizeof(words_t))


def spans(str text not None):
    """(NFKC form of the text, [(word, start, end, over), ...]): start and end count characters of that form.

    A word that is `over` lies over the words behind it.
    """
    cdef words_t words
    cdef uint32_t i
    cdef str plain = normalize("NFKC", text.encode("utf-8", "replace").decode())
    cdef bytes data = plain.encode()
    cdef list found = []
    cdef list starts = []           # character number of each byte, for text that is not ASCII
    memset(&words, 0, sizeof(words_t))
    try:
        if words_split(&words, PyBytes_AS_STRING(data), <uint32_t>len(data)) < 0:
            raise MemoryError("words")
        if len(plain) != len(data):
            for at, character in enumerate(plain):
                starts.extend([at] * len(character.encode()))
            starts.append(len(plain))
        for i in range(words.count):
            word = words.text.data[words.items[i].at:words.items[i].at + words.items[i].size].decode()
            start, end = words.items[i].start, words.items[i].end
            if starts:
                start, end = starts[start], starts[end]
            found.append((word, start, end, bool(words.items[i].over)))
    finally:
        words_free(&words)
    return plain, found


def fold(str word not None):
    """A word as the index has it: NFKC and case folding."""
    return folded(word)
