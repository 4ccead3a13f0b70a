# The least a face shows of many nodes, as JSON text: properties as they are kept, neighbours as the faces answer them.
# One look: the GIL is held throughout and no Python code runs in between. Nothing is parsed, so nothing is rounded.

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, strlen

from primecore._adjacency cimport word_count
from primecore._buffers cimport buffer_append, buffer_free, buffer_init, buffer_reserve, buffer_t
from primecore._event cimport NONE32, slice_t
from primecore._graph cimport Graph
from primecore._reads cimport Neighbors, Reader
from primecore._records cimport edge_t
from primecore._shards cimport KeyTable
from primecore._states cimport NODE_HEADER


cdef extern from "Python.h":
    char* PyOS_double_to_string(double value, char format, int precision, int flags, int* kind) except NULL
    int Py_DTSF_ADD_DOT_0


cdef const char* SHORT_ESCAPES = b"btn\0fr"         # of U+0008 to U+000D
cdef const char* HEXADECIMAL = b"0123456789abcdef"
cdef const char* LEAVES = b',"direction":"out","weight":'
cdef const char* COMES = b',"direction":"in","weight":'
cdef const char* MORE = b'],"truncated":true}'
cdef const char* ALL = b'],"truncated":false}'
cdef uint32_t FEW = 16                              # peers that are compared one by one


def properties_json(Reader reader not None, list ids not None):
    """For each id the properties of the live node as JSON text, None where there is no such node."""
    cdef Graph graph = reader.graph
    cdef list found = []
    cdef slice_t text
    cdef uint32_t number
    cdef str id
    for id in ids:
        number = reader.find_node(id)
        if number == NONE32 or graph.node(number).born == 0:
            found.append(None)
            continue
        text = graph.states.properties(graph.node(number).state, NODE_HEADER)
        found.append(PyBytes_FromStringAndSize(text.data, text.size))
    return found


cdef int put(buffer_t* out, const char* text) noexcept nogil:
    return buffer_append(out, text, strlen(text))


cdef int put_text(buffer_t* out, const char* text, size_t size) noexcept nogil:
    """Appends UTF-8 as a JSON string, with the shortest escapes. 0, or -1: no memory."""
    cdef char[6] escape
    cdef size_t i, plain = 0
    cdef uint8_t byte
    if buffer_append(out, b'"', 1) != 0:
        return -1
    for i in range(size):
        byte = <uint8_t>text[i]
        if byte >= 0x20 and byte != c'"' and byte != c"\\":
            continue
        if buffer_append(out, text + plain, i - plain) != 0:
            return -1
        plain = i + 1
        escape[0] = c"\\"
        escape[1] = <char>byte
        if 8 <= byte <= 13 and byte != 11:
            escape[1] = SHORT_ESCAPES[byte - 8]
        elif byte < 0x20:
            escape[1] = c"u"
            escape[2] = escape[3] = c"0"
            escape[4] = HEXADECIMAL[byte >> 4]
            escape[5] = HEXADECIMAL[byte & 15]
        if buffer_append(out, escape, 6 if escape[1] == c"u" else 2) != 0:
            return -1
    if buffer_append(out, text + plain, size - plain) != 0:
        return -1
    return buffer_append(out, b'"', 1)


cdef int take_key(KeyTable table, uint32_t number, buffer_t* key) noexcept nogil:
    """Puts a key into the empty `key`. 0, or -1: no memory."""
    cdef uint32_t size = table.key_size(number)
    if buffer_reserve(key, size) != 0:
        return -1
    key.size = table.copy_key(number, key.data)
    return 0


cdef int put_key(buffer_t* out, KeyTable table, uint32_t number, buffer_t* key) noexcept nogil:
    key.size = 0
    if take_key(table, number, key) != 0:
        return -1
    return put_text(out, key.data, key.size)


cdef int put_weight(buffer_t* out, double weight) except -2:
    cdef char* text
    cdef int status
    if weight == 1.0:
        return put(out, b"1.0")
    text = PyOS_double_to_string(weight, c"r", 0, Py_DTSF_ADD_DOT_0, NULL)
    status = put(out, text)
    PyMem_Free(text)
    return status


cdef int put_edge(buffer_t* out, Graph graph, uint32_t peer, uint32_t number, bint leaves, buffer_t* key) except -2:
    cdef edge_t* edge = graph.edge(number)
    if (
        put(out, b'{"peer":') != 0 or put_key(out, graph.nodes, peer, key) != 0
        or put(out, b',"edge_id":') != 0 or put_key(out, graph.edges, number, key) != 0
        or put(out, b',"relation":') != 0 or put_key(out, graph.relations, edge.relation, key) != 0
        or put(out, LEAVES if leaves else COMES) != 0
        or put_weight(out, edge.weight) != 0
    ):
        return -1
    return put(out, b"}")


cdef int put_node(buffer_t* out, Graph graph, uint32_t number, buffer_t* key) noexcept:
    """Appends a live node: id, type, properties."""
    cdef slice_t properties = graph.states.properties(graph.node(number).state, NODE_HEADER)
    cdef const char* kind
    cdef const char* end
    if put(out, b'{"id":') != 0 or put_key(out, graph.nodes, number, key) != 0 or put(out, b',"type":') != 0:
        return -1
    kind = key.data + 5             # behind "node:", with which every node's id begins
    end = <const char*>memchr(kind, c":", key.size - 5)
    if end == NULL:
        end = key.data + key.size
    if put_text(out, kind, end - kind) != 0 or put(out, b',"properties":') != 0:
        return -1
    if buffer_append(out, properties.data, properties.size) != 0:
        return -1
    return put(out, b"}")


cdef bint is_first(const uint32_t* peers, uint32_t at, set seen):
    """Whether the peer at `at` stands nowhere before it. `seen` is what makes this quick where there are many."""
    cdef uint32_t i
    if at < FEW:
        for i in range(at):
            if peers[i] == peers[at]:
                return False
        return True
    if not seen:
        for i in range(at):
            seen.add(peers[i])
    if peers[at] in seen:
        return False
    seen.add(peers[at])
    return True


cdef int put_answer(buffer_t* out, Graph graph, uint32_t* peers, uint32_t* edges, uint32_t out_count, uint32_t count,
                    buffer_t* key, set seen) except -2:
    cdef uint32_t i
    cdef bint begun = False
    if put(out, b',"neighbors":[') != 0:
        return -1
    for i in range(count):
        if (i > 0 and put(out, b",") != 0) or put_edge(out, graph, peers[i], edges[i], i < out_count, key) != 0:
            return -1
    if put(out, b'],"nodes":[') != 0:
        return -1
    for i in range(count):
        if graph.node(peers[i]).born == 0 or not is_first(peers, i, seen):
            continue
        if (begun and put(out, b",") != 0) or put_node(out, graph, peers[i], key) != 0:
            return -1
        begun = True
    return 0


def neighbors_json(Reader reader not None, str id not None, relation, direction, limit not None):
    """The neighbours of a node, at most `limit`, and the live ones among them, as one JSON object."""
    cdef set seen = set()           # made before the look: making it may run Python code
    cdef Neighbors rows = reader.neighbors(id, relation=relation, direction=direction, limit=limit + 1)
    cdef uint32_t room, out_count, count, most = limit
    cdef uint32_t* peers
    cdef uint32_t* edges
    cdef buffer_t out, key
    cdef bytes id_text = id.encode()
    cdef bytes head = b',"position":%d' % rows.graph.applied_position
    cdef int status
    room = word_count(rows.out_word) + word_count(rows.in_word)
    peers = <uint32_t*>malloc((2 * <size_t>room + 1) * sizeof(uint32_t))
    if peers == NULL:
        raise MemoryError("no room for neighbours")
    edges = peers + room
    buffer_init(&out)
    buffer_init(&key)
    try:
        out_count = rows.collect(rows.out_word, False, rows.limit, peers, edges)
        count = out_count + rows.collect(
            rows.in_word, rows.out_word != 0, rows.limit - out_count, peers + out_count, edges + out_count
        )
        if (
            put(&out, b'{"id":') != 0 or put_text(&out, id_text, len(id_text)) != 0 or put(&out, head) != 0
            or put_answer(&out, rows.graph, peers, edges, out_count, min(count, most), &key, seen) != 0
        ):
            raise MemoryError("no room for neighbours")
        status = put(&out, b'],"truncated":true}' if count > most else b'],"truncated":false}')
        if status != 0:
            raise MemoryError("no room for neighbours")
        return PyBytes_FromStringAndSize(out.data, <Py_ssize_t>out.size)
    finally:
        free(peers)
        buffer_free(&out)
        buffer_free(&key)
