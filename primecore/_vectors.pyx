# Vectors: which are live, what they hold, which space is in force. The contract stands in _vectors.pxd.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int8_t, int32_t, uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memmove

from primecore._event cimport MAX_ENTITY_ID_BYTES, NONE32, event_t, slice_t
from primecore._image cimport Draft, Image
from primecore._memory cimport Arena, Epochs, Region
from primecore._records cimport entity_t, node_t
from primecore._shards cimport KeyTable


cdef extern from "knn.h" nogil:
    enum:
        KNN_BLOCK_BYTES
        KNN_ROWS
    ctypedef struct knn_coded_t:
        double norm
        float scale
        float residual
        float scale4
        float residual4
        int32_t sum
    ctypedef struct knn_rows_t:
        float* scale
        float* residual
    void knn_encode(
        const float* x, size_t count, int8_t* codes, size_t stride, uint8_t* nibbles, size_t stride4, knn_coded_t* out
    )


cdef extern from "knn_signs.h" nogil:
    enum:
        SIGNS_ROWS
        SIGNS_SPARE
    size_t SIGNS_BYTES(uint32_t dimensions) noexcept
    size_t SIGNS_BLOCK_BYTES(size_t size) noexcept
    void signs_store(const float* x, size_t count, double norm, uint8_t* block, size_t size, uint32_t row,
                     uint8_t* scratch) noexcept


cdef extern from * nogil:
    uint32_t __atomic_load_n(uint32_t*, int) noexcept
    void __atomic_store_n(uint32_t*, uint32_t, int) noexcept
    enum:
        __ATOMIC_RELEASE


cdef dict regions_of(Space space):
    return {
        "rows": space.rows, "floats": space.floats, "codes": space.codes, "nibbles": space.nibbles,
        "hints": space.hints, "signs": space.signs, "row_of": space.row_of,
    }


cdef class Space:
    """The vectors stored under one definition of the space: numbers, codes for the scan, texts and metadata."""

    def __cinit__(self, uint32_t dimensions, model):
        self.dimensions = dimensions
        self.model = model
        self.stride = (dimensions + KNN_BLOCK_BYTES - 1) // KNN_BLOCK_BYTES * KNN_BLOCK_BYTES
        self.stride4 = (dimensions + 2 * KNN_BLOCK_BYTES - 1) // (2 * KNN_BLOCK_BYTES) * KNN_BLOCK_BYTES
        self.sign_bytes = <uint32_t>SIGNS_BYTES(dimensions)
        self.rows = Region(<size_t>32 << 30)
        self.floats = Region(<size_t>256 << 30)
        self.codes = Region(<size_t>64 << 30)
        self.nibbles = Region(<size_t>32 << 30)
        self.hints = Region(<size_t>16 << 30)
        self.signs = Region(<size_t>16 << 30)
        self.row_of = Region(<size_t>16 << 30)
        self.texts = Arena()

    def dump(self, Draft draft not None, str name not None):
        """Adds its rows, texts and metadata to a draft."""
        cdef Region region
        for part, region in regions_of(self).items():
            draft.region(f"{name}.{part}", region)
        draft.arena(f"{name}.texts", self.texts)
        draft.notes[name] = {
            "dimensions": self.dimensions, "model": self.model, "count": self.count, "live": self.live,
            "limbo": self.limbo, "waiting": self.waiting, "free": self.free,
        }

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added; made with the dimensions and the model that it noted."""
        noted = image.note(name)
        cdef Region region
        for part, region in regions_of(self).items():
            image.region(f"{name}.{part}", region)
        image.arena(f"{name}.texts", self.texts)
        self.count = noted["count"]
        self.live = noted["live"]
        self.limbo = noted["limbo"]
        self.waiting = noted["waiting"]
        self.free = noted["free"]
        self.waiting_stamp = 0              # of readers of another life: nobody looks at what waits

    @property
    def memory_bytes(self):
        """Bytes in use: (numbers, codes and records; texts and metadata)."""
        rows = self.rows.used_bytes + self.floats.used_bytes + self.codes.used_bytes + self.row_of.used_bytes
        rows += self.nibbles.used_bytes + self.hints.used_bytes + self.signs.used_bytes
        return rows, self.texts.used_bytes

    cdef uint32_t row(self, uint32_t entity) noexcept nogil:
        cdef uint32_t found = 0
        if (<size_t>entity + 1) * sizeof(uint32_t) <= self.row_of.used_bytes:
            found = (<uint32_t*>self.row_of.base)[entity]
        return found - 1

    cdef uint32_t take_row(self) noexcept nogil:
        # Readers may be looking at the row's record: `shown` goes first, so that they see nothing (they look at `died`
        # first, see is_visible() in _sift.pxd).
        cdef uint32_t row = self.free - 1
        cdef size_t rows = <size_t>self.count + 1
        cdef size_t blocks = <size_t>self.count // KNN_ROWS + 1
        cdef vector_t* record
        if self.free:
            record = self.record(row)
            self.free = record.next
            self.texts.free(record.text, <size_t>record.text_bytes + record.about_bytes)
            __atomic_store_n(&record.shown, 0, __ATOMIC_RELEASE)
            __atomic_store_n(&record.died, 0, __ATOMIC_RELEASE)
            return row
        # A kernel takes whole blocks of rows, so their codes and signs lie ready beyond the last one.
        if (
            self.rows.grow(rows * sizeof(vector_t)) < 0
            or self.floats.grow(rows * self.dimensions * sizeof(float)) < 0
            or self.codes.grow(rows * self.stride) < 0
            or self.nibbles.grow(blocks * KNN_ROWS * self.stride4) < 0
            or self.hints.grow(blocks * sizeof(knn_rows_t)) < 0
            or self.signs.grow((<size_t>self.count // SIGNS_ROWS + 1) * SIGNS_BLOCK_BYTES(self.sign_bytes)) < 0
        ):
            return NONE32
        self.count += 1
        if self.count % 1024 == 0:
            self.widen()
        return self.count - 1

    cdef void widen(self) noexcept nogil:
        # A question reads all signs and, of rows here and there, all else: with small pages it waits for the page table.
        cdef size_t now = self.count, before = now - 1024, floats = self.dimensions * sizeof(float)
        cdef size_t signs = SIGNS_BLOCK_BYTES(self.sign_bytes) // SIGNS_ROWS
        self.signs.make_huge(before * signs, now * signs)
        self.codes.make_huge(before * self.stride, now * self.stride)
        self.nibbles.make_huge(before * self.stride4, now * self.stride4)
        self.rows.make_huge(before * sizeof(vector_t), now * sizeof(vector_t))
        self.floats.make_huge(before * floats, now * floats)

    cdef uint32_t put(self, uint32_t entity, uint32_t node, const event_t* event, bint shows) noexcept nogil:
        cdef size_t size = <size_t>event.text.size + event.about.size
        cdef size_t end = (<size_t>entity + 1) * sizeof(uint32_t)
        cdef uint32_t text = self.texts.alloc(size) if size else 0
        cdef uint32_t row
        cdef vector_t* record
        cdef uint8_t[8192 + SIGNS_SPARE] scratch    # a bit for each of 65,536 numbers, and some
        cdef knn_coded_t coded
        cdef knn_rows_t* about
        if (size and not text) or (end > self.row_of.used_bytes and self.row_of.grow(end) < 0):
            return NONE32
        row = self.take_row()
        if row == NONE32:
            return NONE32
        memcpy(self.numbers(row), event.vector, self.dimensions * sizeof(float))
        knn_encode(
            self.numbers(row), self.dimensions, (<int8_t*>self.codes.base) + <size_t>row * self.stride, self.stride,
            (<uint8_t*>self.nibbles.base) + <size_t>row * self.stride4, self.stride4, &coded,
        )
        about = (<knn_rows_t*>self.hints.base) + row // KNN_ROWS
        about.scale[row % KNN_ROWS] = coded.scale4
        about.residual[row % KNN_ROWS] = coded.residual4
        signs_store(
            self.numbers(row), self.dimensions, coded.norm,
            (<uint8_t*>self.signs.base) + row // SIGNS_ROWS * SIGNS_BLOCK_BYTES(self.sign_bytes), self.sign_bytes,
            row % SIGNS_ROWS, scratch,
        )
        record = self.record(row)
        record.norm = coded.norm
        record.scale = coded.scale
        record.residual = coded.residual
        record.sum = coded.sum
        record.entity = entity
        record.node = node
        record.born = <uint32_t>event.position
        record.next = 0
        record.text = text
        record.text_bytes = event.text.size
        record.about_bytes = event.about.size
        record.time_us = event.time_us
        if event.text.size:
            memcpy(self.texts.at(text), event.text.data, event.text.size)
        if event.about.size:
            memcpy(self.texts.at(text) + event.text.size, event.about.data, event.about.size)
        (<uint32_t*>self.row_of.base)[entity] = row + 1
        self.live += 1
        if shows:
            __atomic_store_n(&record.shown, <uint32_t>event.position, __ATOMIC_RELEASE)
        return row

    cdef void end(self, uint32_t row, uint32_t position) noexcept nogil:
        cdef vector_t* record = self.record(row)
        __atomic_store_n(&record.died, position, __ATOMIC_RELEASE)
        (<uint32_t*>self.row_of.base)[record.entity] = 0
        record.next = self.limbo
        self.limbo = row + 1
        self.live -= 1

    cdef void reclaim(self, Epochs epochs) noexcept nogil:
        if self.waiting == 0 and self.limbo:
            self.waiting = self.limbo
            self.limbo = 0
            self.waiting_stamp = epochs.advance()
        if self.waiting and self.free == 0 and epochs.oldest() >= self.waiting_stamp:
            self.free = self.waiting
            self.waiting = 0

    cdef slice_t text(self, uint32_t row) noexcept nogil:
        cdef slice_t out
        out.data = self.texts.at(self.record(row).text)
        out.size = self.record(row).text_bytes
        return out

    cdef slice_t about(self, uint32_t row) noexcept nogil:
        cdef slice_t out
        out.data = self.texts.at(self.record(row).text) + self.record(row).text_bytes
        out.size = self.record(row).about_bytes
        return out


cdef class Vectors:
    """Stored vectors: live until deleted, until their node is, until the space is defined anew."""

    def __cinit__(self, KeyTable entities not None, KeyTable nodes not None, Epochs epochs not None):
        self.entities = entities
        self.nodes = nodes
        self.epochs = epochs
        self.formers = []

    def __dealloc__(self):
        free(self.arrivals)

    def dump(self, Draft draft not None, str name not None):
        """Adds the spaces, those among them whose texts wait for new vectors; arrivals are nobody's after opening."""
        cdef Space space
        cdef list spaces = [*self.formers] if self.current is None else [*self.formers, self.current]
        for number, space in enumerate(spaces):
            space.dump(draft, f"{name}.{number}")
        draft.notes[name] = {
            "formers": len(self.formers), "spaces": len(spaces), "awaiting": self.awaiting,
            "dimensions": self.space_dimensions, "space": self.space, "shown": self.shown, "hidden": self.hidden,
        }

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added."""
        cdef Space space
        cdef list spaces = []
        noted = image.note(name)
        for number in range(noted["spaces"]):
            told = image.note(f"{name}.{number}")
            space = Space(told["dimensions"], told["model"])
            space.load(image, f"{name}.{number}")
            spaces.append(space)
        self.formers = spaces[:noted["formers"]]
        self.current = spaces[noted["formers"]] if len(spaces) > noted["formers"] else None
        self.awaiting = noted["awaiting"]
        self.space_dimensions = noted["dimensions"]
        self.space = noted["space"]
        self.shown = noted["shown"]
        self.hidden = noted["hidden"]

    cdef entity_t* entity(self, uint32_t number) noexcept nogil:
        return <entity_t*>self.entities.record(number)

    cdef bint is_live(self, uint32_t number) noexcept nogil:
        cdef entity_t* vector = self.entity(number)
        return vector.born != 0 and vector.space == self.space

    cdef bint shows(self, const event_t* event, uint32_t* node) noexcept nogil:
        # The vector of a node shows while the node is live; any other shows always.
        cdef const char* key = event.entity.data + 4
        cdef uint32_t size = event.entity.size - 4
        node[0] = NONE32
        if size < 5 or memcmp(key, b"node:", 5) != 0:
            return True
        node[0] = self.nodes.find(self.nodes.hash(key, size), key, size)
        return node[0] != NONE32 and (<node_t*>self.nodes.record(node[0])).born != 0

    cdef int stored(self, uint32_t number, const event_t* event) except -2:
        cdef bint fresh = not self.is_live(number)
        cdef uint32_t position = <uint32_t>event.position
        cdef uint32_t row, node
        cdef bint shows = self.shows(event, &node)
        self.came = NONE32
        self.gone = NONE32
        self.answer(number, position)
        if self.current is None or event.vector == NULL or event.dimensions != self.space_dimensions:
            return 0                        # what was erased from the log, or never held to its rules
        if not fresh:
            row = self.current.row(number)
            self.gone = row if shows else <uint32_t>NONE32
            self.current.end(row, position)
        row = self.current.put(number, node, event, shows)
        if row == NONE32:
            raise MemoryError("no room for a vector")
        self.entity(number).born = position
        self.entity(number).space = self.space
        if self.listening:
            self.note_arrival(row, position)
        if shows:
            self.came = row
        if not fresh:
            return 0
        if shows:
            self.shown += 1
            return 1
        self.hidden += 1
        return 0

    cdef int deleted(self, uint32_t number, const event_t* event) except -2:
        cdef uint32_t node
        return self.end(number, <uint32_t>event.position, self.shows(event, &node))

    cdef int end(self, uint32_t number, uint32_t position, bint shows) except -2:
        cdef uint32_t row
        self.came = NONE32
        self.gone = NONE32
        self.answer(number, position)
        if not self.is_live(number):
            return 0
        row = self.current.row(number)
        self.current.end(row, position)
        self.entity(number).born = 0
        if shows:
            self.gone = row
            self.shown -= 1
            return -1
        self.hidden -= 1
        return 0

    cdef uint32_t find(self, const char* key, uint32_t size) noexcept nogil:
        cdef char[MAX_ENTITY_ID_BYTES + 4] full
        if size > MAX_ENTITY_ID_BYTES:
            return NONE32
        memcpy(full, b"vec:", 4)
        memcpy(full + 4, key, size)
        return self.entities.find(self.entities.hash(full, size + 4), full, size + 4)

    cdef uint32_t of_node(self, const char* key, uint32_t size) noexcept nogil:
        # The live vector of a node, NONE32 where there is none.
        cdef uint32_t number = self.find(key, size)
        return number if number != NONE32 and self.is_live(number) else <uint32_t>NONE32

    cdef int node_born(self, uint32_t node, const event_t* event) except -2:
        # A vector that was stored before its node shows from now on.
        cdef uint32_t number
        cdef vector_t* record
        self.came = NONE32
        self.gone = NONE32
        if self.hidden == 0:
            return 0
        number = self.of_node(event.entity.data, event.entity.size)
        if number == NONE32:
            return 0
        self.came = self.current.row(number)
        record = self.current.record(self.came)
        record.node = node
        __atomic_store_n(&record.shown, <uint32_t>event.position, __ATOMIC_RELEASE)
        self.hidden -= 1
        self.shown += 1
        return 1

    cdef int node_died(self, const event_t* event) except -2:
        cdef uint32_t number
        self.came = NONE32
        self.gone = NONE32
        if self.shown == 0 and self.awaiting == 0:
            return 0
        number = self.find(event.entity.data, event.entity.size)
        return 0 if number == NONE32 else self.end(number, <uint32_t>event.position, True)

    cdef int define_space(self, const event_t* event) except -1:
        # The index is emptied: whatever was stored before is gone. With `reembeds` its texts wait for new vectors.
        cdef uint32_t row
        cdef uint32_t waiting = 0
        if event.entity.size != 13 or memcmp(event.entity.data, b"space:default", 13) != 0:
            return 0
        if not event.reembeds:
            self.formers = []
            self.awaiting = 0
        elif self.current is not None:
            for row in range(self.current.count):
                if awaits(self.current, row):
                    waiting += 1
            if waiting:
                self.formers.append(self.current)
                self.awaiting += waiting
        self.space += 1
        self.space_dimensions = event.dimensions
        self.current = Space(
            event.dimensions,
            event.model.data[:event.model.size].decode("utf-8", "replace") if event.model.size else None,
        )
        self.shown = 0
        self.hidden = 0
        self.arrived = 0
        return 1

    cdef int answer(self, uint32_t number, uint32_t position) except -1:
        # What waited for a new vector waits no longer: it has one, or it is gone.
        cdef Space former
        cdef uint32_t row
        if self.awaiting == 0:
            return 0
        for former in self.formers:
            row = former.row(number)
            if row != NONE32:
                self.awaiting -= 1 if awaits(former, row) else 0
                former.end(row, position)
        if self.awaiting == 0:
            self.formers = []
        return 0

    cdef void reclaim(self) noexcept nogil:
        if self.current is not None:
            self.current.reclaim(self.epochs)

    cdef int note_arrival(self, uint32_t row, uint32_t born) except -1:
        cdef size_t capacity
        cdef arrival_t* items
        if self.arrived == self.arrivals_capacity:
            capacity = 2 * self.arrivals_capacity if self.arrivals_capacity else 1024
            items = <arrival_t*>realloc(self.arrivals, capacity * sizeof(arrival_t))
            if items == NULL:
                raise MemoryError("no room to note a vector")
            self.arrivals = items
            self.arrivals_capacity = capacity
        self.arrivals[self.arrived].row = row
        self.arrivals[self.arrived].born = born
        self.arrived += 1
        return 0

    # For an index that follows in the background. With the GIL held, as everything that changes these.

    def snapshot(self):
        """(births by row as uint32 bytes, 0 where none is live; arrivals noted so far).

        From now on every vector that is stored is noted.
        """
        cdef Space space = self.current
        cdef uint32_t count = 0 if space is None else space.count
        cdef bytes births = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>count * 4)
        cdef uint32_t* out = <uint32_t*>PyBytes_AS_STRING(births)
        cdef uint32_t row
        self.listening = True
        for row in range(count):
            out[row] = 0 if space.record(row).died else space.record(row).born
        return births, self.arrived

    def arrivals_after(self, size_t first, size_t limit):
        """(rows, births) of at most `limit` noted arrivals from the `first` on."""
        cdef size_t end = first + limit if first + limit < self.arrived else self.arrived
        cdef size_t i
        return (
            [self.arrivals[i].row for i in range(first, end)], [self.arrivals[i].born for i in range(first, end)]
        )

    def forget_arrivals(self, size_t count):
        """Drops the first `count` noted arrivals: the index has them."""
        if count > self.arrived:
            count = self.arrived
        self.arrived -= count
        if self.arrived:
            memmove(self.arrivals, self.arrivals + count, self.arrived * sizeof(arrival_t))

    def ignore(self):
        """Notes arrivals no longer."""
        self.listening = False
        self.arrived = 0

    @property
    def arrival_count(self):
        """Arrivals noted and not forgotten."""
        return self.arrived

    @property
    def shown_count(self):
        """Vectors that queries may return."""
        return self.shown

    @property
    def definitions(self):
        """How often a space was defined: a change says that all rows are others now."""
        return self.space


cdef inline bint awaits(Space space, uint32_t row) noexcept nogil:
    return space.record(row).born != 0 and space.record(row).died == 0 and space.record(row).text_bytes != 0
