# The least a face shows of many nodes: whether they live, and their properties as the JSON text they are kept as.
# One look: the GIL is held throughout and no Python code runs in between. Nothing is parsed, so nothing is rounded.

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t

from primecore._event cimport NONE32, slice_t
from primecore._graph cimport Graph
from primecore._reads cimport Reader
from primecore._states cimport NODE_HEADER


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
