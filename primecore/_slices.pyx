# Lines of a chunk as slices of events. The contract stands in _slices.pxd.

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcpy

from primecore._ahead cimport (
    AHEAD_PIECES, ahead_begin, ahead_destroy, ahead_end, ahead_help, ahead_init, ahead_take, fork_generation_now,
    fork_watch,
)
from primecore._buffers cimport scratch_free, scratch_reset
from primecore._event cimport CODE_EDGE_CREATED, event_t, slice_t
from primecore._json cimport SCAN_BLANK, SCAN_OK
from primecore._scan cimport scan_line


cdef extern from "hash.h" nogil:
    ctypedef struct XXH128_hash_t:
        uint64_t low64
        uint64_t high64
    uint64_t prime_hash64(const void* data, size_t size, uint64_t seed) noexcept
    XXH128_hash_t XXH3_128bits_withSeed(const void* data, size_t size, uint64_t seed) noexcept


cdef enum:
    HELP_FROM_BYTES = 1 << 17       # of a chunk: less is scanned before a helper is awake


cdef class Slices:
    """Scans lines into slices, in order: on the caller's thread, and one more where the process may use two cores."""

    def __cinit__(self):
        self.fork_generation = fork_generation_now
        self.lines.pieces = <line_slice_t*>calloc(AHEAD_PIECES, sizeof(line_slice_t))
        if self.lines.pieces == NULL or ahead_init(&self.ahead, claim_lines, make_slice, &self.lines) != 0:
            raise MemoryError("no room to scan lines")
        self.ready = True

    def __dealloc__(self):
        cdef uint32_t piece
        # A forked child has no helper to wait for.
        if self.ready and self.fork_generation == fork_generation_now:
            ahead_destroy(&self.ahead)
        if self.lines.pieces != NULL:
            for piece in range(<uint32_t>AHEAD_PIECES):
                scratch_free(&self.lines.pieces[piece].scratch)
            free(self.lines.pieces)

    cdef void begin(self) noexcept nogil:
        if self.lines.size - self.lines.offset >= HELP_FROM_BYTES:
            ahead_help(&self.ahead)
        # Without a helper it would be done twice, by the same thread.
        self.lines.looks_up = self.ahead.running != 0
        ahead_begin(&self.ahead)

    cdef line_slice_t* take(self) noexcept nogil:
        cdef int piece = ahead_take(&self.ahead)
        return &self.lines.pieces[piece] if piece >= 0 else NULL

    cdef void end(self) noexcept nogil:
        ahead_end(&self.ahead)


cdef int claim_lines(void* context, uint32_t piece) noexcept nogil:
    # Finds the next lines: where one ends the next begins, so this is done in order, whoever scans them.
    cdef slicing_t* lines = <slicing_t*>context
    cdef line_slice_t* claimed = &lines.pieces[piece]
    cdef const char* newline
    cdef size_t start, end
    claimed.first_line = lines.line
    claimed.lines = 0
    while claimed.lines < SLICE_LINES and lines.offset < lines.size:
        start = lines.offset
        newline = <const char*>memchr(lines.data + start, c"\n", lines.size - start)
        end = <size_t>(newline - lines.data) if newline != NULL else lines.size
        lines.offset = end + 1 if newline != NULL else end
        if end > start and lines.data[end - 1] == c"\r":
            end -= 1
        claimed.starts[claimed.lines] = start
        claimed.ends[claimed.lines] = end
        claimed.lines += 1
    lines.line += claimed.lines
    claimed.behind = lines.offset
    return claimed.lines != 0


cdef void make_slice(void* context, uint32_t piece) noexcept nogil:
    cdef slicing_t* lines = <slicing_t*>context
    cdef line_slice_t* claimed = &lines.pieces[piece]
    scan_lines(lines, claimed)
    if lines.looks_up:
        lines.look_up(lines.tables, claimed.events, claimed.count)


cdef void scan_lines(slicing_t* lines, line_slice_t* claimed) noexcept nogil:
    cdef event_t* event
    cdef uint32_t i
    cdef size_t start, end
    cdef int status
    scratch_reset(&claimed.scratch)
    claimed.error.code = SCAN_OK
    claimed.count = 0
    for i in range(claimed.lines):
        start = claimed.starts[i]
        end = claimed.ends[i]
        event = &claimed.events[claimed.count]
        status = scan_line(lines.data + start, <uint32_t>(end - start), event, &claimed.scratch, &claimed.error)
        if status == SCAN_BLANK:
            continue
        # No further on than `i`: what is overwritten was read.
        claimed.starts[claimed.count] = start
        claimed.ends[claimed.count] = end
        if status != SCAN_OK:
            claimed.error.code = status
            claimed.refused_line = claimed.first_line + i
            return
        event.line = claimed.first_line + i
        if event.payload.size == 0:
            event.payload = slice_t(b"{}", 2)
        if not event.has_event_id and lines.derives_ids:
            derive_id(event, lines.data + start, end - start, lines.identity, lines.identity_size)
        if event.has_event_id:
            claimed.id_hashes[claimed.count] = prime_hash64(event.event_id, 16, lines.id_seed)
        event.entity_hash = prime_hash64(event.entity.data, event.entity.size, lines.key_seed)
        if event.code == CODE_EDGE_CREATED:
            event.source_hash = prime_hash64(event.source.data, event.source.size, lines.key_seed)
            event.target_hash = prime_hash64(event.target.data, event.target.size, lines.key_seed)
        claimed.count += 1


cdef void derive_id(event_t* event, const char* line, size_t size, const char* name, size_t name_size) noexcept nogil:
    # UUIDv8 (RFC 9562) from source, line number and bytes: the same line of the same file is the same event.
    cdef uint64_t seed = prime_hash64(name, name_size, event.line)
    cdef XXH128_hash_t digest = XXH3_128bits_withSeed(line, size, seed)
    memcpy(event.event_id, &digest, 16)
    event.event_id[6] = (event.event_id[6] & 0x0F) | 0x80
    event.event_id[8] = (event.event_id[8] & 0x3F) | 0x80
    event.has_event_id = 1


if fork_watch():
    raise ImportError("cannot watch for forks")
