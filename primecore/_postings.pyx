# The lexical index. The contract stands in _postings.pxd.
#
# BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with Lucene's idf,
# ln(1 + (N - n + 0.5) / (n + 0.5)), which is never negative, and without the factor (k1 + 1), which changes no order
# (Lucene 8 and later; the variants are compared by Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020). k1 = 1.2 and
# b = 0.75 are Lucene's. Fields of other weight count as if they were said that many times, in frequency and length
# alike (Robertson, Zaragoza and Taylor, "Simple BM25 Extension to Multiple Weighted Fields", CIKM 2004).

from libc.math cimport log
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memmove, memset

from primecore._event cimport NONE32
from primecore._memory cimport Arena, Epochs, Region
from primecore._shards cimport KeyTable


cdef double K1 = 1.2
cdef double B = 0.75


cdef uint32_t find_posting(const posting_t* items, uint32_t count, uint32_t document) noexcept nogil:
    # The place of the first posting whose document is not before this one.
    cdef uint32_t low = 0, high = count, middle
    if count and items[count - 1].document < document:
        return count
    while low < high:
        middle = (low + high) >> 1
        if items[middle].document < document:
            low = middle + 1
        else:
            high = middle
    return low


cdef class Postings:
    """Documents by number, the words they hold, and what a query scores."""

    def __cinit__(self):
        self.terms = KeyTable(sizeof(term_t), Epochs())
        self.labels = KeyTable(24, Epochs())
        self.lists = Arena()
        self.sequences = Arena()
        self.documents = Region(<size_t>256 << 30)
        self.lengths = Region(<size_t>16 << 30)

    def __dealloc__(self):
        free(self.old)

    @property
    def used_bytes(self):
        """Bytes in use, freed blocks among them."""
        return (
            self.terms.record_bytes_used + self.terms.index_bytes + self.terms.key_arena_bytes
            + self.labels.record_bytes_used + self.labels.index_bytes + self.labels.key_arena_bytes
            + self.lists.used_bytes + self.sequences.used_bytes + self.documents.used_bytes + self.lengths.used_bytes
        )

    cdef uint32_t numbers(self) noexcept nogil:
        return <uint32_t>(self.lengths.used_bytes // sizeof(uint32_t))

    cdef document_t* document(self, uint32_t number) noexcept nogil:
        return NULL if number >= self.numbers() else (<document_t*>self.documents.base) + number

    cdef uint32_t term_number(self, const char* word, uint32_t size) noexcept nogil:
        cdef uint32_t number = self.terms.find(self.terms.hash(word, size), word, size)
        cdef term_t* term
        if number != NONE32:
            term = <term_t*>self.terms.record(number)
            if term.count == term.dead:
                return NONE32
        return number

    # Writing.

    cdef uint32_t add_term(self, const char* word, uint32_t size) noexcept nogil:
        cdef uint32_t before = self.terms.count
        cdef uint32_t number = self.terms.add(self.terms.hash(word, size), word, size)
        if number >= MAX_TERMS:
            return NONE32
        self.idle_terms += number == before
        return number

    cdef int note_old(self, const document_t* document, uint32_t* out) noexcept nogil:
        # The distinct terms that the document holds now, in self.old; out[0]: how many.
        cdef uint32_t i, number
        cdef uint32_t* grown
        cdef const uint32_t* sequence = <const uint32_t*>self.sequences.at(document.sequence)
        cdef term_t* term
        out[0] = 0
        if document.size > self.old_capacity:
            grown = <uint32_t*>realloc(self.old, document.size * sizeof(uint32_t))
            if grown == NULL:
                return -1
            self.old = grown
            self.old_capacity = document.size
        self.mark += 1
        for i in range(document.size):
            if sequence[i] == GAP:
                continue
            number = sequence[i] & ~<uint32_t>OVER
            term = <term_t*>self.terms.record(number)
            if term.seen != self.mark:
                term.seen = self.mark
                self.old[out[0]] = number
                out[0] += 1
        return 0

    cdef int set_posting(self, term_t* term, uint32_t document, uint32_t frequency) noexcept nogil:
        cdef posting_t* items = <posting_t*>self.lists.at(term.list)
        cdef uint32_t place = find_posting(items, term.count, document) if term.count else 0
        cdef uint32_t capacity, block
        if place < term.count and items[place].document == document:
            if items[place].frequency == 0 and frequency:
                term.dead -= 1
                self.idle_terms -= term.dead + 1 == term.count
            elif items[place].frequency and frequency == 0:
                term.dead += 1
                self.idle_terms += term.dead == term.count
            items[place].frequency = frequency
            return 0
        if frequency == 0:
            return 0
        if term.count == term.capacity:
            capacity = term.capacity + term.capacity // 2 + 2
            block = self.lists.alloc(capacity * sizeof(posting_t))
            if block == 0:
                return -1
            capacity = <uint32_t>(self.lists.capacity(capacity * sizeof(posting_t)) // sizeof(posting_t))
            memcpy(self.lists.at(block), items, term.count * sizeof(posting_t))
            self.lists.free(term.list, term.capacity * sizeof(posting_t))
            term.list = block
            term.capacity = capacity
            items = <posting_t*>self.lists.at(block)
        memmove(items + place + 1, items + place, (term.count - place) * sizeof(posting_t))
        items[place].document = document
        items[place].frequency = frequency
        self.idle_terms -= term.count == term.dead
        term.count += 1
        return 0

    cdef void tidy(self, term_t* term) noexcept nogil:
        # Takes dead postings out once they are the greater part; a list without live ones goes.
        cdef posting_t* items = <posting_t*>self.lists.at(term.list)
        cdef uint32_t i, kept = 0
        if term.dead * 2 <= term.count:
            return
        if term.dead == term.count:
            self.lists.free(term.list, term.capacity * sizeof(posting_t))
            term.list = term.capacity = 0
        else:
            for i in range(term.count):
                if items[i].frequency:
                    items[kept] = items[i]
                    kept += 1
        term.count = kept
        term.dead = 0

    cdef int put(self, uint32_t number, const document_t* about, const uint32_t* sequence, const uint8_t* weights,
                 uint32_t count, uint32_t labels) noexcept nogil:
        cdef document_t* document
        cdef uint32_t* length
        cdef uint32_t i, olds = 0, block = 0, size = count + labels
        cdef uint32_t total = 0
        cdef term_t* term
        if number >= self.numbers():
            if count == 0:
                return 0
            if (
                self.documents.grow((<size_t>number + 1) * sizeof(document_t)) < 0
                or self.lengths.grow((<size_t>number + 1) * sizeof(uint32_t)) < 0
            ):
                return -1
        document = self.document(number)
        length = (<uint32_t*>self.lengths.base) + number
        if count:
            block = self.sequences.alloc(size * sizeof(uint32_t))
            if block == 0:
                return -1
            memcpy(self.sequences.at(block), sequence, size * sizeof(uint32_t))
        if document.size:
            if self.note_old(document, &olds) < 0:
                return -1
            self.count -= 1
            self.length -= length[0]
        self.mark += 1
        for i in range(count):
            if sequence[i] == GAP:
                continue
            term = <term_t*>self.terms.record(sequence[i] & ~<uint32_t>OVER)
            if term.seen != self.mark:
                term.seen = self.mark
                term.frequency = 0
            term.frequency += weights[i]
            if not sequence[i] & OVER:
                total += weights[i]
        for i in range(olds):
            term = <term_t*>self.terms.record(self.old[i])
            if term.seen != self.mark:
                if self.set_posting(term, number, 0) < 0:
                    return -1
                self.tidy(term)
        for i in range(count):
            if sequence[i] == GAP:
                continue
            term = <term_t*>self.terms.record(sequence[i] & ~<uint32_t>OVER)
            if term.frequency:
                if self.set_posting(term, number, term.frequency) < 0:
                    return -1
                term.frequency = 0
        self.sequences.free(document.sequence, (<size_t>document.size + document.labels) * sizeof(uint32_t))
        document[0] = about[0]
        document.sequence = block
        document.size = count
        document.labels = labels if count else 0
        length[0] = total
        if count:
            self.count += 1
            self.length += total
        return 0

    # Reading.

    cdef int open_clause(self, clause_t* clause, uint32_t number) noexcept nogil:
        cdef term_t* term
        memset(clause, 0, sizeof(clause_t))
        if number != NONE32:
            term = <term_t*>self.terms.record(number)
            clause.items = <const posting_t*>self.lists.at(term.list)
            clause.count = term.count
            clause.frequency = term.count - term.dead
        return 0

    cdef int open_union(self, clause_t* clause, const uint32_t* terms, uint32_t count) noexcept nogil:
        # Several words as if they were one: their postings added up.
        cdef uint32_t i, j, size = 0, numbers = self.numbers()
        cdef term_t* term
        cdef const posting_t* items
        cdef uint32_t* sums
        memset(clause, 0, sizeof(clause_t))
        if count < 2:
            return self.open_clause(clause, terms[0] if count else <uint32_t>NONE32)
        sums = <uint32_t*>calloc(numbers, sizeof(uint32_t))
        if sums == NULL:
            return -1
        for i in range(count):
            term = <term_t*>self.terms.record(terms[i])
            items = <const posting_t*>self.lists.at(term.list)
            for j in range(term.count):
                size += sums[items[j].document] == 0 and items[j].frequency != 0
                sums[items[j].document] += items[j].frequency
        clause.own = <posting_t*>malloc((<size_t>size + 1) * sizeof(posting_t))
        if clause.own != NULL:
            for i in range(numbers):
                if sums[i]:
                    clause.own[clause.count].document = i
                    clause.own[clause.count].frequency = sums[i]
                    clause.count += 1
        free(sums)
        clause.items = clause.own
        clause.frequency = clause.count
        return 0 if clause.own != NULL else -1

    cdef void weigh(self, clause_t* clause, uint32_t times) noexcept nogil:
        clause.weight = times * log(1.0 + (<double>self.count - clause.frequency + 0.5) / (clause.frequency + 0.5))

    cdef double score(self, const clause_t* clause, uint32_t document) noexcept nogil:
        cdef uint32_t place = find_posting(clause.items, clause.count, document)
        cdef double frequency, length
        if place == clause.count or clause.items[place].document != document:
            return 0.0
        frequency = clause.items[place].frequency
        length = ((<uint32_t*>self.lengths.base) + document)[0]
        return clause.weight * frequency / (frequency + K1 * (1.0 - B + B * length * self.count / self.length))

    cdef bint has_phrase(self, uint32_t number, const uint32_t* terms, uint32_t count) noexcept nogil:
        cdef document_t* document = self.document(number)
        cdef const uint32_t* sequence = <const uint32_t*>self.sequences.at(document.sequence)
        cdef uint32_t i, j, matched
        for i in range(document.size):
            if sequence[i] != terms[0]:
                continue
            matched = 1
            j = i + 1
            while matched < count and j < document.size and sequence[j] != GAP:
                if not sequence[j] & OVER:
                    if sequence[j] != terms[matched]:
                        break
                    matched += 1
                j += 1
            if matched == count:
                return True
        return False

    cdef bint passes(self, uint32_t number, const filter_t* filter) noexcept nogil:
        cdef document_t* document = self.document(number)
        cdef const uint32_t* labels
        cdef uint32_t i
        if (
            (filter.type != NONE32 and document.type != filter.type)
            or (filter.domain != NONE32 and document.domain != filter.domain)
            or document.created_us < filter.created_from_us or document.created_us >= filter.created_until_us
            or document.updated_us < filter.updated_from_us or document.updated_us >= filter.updated_until_us
        ):
            return False
        if filter.label == NONE32:
            return True
        labels = <const uint32_t*>self.sequences.at(document.sequence) + document.size
        for i in range(document.labels):
            if labels[i] == filter.label:
                return True
        return False
