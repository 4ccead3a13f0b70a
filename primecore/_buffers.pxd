# Memory for work without the GIL: bump blocks and growing bytes. Knows nothing of what they hold.

# Bump memory. A zeroed scratch_t is an empty one; blocks never move and live until reset or free.
ctypedef struct scratch_t:
    char* at
    char* end
    void* first                     # chunks, each of which begins with a pointer to the next
    void* current

cdef int scratch_init(scratch_t* scratch) noexcept nogil                        # always 0: memory is taken when needed
cdef char* scratch_take(scratch_t* scratch, size_t nbytes) noexcept nogil       # 16-byte aligned, NULL: out of memory
cdef void scratch_reset(scratch_t* scratch) noexcept nogil                      # keeps the first chunk
cdef void scratch_free(scratch_t* scratch) noexcept nogil


# Growing bytes. A zeroed buffer_t is an empty one. 0: fine, -1: out of memory (the content stays as it was).
ctypedef struct buffer_t:
    char* data
    size_t size
    size_t capacity

cdef void buffer_init(buffer_t* buffer) noexcept nogil
cdef int buffer_reserve(buffer_t* buffer, size_t more) noexcept nogil
cdef int buffer_append(buffer_t* buffer, const char* data, size_t size) noexcept nogil
cdef void buffer_free(buffer_t* buffer) noexcept nogil
