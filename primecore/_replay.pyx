# Replay: the log's events into the tables, a slice at a time: read and decoded without the GIL (some slices ahead of the
# fold, on a helper's thread), folded with it.

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from primecore._ahead cimport (
    AHEAD_PIECES, ahead_begin, ahead_claim_t, ahead_destroy, ahead_end, ahead_help, ahead_init, ahead_make_t, ahead_t,
    ahead_take, fork_generation_now, fork_watch,
)
from primecore._buffers cimport scratch_free, scratch_reset, scratch_t
from primecore._event cimport CODE_EDGE_CREATED, CODE_SPACE_DEFINED, event_t
from primecore._json cimport SCAN_OK
from primecore._pipeline cimport SLICE, STEP_NO_MEMORY, STEP_OK, Pipeline, is_default_space
from primecore._rows cimport Rows
from primecore._resolve cimport look_up, prefetch_looked_up, resolve
from primecore._scan cimport decode_trusted


cdef extern from "hash.h" nogil:
    uint64_t prime_hash64(const void* data, size_t size, uint64_t seed) noexcept


cdef enum:
    HELP_FROM_EVENTS = 4096         # fewer are replayed before a helper is awake


ctypedef struct log_slice_t:
    event_t events[SLICE]
    uint64_t id_hashes[SLICE]
    uint64_t first                  # position
    uint32_t wanted                 # events from there on
    uint32_t scanned                # that the log gave
    uint32_t count                  # of those, the ones to fold
    int status                      # STEP_OK, or why one could not be decoded
    event_t definition              # of the space, where the first one of the slice is later than what is folded
    bint defines
    scratch_t scratch


cdef class Decoder:
    # Slices of the log from `position` up to `until`, read and decoded.
    cdef Pipeline writer
    cdef uint64_t position          # that is claimed next
    cdef uint64_t until
    cdef int64_t latest_us
    cdef log_slice_t* pieces
    cdef ahead_t ahead
    cdef bint ready
    cdef bint looks_up              # there is a helper, which looks keys up beside the fold
    cdef int fork_generation

    def __cinit__(self, Pipeline writer not None, uint64_t position, uint64_t until, int64_t latest_us):
        self.writer = writer
        self.position = position
        self.until = until
        self.latest_us = latest_us
        self.fork_generation = fork_generation_now
        self.pieces = <log_slice_t*>calloc(AHEAD_PIECES, sizeof(log_slice_t))
        if self.pieces == NULL or ahead_init(
            &self.ahead, <ahead_claim_t><void*>claim_slice, <ahead_make_t><void*>decode_slice, <void*>self
        ) != 0:
            raise MemoryError("no room to replay")
        self.ready = True
        if position + HELP_FROM_EVENTS <= until:
            ahead_help(&self.ahead)
        self.looks_up = self.ahead.running != 0
        ahead_begin(&self.ahead)

    def __dealloc__(self):
        cdef uint32_t piece
        # A forked child has no helper to wait for.
        if self.ready and self.fork_generation == fork_generation_now:
            ahead_end(&self.ahead)
            ahead_destroy(&self.ahead)
        if self.pieces != NULL:
            for piece in range(<uint32_t>AHEAD_PIECES):
                scratch_free(&self.pieces[piece].scratch)
            free(self.pieces)

    cdef log_slice_t* take(self) noexcept nogil:
        # Good until the next one is asked for; NULL behind the last.
        cdef int piece = ahead_take(&self.ahead)
        return &self.pieces[piece] if piece >= 0 else NULL


# The next two are called with the Decoder as their context; it outlives its helper.

cdef int claim_slice(Decoder decoder, uint32_t number) noexcept nogil:
    cdef log_slice_t* piece = &decoder.pieces[number]
    cdef uint64_t left = decoder.until - decoder.position + 1
    if decoder.position > decoder.until:
        return 0
    piece.first = decoder.position
    piece.wanted = SLICE if left > SLICE else <uint32_t>left
    decoder.position += piece.wanted
    return 1


cdef void decode_slice(Decoder decoder, uint32_t number) noexcept nogil:
    cdef log_slice_t* piece = &decoder.pieces[number]
    scratch_reset(&piece.scratch)
    piece.scanned = decoder.writer.wal.scan(piece.first, piece.events, piece.wanted)
    decode_piece(piece, decoder.writer.graph.nodes.seed, decoder.writer.dedupe.seed, decoder.latest_us)
    if decoder.looks_up and piece.status == STEP_OK:
        look_up(decoder.writer.graph, piece.events, piece.count)


cdef void decode_piece(log_slice_t* piece, uint64_t key_seed, uint64_t id_seed, int64_t latest_us) noexcept nogil:
    cdef event_t* event
    cdef uint32_t i
    piece.count = piece.scanned
    piece.status = STEP_OK
    piece.defines = False
    if latest_us != INT64_MAX:
        piece.defines = define_later(piece, latest_us)
        piece.count = keep_until(piece.events, piece.scanned, latest_us)
    for i in range(piece.count):
        event = &piece.events[i]
        piece.status = decode_trusted(event, &piece.scratch)
        if piece.status != SCAN_OK and not event.erased:
            return
        piece.status = STEP_OK
        piece.id_hashes[i] = prime_hash64(event.event_id, 16, id_seed)
        event.entity_hash = prime_hash64(event.entity.data, event.entity.size, key_seed)
        if event.code == CODE_EDGE_CREATED:
            event.source_hash = prime_hash64(event.source.data, event.source.size, key_seed)
            event.target_hash = prime_hash64(event.target.data, event.target.size, key_seed)


cdef bint define_later(log_slice_t* piece, int64_t latest_us) noexcept nogil:
    cdef uint32_t i
    for i in range(piece.scanned):
        if piece.events[i].code == CODE_SPACE_DEFINED and is_default_space(&piece.events[i]):
            if piece.events[i].time_us <= latest_us:
                return False
            piece.definition = piece.events[i]
            return decode_trusted(&piece.definition, &piece.scratch) == SCAN_OK
    return False


cdef uint32_t keep_until(event_t* events, uint32_t scanned, int64_t latest_us) noexcept nogil:
    cdef uint32_t i, kept = 0
    for i in range(scanned):
        if events[i].time_us <= latest_us:
            events[kept] = events[i]
            kept += 1
    return kept


def replay(Pipeline writer not None, uint64_t until, progress=None, latest_us=None):
    """Folds the log's events from behind the last folded one up to `until`; with `latest_us` only those up to that time.

    `progress(position)` hears of it now and then. Raises CorruptLog where the log does not hold what it promises.
    """
    writer.wal.pin()
    try:
        with writer.lock:
            replay_all(writer, until, progress, INT64_MAX if latest_us is None else latest_us)
    finally:
        writer.wal.unpin()


cdef int replay_all(Pipeline writer, uint64_t until, progress, int64_t latest) except -1:
    cdef uint64_t in_log = writer.log.first_position
    cdef uint64_t position = writer.graph.applied_position + 1
    cdef Decoder decoder
    cdef log_slice_t* piece
    if position < in_log:
        position = replay_history(writer, position, until if until < in_log else in_log - 1, progress, latest)
    if position <= until:
        decoder = Decoder(writer, position, until, latest)
        while position <= until:
            with nogil:
                piece = decoder.take()
            fold_piece(writer, piece, progress)
            position += piece.wanted
    writer.space_dimensions = writer.graph.vectors.space_dimensions
    writer.graph.reclaim()
    return 0


cdef uint64_t replay_history(Pipeline writer, uint64_t position, uint64_t until, progress, int64_t latest) except 0:
    # What of the log has become history files: row groups, which Python reads. Gives the position behind.
    cdef log_slice_t* piece = <log_slice_t*>calloc(1, sizeof(log_slice_t))
    cdef Rows rows = None
    cdef uint64_t left
    if piece == NULL:
        raise MemoryError("no room to replay")
    try:
        while position <= until:
            if rows is None or position > rows.last:
                rows = writer.log.rows(position)
            left = (until if until < rows.last else rows.last) - position + 1
            piece.first = position
            piece.wanted = SLICE if left > SLICE else <uint32_t>left
            with nogil:
                scratch_reset(&piece.scratch)
                piece.scanned = rows.scan(position, piece.events, piece.wanted)
                decode_piece(piece, writer.graph.nodes.seed, writer.dedupe.seed, latest)
            fold_piece(writer, piece, progress)
            position += piece.wanted
    finally:
        scratch_free(&piece.scratch)
        free(piece)
    return position


cdef int fold_piece(Pipeline writer, log_slice_t* piece, progress) except -1:
    cdef int status
    cdef uint64_t position = piece.first
    with nogil:
        status = replay_slice(writer, piece)
    if piece.scanned == 0 or status != STEP_OK:
        raise writer.log.unreadable(position)
    if piece.defines and not writer.graph.vectors.space:
        # It says what vectors are, not when: those that are earlier than it need it, too.
        writer.graph.vectors.define_space(&piece.definition)
    writer.fold(piece.events, piece.count)
    position += piece.scanned
    if piece.scanned != piece.wanted:
        raise writer.log.unreadable(position)
    if progress is not None and (position & 0x3FFF) < SLICE:
        progress(position - 1)
    return 0


cdef int replay_slice(Pipeline writer, log_slice_t* piece) noexcept nogil:
    cdef uint32_t i
    if piece.status != STEP_OK:
        return piece.status
    for i in range(piece.count):
        writer.dedupe.prefetch(piece.id_hashes[i])
        if piece.events[i].looked_up:
            prefetch_looked_up(writer.graph, &piece.events[i])
        else:
            writer.prefetch_keys(&piece.events[i])
    if piece.count and not piece.events[0].looked_up:
        writer.prefetch_records(piece.events, piece.count)
    for i in range(piece.count):
        if resolve(writer.graph, &piece.events[i]) < 0:
            return STEP_NO_MEMORY
        writer.prefetch_lists(&piece.events[i])
        if writer.dedupe.add(piece.id_hashes[i], <uint32_t>piece.events[i].position) < 0:
            return STEP_NO_MEMORY
    return STEP_OK


if fork_watch():
    raise ImportError("cannot watch for forks")
