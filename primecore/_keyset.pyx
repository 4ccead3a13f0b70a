# cython: language_level=3
"""The keys of open JSON objects: finds those given twice. Knows nothing of JSON's syntax."""

import os

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from primecore._buffers cimport scratch_t, scratch_take


cdef extern from "json_text.h" nogil:
    uint64_t text_load8(const char* at) noexcept
    uint32_t text_load4(const char* at) noexcept

cdef extern from "xxhash.h" nogil:
    uint64_t XXH3_64bits_withSeed(const void* data, size_t size, uint64_t seed) noexcept


cdef uint64_t hash_seed = int.from_bytes(os.urandom(8), "little")


cdef void keyset_open(keyset_t* keyset, scratch_t* scratch) noexcept nogil:
    keyset.keys = keyset.own_keys
    keyset.count = 0
    keyset.capacity = OWN_KEYS
    keyset.slots = NULL
    keyset.slot_count = 0
    keyset.scratch = scratch
    keyset.duplicate = NULL


cdef uint64_t strong_hash(const char* key, uint32_t size) noexcept nogil:
    return XXH3_64bits_withSeed(key, size, hash_seed)


cdef inline uint32_t quick_hash(const char* key, uint32_t size) noexcept nogil:
    """Easily fooled: it only spares comparisons among a few keys."""
    cdef uint64_t mixed = size
    if size >= 8:
        mixed ^= text_load8(key) ^ (text_load8(key + size - 8) * 0x9E3779B97F4A7C15u)
    elif size >= 4:
        mixed ^= <uint64_t>text_load4(key) << 32 ^ <uint64_t>text_load4(key + size - 4) << 8
    elif size:
        mixed ^= <uint64_t><uint8_t>key[0] << 8 ^ <uint64_t><uint8_t>key[size - 1] << 16
        mixed ^= <uint64_t><uint8_t>key[size >> 1] << 24
    return <uint32_t>((mixed * 0xD6E8FEB86659FD93u) >> 32)


cdef inline bint same_key(const key_t* key, const char* data, uint32_t size, uint32_t hashed) noexcept nogil:
    return key.hash == hashed and key.size == size and memcmp(key.data, data, size) == 0


cdef int keyset_grow(keyset_t* keyset) noexcept nogil:
    cdef key_t* keys = <key_t*>scratch_take(keyset.scratch, <size_t>keyset.capacity * 2 * sizeof(key_t))
    if keys is NULL:
        return KEYS_NO_MEMORY
    memcpy(keys, keyset.keys, <size_t>keyset.count * sizeof(key_t))
    keyset.keys = keys
    keyset.capacity *= 2
    return KEYS_FINE


cdef int object_note(
    keyset_t* keyset, object_t* object, const char* key, uint32_t size, const char* raw
) noexcept nogil:
    cdef uint32_t hashed = quick_hash(key, size)
    cdef uint64_t bit = <uint64_t>1 << (hashed >> 26)
    cdef uint32_t number
    cdef key_t* noted
    if object.seen & bit and keyset.count - object.base < FEW_KEYS:
        for number in range(object.base, keyset.count):
            if same_key(&keyset.keys[number], key, size, hashed):
                keyset.duplicate = raw
                return KEYS_DUPLICATE
    object.seen |= bit
    if keyset.count == keyset.capacity and keyset_grow(keyset) != KEYS_FINE:
        return KEYS_NO_MEMORY
    noted = &keyset.keys[keyset.count]
    keyset.count += 1
    noted.data = key
    noted.size = size
    noted.hash = hashed
    noted.raw = raw
    return KEYS_FINE


cdef int compare_many(keyset_t* keyset, uint32_t base) noexcept nogil:
    """Finds duplicates among keys[base:] by a hash table that stays at most half full."""
    cdef uint32_t count = keyset.count - base
    cdef uint32_t wanted = 64
    cdef uint32_t mask, number, slot
    cdef uint64_t hashed
    cdef key_t* key
    while wanted < 2 * count:
        wanted *= 2
    if keyset.slot_count < wanted:
        keyset.slots = <uint32_t*>scratch_take(keyset.scratch, <size_t>wanted * sizeof(uint32_t))
        keyset.slot_count = wanted if keyset.slots is not NULL else 0
        if keyset.slots is NULL:
            return KEYS_NO_MEMORY
    mask = wanted - 1
    memset(keyset.slots, 0, <size_t>wanted * sizeof(uint32_t))
    for number in range(count):
        key = &keyset.keys[base + number]
        hashed = strong_hash(key.data, key.size)
        key.hash = <uint32_t>(hashed >> 32)
        slot = <uint32_t>hashed & mask
        while keyset.slots[slot] != 0:
            if same_key(&keyset.keys[base + keyset.slots[slot] - 1], key.data, key.size, key.hash):
                keyset.duplicate = key.raw
                return KEYS_DUPLICATE
            slot = (slot + 1) & mask
        keyset.slots[slot] = number + 1
    return KEYS_FINE
