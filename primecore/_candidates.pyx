# Candidates of a recall. The contract stands in _candidates.pxd.
#
# Both scores of a candidate are worked out in full: BM25 over the best one's, the cosine between the least and the best
# of the candidates, and added up by weight (a convex combination of scores: Bruch, Gai and Ingber, "An Analysis of Fusion
# Functions for Hybrid Retrieval", TOIS 42, 2023). Then each gives a share of its own to its neighbours, who keep the best
# share that they are given.

from libc.math cimport exp2
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memchr, memcmp, memset

from primecore._adjacency cimport RELATION_DEAD, list_view_t
from primecore._buffers cimport scratch_reset
from primecore._event cimport MAX_DEPTH, MAX_ENTITY_ID_BYTES, NONE32, slice_t
from primecore._graph cimport Graph
from primecore._json cimport JSON_NONE, next_member, parser_open, parser_t, tree_t, unescape, walk_text, walk_value
from primecore._knn cimport Look
from primecore._lexical cimport SUBJECT_NODE, SUBJECT_VECTOR, Lexical
from primecore._literals cimport parse_double
from primecore._records cimport edge_t, node_t
from primecore._sift cimport score as score_of
from primecore._states cimport EDGE_HEADER, NODE_HEADER, UNBOUNDED, state_t
from primecore._vectors cimport vector_t


cdef enum:
    MAX_FAN = 256                   # newest edges of a list that are followed


cdef extern from *:
    """
    #define LEAST_SHARE 0.05            /* of the spread of the cosines, that the least one is given */
    """
    const double LEAST_SHARE


# Filters.

cdef bint member_of(slice_t text, slice_t name, recall_t* recall, slice_t* out) noexcept nogil:
    # The raw value of a member of a JSON object.
    cdef parser_t parser
    cdef slice_t key
    cdef const char* start
    cdef bint first = True
    if text.size <= 2:
        return False
    parser_open(&parser, text.data, text.size, MAX_DEPTH, &recall.scratch)
    parser.at += 1
    while next_member(&parser, first, &key) == 1:
        first = False
        start = parser.at
        if walk_value(&parser, 1, NULL) == JSON_NONE:
            return False
        if key.size == name.size and memcmp(key.data, name.data, key.size) == 0:
            out.data = start
            out.size = <uint32_t>(parser.at - start)
            return True
    return False


cdef bint says(slice_t raw, slice_t wanted, recall_t* recall) noexcept nogil:
    # Whether a raw JSON value is this string.
    cdef slice_t text
    if raw.size < 2 or raw.data[0] != c'"':
        return False
    text = slice_t(raw.data + 1, raw.size - 2)
    if unescape(&text, memchr(text.data, c"\\", text.size) != NULL, &recall.scratch) != 0:
        return False
    return text.size == wanted.size and memcmp(text.data, wanted.data, text.size) == 0


cdef bint has_label(slice_t labels, recall_t* recall) noexcept nogil:
    cdef parser_t parser
    cdef tree_t tree
    cdef uint32_t i
    if labels.size <= 2:
        return False
    memset(&tree, 0, sizeof(tree_t))
    tree.with_arrays = 1
    parser_open(&parser, labels.data, labels.size, MAX_DEPTH, &recall.scratch)
    if walk_text(&parser, &tree) == JSON_NONE:
        return False
    for i in range(1, tree.count):
        if says(slice_t(tree.nodes[i].text, tree.nodes[i].size), recall.label, recall):
            return True
    return False


cdef bint fits(Graph graph, recall_t* recall, uint8_t kind, uint32_t number, uint32_t row) noexcept nogil:
    cdef char[MAX_ENTITY_ID_BYTES] key
    cdef node_t* node
    cdef int64_t created = 0, updated = 0
    cdef slice_t raw
    cdef bint found = False
    cdef uint32_t size
    if kind == SUBJECT_NODE:
        node = graph.node(number)
        if node.born == 0 or (recall.domain != NONE32 and node.domain != recall.domain):
            return False
        if recall.reads_times:              # two lines of memory each, far from what else is looked at
            created, updated = graph.cold(number).created_us, graph.updated_us(number)
        if recall.type.data != NULL:
            size = graph.nodes.copy_key(number, key)
            if (
                size <= recall.type.size + 5 or key[recall.type.size + 5] != c":"
                or memcmp(key + 5, recall.type.data, recall.type.size) != 0
            ):
                return False
    else:
        if recall.type.data != NULL or recall.domain != NONE32 or recall.label.data != NULL or row == NONE32:
            return False
        created = updated = graph.vectors.current.record(row).time_us
    if recall.reads_times and (
        updated < recall.from_us or updated >= recall.until_us
        or (recall.at_us != UNBOUNDED and created > recall.at_us)
    ):
        return False
    if not recall.reads_json:
        return True
    scratch_reset(&recall.scratch)
    if recall.label.data != NULL and not has_label(graph.states.labels(graph.node(number).state, NODE_HEADER), recall):
        return False
    if recall.conversation.data == NULL:
        return True
    if kind == SUBJECT_NODE and member_of(
        graph.states.properties(graph.node(number).state, NODE_HEADER), slice_t(b"conversation_id", 15), recall, &raw
    ):
        found = says(raw, recall.conversation, recall)
    if not found and row != NONE32 and member_of(
        graph.vectors.current.about(row), slice_t(b"conversation_id", 15), recall, &raw
    ):
        found = says(raw, recall.conversation, recall)
    return found


cdef void mark(Graph graph, Look look, recall_t* recall) noexcept nogil:
    # Which rows the scan may give.
    cdef uint32_t row
    cdef vector_t* record
    for row in range(look.count):
        record = look.space.record(row)
        look.allowed[row] = look.sees(row) and fits(
            graph, recall, SUBJECT_VECTOR if record.node == NONE32 else SUBJECT_NODE,
            record.entity if record.node == NONE32 else record.node, row,
        )


# Candidates.

cdef inline uint32_t slot_of(uint8_t kind, uint32_t number) noexcept nogil:
    return <uint32_t>(((<uint64_t>kind << 32 | number) * <uint64_t>0x9E3779B97F4A7C15) >> 50)


cdef candidate_t* candidate(recall_t* recall, uint8_t kind, uint32_t number, bint* is_new) noexcept nogil:
    # The one of this subject, made where there is none; NULL: no memory, or too many.
    cdef uint32_t at = slot_of(kind, number)
    cdef uint32_t capacity
    cdef candidate_t* it
    is_new[0] = False
    while recall.slots[at]:
        it = &recall.items[recall.slots[at] - 1]
        if it.kind == kind and it.number == number:
            return it
        at = (at + 1) & (SLOTS - 1)
    if recall.count == MAX_CANDIDATES:
        return NULL
    if recall.count == recall.capacity:
        capacity = 2 * recall.capacity if recall.capacity else 256
        it = <candidate_t*>realloc(recall.items, capacity * sizeof(candidate_t))
        if it == NULL:
            return NULL
        recall.items = it
        recall.capacity = capacity
    it = &recall.items[recall.count]
    memset(it, 0, sizeof(candidate_t))
    it.kind = kind
    it.number = number
    it.row = it.giver = it.edge = it.source = NONE32
    it.cosine = -2.0
    recall.count += 1
    recall.slots[at] = recall.count
    is_new[0] = True
    return it


cdef double bm25_of(Lexical index, recall_t* recall, const candidate_t* it) noexcept nogil:
    cdef uint32_t document, i
    cdef double score = 0.0
    if recall.search == NULL or recall.search.clause_count == 0:
        return 0.0
    document = index.place(it.kind, it.number)[0]
    if document == 0 or index.postings.document(document - 1).size == 0:
        return 0.0
    for i in range(recall.search.phrase_count):
        if not index.postings.has_phrase(
            document - 1, recall.search.phrases[i].terms, recall.search.phrases[i].count
        ):
            return 0.0
    for i in range(recall.search.clause_count):
        score += index.postings.score(&recall.search.clauses[i], document - 1)
    return score


cdef void look_up(Lexical index, Look look, recall_t* recall, candidate_t* it, double bm25) noexcept nogil:
    it.row = index.row_of(it.kind, it.number)
    if look is not None and it.row != NONE32 and look.sees(it.row):
        it.cosine = score_of(look.space, &look.asked, it.row)
    it.bm25 = bm25 if bm25 >= 0.0 else bm25_of(index, recall, it)


cdef void set_scale(recall_t* recall) noexcept nogil:
    # The least cosine stands a little above nothing: it was found, too.
    cdef uint32_t i
    cdef double least = 2.0
    cdef candidate_t* it
    for i in range(recall.count):
        it = &recall.items[i]
        if it.bm25 > recall.best_words:
            recall.best_words = it.bm25
        if it.cosine >= recall.floor and it.cosine > -2.0:
            recall.best_cosine = it.cosine if it.cosine > recall.best_cosine else recall.best_cosine
            least = it.cosine if it.cosine < least else least
    recall.least_cosine = least - LEAST_SHARE * (recall.best_cosine - least) if recall.best_cosine > least else least - 1.0


cdef void weigh(recall_t* recall, candidate_t* it) noexcept nogil:
    cdef double share
    cdef bint is_alike = it.cosine >= recall.floor and it.cosine > -2.0
    if not is_alike and not (it.bm25 > 0.0 and it.bm25 >= recall.floor * recall.words_in_all):
        return
    if it.bm25 > 0.0:
        share = it.bm25 / recall.best_words
        it.words = recall.words_weight * (share if share < 1.0 else 1.0)
    if is_alike and it.cosine > recall.least_cosine and recall.best_cosine > -2.0:
        share = (it.cosine - recall.least_cosine) / (recall.best_cosine - recall.least_cosine)
        it.vector = recall.vector_weight * (share if share < 1.0 else 1.0)
    it.value = it.vector + it.words


# Edges.

cdef bint holds(Graph graph, const edge_t* edge, int64_t at_us) noexcept nogil:
    cdef state_t state
    if at_us == UNBOUNDED:
        return True
    graph.states.read(edge.state, EDGE_HEADER, &state)
    return (state.valid_from_us == UNBOUNDED or state.valid_from_us <= at_us) and (
        state.valid_to_us == UNBOUNDED or at_us < state.valid_to_us
    )


cdef int give_along(Graph graph, Lexical index, recall_t* recall, uint32_t giver, uint64_t word) noexcept nogil:
    cdef list_view_t edges
    cdef uint32_t i, first, peer
    cdef edge_t* edge
    cdef candidate_t* it
    cdef double share
    cdef bint is_new
    graph.adjacency.view(word, &edges)
    first = edges.count - MAX_FAN if edges.count > MAX_FAN else 0
    for i in range(first, edges.count):
        if edges.relations[i] & RELATION_DEAD:
            continue
        peer = edges.peers[i]
        edge = graph.edge(edges.edges[i])
        share = recall.graph_weight * recall.items[giver].value * (
            1.0 if edge.weight > 1.0 else edge.weight if edge.weight > 0.0 else 0.0
        )
        if (
            share <= 0.0 or edge.died or peer == recall.items[giver].number or graph.node(peer).born == 0
            or not holds(graph, edge, recall.at_us)
        ):
            continue
        it = candidate(recall, SUBJECT_NODE, peer, &is_new)
        if it == NULL:
            return 0 if recall.count == MAX_CANDIDATES else -1
        if is_new:
            # Its vector is none of the nearest, or it would be here already: what it could add is not worth the look.
            it.fits = fits(
                graph, recall, SUBJECT_NODE, peer,
                index.row_of(SUBJECT_NODE, peer) if recall.conversation.data != NULL else <uint32_t>NONE32,
            )
            if it.fits:
                it.bm25 = bm25_of(index, recall, it)
                weigh(recall, it)
        # What a candidate has from this one alone is not given back to it.
        if it.fits and share > it.graph and recall.items[giver].source != <uint32_t>(it - recall.items):
            it.graph = share
            it.giver = giver
            it.edge = edges.edges[i]
    return 0


cdef int by_value(const void* a, const void* b) noexcept nogil:
    cdef const candidate_t* first = (<const candidate_t**>a)[0]
    cdef const candidate_t* second = (<const candidate_t**>b)[0]
    if first.value != second.value:
        return -1 if first.value > second.value else 1
    if first.kind != second.kind:
        return -1 if first.kind < second.kind else 1
    return -1 if first.number < second.number else 1


cdef int give(Graph graph, Lexical index, recall_t* recall, uint32_t depth, uint32_t givers) noexcept nogil:
    # Rounds: in each, all that have something give a share of what they had when it began, the best first.
    cdef uint32_t _round, i, count
    cdef uint32_t* order
    cdef candidate_t** sorted_
    cdef int status = 0
    for _round in range(depth):
        count = 0
        order = <uint32_t*>malloc((<size_t>recall.count + 1) * sizeof(uint32_t))
        sorted_ = <candidate_t**>malloc((<size_t>recall.count + 1) * sizeof(candidate_t*))
        if order == NULL or sorted_ == NULL:
            status = -1
        else:
            for i in range(recall.count):
                if recall.items[i].kind == SUBJECT_NODE and recall.items[i].value > 0.0:
                    sorted_[count] = &recall.items[i]
                    count += 1
            qsort(sorted_, count, sizeof(candidate_t*), &by_value)
            count = givers if count > givers else count
            for i in range(count):
                order[i] = <uint32_t>(sorted_[i] - recall.items)
            for i in range(count):
                if status == 0:
                    status = give_along(graph, index, recall, order[i], graph.node(recall.items[order[i]].number).out_list)
                if status == 0:
                    status = give_along(graph, index, recall, order[i], graph.node(recall.items[order[i]].number).in_list)
        free(order)
        free(sorted_)
        if status < 0:
            return -1
        for i in range(recall.count):
            if recall.items[i].graph > recall.items[i].value:
                recall.items[i].value = recall.items[i].graph
                recall.items[i].source = recall.items[i].giver
    return 0


cdef void score_all(Graph graph, recall_t* recall) noexcept nogil:
    cdef uint32_t i
    cdef candidate_t* it
    cdef double relevance, importance
    cdef int64_t age
    cdef slice_t raw
    for i in range(recall.count):
        it = &recall.items[i]
        relevance = it.vector + it.words + it.graph
        if relevance > 0.0 and recall.half_life_us > 0.0:
            age = recall.now_us
            if it.kind == SUBJECT_NODE:
                age -= graph.updated_us(it.number)
            elif it.row != NONE32:
                age -= graph.vectors.current.record(it.row).time_us
            it.recency = recall.recency_weight * relevance * exp2(-(<double>age if age > 0 else 0.0) / recall.half_life_us)
        if relevance > 0.0 and recall.importance.data != NULL and it.kind == SUBJECT_NODE:
            scratch_reset(&recall.scratch)
            if (
                member_of(graph.states.properties(graph.node(it.number).state, NODE_HEADER), recall.importance, recall, &raw)
                and parse_double(raw.data, raw.size, &importance) == 0
            ):
                importance = 0.0 if importance < 0.0 else 1.0 if importance > 1.0 else importance
                it.importance = recall.importance_weight * relevance * importance
        it.score = relevance + it.recency + it.importance
