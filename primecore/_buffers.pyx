# cython: language_level=3
"""Memory for work without the GIL: bump blocks and growing bytes. Knows nothing of what they hold."""

from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset


cdef enum:
    CHUNK_BYTES = 65536


cdef int scratch_init(scratch_t* scratch) noexcept nogil:
    memset(scratch, 0, sizeof(scratch_t))
    return 0


cdef char* scratch_grow(scratch_t* scratch, size_t nbytes) noexcept nogil:
    """Makes a further chunk the current one and takes `nbytes` (already rounded) from it."""
    cdef size_t size = nbytes + 16 if nbytes + 16 > CHUNK_BYTES else CHUNK_BYTES
    cdef char* chunk = <char*>malloc(size)
    if chunk is NULL:
        return NULL
    (<void**>chunk)[0] = NULL
    if scratch.first is NULL:
        scratch.first = chunk
    else:
        (<void**>scratch.current)[0] = chunk
    scratch.current = chunk
    scratch.at = chunk + 16 + nbytes
    scratch.end = chunk + size
    return chunk + 16


cdef char* scratch_take(scratch_t* scratch, size_t nbytes) noexcept nogil:
    cdef char* taken = scratch.at
    nbytes = (nbytes + 15) & ~<size_t>15
    if <size_t>(scratch.end - scratch.at) < nbytes or taken is NULL:
        return scratch_grow(scratch, nbytes)
    scratch.at += nbytes
    return taken


cdef void scratch_reset(scratch_t* scratch) noexcept nogil:
    cdef void* chunk
    cdef void* following
    if scratch.first is NULL:
        return
    chunk = (<void**>scratch.first)[0]
    if chunk is not NULL:
        # The first chunk may be larger than the usual: its end is known only while it is the current one.
        while chunk is not NULL:
            following = (<void**>chunk)[0]
            free(chunk)
            chunk = following
        (<void**>scratch.first)[0] = NULL
        scratch.current = scratch.first
        scratch.end = <char*>scratch.first + CHUNK_BYTES
    scratch.at = <char*>scratch.first + 16


cdef void scratch_free(scratch_t* scratch) noexcept nogil:
    cdef void* chunk = scratch.first
    cdef void* following
    while chunk is not NULL:
        following = (<void**>chunk)[0]
        free(chunk)
        chunk = following
    memset(scratch, 0, sizeof(scratch_t))


cdef void buffer_init(buffer_t* buffer) noexcept nogil:
    memset(buffer, 0, sizeof(buffer_t))


cdef int buffer_reserve(buffer_t* buffer, size_t more) noexcept nogil:
    cdef size_t wanted = buffer.size + more
    cdef size_t capacity
    cdef char* data
    if wanted <= buffer.capacity:
        return 0
    capacity = buffer.capacity + buffer.capacity // 2
    if capacity < wanted:
        capacity = wanted if wanted > 256 else 256
    data = <char*>realloc(buffer.data, capacity)
    if data is NULL:
        return -1
    buffer.data = data
    buffer.capacity = capacity
    return 0


cdef int buffer_append(buffer_t* buffer, const char* data, size_t size) noexcept nogil:
    if buffer.size + size > buffer.capacity and buffer_reserve(buffer, size) != 0:
        return -1
    if size:
        memcpy(buffer.data + buffer.size, data, size)
        buffer.size += size
    return 0


cdef void buffer_free(buffer_t* buffer) noexcept nogil:
    free(buffer.data)
    memset(buffer, 0, sizeof(buffer_t))
