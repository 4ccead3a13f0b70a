# Lines of a file into the write path, a slice of events at a time: scanned and logged without the GIL, folded with it.
#
# Everything before a refused line is logged and folded when ingest() returns it. Knows lines; opens no file.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from primecore._buffers cimport scratch_reset
from primecore._event cimport event_t, slice_t
from primecore._json cimport SCAN_BLANK, SCAN_OK
from primecore._pipeline cimport (
    SLICE, STEP_CONFLICT, STEP_DEGREE, STEP_DIMENSIONS, STEP_DUPLICATE, STEP_NEEDS_SPACE, STEP_OK, Pipeline,
)
from primecore._refusal cimport refusal
from primecore._scan cimport scan_line
from primecore._wal cimport WAL_NO_ROOM


cdef extern from "xxhash.h" nogil:
    ctypedef struct XXH128_hash_t:
        uint64_t low64
        uint64_t high64
    uint64_t XXH3_64bits_withSeed(const void* data, size_t size, uint64_t seed) noexcept
    XXH128_hash_t XXH3_128bits_withSeed(const void* data, size_t size, uint64_t seed) noexcept


cdef class Source:
    """A stream of lines, the next of which is number `line`. `name` stands in messages.

    Lines without an id get one from `identity`, their number and their bytes; random ones without an `identity`.
    Lines that are there already, behind position `own_after`, were appended by an earlier try whose answer was lost.
    """

    def __cinit__(self, str name not None, str identity=None, *, uint32_t line=1, own_after=None):
        self.name = name
        self.derives_ids = identity is not None
        self.identity = b"" if identity is None else identity.encode("utf-8", "surrogateescape")
        self.identity_data = PyBytes_AS_STRING(self.identity)
        self.identity_size = <size_t>PyBytes_GET_SIZE(self.identity)
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


cdef size_t scan_slice(Pipeline writer, const char* data, size_t size, size_t* offset, Source source) noexcept nogil:
    # Scans up to SLICE events; what stops it early is left in writer.error, and its line in source.
    cdef size_t count = 0, start, end
    cdef const char* newline
    cdef event_t* event
    cdef int status
    writer.error.code = SCAN_OK
    while count < SLICE and offset[0] < size:
        start = offset[0]
        newline = <const char*>memchr(data + start, c"\n", size - start)
        end = <size_t>(newline - data) if newline != NULL else size
        offset[0] = end + 1 if newline != NULL else size
        if end > start and data[end - 1] == c"\r":
            end -= 1
        event = &writer.events[count]
        status = scan_line(data + start, <uint32_t>(end - start), event, &writer.scratch, &writer.error)
        if status == SCAN_BLANK:
            source.line += 1
            continue
        if status != SCAN_OK:
            writer.error.code = status
            source.bad_start = start
            source.bad_end = end
            break
        event.line = source.line
        source.line += 1
        writer.line_starts[count] = start
        writer.line_ends[count] = end
        if event.payload.size == 0:
            event.payload = slice_t(b"{}", 2)
        if not event.has_event_id and source.derives_ids:
            derive_id(event, data + start, end - start, source.identity_data, source.identity_size)
        if event.has_event_id:
            writer.id_hashes[count] = writer.dedupe.hash(event.event_id)
            writer.dedupe.prefetch(writer.id_hashes[count])
        writer.hash_keys(event)
        count += 1
    return count


def ingest(Pipeline writer not None, const unsigned char[::1] chunk not None, size_t offset, Source source not None):
    """Takes whole lines from chunk[offset:] until its end or a refused line; returns the offset behind the last.

    A refused line is left in `source` (error, bad_start, bad_end), after everything before it was logged and folded.
    Raises DiskFull, StorePoisoned, StoreClosed and the like; what came before is kept.
    """
    cdef const char* data = <const char*>&chunk[0] if chunk.shape[0] else NULL
    cdef size_t size = <size_t>chunk.shape[0]
    cdef size_t count, i, kept
    cdef int status, scanned
    cdef int64_t now_us
    source.error = None
    with writer.lock:
        while offset < size and source.error is None:
            with nogil:
                scratch_reset(&writer.scratch)
                count = scan_slice(writer, data, size, &offset, source)
                writer.prefetch_records(count)
                scanned = writer.error.code
                now_us = writer.now_us()
            i = 0
            while i < count and source.error is None:
                with nogil:
                    kept = 0
                    status = step_slice(writer, &i, count, &kept, now_us, source)
                writer.fold(writer.events, kept)
                writer.generation += 1
                source.appended += kept
                if status == STEP_OK:
                    continue
                settle(writer, status, i, source)
                if source.error is not None:
                    offset = behind(data, size, writer.line_ends[i])
                    source.line = writer.events[i].line + 1
                    source.bad_start = writer.line_starts[i]
                    source.bad_end = writer.line_ends[i]
                    source.read += i + 1
            if source.error is None:
                source.read += count
                if scanned != SCAN_OK:
                    source.error = refusal(
                        &writer.error, data + source.bad_start, <uint32_t>(source.bad_end - source.bad_start),
                        source.name, source.line,
                    )
                    source.read += 1
                    source.line += 1
            writer.graph.reclaim()
    return offset


cdef int step_slice(Pipeline writer, size_t* at, size_t count, size_t* kept, int64_t now_us,
                    Source source) noexcept nogil:
    # Logs events from at[0] on; those that were appended are moved together to the front for the fold.
    cdef size_t i = at[0]
    cdef int status = STEP_OK
    cdef event_t* event
    while i < count:
        event = &writer.events[i]
        if not event.has_event_id:
            event.time_us = event.time_us if event.has_time else now_us
            writer.assign_id(event)
            writer.id_hashes[i] = writer.dedupe.hash(event.event_id)
        status = writer.step(event, writer.id_hashes[i], now_us)
        if status == STEP_DUPLICATE:
            if event.position > source.own_after:
                source.appended += 1
            else:
                source.duplicates += 1
            status = STEP_OK
        elif status == STEP_OK:
            if kept[0] != i:
                writer.events[kept[0]] = event[0]
            kept[0] += 1
        else:
            break
        i += 1
    at[0] = i
    return status


cdef int settle(Pipeline writer, int status, size_t i, Source source) except -1:
    # What stopped a slice at event i: room is made, the space is defined, or the line is refused.
    cdef event_t* event = &writer.events[i]
    if status == WAL_NO_ROOM:
        writer.log.make_room(writer.wal.record_bytes(event))
    elif status == STEP_NEEDS_SPACE:
        writer.define_space(event.dimensions)
    elif status in (STEP_CONFLICT, STEP_DIMENSIONS, STEP_DEGREE):
        source.error = writer.failure(status, event, source.name)
    else:
        raise writer.failure(status, event, source.name)
    return 0
cdef inline size_t behind(const char* data, size_t size, size_t end) noexcept nogil:
    # The offset behind a line whose text ends at `end`.
    cdef const char* newline = <const char*>memchr(data + end, c"\n", size - end)
    return <size_t>(newline - data) + 1 if newline != NULL else size


cdef void derive_id(event_t* event, const char* line, size_t size, const char* name, size_t name_size) noexcept nogil:
    # UUIDv8 (RFC 9562) from source, line number and bytes: the same line of the same file is the same event.
    cdef uint64_t seed = XXH3_64bits_withSeed(name, name_size, event.line)
    cdef XXH128_hash_t digest = XXH3_128bits_withSeed(line, size, seed)
    memcpy(event.event_id, &digest, 16)
    event.event_id[6] = (event.event_id[6] & 0x0F) | 0x80
    event.event_id[8] = (event.event_id[8] & 0x3F) | 0x80
    event.has_event_id = 1
