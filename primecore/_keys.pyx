"""A key table with a Python face: str keys one at a time or in batches. Knows nothing of what the records mean.

For tests, tools, and whoever has only a few keys; the engine uses KeyTable from compiled code.
"""

cimport cython
from cpython cimport array
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from primecore._event cimport NONE32, slice_t
from primecore._keycell cimport uuid_equal, uuid_equal_plain, uuid_parse, uuid_parse_plain, uuid_write
from primecore._memory cimport Epochs
from primecore._shardchunk cimport (
    ALL_PLACES, chunk_match, chunk_match_plain, chunk_match_quick, chunk_overflow, chunk_t, next_index, shard_chunks,
    shard_load, shard_lowest, shard_mask, shard_publish, tag_of,
)
from primecore._shards cimport KEY_CELL_BYTES, SHARDS, KeyTable

from array import array as _array


cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL


cdef enum:
    BATCH = 32                          # keys looked up side by side
    MAX_KEY_BYTES = 0x7FFFFFFF

cdef array.array NUMBERS = _array("I")
cdef array.array VALUES = _array("Q")


cdef const char* key_utf8(object key, uint32_t* size) except NULL:
    cdef Py_ssize_t nbytes
    cdef const char* text = PyUnicode_AsUTF8AndSize(key, &nbytes)
    if nbytes > MAX_KEY_BYTES:
        raise ValueError(f"a key has at most {MAX_KEY_BYTES} bytes, not {nbytes}")
    size[0] = <uint32_t>nbytes
    return text


# Chunks a lookup of this hash visits before it meets `number`.
cdef uint64_t hit_walk(uint64_t word, uint64_t hash, uint32_t number) noexcept nogil:
    cdef uint64_t mask = shard_mask(word), index = (hash >> 6) & mask, walked
    cdef uint32_t places
    for walked in range(1, mask + 2):
        places = chunk_match(shard_chunks(word) + index, tag_of(hash))
        while places:
            if shard_chunks(word)[index].numbers[shard_lowest(places)] == number:
                return walked
            places &= places - 1
        index = next_index(index, tag_of(hash), mask)
    return mask + 2


# Chunks a lookup of an absent key visits that starts here.
cdef uint64_t miss_walk(uint64_t word, uint64_t index, uint8_t tag) noexcept nogil:
    cdef uint64_t mask = shard_mask(word), walked
    for walked in range(1, mask + 2):
        if chunk_overflow(shard_chunks(word) + index) == 0:
            return walked
        index = next_index(index, tag, mask)
    return mask + 1


@cython.final
cdef class Keys:
    """str keys -> numbers from 0, each with a record of `record_bytes`, by a KeyTable of its own (`table`).

    `seed` (u64) is random unless given. Keys that UTF-8 cannot spell (lone surrogates) raise UnicodeEncodeError when
    added and are absent when looked up. One thread may write; any number may read.
    """

    def __cinit__(self, uint32_t record_bytes=64, *, Epochs epochs=None, seed=None):
        self.table = KeyTable(record_bytes, Epochs() if epochs is None else epochs, seed)

    def __len__(self) -> int:
        return self.table.live

    def number(self, str key not None):
        """The number that `key` stands for now, or None."""
        cdef uint32_t size, found
        cdef const char* text
        try:
            text = key_utf8(key, &size)
        except UnicodeEncodeError:
            return None
        found = self.table.find(self.table.hash(text, size), text, size)
        return None if found == NONE32 else found

    def add(self, str key not None) -> int:
        """The key's number, given out now if it had none. MemoryError when the table cannot grow."""
        cdef uint32_t size
        cdef const char* text = key_utf8(key, &size)
        cdef uint32_t number = self.table.add(self.table.hash(text, size), text, size)
        if number == NONE32:
            raise MemoryError("the table cannot grow")
        return number

    def renew(self, str key not None) -> int:
        """A further number for a key, with a zeroed record; the old record stays. KeyError when it is absent."""
        cdef object number = self.number(key)
        cdef uint32_t renewed
        if number is None:
            raise KeyError(key)
        renewed = self.table.renew(number)
        if renewed == NONE32:
            raise MemoryError("the table cannot grow")
        return renewed

    def remove(self, str key not None) -> bool:
        """True when the key was there."""
        cdef uint32_t size
        cdef const char* text
        try:
            text = key_utf8(key, &size)
        except UnicodeEncodeError:
            return False
        return self.table.remove(self.table.hash(text, size), text, size) == 1

    def reclaim(self) -> None:
        """Free what no reader holds any more: index tables, removed numbers, their long keys."""
        self.table.reclaim()

    def key(self, uint32_t number) -> str:
        """The key of a number that was given out; "" once it was removed and reclaimed."""
        return self.table.key_str(self.checked(number))

    def prefix(self, uint32_t number) -> str:
        """The interned head of a number's key."""
        cdef slice_t text = self.table.prefix_text(self.table.prefix_of(self.checked(number)))
        return text.data[:text.size].decode()

    def hash(self, str key not None) -> int:
        """XXH3-64 of the key's UTF-8 with the table's seed."""
        cdef uint32_t size
        cdef const char* text = key_utf8(key, &size)
        return self.table.hash(text, size)

    def value(self, uint32_t number) -> int:
        """The first 8 bytes after a record's key cell, as u64."""
        return shard_load(<uint64_t*>(self.table.record(self.checked(number)) + KEY_CELL_BYTES))

    def set_value(self, uint32_t number, uint64_t value) -> None:
        """Store them, in one piece."""
        shard_publish(<uint64_t*>(self.table.record(self.checked(number)) + KEY_CELL_BYTES), value)

    cdef uint32_t checked(self, uint32_t number) except? 0xFFFFFFFF:
        if number >= self.table.count:
            raise IndexError(f"number {number} was never given out; there are {self.table.count}")
        if self.table.record_bytes < KEY_CELL_BYTES + 8:
            raise ValueError("these records have no room for a value")
        return number

    def find_many(self, keys):
        """The numbers of many str keys as an array of u32, 4294967295 for absent ones.

        Works without the GIL, inside one epoch: beside a writer each answer is right for some moment of the call.
        """
        cdef tuple held = tuple(keys)           # keeps the texts alive and in place
        cdef array.array numbers = array.clone(NUMBERS, len(held), zero=False)
        self.look_up(held, numbers.data.as_uints, NULL)
        return numbers

    def values_many(self, keys):
        """As find_many, but the values as u64, 2**64-1 for absent keys."""
        cdef tuple held = tuple(keys)
        cdef array.array values = array.clone(VALUES, len(held), zero=False)
        if self.table.record_bytes < KEY_CELL_BYTES + 8:
            raise ValueError("these records have no room for a value")
        self.look_up(held, NULL, values.data.as_ulonglongs)
        return values

    cdef int look_up(self, tuple keys, unsigned int* numbers, unsigned long long* values) except -1:
        cdef Py_ssize_t n = len(keys), i, j, stop
        cdef KeyTable table = self.table
        cdef slice_t* texts = <slice_t*>malloc(<size_t>(n + 1) * sizeof(slice_t))
        cdef uint64_t hashes[BATCH]
        cdef uint32_t number
        cdef int slot
        if texts == NULL:
            raise MemoryError
        try:
            for i in range(n):
                if not isinstance(keys[i], str):
                    raise TypeError(f"keys are str, not {type(keys[i]).__name__}")
                texts[i].data = key_utf8(keys[i], &texts[i].size)
            with nogil:
                slot = table.epochs.enter()
                i = 0
                while i < n:
                    stop = min(i + BATCH, n)
                    for j in range(i, stop):
                        hashes[j - i] = table.hash(texts[j].data, texts[j].size)
                        table.prefetch(hashes[j - i])
                    for j in range(i, stop):
                        table.prefetch_record(hashes[j - i])
                    for j in range(i, stop):
                        number = table.find(hashes[j - i], texts[j].data, texts[j].size)
                        if numbers != NULL:
                            numbers[j] = number
                        elif number == NONE32:
                            values[j] = <uint64_t>-1
                        else:
                            values[j] = shard_load(<uint64_t*>(table.record(number) + KEY_CELL_BYTES))
                    i = stop
                table.epochs.leave(slot)
        finally:
            free(texts)
        return 0

    def probe_stats(self):
        """How far lookups walk, in chunks visited (at least 1): `longest_hit` and `mean_hit` over the keys present,
        `longest_miss` and `mean_miss` over absent keys (each chunk as a start, with four tags).

        Also `keys`, `chunks`, `most_chunks` (of one shard) and `overflow`, the sum of the overflow counts.
        """
        cdef KeyTable table = self.table
        cdef uint64_t chunks = 0, most = 0, hits = 0, misses = 0, starts = 0, overflow = 0
        cdef uint64_t longest_hit = 0, longest_miss = 0, index, walked, word, mask
        cdef uint32_t shard, places, tag, number
        for shard in range(SHARDS):
            word = table.shards[shard]
            mask = shard_mask(word)
            chunks += mask + 1
            most = max(most, mask + 1)
            for index in range(mask + 1):
                overflow += shard_chunks(word)[index].overflow
                places = chunk_match(shard_chunks(word) + index, 0) ^ ALL_PLACES
                while places:
                    number = shard_chunks(word)[index].numbers[shard_lowest(places)]
                    places &= places - 1
                    walked = hit_walk(word, table.hash_of(number), number)
                    hits += walked
                    longest_hit = max(longest_hit, walked)
                for tag in range(1, 256, 64):
                    walked = miss_walk(word, index, <uint8_t>tag)
                    starts += 1
                    misses += walked
                    longest_miss = max(longest_miss, walked)
        return {"keys": table.live, "chunks": chunks, "most_chunks": most, "overflow": overflow,
                "longest_hit": longest_hit, "mean_hit": hits / max(table.live, 1),
                "longest_miss": longest_miss, "mean_miss": misses / starts}


def match_tags(const unsigned char[::1] tags not None, uint8_t tag):
    """Which of 12 tags equal `tag`, as bits: by the vector kernel and by its scalar twin."""
    cdef chunk_t lines[2]
    cdef chunk_t* line = <chunk_t*>((<size_t>&lines[0] + 63) & ~<size_t>63)
    if tags.shape[0] != 12:
        raise ValueError(f"a chunk has 12 tags, not {tags.shape[0]}")
    memcpy(line, &tags[0], 12)
    line.overflow = 0x01010101 * <uint32_t>tag      # must not count as tags
    return chunk_match_quick(line, tag), chunk_match_plain(line, tag)


def read_uuid(const unsigned char[::1] text not None):
    """The 16 bytes of 36 canonical lower-case ones, None for any other spelling: vector kernel, scalar twin."""
    cdef uint8_t quick[16]
    cdef uint8_t plain[16]
    if text.shape[0] != 36:
        raise ValueError(f"a UUID is spelt with 36 bytes, not {text.shape[0]}")
    return (
        quick[:16] if uuid_parse(<const char*>&text[0], quick) else None,
        plain[:16] if uuid_parse_plain(<const char*>&text[0], plain) else None,
    )


def spell_uuid(const unsigned char[::1] id not None) -> bytes:
    """The canonical lower-case spelling of 16 bytes."""
    cdef char text[36]
    if id.shape[0] != 16:
        raise ValueError(f"a UUID has 16 bytes, not {id.shape[0]}")
    uuid_write(&id[0], text)
    return text[:36]


def same_uuid(const unsigned char[::1] id not None, const unsigned char[::1] text not None):
    """Whether 36 bytes of text are the canonical spelling of 16 bytes: by the vector kernel, by its scalar twin."""
    if id.shape[0] != 16 or text.shape[0] != 36:
        raise ValueError("a UUID has 16 bytes and is spelt with 36")
    return (
        uuid_equal(&id[0], <const char*>&text[0]) != 0,
        uuid_equal_plain(&id[0], <const char*>&text[0]) != 0,
    )
