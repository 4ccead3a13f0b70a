"""A mapping from str to u64 on a KeyTable, with the manners of dict. Knows nothing of what keys and values mean."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from primecore._event cimport NONE32
from primecore._keycell cimport KEY_REMOVED, key_cell_t
from primecore._keys cimport key_utf8
from primecore._memory cimport Epochs
from primecore._shards cimport KEY_CELL_BYTES, KeyTable

from collections.abc import MutableMapping
from operator import index


cdef enum:
    RECORD_BYTES = 32


cdef class ShardMapBase:
    """The compiled half of ShardMap: what is not derived from other methods."""

    def __cinit__(self, *args, seed=None, **kwargs):
        self.table = KeyTable(RECORD_BYTES, Epochs(), seed)

    # The key's number, NONE32 for what is absent or could not be a key.
    cdef uint32_t number(self, key) except? 0xFFFFFFFF:
        cdef uint32_t size
        cdef const char* text
        if not isinstance(key, str):
            hash(key)                   # an unhashable key is a mistake here as it is for dict
            return NONE32
        try:
            text = key_utf8(key, &size)
        except UnicodeEncodeError:
            return NONE32
        return self.table.find(self.table.hash(text, size), text, size)

    cdef uint64_t* value(self, uint32_t number) noexcept:
        return <uint64_t*>(self.table.record(number) + KEY_CELL_BYTES)

    cdef bint holds(self, uint32_t number) noexcept:
        cdef key_cell_t* cell = <key_cell_t*>self.table.record(number)
        return cell.kind != 0 and not cell.kind & KEY_REMOVED

    cdef int take_out(self, key, uint32_t number) except -1:
        cdef uint32_t size
        cdef const char* text = key_utf8(key, &size)
        self.table.remove(self.table.hash(text, size), text, size)
        self.table.reclaim()
        self.changes += 1
        if number + 1 == self.top:
            self.top = number
        return 0

    def __len__(self):
        return self.table.live

    def __contains__(self, key):
        return self.number(key) != NONE32

    def __getitem__(self, key):
        cdef uint32_t number = self.number(key)
        if number == NONE32:
            raise KeyError(key)
        return self.value(number)[0]

    def get(self, key, default=None):
        """The key's value, or `default`."""
        cdef uint32_t number = self.number(key)
        return default if number == NONE32 else self.value(number)[0]

    def __setitem__(self, key, value):
        cdef uint32_t size, number
        cdef const char* text
        cdef uint64_t checked
        cdef uint32_t before
        if not isinstance(key, str):
            raise TypeError(f"keys are str, not {type(key).__name__}")
        checked = index(value)          # may run any code, also on this map
        before = self.table.live
        text = key_utf8(key, &size)
        number = self.table.add(self.table.hash(text, size), text, size)
        if number == NONE32:
            raise MemoryError("the table cannot grow")
        self.value(number)[0] = checked
        if self.table.live != before:
            self.changes += 1
            self.top = max(self.top, number + 1)
            if self.table.retired != NULL:
                self.table.reclaim()

    def __delitem__(self, key):
        cdef uint32_t number = self.number(key)
        if number == NONE32:
            raise KeyError(key)
        self.take_out(key, number)

    def __iter__(self):
        return KeyIterator(self)

    def popitem(self):
        """Remove and return some (key, value); KeyError when there is none."""
        cdef object key
        cdef uint64_t value
        if self.table.live == 0:
            raise KeyError("popitem(): the map is empty")
        # From the end, lowering it: emptying a map this way looks at each record once.
        while not self.holds(self.top - 1):
            self.top -= 1
        key = self.table.key_str(self.top - 1)
        value = self.value(self.top - 1)[0]
        self.take_out(key, self.top - 1)
        return key, value

    def clear(self):
        """Remove all keys."""
        self.table = KeyTable(RECORD_BYTES, Epochs(), self.table.seed)
        self.changes += 1
        self.top = 0


@cython.final
cdef class KeyIterator:
    """Keys by number; RuntimeError when keys came or went meanwhile."""

    def __cinit__(self, ShardMapBase map not None):
        self.map = map
        self.changes = map.changes

    def __iter__(self):
        return self

    def __next__(self):
        cdef uint32_t number
        if self.map is None:
            raise StopIteration
        if self.changes != self.map.changes:
            raise RuntimeError("ShardMap changed keys during iteration")
        while self.next_number < self.map.top:
            number = self.next_number
            self.next_number += 1
            if self.map.holds(number):
                return self.map.table.key_str(number)
        self.map = None                 # once exhausted, exhausted for good
        raise StopIteration


class ShardMap(ShardMapBase, MutableMapping):
    """A mutable mapping from str to int (0 .. 2**64-1): `ShardMap()`, `ShardMap(mapping)`, `ShardMap(pairs, a=1)`.

    Behaves as dict does, but promises no order. `seed` (u64) makes the layout repeatable; it is random otherwise.
    Keys that UTF-8 cannot spell (lone surrogates) raise UnicodeEncodeError when set and are absent when looked up.
    Values outside the range raise OverflowError, other types TypeError.

    >>> ages = ShardMap({"ada": 36})
    >>> ages["grace"] = 85
    >>> sorted(ages.items())
    [('ada', 36), ('grace', 85)]
    """

    __slots__ = ()

    def __init__(self, items=(), /, *, seed=None, **kwargs):
        self.update(items, **kwargs)

    def copy(self):
        """Another map with the same items."""
        return type(self)(self)

    __copy__ = copy

    def __repr__(self):
        return f"{type(self).__name__}({dict(self)!r})"
