# Recall: what vectors, words and edges bring, the k best at one position, as hits. Knows candidates and both indexes; not
# how a query is written.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort

from primecore._buffers cimport scratch_free
from primecore._candidates cimport (
    SLOTS, bm25_of, candidate, candidate_t, fits, give, look_up, mark, recall_t, score_all, set_scale, weigh,
)
from primecore._event cimport NONE32, slice_t
from primecore._graph cimport Graph
from primecore._knn cimport Look
from primecore._lexical cimport SUBJECT_NODE, SUBJECT_VECTOR, Lexical, rw_lock_leave, rw_lock_read
from primecore._postings cimport document_t
from primecore._ranking cimport close_search, open_filter, open_search, own_text, rank, search_t
from primecore._records cimport edge_t
from primecore._sift cimport nearest as scan, scored_t, sort_scored
from primecore._states cimport UNBOUNDED
from primecore._vectors cimport vector_t

from primecore.model import Hit, Link


cdef extern from "knn.h" nogil:
    double knn_dot(const float* a, const float* b, size_t count) noexcept


cdef enum:
    GIVERS = 32                     # candidates that give to their neighbours, at least, and twice as many as are wanted
    MMR_POOL = 8                    # candidates that are weighed for each one that is chosen


FIRST_US, LAST_US = -(2**63), 2**63 - 1
NO_FILTERS = (None, None, None, None, FIRST_US, LAST_US, None)


# The best of them.

cdef int by_score(const void* a, const void* b) noexcept nogil:
    cdef const candidate_t* first = (<const candidate_t**>a)[0]
    cdef const candidate_t* second = (<const candidate_t**>b)[0]
    if first.score != second.score:
        return -1 if first.score > second.score else 1
    return 0


cdef object id_of(Graph graph, const candidate_t* it):
    if it.kind == SUBJECT_NODE:
        return graph.nodes.key_str(it.number)
    return graph.entities.key_str(it.number)[4:]


cdef list ranked(Graph graph, recall_t* recall, uint32_t room, double min_score):
    # Numbers of the first `room` candidates, best first, equal scores by id.
    cdef candidate_t** sorted_ = <candidate_t**>malloc((<size_t>recall.count + 1) * sizeof(candidate_t*))
    cdef uint32_t i, end, count = 0
    cdef list out = []
    if sorted_ == NULL:
        raise MemoryError("no room to recall")
    try:
        for i in range(recall.count):
            if recall.items[i].score > 0.0 and recall.items[i].score >= min_score:
                sorted_[count] = &recall.items[i]
                count += 1
        qsort(sorted_, count, sizeof(candidate_t*), &by_score)
        i = 0
        while i < count and <uint32_t>len(out) < room:
            end = i + 1
            while end < count and sorted_[end].score == sorted_[i].score:
                end += 1
            if end == i + 1:
                out.append(<uint32_t>(sorted_[i] - recall.items))
            else:
                tied = [(id_of(graph, sorted_[j]), <uint32_t>(sorted_[j] - recall.items)) for j in range(i, end)]
                tied.sort()
                out.extend([number for _, number in tied])
            i = end
        return out[:room]
    finally:
        free(sorted_)


cdef list spread_out(Look look, recall_t* recall, list best, uint32_t k, double diversity):
    # Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): each next one is the best of the rest, less what
    # it has in common with the nearest one chosen.
    cdef list chosen = []
    cdef uint32_t count = <uint32_t>len(best), i, at, row
    cdef double top = recall.items[<uint32_t>best[0]].score if count else 1.0
    cdef double worth, most, alike
    cdef double* nearest = <double*>calloc(count + 1, sizeof(double))
    cdef candidate_t* it
    cdef candidate_t* last
    if nearest == NULL:
        raise MemoryError("no room to recall")
    try:
        left = list(range(count))
        while left and <uint32_t>len(chosen) < k:
            most = -10.0
            at = 0
            for i in left:
                worth = (1.0 - diversity) * recall.items[<uint32_t>best[i]].score / top - diversity * nearest[i]
                if worth > most:
                    most = worth
                    at = i
            left.remove(at)
            chosen.append(best[at])
            last = &recall.items[<uint32_t>best[at]]
            if last.row == NONE32:
                continue
            for i in left:
                it = &recall.items[<uint32_t>best[i]]
                row = it.row
                if row == NONE32:
                    continue
                alike = knn_dot(look.space.numbers(row), look.space.numbers(last.row), look.space.dimensions)
                alike /= look.space.record(row).norm * look.space.record(last.row).norm
                if alike > nearest[i]:
                    nearest[i] = alike
        return chosen
    finally:
        free(nearest)


cdef tuple links_of(Graph graph, recall_t* recall, uint32_t number, uint32_t depth):
    # The edges along which its share came, from the candidate that was found by itself on.
    cdef list found = []
    cdef candidate_t* it = &recall.items[number]
    cdef edge_t* edge
    while it.giver != NONE32 and <uint32_t>len(found) < depth:
        edge = graph.edge(it.edge)
        found.append(Link(
            graph.nodes.key_str(edge.source), graph.relation_name(edge.relation), graph.nodes.key_str(edge.target),
            graph.edges.key_str(it.edge),
        ))
        it = &recall.items[it.giver]
        if it.vector + it.words >= it.graph:
            break
    found.reverse()
    return tuple(found)


cdef object made_hit(Graph graph, recall_t* recall, uint32_t number, uint32_t depth):
    # Its metadata still as JSON.
    cdef candidate_t* it = &recall.items[number]
    cdef slice_t text = slice_t(NULL, 0)
    cdef slice_t about = slice_t(NULL, 0)
    cdef dict parts = {"vector": it.vector, "words": it.words, "graph": it.graph, "recency": it.recency}
    if it.row != NONE32:
        text = graph.vectors.current.text(it.row)
        about = graph.vectors.current.about(it.row)
    if recall.importance.data != NULL:
        parts["importance"] = it.importance
    return Hit(
        id_of(graph, it), it.score,
        text.data[:text.size].decode("utf-8", "replace") if text.size
        else own_text(graph, it.number) if it.kind == SUBJECT_NODE else None,
        about.data[:about.size] if about.size else None, parts, None, links_of(graph, recall, number, depth),
    )


# A question as it was asked.

cdef slice_t slice_of(bytes text):
    # Without data where there is none: what is asked for may be empty. Borrows.
    return slice_t(NULL, 0) if text is None else slice_t(PyBytes_AS_STRING(text), <uint32_t>PyBytes_GET_SIZE(text))


cdef int from_vectors(Graph graph, Lexical index, Look look, recall_t* recall, list rows, size_t wanted) except -1:
    # The nearest as candidates: of `rows` where another index found them, else by a scan. The GIL is let go meanwhile.
    cdef scored_t* found = NULL
    cdef size_t count = 0, i
    cdef int status
    cdef uint32_t row
    cdef double cosine
    cdef vector_t* record
    cdef candidate_t* it
    cdef bint is_new
    if rows is None:
        with nogil:
            status = scan(look.space, &look.asked, wanted, recall.floor, &found, &count)
            if status == 0:
                sort_scored(found, count)
        if status < 0:
            free(found)
            raise MemoryError("no room to recall")
    else:
        count = <size_t>len(rows)
    try:
        for i in range(count if count < wanted else wanted):
            row = found[i].row if rows is None else <uint32_t>rows[i][1]
            cosine = found[i].score if rows is None else <double>rows[i][0]
            record = look.space.record(row)
            it = candidate(
                recall, SUBJECT_VECTOR if record.node == NONE32 else SUBJECT_NODE,
                record.entity if record.node == NONE32 else record.node, &is_new,
            )
            if it == NULL:
                raise MemoryError("no room to recall")
            if is_new:
                it.row = row
                it.cosine = cosine
                it.bm25 = bm25_of(index, recall, it)
                it.fits = True
        return 0
    finally:
        free(found)


cdef int from_words(Graph graph, Lexical index, Look look, recall_t* recall, uint32_t wanted) except -1:
    cdef uint32_t i, taken = 0
    cdef document_t* document
    cdef candidate_t* it
    cdef bint is_new
    for i in range(recall.search.hit_count):
        document = index.postings.document(recall.search.hits[i].document)
        if recall.conversation.data != NULL and not fits(
            graph, recall, document.kind, document.subject, index.row_of(document.kind, document.subject)
        ):
            continue
        if taken == wanted:
            break
        taken += 1
        it = candidate(recall, document.kind, document.subject, &is_new)
        if it == NULL:
            raise MemoryError("no room to recall")
        if is_new:
            look_up(index, look, recall, it, recall.search.hits[i].score)
            it.fits = True
    for i in range(recall.search.clause_count):
        recall.words_in_all += recall.search.clauses[i].weight if recall.search.clauses[i].count else 0.0
    return 0


cdef bint open_recall(Graph graph, recall_t* recall, tuple filters, tuple how) except -1:
    # False where a filter names what nobody has.
    cdef double total
    recall.slots = <uint32_t*>calloc(SLOTS, sizeof(uint32_t))
    if recall.slots == NULL:
        raise MemoryError("no room to recall")
    recall.type, recall.label, recall.conversation = slice_of(filters[0]), slice_of(filters[2]), slice_of(filters[3])
    recall.domain = NONE32
    if filters[1] is not None:
        name = <bytes?>filters[1]
        recall.domain = graph.domains.find(
            graph.domains.hash(name, <uint32_t>len(name)), name, <uint32_t>len(name)
        )
        if recall.domain == NONE32:
            return False
    recall.from_us, recall.until_us = filters[4], filters[5]
    recall.at_us = UNBOUNDED if filters[6] is None else filters[6]
    recall.reads_times = filters[4:] != NO_FILTERS[4:]
    recall.reads_json = recall.label.data != NULL or recall.conversation.data != NULL
    recall.vector_weight, recall.words_weight, recall.graph_weight = how[0], how[1], how[2]
    recall.recency_weight, recall.importance_weight = how[3], how[4]
    recall.floor, recall.half_life_us, recall.now_us = how[5], how[6], how[7]
    recall.importance = slice_of(how[8])
    recall.best_cosine = -2.0
    # Arms that answer share the weight between them.
    if recall.vector_weight + recall.words_weight > 0.0:
        total = (recall.vector_weight if how[9] else 0.0) + (recall.words_weight if how[10] else 0.0)
        if total > 0.0:
            recall.vector_weight /= total
            recall.words_weight /= total
    return True


cdef void close_recall(recall_t* recall) noexcept:
    if recall.search != NULL:
        close_search(recall.search)
    free(recall.slots)
    free(recall.items)
    scratch_free(&recall.scratch)
    free(recall)


def recall(Graph graph not None, Lexical index not None, Look look, list rows, list clauses not None, list phrases not None,
           uint32_t k, uint32_t pool, uint32_t depth, tuple filters not None, tuple how not None, double min_score,
           double diversity, uint64_t position):
    """[Hit with its metadata as JSON, ...], the best first; None: something changed meanwhile.

    `look` (None: no vector is asked for) is at `position`, and `rows` what another index found for it, as
    Look.nearest() gives it. `clauses` and `phrases` are those of _ranking.search(). `filters`: type, domain, label,
    conversation as UTF-8 or None, changed from, until, at in microseconds. `how`: weights of vector, words, graph,
    recency, importance; floor; half-life and now in microseconds; the property of importance; whether vectors and words
    are asked.
    """
    cdef recall_t* state = <recall_t*>calloc(1, sizeof(recall_t))
    cdef uint64_t stamp = graph.stamp
    cdef int status
    cdef bint known
    if state == NULL:
        raise MemoryError("no room to recall")
    with nogil:
        rw_lock_read(index.lock)
    try:
        if stamp & 1 or graph.applied_position != position or (look is not None and look.asked.position != position):
            return None
        if clauses and (not index.whole or index.position != position):
            return None
        if not open_recall(graph, state, filters, how):
            return []
        if clauses and index.postings.count:
            state.search = <search_t*>calloc(1, sizeof(search_t))
            if state.search == NULL:
                raise MemoryError("no room to recall")
            known = open_filter(index, &state.search.filter, words_filter(filters)) and open_search(
                index.postings, state.search, clauses, phrases,
                index.postings.count if state.conversation.data != NULL else pool,
            )
            if known:
                with nogil:
                    rank(index, state.search)
            else:
                close_search(state.search)
                state.search = NULL
        if look is not None and rows is None and filters != NO_FILTERS:
            allow(graph, look, state)
        if look is not None and graph.stamp == stamp:
            from_vectors(graph, index, look, state, rows, pool)
        if graph.stamp != stamp:
            return None
        # Nothing folds from here on, since no Python code runs, until the best are made into hits.
        if state.search != NULL:
            from_words(graph, index, look, state, pool)
        set_scale(state)
        for i in range(state.count):
            weigh(state, &state.items[i])
        status = give(graph, index, state, depth, GIVERS if 2 * k < GIVERS else 2 * k) if state.graph_weight > 0.0 else 0
        if status < 0:
            raise MemoryError("no room to recall")
        score_all(graph, state)
        best = ranked(graph, state, MMR_POOL * k if diversity > 0.0 and look is not None else k, min_score)
        for number in best:
            if state.items[<uint32_t>number].row == NONE32:
                state.items[<uint32_t>number].row = index.row_of(
                    state.items[<uint32_t>number].kind, state.items[<uint32_t>number].number
                )
        if diversity > 0.0 and look is not None:
            best = spread_out(look, state, best, k, diversity)
        hits = [made_hit(graph, state, number, depth) for number in best]
        return hits if graph.stamp == stamp else None
    finally:
        rw_lock_leave(index.lock)
        close_recall(state)


cdef int allow(Graph graph, Look look, recall_t* state) except -1:
    look.make_allowed()
    if state.reads_json:
        mark(graph, look, state)            # JSON may be moved by whoever folds: with the GIL held
    else:
        with nogil:
            mark(graph, look, state)
    return 0


cdef tuple words_filter(tuple filters):
    # As _ranking.search() takes them.
    cdef list names = [None if it is None else (<bytes>it).decode() for it in filters[:3]]
    created_until = LAST_US if filters[6] is None or filters[6] == LAST_US else filters[6] + 1
    return (*names, FIRST_US, created_until, filters[4], filters[5])
