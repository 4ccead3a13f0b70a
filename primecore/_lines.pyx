# Lines of a file into the write path, a slice of events at a time: scanned and logged without the GIL, folded with it.
#
# Everything before a refused line is logged and folded when ingest() returns it. Knows lines; opens no file.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memchr

from primecore._event cimport event_t
from primecore._graph cimport Graph
from primecore._json cimport SCAN_OK
from primecore._pipeline cimport (
    STEP_CONFLICT, STEP_DEGREE, STEP_DIMENSIONS, STEP_DUPLICATE, STEP_NEEDS_SPACE, STEP_OK, Pipeline,
)
from primecore._refusal cimport refusal
from primecore._resolve cimport look_up, prefetch_looked_up
from primecore._slices cimport Slices, line_slice_t, slicing_t
from primecore._wal cimport WAL_NO_ROOM


cdef class Source:
    """A stream of lines, the next of which is number `line`. `name` stands in messages.

    Lines without an id get one from `identity`, their number and their bytes; random ones without an `identity`.
    Lines that are there already, behind position `own_after`, were appended by an earlier try whose answer was lost.
    """

    def __cinit__(self, str name not None, str identity=None, *, uint32_t line=1, own_after=None):
        self.name = name
        self.derives_ids = identity is not None
        self.identity = b"" if identity is None else identity.encode("utf-8", "surrogateescape")
        self.slices = Slices()
        self.slices.lines.derives_ids = self.derives_ids
        self.slices.lines.identity = PyBytes_AS_STRING(self.identity)
        self.slices.lines.identity_size = <size_t>PyBytes_GET_SIZE(self.identity)
        self.line = line
        self.own_after = <uint64_t>-1 if own_after is None else own_after

    def advance(self, uint64_t read, uint32_t line, uint64_t appended, uint64_t duplicates):
        """Counts lines that were taken in elsewhere; `line` is the number of the next one."""
        self.read += read
        self.line = line
        self.appended += appended
        self.duplicates += duplicates

    def refuse_oversized(self, exception):
        """Counts a line that was too long to look at."""
        self.read += 1
        self.line += 1
        self.error = exception


def ingest(Pipeline writer not None, const unsigned char[::1] chunk not None, size_t offset, Source source not None):
    """Takes whole lines from chunk[offset:] until its end or a refused line; returns the offset behind the last.

    A refused line is left in `source` (error, bad_start, bad_end), after everything before it was logged and folded.
    Raises DiskFull, StorePoisoned, StoreClosed and the like; what came before is kept.
    """
    cdef slicing_t* lines = &source.slices.lines
    cdef line_slice_t* taken
    source.error = None
    lines.data = <const char*>&chunk[0] if chunk.shape[0] else NULL
    lines.size = <size_t>chunk.shape[0]
    lines.offset = offset
    lines.line = source.line
    lines.key_seed = writer.graph.nodes.seed
    lines.id_seed = writer.dedupe.seed
    lines.look_up = look_up_in
    lines.tables = <void*>writer.graph
    with writer.lock:
        source.slices.begin()
        try:
            while source.error is None:
                with nogil:
                    taken = source.slices.take()
                    if taken != NULL:
                        prefetch(writer, taken)
                if taken == NULL:
                    break
                offset = take_in(writer, taken, source)
                writer.graph.reclaim()
        finally:
            with nogil:
                source.slices.end()
    return offset


cdef void look_up_in(void* tables, event_t* events, size_t count) noexcept nogil:
    look_up(<Graph>tables, events, count)


cdef void prefetch(Pipeline writer, line_slice_t* taken) noexcept nogil:
    cdef uint32_t i
    for i in range(taken.count):
        if taken.events[i].has_event_id:
            writer.dedupe.prefetch(taken.id_hashes[i])
        if taken.events[i].looked_up:
            prefetch_looked_up(writer.graph, &taken.events[i])
        else:
            writer.prefetch_keys(&taken.events[i])
    if taken.count and not taken.events[0].looked_up:
        writer.prefetch_records(taken.events, taken.count)


cdef size_t take_in(Pipeline writer, line_slice_t* taken, Source source) except? 0:
    # Logs and folds a slice up to the first line that is refused; the offset of the line to go on with.
    cdef size_t i = 0, kept
    cdef int64_t now_us = writer.now_us()
    cdef int status
    while i < taken.count:
        with nogil:
            kept = 0
            status = step_slice(writer, taken, &i, &kept, now_us, source)
        writer.fold(taken.events, kept)
        writer.generation += 1
        source.appended += kept
        if status == STEP_OK:
            continue
        settle(writer, status, &taken.events[i], source)
        if source.error is not None:
            source.read += i + 1
            return refuse(source, taken, i, taken.events[i].line)
    source.read += taken.count
    if taken.error.code == SCAN_OK:
        source.line = taken.first_line + taken.lines
        return taken.behind
    source.error = refusal(
        &taken.error, source.slices.lines.data + taken.starts[i], <uint32_t>(taken.ends[i] - taken.starts[i]),
        source.name, taken.refused_line,
    )
    source.read += 1
    return refuse(source, taken, i, taken.refused_line)


cdef size_t refuse(Source source, line_slice_t* taken, size_t i, uint32_t line) noexcept:
    # Notes where the refused line stands; the offset of the one behind it.
    cdef slicing_t* lines = &source.slices.lines
    cdef const char* newline
    source.bad_start = taken.starts[i]
    source.bad_end = taken.ends[i]
    source.line = line + 1
    newline = <const char*>memchr(lines.data + source.bad_end, c"\n", lines.size - source.bad_end)
    return <size_t>(newline - lines.data) + 1 if newline != NULL else lines.size


cdef int step_slice(Pipeline writer, line_slice_t* taken, size_t* at, size_t* kept, int64_t now_us,
                    Source source) noexcept nogil:
    # Logs events from at[0] on; those that were appended are moved together to the front for the fold.
    cdef size_t i = at[0]
    cdef int status = STEP_OK
    cdef event_t* event
    while i < taken.count:
        event = &taken.events[i]
        if not event.has_event_id:
            event.time_us = event.time_us if event.has_time else now_us
            writer.assign_id(event)
            taken.id_hashes[i] = writer.dedupe.hash(event.event_id)
        status = writer.step(event, taken.id_hashes[i], now_us)
        if status == STEP_DUPLICATE:
            if event.position > source.own_after:
                source.appended += 1
            else:
                source.duplicates += 1
            status = STEP_OK
        elif status == STEP_OK:
            if kept[0] != i:
                taken.events[kept[0]] = event[0]
            kept[0] += 1
        else:
            break
        i += 1
    at[0] = i
    return status


cdef int settle(Pipeline writer, int status, event_t* event, Source source) except -1:
    # What stopped a slice at an event: room is made, the space is defined, or the line is refused.
    if status == WAL_NO_ROOM:
        writer.log.make_room(writer.wal.record_bytes(event))
    elif status == STEP_NEEDS_SPACE:
        writer.define_space(event.dimensions)
    elif status in (STEP_CONFLICT, STEP_DIMENSIONS, STEP_DEGREE):
        source.error = writer.failure(status, event, source.name)
    else:
        raise writer.failure(status, event, source.name)
    return 0
