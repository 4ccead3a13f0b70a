"""Events as columns and back: what Parquet holds of the log. Knows records and buffers; no file, no Arrow.

A row group's columns are plain buffers here: fixed sizes side by side, texts as Arrow lays them out (32-bit offsets, bytes).
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport UINT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from primecore._event cimport event_t, slice_t
from primecore._format cimport (
    FLAG_ERASED, FLAG_ID_ASSIGNED, FLAG_TIME_ASSIGNED, KIND_EVENT, RECORD_BYTES, record_t,
)
from primecore._record cimport chain_extend, record_code, record_read
from primecore._wal cimport WAL_OK, Wal


cdef enum:
    KEPT_FLAGS = 7          # time assigned, id assigned, erased


cdef slice_t item(const column_t* column, uint32_t row) noexcept nogil:
    cdef slice_t out
    out.data = column.data + column.offsets[row]
    out.size = <uint32_t>(column.offsets[row + 1] - column.offsets[row])
    return out


cdef class Rows:
    """The events of one row group. `columns` are (address, nbytes, owner) by name; each lives as long as this does."""

    def __cinit__(self, dict columns not None, uint64_t first, size_t count):
        cdef size_t row
        cdef uint64_t number
        cdef uint8_t* seen
        self.first = first
        self.last = first + count - 1
        self.kept = [owner for _, _, owner in columns.values()]
        self.nbytes = sum(nbytes for _, nbytes, _ in columns.values()) + count * sizeof(uint32_t)
        self.positions = <const int64_t*><size_t>self.fixed(columns, "position", count * 8)
        self.times = <const int64_t*><size_t>self.fixed(columns, "timestamp", count * 8)
        self.versions = <const uint32_t*><size_t>self.fixed(columns, "version", count * 4)
        self.flags = <const uint8_t*><size_t>self.fixed(columns, "flags", count)
        self.event_ids = <const uint8_t*><size_t>self.fixed(columns, "event_id", count * 16)
        self.nonces = <const uint8_t*><size_t>self.fixed(columns, "nonce", count * 16)
        self.texts(columns, "event_type", count, &self.types)
        self.texts(columns, "entity_id", count, &self.entities)
        self.texts(columns, "payload", count, &self.payloads)
        self.texts(columns, "metadata", count, &self.metadata)
        self.order = <uint32_t*>calloc(count + 1, sizeof(uint32_t))
        seen = <uint8_t*>calloc(count + 1, 1)
        try:
            if self.order == NULL or seen == NULL:
                raise MemoryError("no room for rows")
            for row in range(count):
                number = <uint64_t>self.positions[row] - first
                if number >= count or seen[number]:
                    raise ValueError(f"position {self.positions[row]} does not belong to rows {first} to {self.last}")
                seen[number] = 1
                self.order[number] = <uint32_t>row
        finally:
            free(seen)

    def __dealloc__(self):
        free(self.order)

    def fixed(self, dict columns not None, str name not None, size_t nbytes) -> int:
        """Address of a column of fixed size, which must have `nbytes`."""
        address, found, _ = columns[name]
        if found < nbytes:
            raise ValueError(f"column {name} has {found} bytes, not {nbytes}")
        return address

    cdef int texts(self, dict columns, str name, size_t count, column_t* out) except -1:
        cdef size_t i, size = columns[name + ".data"][1]
        out.offsets = <const int32_t*><size_t>self.fixed(columns, name + ".offsets", (count + 1) * 4)
        out.data = <const char*><size_t>columns[name + ".data"][0]
        for i in range(count):
            if out.offsets[i] < 0 or out.offsets[i + 1] < out.offsets[i]:
                raise ValueError(f"column {name} is damaged")
        if count and <size_t>out.offsets[count] > size:
            raise ValueError(f"column {name} is damaged")
        return 0

    cdef void read(self, uint64_t position, event_t* out) noexcept nogil:
        cdef uint32_t row = self.order[position - self.first]
        memset(out, 0, sizeof(event_t))
        out.position = position
        out.time_us = self.times[row]
        out.version = self.versions[row]
        memcpy(out.event_id, self.event_ids + 16 * <size_t>row, 16)
        out.type = item(&self.types, row)
        out.entity = item(&self.entities, row)
        out.code = record_code(out.type)
        out.has_time = not self.flags[row] & FLAG_TIME_ASSIGNED
        out.has_event_id = not self.flags[row] & FLAG_ID_ASSIGNED
        if self.flags[row] & FLAG_ERASED:
            out.erased = 1
            return
        out.payload = item(&self.payloads, row)
        out.metadata = item(&self.metadata, row)

    cdef uint32_t scan(self, uint64_t position, event_t* out, uint32_t capacity) noexcept nogil:
        cdef uint32_t count = 0
        while count < capacity and position <= self.last:
            self.read(position, &out[count])
            count += 1
            position += 1
        return count

    cdef uint32_t record_bytes(self, uint64_t position) noexcept nogil:
        cdef event_t event
        cdef uint32_t row = self.order[position - self.first]
        self.read(position, &event)
        return (<uint32_t>RECORD_BYTES + event.entity.size + (0 if event.code else event.type.size) +
                item(&self.payloads, row).size + item(&self.metadata, row).size + 7) & ~<uint32_t>7

    cdef void write_record(self, uint64_t position, char* out) noexcept nogil:
        cdef record_t* record = <record_t*>out
        cdef event_t event
        cdef uint32_t row = self.order[position - self.first]
        cdef slice_t payload = item(&self.payloads, row)        # of an erased event: zeros of the former size
        cdef slice_t metadata = item(&self.metadata, row)
        cdef uint32_t length = self.record_bytes(position)
        self.read(position, &event)
        memset(out, 0, length)
        record.length = length
        record.position = position
        record.time_us = event.time_us
        memcpy(record.event_id, event.event_id, 16)
        memcpy(record.nonce, self.nonces + 16 * <size_t>row, 16)
        record.payload_bytes = payload.size
        record.metadata_bytes = metadata.size
        record.version = event.version
        record.entity_bytes = <unsigned short>event.entity.size
        record.flags = self.flags[row]
        record.kind = KIND_EVENT
        record.code = event.code
        record.type_bytes = 0 if event.code else <uint8_t>event.type.size
        out += RECORD_BYTES
        memcpy(out, event.entity.data, event.entity.size)
        out += event.entity.size
        memcpy(out, event.type.data, record.type_bytes)
        out += record.type_bytes
        if payload.size:
            memcpy(out, payload.data, payload.size)
        if metadata.size:
            memcpy(out + payload.size, metadata.data, metadata.size)

    def chain(self, bytes before not None, uint64_t last=UINT64_MAX) -> bytes:
        """The log's chain hash behind the last event, or behind that of position `last`, from the one before the first:
        recomputed from what the rows say."""
        cdef uint8_t[16] chain
        cdef uint64_t position, end = last if last < self.last else self.last
        cdef size_t size, capacity = 4096
        cdef char* buffer = <char*>malloc(capacity)
        cdef char* grown = buffer
        memcpy(chain, PyBytes_AS_STRING(before), 16)
        try:
            with nogil:
                for position in range(self.first, end + 1):
                    size = self.record_bytes(position)
                    if size > capacity and grown != NULL:
                        grown = <char*>realloc(buffer, size)
                        buffer = grown if grown != NULL else buffer
                        capacity = size
                    if grown == NULL:
                        break
                    self.write_record(position, buffer)
                    chain_extend(chain, buffer)
            if grown == NULL:
                raise MemoryError("no room for an event")
        finally:
            free(buffer)
        return chain[:16]


ctypedef struct row_t:              # one event on its way into columns
    event_t event
    slice_t payload                 # zeros where it was erased
    slice_t metadata
    uint8_t nonce[16]
    uint8_t flags
    uint32_t kind                   # number of its type


cdef class Gathered:
    """Columns of some events, sorted by type, then by position: bytes by name, ready to become Arrow arrays."""

    cdef readonly dict columns
    cdef readonly size_t count
    cdef readonly size_t payload_bytes
    cdef row_t* rows
    cdef uint32_t* sorted

    def __dealloc__(self):
        free(self.rows)
        free(self.sorted)

    def __cinit__(self, size_t count):
        self.count = count
        self.columns = {}
        self.rows = <row_t*>calloc(count + 1, sizeof(row_t))
        self.sorted = <uint32_t*>calloc(count + 1, sizeof(uint32_t))
        if self.rows == NULL or self.sorted == NULL:
            raise MemoryError("no room for columns")

    cdef int sort(self) except -1:
        # By type name, so that equal sets of events give equal files.
        cdef dict numbers = {}
        cdef size_t i, at = 0
        cdef list names
        for i in range(self.count):
            name = self.rows[i].event.type.data[:self.rows[i].event.type.size]
            self.rows[i].kind = numbers.setdefault(name, <uint32_t>len(numbers))
        names = sorted(numbers)
        for name in names:
            kind = <uint32_t>numbers[name]
            for i in range(self.count):
                if self.rows[i].kind == <uint32_t>kind:
                    self.sorted[at] = <uint32_t>i
                    at += 1
        return 0

    cdef int fill(self) except -1:
        cdef size_t i
        cdef row_t* row
        cdef bytes positions = PyBytes_FromStringAndSize(NULL, 8 * self.count)
        cdef bytes times = PyBytes_FromStringAndSize(NULL, 8 * self.count)
        cdef bytes versions = PyBytes_FromStringAndSize(NULL, 4 * self.count)
        cdef bytes flags = PyBytes_FromStringAndSize(NULL, self.count)
        cdef bytes event_ids = PyBytes_FromStringAndSize(NULL, 16 * self.count)
        cdef bytes nonces = PyBytes_FromStringAndSize(NULL, 16 * self.count)
        cdef int64_t* position = <int64_t*>PyBytes_AS_STRING(positions)
        cdef int64_t* time = <int64_t*>PyBytes_AS_STRING(times)
        cdef uint32_t* version = <uint32_t*>PyBytes_AS_STRING(versions)
        cdef char* flag = PyBytes_AS_STRING(flags)
        cdef char* event_id = PyBytes_AS_STRING(event_ids)
        cdef char* nonce = PyBytes_AS_STRING(nonces)
        self.sort()
        with nogil:
            for i in range(self.count):
                row = &self.rows[self.sorted[i]]
                position[i] = <int64_t>row.event.position
                time[i] = row.event.time_us
                version[i] = row.event.version
                flag[i] = <char>row.flags
                memcpy(event_id + 16 * i, row.event.event_id, 16)
                memcpy(nonce + 16 * i, row.nonce, 16)
        self.columns.update(position=positions, timestamp=times, version=versions, flags=flags, event_id=event_ids,
                            nonce=nonces)
        self.fill_texts("event_type", 0)
        self.fill_texts("entity_id", 1)
        self.fill_texts("payload", 2)
        self.fill_texts("metadata", 3)
        return 0

    cdef slice_t text(self, size_t i, int which) noexcept nogil:
        cdef row_t* row = &self.rows[self.sorted[i]]
        if which == 0:
            return row.event.type
        if which == 1:
            return row.event.entity
        return row.payload if which == 2 else row.metadata

    cdef int fill_texts(self, str name, int which) except -1:
        cdef size_t i, total = 0
        cdef slice_t text
        cdef bytes offsets = PyBytes_FromStringAndSize(NULL, 4 * (self.count + 1))
        cdef bytes data
        cdef int32_t* at = <int32_t*>PyBytes_AS_STRING(offsets)
        cdef char* out
        for i in range(self.count):
            at[i] = <int32_t>total
            total += self.text(i, which).size
            if total > 0x7FFFFFFF:
                raise ValueError("a row group cannot hold 2 GiB of text")
        at[self.count] = <int32_t>total
        data = PyBytes_FromStringAndSize(NULL, total)
        out = PyBytes_AS_STRING(data)
        with nogil:
            for i in range(self.count):
                text = self.text(i, which)
                if text.size:
                    memcpy(out + at[i], text.data, text.size)
        self.columns[name] = (offsets, data)
        if which > 1:
            self.payload_bytes += total
        return 0


def gather_records(Wal wal not None, uint64_t first, size_t count) -> Gathered:
    """The columns of `count` events of the log from position `first` on. ValueError where a record does not hold."""
    cdef Gathered out = Gathered(count)
    cdef size_t i
    cdef const char* at = NULL
    cdef const record_t* record
    cdef row_t* row
    cdef size_t done = 0
    with nogil:
        for i in range(count):
            if wal.record_at(first + i, &at) != WAL_OK:
                break
            record = <const record_t*>at
            if record.namespace:
                break
            row = &out.rows[i]
            record_read(at, &row.event)
            row.flags = <uint8_t>(record.flags & KEPT_FLAGS)
            memcpy(row.nonce, record.nonce, 16)
            row.payload.data = at + RECORD_BYTES + record.entity_bytes + record.type_bytes
            row.payload.size = record.payload_bytes
            row.metadata.data = row.payload.data + record.payload_bytes
            row.metadata.size = record.metadata_bytes
            done += 1
    if done < count:
        raise ValueError(f"the event at position {first + done} cannot be read")
    out.fill()
    return out


def gather_rows(Rows rows not None) -> Gathered:
    """The columns of rows that were read, to be written anew."""
    cdef size_t count = <size_t>(rows.last - rows.first + 1)
    cdef Gathered out = Gathered(count)
    cdef size_t i
    cdef row_t* row
    cdef uint32_t number
    for i in range(count):
        row = &out.rows[i]
        number = rows.order[i]
        rows.read(rows.first + i, &row.event)
        row.flags = rows.flags[number]
        memcpy(row.nonce, rows.nonces + 16 * <size_t>number, 16)
        row.payload = item(&rows.payloads, number)
        row.metadata = item(&rows.metadata, number)
    out.fill()
    return out
