# A query over the lexical index: the k best documents, at one position. Knows the index and the graph; not how a query is
# written.
#
# Documents are scored in windows of 2,048, a word at a time, so that the sums stay in the nearest cache; what reaches the
# score of the worst hit so far is then looked at closer: filters, phrases, ties. (Lucene's BooleanScorer, after Cutting
# and Pedersen, "Space Optimizations for Total Ranking", RIAO 1997.)

from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcmp, memset

from primecore._buffers cimport scratch_free, scratch_init, scratch_t
from primecore._event cimport MAX_DEPTH, MAX_ENTITY_ID_BYTES, NONE32, slice_t
from primecore._graph cimport Graph
from primecore._json cimport JSON_NONE, next_member, parser_open, parser_t, unescape, walk_value
from primecore._lexical cimport SUBJECT_NODE, Lexical, rw_lock_leave, rw_lock_read
from primecore._postings cimport Postings, clause_t, document_t, filter_t, hit_t, posting_t, term_t
from primecore._shards cimport KeyTable
from primecore._states cimport NODE_HEADER

from primecore.model import Hit


cdef enum:
    GROUP = 16                      # sums that are compared together
    MAX_CLAUSES = 1024


cdef enum clause_kind:
    WORD = 0
    PREFIX = 1
    STEM = 2


cdef struct terms_t:
    uint32_t* items
    uint32_t count
    uint32_t capacity


# Words that a word of a query stands for.

cdef uint32_t stem_size(const char* word, uint32_t size, char* ending) noexcept nogil:
    # Harman's "s" stemmer ("How effective is suffixing?", JASIS 42, 1991): the first rule that fits decides. Gives the
    # bytes of the word that stay; ending[0] is what follows them, 0: nothing.
    ending[0] = 0
    if size < 3 or word[size - 1] != c"s":
        return size
    if word[size - 2] == c"e":
        if word[size - 3] == c"i":
            if size > 3 and word[size - 4] != c"e" and word[size - 4] != c"a":
                ending[0] = c"y"
                return size - 3
            return size - 1
        if word[size - 3] == c"a" or word[size - 3] == c"e" or word[size - 3] == c"o":
            return size
        return size - 1
    return size if word[size - 2] == c"u" or word[size - 2] == c"s" else size - 1


cdef bint same_stem(const char* a, uint32_t a_size, const char* b, uint32_t b_size) noexcept nogil:
    cdef char a_end, b_end
    cdef uint32_t a_kept = stem_size(a, a_size, &a_end)
    cdef uint32_t b_kept = stem_size(b, b_size, &b_end)
    cdef uint32_t i
    # Both as they would be spelled: "pony" is its own stem, and that of "ponies".
    if a_kept + (a_end != 0) != b_kept + (b_end != 0):
        return False
    for i in range(a_kept + (a_end != 0)):
        if (a[i] if i < a_kept else a_end) != (b[i] if i < b_kept else b_end):
            return False
    return True


cdef int expand(Postings index, int kind, const char* word, uint32_t size, terms_t* out) noexcept nogil:
    # All words of the index that begin so, or have this stem.
    cdef char[1024] key
    cdef uint32_t number, key_size, capacity
    cdef uint32_t* items
    cdef term_t* term
    for number in range(index.terms.count):
        term = <term_t*>index.terms.record(number)
        if term.count == term.dead:
            continue
        key_size = index.terms.key_size(number)
        if key_size + 3 < size or (kind == PREFIX and key_size < size):
            continue
        index.terms.copy_key(number, key)
        if kind == PREFIX:
            if memcmp(key, word, size) != 0:
                continue
        elif not same_stem(key, key_size, word, size):
            continue
        if out.count == out.capacity:
            capacity = out.capacity * 2 if out.capacity else 64
            items = <uint32_t*>realloc(out.items, capacity * sizeof(uint32_t))
            if items == NULL:
                return -1
            out.items = items
            out.capacity = capacity
        out.items[out.count] = number
        out.count += 1
    return 0


cdef int open_clause(Postings index, clause_t* clause, int kind, const char* word, uint32_t size,
                     uint32_t times) noexcept nogil:
    cdef terms_t terms
    cdef int status
    if kind == WORD:
        index.open_clause(clause, index.term_number(word, size))
    else:
        memset(&terms, 0, sizeof(terms_t))
        status = expand(index, kind, word, size, &terms)
        if status == 0:
            status = index.open_union(clause, terms.items, terms.count)
        free(terms.items)
        if status < 0:
            return -1
    index.weigh(clause, times)
    return 0


# The best.

cdef int compare_ids(Lexical index, uint32_t a, uint32_t b) noexcept nogil:
    cdef char[MAX_ENTITY_ID_BYTES] a_id
    cdef char[MAX_ENTITY_ID_BYTES] b_id
    cdef uint32_t a_size = index.copy_id(a, a_id)
    cdef uint32_t b_size = index.copy_id(b, b_id)
    cdef int order = memcmp(a_id, b_id, a_size if a_size < b_size else b_size)
    return order if order else (a_size > b_size) - (a_size < b_size)


cdef inline bint is_worse(Lexical index, const hit_t* a, const hit_t* b) noexcept nogil:
    # A lower score, or of equal ones the later id.
    if a.score != b.score:
        return a.score < b.score
    return compare_ids(index, a.document, b.document) > 0


cdef void sift_down(Lexical index, hit_t* hits, uint32_t count, uint32_t at) noexcept nogil:
    cdef uint32_t child
    cdef hit_t moved = hits[at]
    while True:
        child = 2 * at + 1
        if child >= count:
            break
        if child + 1 < count and is_worse(index, &hits[child + 1], &hits[child]):
            child += 1
        if not is_worse(index, &hits[child], &moved):
            break
        hits[at] = hits[child]
        at = child
    hits[at] = moved


cdef bint comes_first(Lexical index, const search_t* search, uint32_t document) noexcept nogil:
    cdef char[MAX_ENTITY_ID_BYTES] key
    cdef uint32_t size = index.copy_id(document, key)
    cdef int order = memcmp(key, search.worst_id, size if size < search.worst_size else search.worst_size)
    return order < 0 or (order == 0 and size < search.worst_size)


cdef void offer(Lexical index, search_t* search, uint32_t document, double score) noexcept nogil:
    cdef hit_t hit
    cdef uint32_t i, parent
    if search.hit_count == search.room and (
        score < search.hits[0].score or (score == search.hits[0].score and not comes_first(index, search, document))
    ):
        return
    if not index.postings.passes(document, &search.filter):
        return
    hit.score = score
    hit.document = document
    for i in range(search.phrase_count):
        if not index.postings.has_phrase(document, search.phrases[i].terms, search.phrases[i].count):
            return
    if search.hit_count == search.room:
        search.hits[0] = hit
        sift_down(index, search.hits, search.hit_count, 0)
        search.worst_size = index.copy_id(search.hits[0].document, search.worst_id)
        return
    i = search.hit_count
    search.hit_count += 1
    while i:
        parent = (i - 1) >> 1
        if not is_worse(index, &hit, &search.hits[parent]):
            break
        search.hits[i] = search.hits[parent]
        i = parent
    search.hits[i] = hit
    if search.hit_count == search.room:
        search.worst_size = index.copy_id(search.hits[0].document, search.worst_id)


cdef void add_scores(Postings index, search_t* search, uint32_t first, uint32_t end) noexcept nogil:
    cdef uint32_t i, at
    cdef clause_t* clause
    cdef const posting_t* items
    cdef const uint32_t* lengths = <const uint32_t*>index.lengths.base
    cdef double flat = 1.2 * 0.25
    cdef double slope = 1.2 * 0.75 * index.count / index.length
    cdef double frequency
    for i in range(search.clause_count):
        clause = &search.clauses[i]
        items = clause.items
        at = clause.at
        while at < clause.count and items[at].document < end:
            frequency = items[at].frequency
            search.sums[items[at].document - first] += (
                clause.weight * frequency / (frequency + flat + slope * lengths[items[at].document])
            )
            at += 1
        clause.at = at


cdef uint32_t next_document(const search_t* search) noexcept nogil:
    cdef uint32_t i, nearest = NONE32
    cdef const clause_t* clause
    for i in range(search.clause_count):
        clause = &search.clauses[i]
        if clause.at < clause.count and clause.items[clause.at].document < nearest:
            nearest = clause.items[clause.at].document
    return nearest


cdef void rank(Lexical index, search_t* search) noexcept nogil:
    cdef uint32_t first, i, j
    cdef double least
    cdef bint any_over
    cdef hit_t last
    while True:
        first = next_document(search)
        if first == NONE32:
            break
        memset(search.sums, 0, sizeof(search.sums))
        add_scores(index.postings, search, first, first + WINDOW)
        i = 0
        while i < WINDOW:
            least = search.hits[0].score if search.hit_count == search.room else 5e-324
            any_over = False
            for j in range(i, i + GROUP):
                any_over |= search.sums[j] >= least
            if any_over:
                for j in range(i, i + GROUP):
                    if search.sums[j] >= least:
                        offer(index, search, first + j, search.sums[j])
            i += GROUP
    # The heap, taken apart from its worst: the best is first then.
    i = search.hit_count
    while i > 1:
        i -= 1
        last = search.hits[i]
        search.hits[i] = search.hits[0]
        search.hits[0] = last
        sift_down(index, search.hits, i, 0)


# What is handed out, with the GIL held and nothing folded since.

cdef object own_text(Graph graph, uint32_t node):
    # What a node says of itself: its property `text`, else its name.
    cdef slice_t properties = graph.states.properties(graph.node(node).state, NODE_HEADER)
    cdef slice_t key, text
    cdef slice_t found = slice_t(NULL, 0)
    cdef scratch_t scratch
    cdef parser_t parser
    cdef const char* start
    cdef bint first = True, is_text = False
    scratch_init(&scratch)
    try:
        parser_open(&parser, properties.data, properties.size, MAX_DEPTH, &scratch)
        parser.at += 1
        while not is_text and next_member(&parser, first, &key) == 1:
            first = False
            start = parser.at
            if start[0] == c'"' and key.size == 4 and memcmp(key.data, b"text", 4) == 0:
                is_text = True
            elif not (start[0] == c'"' and key.size == 4 and memcmp(key.data, b"name", 4) == 0):
                start = NULL
            if walk_value(&parser, 1, NULL) == JSON_NONE:
                break
            if start != NULL:
                found = slice_t(start + 1, <uint32_t>(parser.at - start - 2))
        if found.data == NULL:
            return None
        text = found
        if unescape(&text, memchr(text.data, c"\\", text.size) != NULL, &scratch) != 0:
            raise MemoryError("no room for a text")
        return PyUnicode_DecodeUTF8(text.data, text.size, NULL)
    finally:
        scratch_free(&scratch)


cdef object id_of(Lexical index, uint32_t document):
    cdef char[MAX_ENTITY_ID_BYTES] key
    cdef uint32_t size = index.copy_id(document, key)
    return PyUnicode_DecodeUTF8(key, size, NULL)


cdef list strings_of(Lexical index, document_t* document, slice_t text):
    # What a snippet may be cut from: the text, and the properties of a node, as bytes of JSON.
    cdef slice_t properties
    cdef list found = []
    if text.size:
        found.append(PyUnicode_DecodeUTF8(text.data, text.size, NULL))
    if document.kind == SUBJECT_NODE:
        properties = index.graph.states.properties(index.graph.node(document.subject).state, NODE_HEADER)
        found.append(properties.data[:properties.size])
        properties = index.graph.states.labels(index.graph.node(document.subject).state, NODE_HEADER)
        if properties.size:
            found.append(properties.data[:properties.size])
    return found


cdef tuple made_hit(Lexical index, search_t* search, hit_t* hit, list names, bint explain):
    # Metadata is handed out as JSON.
    cdef document_t* document = index.postings.document(hit.document)
    cdef uint32_t row = index.row_of(document.kind, document.subject)
    cdef slice_t text = slice_t(NULL, 0)
    cdef slice_t about = slice_t(NULL, 0)
    cdef uint32_t i
    cdef double part
    cdef dict parts = {}
    if row != NONE32:
        text = index.graph.vectors.current.text(row)
        about = index.graph.vectors.current.about(row)
    for i in range(search.clause_count):
        part = index.postings.score(&search.clauses[i], hit.document)
        if part > 0.0:
            parts[names[i]] = part
    strings = strings_of(index, document, text) if explain else None
    if text.size:
        shown = PyUnicode_DecodeUTF8(text.data, text.size, NULL)
    else:
        shown = own_text(index.graph, document.subject) if document.kind == SUBJECT_NODE else None
    return Hit(id_of(index, hit.document), hit.score, shown, about.data[:about.size] if about.size else None, parts), strings


# A query as it was asked.

cdef uint32_t number_in(KeyTable names, str name) except? 0xFFFFFFFE:
    # NONE32 where nobody has this name.
    cdef bytes data = name.encode("utf-8", "replace")
    return names.find(names.hash(data, <uint32_t>len(data)), data, <uint32_t>len(data))


cdef bint open_filter(Lexical index, filter_t* filter, tuple filters) except -1:
    # False where it names what nobody has.
    filter.type = filter.domain = filter.label = NONE32
    if filters[0] is not None:
        filter.type = number_in(index.types.types, filters[0])
        if filter.type == NONE32:
            return False
    if filters[1] is not None:
        filter.domain = number_in(index.graph.domains, filters[1])
        if filter.domain == NONE32:
            return False
    if filters[2] is not None:
        filter.label = number_in(index.postings.labels, filters[2])
        if filter.label == NONE32:
            return False
    filter.created_from_us, filter.created_until_us = filters[3], filters[4]
    filter.updated_from_us, filter.updated_until_us = filters[5], filters[6]
    return True


cdef bint open_search(Postings index, search_t* search, list clauses, list phrases, uint32_t k) except -1:
    # False where a phrase holds a word that no document holds.
    cdef uint32_t i, j, size, times
    cdef int kind, status
    cdef const char* word
    cdef phrase_t* phrase
    search.room = k if k < index.count else index.count
    search.clauses = <clause_t*>calloc(<size_t>len(clauses), sizeof(clause_t))
    search.hits = <hit_t*>malloc(search.room * sizeof(hit_t))
    search.phrases = <phrase_t*>calloc(<size_t>len(phrases) + 1, sizeof(phrase_t))
    if search.clauses == NULL or search.hits == NULL or search.phrases == NULL:
        raise MemoryError("no room to search")
    for i in range(<uint32_t>len(phrases)):
        phrase = &search.phrases[i]
        phrase.terms = <uint32_t*>malloc((<size_t>len(phrases[i]) + 1) * sizeof(uint32_t))
        if phrase.terms == NULL:
            raise MemoryError("no room to search")
        search.phrase_count += 1
        for j in range(<uint32_t>len(phrases[i])):
            data = <bytes?>phrases[i][j]
            phrase.terms[j] = index.term_number(data, <uint32_t>len(data))
            if phrase.terms[j] == NONE32:
                return False
            phrase.count += 1
    for i in range(<uint32_t>len(clauses)):
        kind, data, times = clauses[i][0], <bytes?>clauses[i][1], clauses[i][2]
        word, size = data, <uint32_t>len(data)
        search.clause_count += 1
        with nogil:
            status = open_clause(index, &search.clauses[i], kind, word, size, times)
        if status < 0:
            raise MemoryError("no room to search")
    return True


cdef void close_search(search_t* search) noexcept:
    cdef uint32_t i
    for i in range(search.phrase_count):
        free(search.phrases[i].terms)
    for i in range(search.clause_count):
        free(search.clauses[i].own)
    free(search.phrases)
    free(search.clauses)
    free(search.hits)
    free(search)


def search(Lexical index not None, list clauses not None, list phrases not None, uint32_t k, tuple filters not None,
           uint64_t position, bint explain=False):
    """[(Hit without snippet, its metadata still JSON, strings to cut one from, or None), ...], the best first; None: something changed meanwhile.

    `clauses`: (kind, word, how often the query says it, how to call it); kind 0 a word, 1 the beginning of words, 2 all
    words of its stem. `phrases`: lists of words that a hit must hold side by side. `filters`: type, domain, label (None:
    any), then created from, until, updated from, until in microseconds. `position`: what the answer must show.
    """
    cdef search_t* state
    cdef document_t* document
    cdef uint32_t i
    if not 0 < <size_t>len(clauses) <= MAX_CLAUSES or k == 0:
        return []
    state = <search_t*>calloc(1, sizeof(search_t))
    if state == NULL:
        raise MemoryError("no room to search")
    with nogil:
        rw_lock_read(index.lock)
    try:
        if not index.whole or index.position < position:
            return None
        if index.postings.count == 0 or not open_filter(index, &state.filter, filters):
            return []
        if not open_search(index.postings, state, clauses, phrases, k):
            return []
        with nogil:
            rank(index, state)
        if index.graph.stamp & 1:
            return None
        for i in range(state.hit_count):
            document = index.postings.document(state.hits[i].document)
            if index.waits(document.kind, document.subject):
                return None
        names = [clause[3] for clause in clauses]
        return [made_hit(index, state, &state.hits[i], names, explain) for i in range(state.hit_count)]
    finally:
        rw_lock_leave(index.lock)
        close_search(state)
