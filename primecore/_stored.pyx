# Stored vectors and their texts as Python values, by entity. Knows the tables; no queries, no models.

from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from primecore._event cimport NONE32, slice_t
from primecore._graph cimport Graph
from primecore._vectors cimport Space


cdef uint32_t shown_row(Graph graph, bytes entity_id) noexcept:
    # The row of a vector that queries may return.
    cdef uint32_t number = graph.vectors.of_node(entity_id, <uint32_t>PyBytes_GET_SIZE(entity_id))
    cdef uint32_t row
    if number == NONE32:
        return NONE32
    row = graph.vectors.current.row(number)
    return row if row != NONE32 and graph.vectors.current.record(row).shown else <uint32_t>NONE32


def vector_of(Graph graph not None, bytes entity_id not None):
    """The numbers of an entity's vector as bytes of float32, None where queries would not return it."""
    cdef uint32_t row = shown_row(graph, entity_id)
    cdef Space space = graph.vectors.current
    if row == NONE32:
        return None
    return PyBytes_FromStringAndSize(<const char*>space.numbers(row), space.dimensions * sizeof(float))


def text_of(Graph graph not None, bytes entity_id not None):
    """(text, metadata as JSON) stored with an entity's vector, each None where there is none; None without a vector."""
    cdef uint32_t row = shown_row(graph, entity_id)
    cdef slice_t text, about
    if row == NONE32:
        return None
    text = graph.vectors.current.text(row)
    about = graph.vectors.current.about(row)
    return (
        text.data[:text.size].decode("utf-8", "replace") if text.size else None,
        PyBytes_FromStringAndSize(about.data, about.size) if about.size else None,
    )


cdef tuple held(Graph graph, Space space, uint32_t row):
    cdef uint32_t number = space.record(row).entity
    cdef slice_t text = space.text(row)
    cdef slice_t about = space.about(row)
    return (
        graph.entities.key_str(number)[4:],
        text.data[:text.size].decode("utf-8", "replace") if text.size else None,
        PyBytes_FromStringAndSize(about.data, about.size) if about.size else None,
        graph.entity(number).version,
        space.record(row).shown != 0,
    )


def live_texts(Graph graph not None):
    """[(entity id, text or None, metadata as JSON or None, version of vec:{entity id}, shown), ...] of all live vectors."""
    cdef Space space = graph.vectors.current
    cdef uint32_t row
    cdef list found = []
    if space is not None:
        for row in range(space.count):
            if space.record(row).born and space.record(row).died == 0:
                found.append(held(graph, space, row))
    return found


def waiting_texts(Graph graph not None):
    """The same of the texts that wait for a vector of the space in force."""
    cdef Space space
    cdef uint32_t row
    cdef list found = []
    for space in graph.vectors.formers:
        for row in range(space.count):
            if space.record(row).born and space.record(row).died == 0 and space.record(row).text_bytes:
                found.append(held(graph, space, row))
    return found


def normalised(Graph graph not None, list rows not None, list births not None):
    """(keys, numbers) of those of the rows that are live still: uint64 and float32 bytes, for another index."""
    cdef Space space = graph.vectors.current
    cdef uint32_t row, born, i
    cdef uint64_t key
    cdef bytearray keys = bytearray()
    cdef bytearray numbers = bytearray()
    cdef float* scaled
    cdef double unit
    if space is None:
        return bytes(), bytes()
    scaled = <float*>calloc(space.dimensions, sizeof(float))
    if scaled == NULL:
        raise MemoryError("no room for vectors")
    try:
        for at in range(len(rows)):
            row = rows[at]
            born = births[at]
            if born == 0 or row >= space.count or space.record(row).born != born or space.record(row).died:
                continue
            unit = 1.0 / space.record(row).norm
            for i in range(space.dimensions):
                scaled[i] = <float>(<double>space.numbers(row)[i] * unit)
            key = <uint64_t>born << 32 | row
            keys += (<const char*>&key)[:8]
            numbers += (<const char*>scaled)[:space.dimensions * sizeof(float)]
        return bytes(keys), bytes(numbers)
    finally:
        free(scaled)
