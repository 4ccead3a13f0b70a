# The fixed-size records of the graph's tables and the changes that one event makes to them.
# Knows nothing of files or Python.
#
# The first 24 bytes of a record are the key cell of its KeyTable. Positions are u32 here: a store refuses
# event 2**32 - 2.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t


ctypedef struct node_t:             # 64 bytes: one cache line answers "is it live, where are its edges"
    char key[24]
    uint64_t out_list               # list word, see _adjacency.pxd
    uint64_t in_list
    uint32_t version                # events of this entity_id so far
    uint32_t last_position          # of its latest event
    uint32_t born                   # position that began this life, 0: not live
    uint32_t domain                 # number of the domain's name, NONE32 for none
    uint32_t state                  # arena ref of properties and labels, 0: {} and no labels
    uint32_t loops                  # live edges from the node to itself


ctypedef struct node_cold_t:        # 24 bytes, what lookups and walks do not touch
    int64_t created_us              # the time of the last change, if that is another, stands in the state
    uint32_t type_previous          # doubly linked live nodes of the type, in order of birth
    uint32_t type_next
    uint32_t domain_previous        # doubly linked members of the domain, in order of joining
    uint32_t domain_next


ctypedef struct edge_t:             # 64 bytes: one incarnation of an edge id; the key finds the latest
    char key[24]
    double weight
    uint32_t source                 # node numbers
    uint32_t target
    uint32_t relation               # number of the relation's name
    uint32_t born                   # 0: never live
    uint32_t died                   # 0: live (if born)
    uint32_t state                  # arena ref; in a superseded record the number of its successor
    uint32_t version                # SUPERSEDED in a record that has a successor
    uint32_t last_position


ctypedef struct entity_t:           # 40 bytes: any other stream, vectors and spaces among them
    char key[24]
    uint32_t version
    uint32_t last_position
    uint32_t born                   # of a stored vector, 0: none
    uint32_t space                  # the definition of the space that the vector was stored under


cdef enum:
    SUPERSEDED = 0xFFFFFFFF
    MAX_POSITION = 0xFFFFFFFD


cdef enum change_kind:
    CHANGE_IGNORED = 1
    CHANGE_NODE_LIVE = 2            # subject: node
    CHANGE_NODE_GONE = 3            # subject: node
    CHANGE_NODE_DOMAIN = 4          # subject: node; before, after: domains
    CHANGE_EDGE_LIVE = 5            # subject: edge; relation
    CHANGE_EDGE_GONE = 6            # subject: edge; relation
    CHANGE_DANGLING = 7             # sign
    CHANGE_CROSS = 8                # before, after: source and target domain; relation; sign
    CHANGE_VECTORS = 9              # sign: visible vectors more or fewer
    CHANGE_VECTORS_EMPTIED = 10     # what earlier changes say of vectors speaks of rows that are gone
    CHANGE_VECTOR_SHOWN = 11        # subject: entity; after: row
    CHANGE_VECTOR_GONE = 12         # subject: entity; before: row, readable until the next fold
    CHANGE_NODE_STATE = 13          # subject: a node that an event spoke of: anything of it may be another now


ctypedef struct change_t:
    uint8_t kind
    int32_t sign
    uint32_t subject
    uint32_t before
    uint32_t after
    uint32_t relation
