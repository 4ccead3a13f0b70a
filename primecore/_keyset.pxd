# The keys of the JSON objects that are open while a text is parsed: finds those given twice. Knows nothing of JSON's
# syntax.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from primecore._buffers cimport scratch_t


cdef enum:
    FEW_KEYS = 16                   # up to here keys are compared one by one as they come, beyond by a hash table
    OWN_KEYS = 32

ctypedef struct key_t:
    const char* data                # unescaped
    uint32_t size
    uint32_t hash
    const char* raw                 # where it stands in the text, just past its opening quote

# One stack of keys: those of an object are the ones from its `base` on.
ctypedef struct keyset_t:
    key_t* keys
    uint32_t count
    uint32_t capacity
    uint32_t* slots                 # hash table of key numbers
    uint32_t slot_count
    scratch_t* scratch
    const char* duplicate           # `raw` of the key that was given twice
    key_t own_keys[OWN_KEYS]

ctypedef struct object_t:
    uint64_t seen                   # one bit for each hash: a clear one says "new" without a comparison
    uint32_t base

cdef enum keyset_status:
    KEYS_FINE = 0
    KEYS_DUPLICATE = -1
    KEYS_NO_MEMORY = -2

cdef void keyset_open(keyset_t* keyset, scratch_t* scratch) noexcept nogil
cdef inline void object_open(keyset_t* keyset, object_t* object) noexcept nogil:
    object.seen = 0
    object.base = keyset.count
# `object` must be the one opened last of those still open. Both return a keyset_status.
cdef int object_note(
    keyset_t* keyset, object_t* object, const char* key, uint32_t size, const char* raw
) noexcept nogil
cdef int compare_many(keyset_t* keyset, uint32_t base) noexcept nogil
cdef inline int object_close(keyset_t* keyset, object_t* object) noexcept nogil:
    cdef int status = KEYS_FINE
    if keyset.count - object.base > FEW_KEYS:
        status = compare_many(keyset, object.base)
    keyset.count = object.base
    return status

# Of a key, for tables whose keys nobody may be able to choose so that they collide (seeded per process).
cdef uint64_t strong_hash(const char* key, uint32_t size) noexcept nogil
