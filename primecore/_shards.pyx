"""Tables from text keys to dense numbers: 64 shards of open addressing. Knows nothing of nodes, edges, events or files.

The layout is that of F14 and Swiss tables: a chunk is one cache line of 12 one-byte tags, an overflow count and 12
numbers, so that a lookup mostly costs one line of the index and one record. Deleting lowers the overflow counts that
adding raised; nothing is left behind, and no walk is longer than the shard has chunks.
"""

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from primecore._event cimport NONE32, slice_t
from primecore._image cimport Draft, Image
from primecore._keycell cimport (
    KEY_BODY_BYTES, KEY_INLINE, KEY_LONG, KEY_UUID, UUID_TEXT_BYTES, key_cell_equal, key_cell_ref, key_cell_remove,
    key_cell_size, key_cell_t, key_cell_text, key_cell_write, key_long_t, key_prefix_size,
    uuid_parse,
)
from primecore._memory cimport Arena, Epochs, Region
from primecore._prefixes cimport MAX_PREFIX_BYTES, Prefixes
from primecore._shardchunk cimport (
    ALL_PLACES, chunk_add_overflow, chunk_clear, chunk_match, chunk_number, chunk_overflow, chunk_publish,
    chunk_renumber, chunk_t, next_index, shard_block, shard_block_free, shard_block_new, shard_block_t, shard_chunks,
    shard_load, shard_lowest, shard_mask, shard_nowhere, shard_prefetch, shard_publish, shard_publish_count, shard_word,
    tag_of,
)

import os


cdef extern from *:
    """
    /* The cell's key as a str. The bytes of an ASCII str follow its head: the key is spelled right there. */
    static PyObject *key_cell_str(const key_cell_t *cell, const prefix_slot_t *slots, const char *prefix_bytes,
                                  const char *arena) {
        const uint32_t size = key_cell_size(cell, slots);
        PyObject *text = NULL;
        if (size && key_cell_is_ascii(cell, slots, prefix_bytes, arena)) {
            text = PyUnicode_New(size, 127);
            if (text != NULL)
                key_cell_write(cell, slots, prefix_bytes, arena, (char *)((PyASCIIObject *)text + 1));
            return text;
        }
        PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
        if (bytes != NULL) {
            key_cell_write(cell, slots, prefix_bytes, arena, PyBytes_AS_STRING(bytes));
            text = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(bytes), size, NULL);
            Py_DECREF(bytes);
        }
        return text;
    }
    /* The same, asking but once of which kind the cell is: lists of neighbours spell two keys an entry. What is spelled
     * right into a str turns out not to be ASCII as it is copied, if it does; then it is dropped again. */
    static inline PyObject *key_cell_short_str(const key_cell_t *cell, const prefix_slot_t *slots,
                                               const char *prefix_bytes, const char *arena) {
        const prefix_slot_t prefix = slots[cell->prefix];
        const int is_uuid = cell->kind == KEY_UUID;
        const uint32_t rest = is_uuid ? UUID_TEXT_BYTES : cell->size;
        if (!(is_uuid || cell->kind == KEY_INLINE) || prefix.size + rest == 0)
            return key_cell_str(cell, slots, prefix_bytes, arena);
        PyObject *text = PyUnicode_New(prefix.size + rest, 127);
        if (text == NULL)
            return NULL;
        char *out = (char *)((PyASCIIObject *)text + 1);
        uint64_t seen = key_bytes_copy_seen(out, prefix_bytes + prefix.offset, prefix.size);
        if (is_uuid)
            uuid_write(cell->body, out + prefix.size);
        else
            seen |= key_bytes_copy_seen(out + prefix.size, (const char *)cell->body, rest);
        if (!(seen & 0x8080808080808080ull))
            return text;
        Py_DECREF(text);
        return key_cell_str(cell, slots, prefix_bytes, arena);
    }
    """
    object key_cell_short_str(const key_cell_t* cell, const prefix_slot_t* slots, const char* prefix_bytes,
                              const char* arena)


cdef extern from "hash.h" nogil:
    uint64_t prime_hash64(const void* text, size_t size, uint64_t seed)


cdef enum:
    SHORT_KEY_BYTES = MAX_PREFIX_BYTES + UUID_TEXT_BYTES     # the longest key that is not in the arena
    LOOK_AHEAD = 3                                           # chunks whose records are fetched while growing


# Puts a number on the first free place of its walk. The table has one: callers keep it below its limit.
cdef inline void put(uint64_t word, uint64_t hash, uint32_t number) noexcept nogil:
    cdef uint8_t tag = tag_of(hash)
    cdef uint64_t mask = shard_mask(word)
    cdef uint64_t index = (hash >> 6) & mask
    cdef chunk_t* chunk = shard_chunks(word) + index
    cdef uint32_t free_places = chunk_match(chunk, 0)
    while not free_places:
        # Raised before the tag appears further on, or a reader would stop here and miss it.
        chunk_add_overflow(chunk, 1)
        index = next_index(index, tag, mask)
        chunk = shard_chunks(word) + index
        free_places = chunk_match(chunk, 0)
    chunk_publish(chunk, shard_lowest(free_places), tag, number)


@cython.final
cdef class KeyTable:
    """Text keys -> dense u32 numbers from 0, each with a zeroed record of `record_bytes`, the first 24 for the key.

    `record_bytes` is a multiple of 8 (a power of two keeps records within cache lines). `seed` (u64) is random unless
    given. One writer at a time; readers hold the GIL or stand in a slot of `epochs`.
    """

    def __cinit__(self, uint32_t record_bytes, Epochs epochs not None, seed=None):
        cdef uint32_t shard
        if record_bytes < KEY_CELL_BYTES or record_bytes % 8 or record_bytes > 65536:
            raise ValueError(f"record_bytes must be a multiple of 8 from {KEY_CELL_BYTES} to 65536, not {record_bytes}")
        self.seed = int.from_bytes(os.urandom(8), "little") if seed is None else seed
        self.record_bytes = record_bytes
        self.epochs = epochs
        self.record_region = Region(<size_t>NONE32 * record_bytes)
        self.records = self.record_region.base
        self.key_arena = Arena()
        self.prefixes = Prefixes(self.seed)
        self.prefix_slots = self.prefixes.slots
        self.prefix_bytes = self.prefixes.bytes
        for shard in range(SHARDS):
            self.shards[shard] = shard_nowhere()

    def __dealloc__(self):
        cdef uint32_t shard
        cdef shard_block_t* block
        for shard in range(SHARDS):
            if self.borrowed >> shard & 1:
                continue
            if self.shards[shard] and shard_block(self.shards[shard]).limit:
                shard_block_free(shard_block(self.shards[shard]))
        while self.retired != NULL:
            block = self.retired
            self.retired = block.next
            shard_block_free(block)
        free(self.free_numbers)

    cdef uint64_t hash(self, const char* key, uint32_t size) noexcept nogil:
        return prime_hash64(key, size, self.seed)

    cdef void prefetch(self, uint64_t hash) noexcept nogil:
        cdef uint64_t word = shard_load(&self.shards[hash & (SHARDS - 1)])
        shard_prefetch(shard_chunks(word) + ((hash >> 6) & shard_mask(word)))

    cdef void prefetch_record(self, uint64_t hash) noexcept nogil:
        cdef uint64_t word = shard_load(&self.shards[hash & (SHARDS - 1)])
        cdef chunk_t* chunk = shard_chunks(word) + ((hash >> 6) & shard_mask(word))
        cdef uint32_t places = chunk_match(chunk, tag_of(hash))
        if places:
            shard_prefetch(self.record(chunk_number(chunk, shard_lowest(places))))

    cdef uint32_t find(self, uint64_t hash, const char* key, uint32_t size) noexcept nogil:
        cdef place_t found
        return found.number if self.locate(hash, key, size, &found) else <uint32_t>NONE32

    cdef bint locate(self, uint64_t hash, const char* key, uint32_t size, place_t* found) noexcept nogil:
        cdef uint64_t word = shard_load(&self.shards[hash & (SHARDS - 1)])
        cdef uint64_t mask = shard_mask(word)
        cdef uint64_t index = (hash >> 6) & mask
        cdef uint8_t tag = tag_of(hash)
        cdef uint64_t walked
        cdef chunk_t* chunk
        cdef uint32_t places, number
        for walked in range(mask + 1):
            chunk = shard_chunks(word) + index
            places = chunk_match(chunk, tag)
            while places:
                number = chunk_number(chunk, shard_lowest(places))
                if key_cell_equal(<key_cell_t*>self.record(number), self.prefix_slots, self.prefix_bytes,
                                  self.key_arena.base, hash, key, size):
                    found.chunk = chunk
                    found.place = shard_lowest(places)
                    found.number = number
                    found.walked = <uint32_t>walked
                    return True
                places &= places - 1
            if chunk_overflow(chunk) == 0:
                return False
            index = next_index(index, tag, mask)
        return False

    cdef uint32_t add(self, uint64_t hash, const char* key, uint32_t size) noexcept nogil:
        cdef uint32_t shard = <uint32_t>(hash & (SHARDS - 1))
        cdef uint32_t number = self.find(hash, key, size)
        if number != NONE32:
            return number
        if self.shard_live[shard] >= shard_block(self.shards[shard]).limit and self.grow_shard(shard) < 0:
            return NONE32
        number = self.new_record(hash, key, size)
        if number == NONE32:
            return NONE32
        put(self.shards[shard], hash, number)
        self.shard_live[shard] += 1
        self.live += 1
        return number

    cdef uint32_t renew(self, uint32_t number) noexcept nogil:
        cdef place_t found
        cdef char short_key[SHORT_KEY_BYTES]
        cdef key_cell_t* cell = <key_cell_t*>self.record(number)
        cdef const char* key = key_cell_text(cell, self.key_arena.base)
        cdef uint32_t size = key_cell_size(cell, self.prefix_slots)
        cdef uint64_t hash
        cdef uint32_t renewed
        if key == NULL:
            self.copy_key(number, short_key)
            key = short_key
        hash = prime_hash64(key, size, self.seed)
        if not self.locate(hash, key, size, &found) or found.number != number:
            return NONE32
        renewed = self.new_record(hash, key, size)
        if renewed != NONE32:
            chunk_renumber(found.chunk, found.place, renewed)
        return renewed

    cdef int remove(self, uint64_t hash, const char* key, uint32_t size) noexcept nogil:
        cdef uint32_t shard = <uint32_t>(hash & (SHARDS - 1))
        cdef uint64_t mask = shard_mask(self.shards[shard])
        cdef uint64_t index = (hash >> 6) & mask
        cdef place_t found
        cdef uint32_t _step
        if not self.locate(hash, key, size, &found):
            return 0
        chunk_clear(found.chunk, found.place)
        for _step in range(found.walked):
            chunk_add_overflow(shard_chunks(self.shards[shard]) + index, -1)
            index = next_index(index, tag_of(hash), mask)
        key_cell_remove(<key_cell_t*>self.record(found.number))
        self.shard_live[shard] -= 1
        self.live -= 1
        self.put_aside(found.number)
        return 1

    cdef void put_aside(self, uint32_t number) noexcept nogil:
        cdef uint32_t size = self.free_size + self.waiting_size + self.limbo_size
        cdef uint32_t capacity = self.free_capacity
        cdef uint32_t* grown
        cdef uint32_t i
        if size == capacity:
            grown = <uint32_t*>malloc(<size_t>(capacity * 2 if capacity else 16) * sizeof(uint32_t))
            if grown == NULL:
                return          # the number is never given out again: harmless, and removing cannot fail
            for i in range(size):
                grown[i] = self.free_numbers[(self.free_head + i) & (capacity - 1)]
            free(self.free_numbers)
            self.free_numbers = grown
            self.free_head = 0
            self.free_capacity = capacity * 2 if capacity else 16
        self.free_numbers[(self.free_head + size) & (self.free_capacity - 1)] = number
        self.limbo_size += 1

    cdef void reclaim(self):
        cdef uint64_t oldest
        cdef uint32_t i
        cdef key_cell_t* cell
        cdef shard_block_t** link = &self.retired
        cdef shard_block_t* block
        if self.limbo_size and not self.waiting_size:
            self.waiting_size = self.limbo_size
            self.limbo_size = 0
            self.waiting_stamp = self.epochs.advance()
        if not self.waiting_size and self.retired == NULL:
            return
        oldest = self.epochs.oldest()
        if self.waiting_size and self.waiting_stamp <= oldest:
            for i in range(self.free_size, self.free_size + self.waiting_size):
                cell = <key_cell_t*>self.record(self.free_numbers[(self.free_head + i) & (self.free_capacity - 1)])
                self.key_arena.free(key_cell_ref(cell), key_cell_size(cell, self.prefix_slots))
                memset(cell, 0, sizeof(key_cell_t))
            self.free_size += self.waiting_size
            self.waiting_size = 0
        while link[0] != NULL:
            block = link[0]
            if block.stamp <= oldest:
                link[0] = block.next
                self.index_bytes -= block.nbytes
                shard_block_free(block)
            else:
                link = &block.next

    cdef int grow_shard(self, uint32_t shard) noexcept nogil:
        cdef uint64_t old = self.shards[shard]
        cdef shard_block_t* old_block = shard_block(old)
        cdef uint32_t log2_chunks = <uint32_t>(old & 63) + 1 if old_block.limit else 0
        cdef shard_block_t* block = shard_block_new(log2_chunks)
        cdef uint64_t word, index
        cdef uint32_t places, number
        cdef chunk_t* chunk
        if block == NULL:
            return -1
        word = shard_word(block, log2_chunks)
        for index in range(shard_mask(old) + 1 + LOOK_AHEAD):
            # Hashes are not kept, so each record is read again; fetching ahead hides most of that.
            if index <= shard_mask(old):
                chunk = shard_chunks(old) + index
                places = chunk_match(chunk, 0) ^ ALL_PLACES
                while places:
                    shard_prefetch(self.record(chunk.numbers[shard_lowest(places)]))
                    places &= places - 1
            if index >= LOOK_AHEAD:
                chunk = shard_chunks(old) + index - LOOK_AHEAD
                places = chunk_match(chunk, 0) ^ ALL_PLACES
                while places:
                    number = chunk.numbers[shard_lowest(places)]
                    put(word, self.hash_of(number), number)
                    places &= places - 1
        self.index_bytes += block.nbytes
        shard_publish(&self.shards[shard], word)
        if self.borrowed >> shard & 1:
            self.borrowed &= ~(<uint64_t>1 << shard)        # its readers are safe: the image stays with the table
            self.index_bytes -= old_block.nbytes
        elif old_block.limit:
            old_block.stamp = self.epochs.advance()
            old_block.next = self.retired
            self.retired = old_block
        return 0

    cdef uint64_t hash_of(self, uint32_t number) noexcept nogil:
        cdef char short_key[SHORT_KEY_BYTES]
        cdef key_cell_t* cell = <key_cell_t*>self.record(number)
        cdef const char* key = key_cell_text(cell, self.key_arena.base)
        if key == NULL:
            self.copy_key(number, short_key)
            key = short_key
        return prime_hash64(key, key_cell_size(cell, self.prefix_slots), self.seed)

    cdef uint32_t new_record(self, uint64_t hash, const char* key, uint32_t size) noexcept nogil:
        cdef uint32_t number
        if self.free_size:
            number = self.free_numbers[self.free_head]
            memset(self.record(number), 0, self.record_bytes)
            if self.write_cell(<key_cell_t*>self.record(number), hash, key, size) < 0:
                return NONE32
            self.free_head = (self.free_head + 1) & (self.free_capacity - 1)
            self.free_size -= 1
            return number
        number = self.count
        if number >= NONE32 - 1 or self.record_region.grow((<size_t>number + 1) * self.record_bytes) < 0:
            return NONE32
        if self.write_cell(<key_cell_t*>self.record(number), hash, key, size) < 0:
            return NONE32
        shard_publish_count(&self.count, number + 1)
        return number

    cdef int write_cell(self, key_cell_t* cell, uint64_t hash, const char* key, uint32_t size) noexcept nogil:
        cdef uint32_t prefix_size = key_prefix_size(key, size)
        cdef uint32_t prefix = self.last_prefix
        cdef uint32_t rest
        cdef key_long_t body
        if not self.prefixes.is_text(prefix, key, prefix_size):
            self.last_prefix = prefix = self.prefixes.intern(key, prefix_size)
        if prefix == 0:
            prefix_size = 0
        rest = size - prefix_size
        cell.prefix = prefix
        if rest <= KEY_BODY_BYTES:
            cell.size = <uint8_t>rest
            memcpy(cell.body, key + prefix_size, rest)
            cell.kind = KEY_INLINE
        elif rest == UUID_TEXT_BYTES and uuid_parse(key + prefix_size, cell.body):
            cell.kind = KEY_UUID
        else:
            body.ref = self.key_arena.alloc(size)
            if body.ref == 0:
                return -1
            body.size = size
            body.hash = <uint32_t>hash
            memcpy(self.key_arena.at(body.ref), key, size)
            memcpy(cell.body, &body, sizeof(key_long_t))
            cell.kind = KEY_LONG
        return 0

    cdef uint32_t key_size(self, uint32_t number) noexcept nogil:
        return key_cell_size(<key_cell_t*>self.record(number), self.prefix_slots)

    cdef uint32_t copy_key(self, uint32_t number, char* out) noexcept nogil:
        cdef key_cell_t* cell = <key_cell_t*>self.record(number)
        key_cell_write(cell, self.prefix_slots, self.prefix_bytes, self.key_arena.base, out)
        return key_cell_size(cell, self.prefix_slots)

    cdef object key_str(self, uint32_t number):
        return key_cell_short_str(
            <key_cell_t*>self.record(number), self.prefix_slots, self.prefix_bytes, self.key_arena.base
        )

    cdef uint32_t prefix_of(self, uint32_t number) noexcept nogil:
        return (<key_cell_t*>self.record(number)).prefix

    cdef slice_t prefix_text(self, uint32_t prefix) noexcept nogil:
        return self.prefixes.text(prefix)

    def dump(self, Draft draft not None, str name not None) -> None:
        """Add records, keys and index to a draft."""
        cdef uint32_t shard, i
        cdef uint32_t waiting = self.free_size + self.waiting_size + self.limbo_size
        cdef shard_block_t* block
        draft.region(f"{name}.records", self.record_region)
        draft.arena(f"{name}.keys", self.key_arena)
        self.prefixes.dump(draft, f"{name}.prefixes")
        draft.add(f"{name}.index", NULL, 0)
        for shard in range(SHARDS):
            block = shard_block(self.shards[shard])
            if block.limit:
                draft.more(block, block.nbytes)
        draft.notes[name] = {
            "record_bytes": self.record_bytes, "count": self.count, "live": self.live, "seed": self.seed,
            "last_prefix": self.last_prefix, "shard_live": [self.shard_live[i] for i in range(SHARDS)],
            "log2_chunks": [
                <int>(self.shards[i] & 63) if shard_block(self.shards[i]).limit else -1 for i in range(SHARDS)
            ],
            "free": self.free_size,
            "free_numbers": [
                self.free_numbers[(self.free_head + i) & (self.free_capacity - 1)] for i in range(waiting)
            ],
        }

    def load(self, Image image not None, str name not None) -> None:
        """Take over what `dump` added, into a table that is empty."""
        cdef dict noted = image.note(name)
        cdef size_t nbytes, size
        cdef uint32_t shard, log2_chunks
        cdef char* at = image.at(f"{name}.index", &nbytes)
        cdef shard_block_t* block
        if self.count or noted["record_bytes"] != self.record_bytes:
            raise ValueError(f"{name} cannot be loaded here")
        image.region(f"{name}.records", self.record_region)
        image.arena(f"{name}.keys", self.key_arena)
        self.seed = noted["seed"]
        self.prefixes.load(image, f"{name}.prefixes", self.seed)
        self.image = image
        for shard in range(SHARDS):
            self.shard_live[shard] = noted["shard_live"][shard]
            if noted["log2_chunks"][shard] < 0:
                continue
            log2_chunks = noted["log2_chunks"][shard]
            block = <shard_block_t*>at
            size = (<size_t>1 << log2_chunks) * sizeof(chunk_t) + sizeof(shard_block_t)
            if size > nbytes or block.nbytes != size:
                raise ValueError(f"the index of {name} does not fit its section")
            self.shards[shard] = shard_word(block, log2_chunks)
            self.borrowed |= <uint64_t>1 << shard
            self.index_bytes += size
            at += size
            nbytes -= size
        self.last_prefix = noted["last_prefix"]
        self.live = noted["live"]
        for number in noted["free_numbers"]:
            self.put_aside(number)
        # Those that waited for readers wait on: what their keys held is still to be given back.
        self.free_size = noted["free"]
        self.limbo_size -= self.free_size
        shard_publish_count(&self.count, noted["count"])

    def __len__(self) -> int:
        return self.live

    @property
    def record_bytes_used(self) -> int:
        """Bytes of all records given out so far."""
        return self.record_region.used_bytes

    @property
    def key_arena_bytes(self) -> int:
        """Bytes that long keys take, free blocks included."""
        return self.key_arena.region.used_bytes

    @property
    def prefix_count(self) -> int:
        """Distinct heads of keys, "" included."""
        return self.prefixes.count
