# The key cell at the head of a record: declarations of our C header. Knows bytes only.

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef extern from "key_cell.h" nogil:
    enum:
        KEY_BODY_BYTES
        KEY_INLINE
        KEY_UUID
        KEY_LONG
        KEY_REMOVED
        UUID_TEXT_BYTES

    ctypedef struct key_cell_t:             # 24 bytes
        uint32_t prefix
        uint8_t kind
        uint8_t size                        # of an inline rest
        uint8_t body[18]

    ctypedef struct key_long_t:             # body of a long key
        uint32_t ref
        uint32_t size
        uint32_t hash

    ctypedef struct prefix_slot_t:
        uint32_t offset
        uint32_t size

    bint key_bytes_equal(const char* a, const char* b, uint32_t size)
    bint key_cell_equal(const key_cell_t* cell, const prefix_slot_t* slots, const char* prefix_bytes, const char* arena,
                        uint64_t hash, const char* key, uint32_t size)
    uint32_t key_cell_size(const key_cell_t* cell, const prefix_slot_t* slots)
    const char* key_cell_text(const key_cell_t* cell, const char* arena)
    uint32_t key_cell_ref(const key_cell_t* cell)
    void key_cell_write(const key_cell_t* cell, const prefix_slot_t* slots, const char* prefix_bytes, const char* arena,
                        char* out)
    void key_cell_remove(key_cell_t* cell)
    uint32_t key_prefix_size(const char* key, uint32_t size)

    bint uuid_parse(const char* text, uint8_t* id)
    bint uuid_parse_plain(const char* text, uint8_t* id)
    bint uuid_equal(const uint8_t* id, const char* text)
    bint uuid_equal_plain(const uint8_t* id, const char* text)
    void uuid_write(const uint8_t* id, char* out36)
