# Work that is made ready ahead of who takes it: declarations of our C header. Knows neither pieces nor Python.

from libc.stdint cimport uint8_t, uint32_t


cdef extern from "ahead.h" nogil:
    enum:
        AHEAD_PIECES                # that are in somebody's hands at once; `piece` is below it
    ctypedef struct ahead_t:
        uint8_t running             # there is a helper
    ctypedef int (*ahead_claim_t)(void* context, uint32_t piece) noexcept nogil
    ctypedef void (*ahead_make_t)(void* context, uint32_t piece) noexcept nogil

    int ahead_init(ahead_t* work, ahead_claim_t claim, ahead_make_t make, void* context) noexcept
    void ahead_help(ahead_t* work) noexcept
    void ahead_begin(ahead_t* work) noexcept
    int ahead_take(ahead_t* work) noexcept
    void ahead_end(ahead_t* work) noexcept
    void ahead_destroy(ahead_t* work) noexcept

    # Of the including module: 1 in each child that was forked since.
    const int fork_generation_now
    int fork_watch() noexcept
