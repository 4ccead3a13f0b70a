# The lexical index in step with the graph. The contract stands in _lexical.pxd.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp, memcpy, memset

from primecore._buffers cimport buffer_append, buffer_free, scratch_free, scratch_init, scratch_reset
from primecore._event cimport MAX_DEPTH, MAX_ENTITY_ID_BYTES, NONE32, slice_t
from primecore._graph cimport KIND_NODE, Graph, entity_kind
from primecore._image cimport Draft, Image
from primecore._index cimport TypeIndex
from primecore._json cimport (
    JSON_NONE, JSON_STRING, JSON_NULL, node_t as json_node_t, parser_open, parser_t, tree_t, unescape, walk_text,
)
from primecore._memory cimport Region
from primecore._postings cimport GAP, OVER, Postings, document_t
from primecore._records cimport (
    CHANGE_NODE_STATE, CHANGE_VECTORS_EMPTIED, CHANGE_VECTOR_GONE, CHANGE_VECTOR_SHOWN, change_t, node_cold_t, node_t,
)
from primecore._states cimport NODE_HEADER
from primecore._vectors cimport Space
from primecore._words cimport word_t, words_free, words_reset, words_split

from time import sleep


cdef enum:
    SLICE = 256                     # subjects read again in one hold of the GIL
    NAME_WEIGHT = 2                 # of the property `name`; all else has 1


cdef inline uint8_t* byte_at(Region region, size_t number) except NULL:
    if number >= region.used_bytes and region.grow(number + 1) < 0:
        raise MemoryError("no room for the lexical index")
    return <uint8_t*>region.base + number


cdef class Lexical(Part):
    """Notes which nodes and texts change, and catches up with them when asked."""

    def __cinit__(self, Graph graph not None, TypeIndex types not None):
        self.graph = graph
        self.types = types
        self.lock = rw_lock_new()
        if self.lock == NULL:
            raise MemoryError("no room for a lock")
        scratch_init(&self.scratch)
        self.forget()

    def __dealloc__(self):
        rw_lock_free(self.lock)
        free(self.queue)
        buffer_free(&self.jobs)
        buffer_free(&self.sequence)
        buffer_free(&self.weights)
        words_free(&self.words)
        scratch_free(&self.scratch)

    def dump(self, Draft draft not None, str name not None):
        """Adds nothing: the index is built from the tables when it is first asked."""

    def load(self, Image image not None, str name not None):
        """There is nothing to take over."""

    def forget(self):
        """Drops all it holds; the next question builds it again. By the owner of the index's lock, or of the object."""
        self.active = self.whole = False
        self.queue_head = self.queue_count = 0
        self.documents = 0
        self.postings = Postings()
        self.node_marks = Region(<size_t>8 << 30)
        self.vector_marks = Region(<size_t>8 << 30)
        self.node_places = Region(<size_t>16 << 30)
        self.vector_places = Region(<size_t>16 << 30)

    @property
    def waiting(self):
        """Subjects that changed and are not read again yet."""
        return self.queue_count - self.queue_head

    @property
    def used_bytes(self):
        """Bytes in use, texts of vectors not among them."""
        return (
            self.postings.used_bytes + self.queue_capacity * sizeof(uint64_t) + self.node_marks.used_bytes
            + self.vector_marks.used_bytes + self.node_places.used_bytes + self.vector_places.used_bytes
        )

    # What changes, under the GIL.

    cdef int fold(self, Graph graph, const change_t* changes, size_t count) except -1:
        cdef size_t i
        cdef uint8_t kind
        cdef uint32_t number
        if not self.active:
            return 0
        for i in range(count):
            kind = changes[i].kind
            if kind == CHANGE_NODE_STATE:
                self.note(SUBJECT_NODE, changes[i].subject)
            elif kind == CHANGE_VECTOR_SHOWN or kind == CHANGE_VECTOR_GONE:
                self.note_vector(changes[i].subject)
            elif kind == CHANGE_VECTORS_EMPTIED:
                # Their rows are gone, so whatever may have had a text is looked at again.
                for number in range(graph.entities.count):
                    self.note_vector(number)
        return 0

    cdef int note(self, uint8_t kind, uint32_t number) except -1:
        cdef uint8_t* mark = byte_at(self.node_marks if kind == SUBJECT_NODE else self.vector_marks, number)
        cdef uint64_t* grown
        cdef size_t capacity
        if mark[0]:
            return 0
        if self.queue_count == self.queue_capacity:
            capacity = self.queue_capacity * 2 if self.queue_capacity else 1024
            grown = <uint64_t*>realloc(self.queue, capacity * sizeof(uint64_t))
            if grown == NULL:
                raise MemoryError("no room for what the lexical index has to read again")
            self.queue = grown
            self.queue_capacity = capacity
        mark[0] = 1
        self.queue[self.queue_count] = <uint64_t>kind << 32 | number
        self.queue_count += 1
        return 0

    cdef int note_vector(self, uint32_t number) except -1:
        # The text of a node's vector is part of the node's document.
        cdef char[MAX_ENTITY_ID_BYTES] key
        cdef uint32_t size = self.graph.entities.copy_key(number, key)
        cdef uint32_t node
        if size < 4 or memcmp(key, b"vec:", 4) != 0:
            return 0
        if entity_kind(key + 4, size - 4) != KIND_NODE:
            return self.note(SUBJECT_VECTOR, number)
        node = self.graph.nodes.find(self.graph.nodes.hash(key + 4, size - 4), key + 4, size - 4)
        return self.note(SUBJECT_NODE, node) if node != NONE32 else 0

    cdef int begin(self) except -1:
        # From now on changes are noted; what there is already is noted as changed.
        cdef uint32_t number, row
        cdef Space space = self.graph.vectors.current
        self.active = True
        for number in range(self.graph.nodes.count):
            if self.graph.node(number).born:
                self.note(SUBJECT_NODE, number)
        if space is not None:
            for row in range(space.count):
                if space.record(row).shown and not space.record(row).died:
                    self.note_vector(space.record(row).entity)
        return 0

    # Catching up.

    def catch_up(self, uint64_t target, bint idle=False):
        """Makes the index show position `target` or a later one; `idle`: reads a slice at most, and only what waits.

        Others may do the same beside it. True where it does show it. MemoryError: it is dropped, and built anew when
        asked for again.
        """
        cdef size_t taken = 0, limit
        cdef int status
        cdef uint64_t position
        cdef bint done = False
        while not done:
            if self.whole and self.position >= target:
                return True
            with nogil:
                rw_lock_write(self.lock)
            try:
                if self.graph.stamp & 1:
                    limit = 0
                else:
                    if not self.active:
                        self.begin()
                    if self.queue_count - self.queue_head == 0 and self.whole:
                        self.position = self.graph.applied_position
                        return True
                    # Someone who writes faster than this reads does not keep it busy for ever.
                    limit = SLICE if taken < 4 * (self.queue_count - self.queue_head) or idle else <size_t>-1
                    self.whole = False
                    position = self.graph.applied_position
                    taken += self.take(limit)
                    done = self.queue_head == self.queue_count
                    with nogil:
                        status = self.index_jobs()
                    if status < 0:
                        raise MemoryError("no room for the lexical index")
                    self.postings.terms.reclaim()
                    self.postings.labels.reclaim()
                    if done:
                        self.position = position
                        self.whole = True
                        self.renew()
            except MemoryError:
                self.forget()
                raise
            finally:
                rw_lock_leave(self.lock)
            if idle:
                break
            if limit == 0:
                sleep(0)
        return done

    def renew(self):
        """Starts again where most words of the index are words that no document holds any more."""
        cdef Postings postings = self.postings
        if postings.idle_terms > 65536 and postings.idle_terms * 2 > postings.terms.count:
            self.forget()

    cdef size_t take(self, size_t limit) except? 0:
        # Copies subjects as they are now: no Python code runs here, so they are all of one position.
        cdef size_t taken = 0
        cdef uint64_t entry
        self.jobs.size = 0
        while self.queue_head < self.queue_count and taken < limit:
            entry = self.queue[self.queue_head]
            self.queue_head += 1
            taken += 1
            self.take_one(<uint8_t>(entry >> 32), <uint32_t>entry)
        if self.queue_head == self.queue_count:
            self.queue_head = self.queue_count = 0
        return taken

    cdef int take_one(self, uint8_t kind, uint32_t number) except -1:
        cdef job_t job
        cdef slice_t properties, labels
        cdef uint32_t row = self.row_of(kind, number)
        cdef slice_t text
        cdef node_t* node
        cdef node_cold_t* cold
        memset(&job, 0, sizeof(job_t))
        properties.size = labels.size = 0
        properties.data = labels.data = text.data = b""
        text.size = 0
        if row != NONE32:
            text = self.graph.vectors.current.text(row)
        job.about.kind = kind
        job.about.subject = number
        job.about.type = job.about.domain = NONE32
        if kind == SUBJECT_NODE:
            byte_at(self.node_marks, number)[0] = 0
            node = self.graph.node(number)
            if node.born:
                cold = self.graph.cold(number)
                properties = self.graph.states.properties(node.state, NODE_HEADER)
                labels = self.graph.states.labels(node.state, NODE_HEADER)
                job.about.type = self.types.type_of(self.graph, number)
                job.about.domain = node.domain
                job.about.created_us = cold.created_us
                job.about.updated_us = self.graph.updated_us(number)
                job.is_live = 1
        else:
            byte_at(self.vector_marks, number)[0] = 0
            if text.size:
                job.about.created_us = job.about.updated_us = self.graph.vectors.current.record(row).time_us
                job.is_live = 1
        job.properties_bytes = properties.size
        job.labels_bytes = labels.size
        job.text_bytes = text.size
        if (
            buffer_append(&self.jobs, <char*>&job, sizeof(job_t)) < 0
            or buffer_append(&self.jobs, properties.data, properties.size) < 0
            or buffer_append(&self.jobs, labels.data, labels.size) < 0
            or buffer_append(&self.jobs, text.data, text.size) < 0
        ):
            raise MemoryError("no room for what the lexical index reads")
        return 0

    cdef uint32_t row_of(self, uint8_t kind, uint32_t number) noexcept nogil:
        cdef char[MAX_ENTITY_ID_BYTES] key
        if self.graph.vectors.shown == 0:
            return NONE32
        if kind == SUBJECT_NODE:
            if self.graph.node(number).born == 0:
                return NONE32
            number = self.graph.vectors.of_node(key, self.graph.nodes.copy_key(number, key))
            if number == NONE32:
                return NONE32
        return self.graph.vectors.current.row(number) if self.graph.vectors.is_live(number) else <uint32_t>NONE32

    cdef uint32_t* place(self, uint8_t kind, uint32_t number) noexcept nogil:
        cdef size_t end = (<size_t>number + 1) * sizeof(uint32_t)
        if kind == SUBJECT_NODE:
            if end > self.node_places.used_bytes and self.node_places.grow(end) < 0:
                return NULL
            return (<uint32_t*>self.node_places.base) + number
        if end > self.vector_places.used_bytes and self.vector_places.grow(end) < 0:
            return NULL
        return (<uint32_t*>self.vector_places.base) + number

    cdef bint waits(self, uint8_t kind, uint32_t number) noexcept nogil:
        if kind == SUBJECT_NODE:
            return number < self.node_marks.used_bytes and (<uint8_t*>self.node_marks.base + number)[0]
        return number < self.vector_marks.used_bytes and (<uint8_t*>self.vector_marks.base + number)[0]

    cdef uint32_t copy_id(self, uint32_t number, char* out) noexcept nogil:
        cdef document_t* document = self.postings.document(number)
        cdef char[MAX_ENTITY_ID_BYTES] key
        cdef uint32_t size
        if document.kind == SUBJECT_NODE:
            return self.graph.nodes.copy_key(document.subject, out)
        size = self.graph.entities.copy_key(document.subject, key)
        memcpy(out, key + 4, size - 4)
        return size - 4

    # Words of what was copied, without the GIL.

    cdef int index_jobs(self) noexcept nogil:
        cdef size_t at = 0
        cdef job_t job
        while at < self.jobs.size:
            memcpy(&job, self.jobs.data + at, sizeof(job_t))
            at += sizeof(job_t)
            if self.index_job(&job, self.jobs.data + at) < 0:
                return -1
            at += <size_t>job.properties_bytes + job.labels_bytes + job.text_bytes
        return 0

    cdef int index_job(self, const job_t* job, const char* data) noexcept nogil:
        cdef uint32_t* place
        cdef uint32_t count, labels = 0
        self.sequence.size = 0
        self.weights.size = 0
        scratch_reset(&self.scratch)
        if job.is_live:
            if self.add_properties(slice_t(data, job.properties_bytes)) < 0:
                return -1
            data += job.properties_bytes + job.labels_bytes
            if self.add_string(data, job.text_bytes, 1) < 0:
                return -1
            if self.add_labels(slice_t(data - job.labels_bytes, job.labels_bytes), &labels) < 0:
                return -1
        count = <uint32_t>self.weights.size
        place = self.place(job.about.kind, job.about.subject)
        if place == NULL:
            return -1
        if place[0] == 0:
            if count == 0:
                return 0
            self.documents += 1
            place[0] = self.documents
        return self.postings.put(
            place[0] - 1, &job.about, <uint32_t*>self.sequence.data, <uint8_t*>self.weights.data, count,
            labels if count else 0,
        )

    cdef int add_properties(self, slice_t properties) noexcept nogil:
        # Every string at any depth, but for the domain, which is what a filter looks at.
        cdef parser_t parser
        cdef tree_t tree
        cdef json_node_t* node
        cdef uint32_t i, number, name = NONE32
        if properties.size <= 2:
            return 0
        memset(&tree, 0, sizeof(tree_t))
        tree.with_arrays = 1
        parser_open(&parser, properties.data, properties.size, MAX_DEPTH, &self.scratch)
        if walk_text(&parser, &tree) == JSON_NONE:
            return -1
        number = tree.nodes[0].child
        while number != NONE32:
            node = &tree.nodes[number]
            if node.key_size == 4 and memcmp(node.key, b"name", 4) == 0:
                name = number
            elif node.key_size == 6 and memcmp(node.key, b"domain", 6) == 0 and node.kind == JSON_STRING:
                node.kind = JSON_NULL
            number = node.next
        for i in range(1, tree.count):
            node = &tree.nodes[i]
            if node.kind == JSON_STRING and self.add_json_string(
                slice_t(node.text, node.size), NAME_WEIGHT if i == name else 1
            ) < 0:
                return -1
        return 0

    cdef int add_labels(self, slice_t labels, uint32_t* count) noexcept nogil:
        # Their words, then, behind all words, their numbers.
        cdef parser_t parser
        cdef tree_t tree
        cdef slice_t text
        cdef uint32_t i, number
        count[0] = 0
        if labels.size <= 2:
            return 0
        memset(&tree, 0, sizeof(tree_t))
        tree.with_arrays = 1
        parser_open(&parser, labels.data, labels.size, MAX_DEPTH, &self.scratch)
        if walk_text(&parser, &tree) == JSON_NONE:
            return -1
        for i in range(1, tree.count):
            if self.add_json_string(slice_t(tree.nodes[i].text, tree.nodes[i].size), 1) < 0:
                return -1
        for i in range(1, tree.count):
            text = slice_t(tree.nodes[i].text + 1, tree.nodes[i].size - 2)
            if unescape(&text, memchr(text.data, c"\\", text.size) != NULL, &self.scratch) != 0:
                return -1
            number = self.postings.labels.add(self.postings.labels.hash(text.data, text.size), text.data, text.size)
            if number == NONE32 or buffer_append(&self.sequence, <char*>&number, sizeof(uint32_t)) < 0:
                return -1
            count[0] += 1
        return 0

    cdef int add_json_string(self, slice_t raw, uint8_t weight) noexcept nogil:
        cdef slice_t text = slice_t(raw.data + 1, raw.size - 2)
        if unescape(&text, memchr(text.data, c"\\", text.size) != NULL, &self.scratch) != 0:
            return -1
        return self.add_string(text.data, text.size, weight)

    cdef int add_string(self, const char* text, uint32_t size, uint8_t weight) noexcept nogil:
        cdef uint32_t i, number
        cdef uint8_t none = 0
        cdef word_t* word
        words_reset(&self.words)
        if words_split(&self.words, text, size) < 0:
            return -1
        for i in range(self.words.count):
            word = &self.words.items[i]
            number = self.postings.add_term(self.words.text.data + word.at, word.size)
            if number == NONE32:
                return -1
            if word.over:
                number |= OVER
            if (
                buffer_append(&self.sequence, <char*>&number, sizeof(uint32_t)) < 0
                or buffer_append(&self.weights, <char*>&weight, 1) < 0
            ):
                return -1
        if self.words.count == 0:
            return 0
        number = GAP
        if buffer_append(&self.sequence, <char*>&number, sizeof(uint32_t)) < 0:
            return -1
        return buffer_append(&self.weights, <char*>&none, 1)
