# cython: language_level=3
"""JSON values as trees: merge patch, canonical form, equality. Knows nothing of events or files; numbers stay text."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t
from libc.string cimport memcmp, memset
from primecore._event cimport MAX_DEPTH, NONE32, slice_t
from primecore._json cimport (
    JSON_NONE, JSON_NULL, JSON_OBJECT, SCAN_NO_MEMORY, SCAN_OK, json_check, node_t, parser_open, parser_t, scan_error_t,
    tree_t, walk_text,
)
from primecore._jsonwrite cimport put_tree
from primecore._keyset cimport strong_hash
from primecore._buffers cimport (
    buffer_free, buffer_init, buffer_t, scratch_free, scratch_init, scratch_t, scratch_take,
)
from primecore._refusal cimport refusal


cdef enum:
    FEW_MEMBERS = 16                # up to here members are looked up one by one, beyond by a hash table


cdef int grow_tree(slice_t text, tree_t* tree, scratch_t* scratch, uint32_t* root) noexcept nogil:
    """Adds a text's nodes to the tree. 0, or a scan_error."""
    cdef parser_t parser
    root[0] = tree.count
    parser_open(&parser, text.data, text.size, MAX_DEPTH, scratch)
    return SCAN_OK if walk_text(&parser, tree) != JSON_NONE else parser.error.code


cdef inline bint same_text(const char* a, uint32_t a_size, const char* b, uint32_t b_size) noexcept nogil:
    return a_size == b_size and memcmp(a, b, a_size) == 0


# ---- merge patch ----

ctypedef struct merge_t:
    tree_t tree
    scratch_t* scratch
    uint32_t* slots                 # hash table of member numbers, each + 1
    uint32_t slot_count
    uint32_t todo                   # objects that wait to be merged, linked by `mate` of their patch


cdef int index_members(merge_t* merge, uint32_t object, uint32_t* out_mask) noexcept nogil:
    """Fills the hash table with an object's members. out_mask[0] = 0: it has few, no table. 0, or -1: no memory."""
    cdef uint32_t count = 0
    cdef uint32_t wanted = 64
    cdef uint32_t number = merge.tree.nodes[object].child
    cdef uint32_t slot
    cdef node_t* node
    out_mask[0] = 0
    while number != NONE32:
        count += 1
        number = merge.tree.nodes[number].next
    if count <= FEW_MEMBERS:
        return 0
    while wanted < 2 * count:
        wanted *= 2
    if merge.slot_count < wanted:
        merge.slots = <uint32_t*>scratch_take(merge.scratch, <size_t>wanted * sizeof(uint32_t))
        merge.slot_count = wanted if merge.slots is not NULL else 0
        if merge.slots is NULL:
            return -1
    memset(merge.slots, 0, <size_t>wanted * sizeof(uint32_t))
    out_mask[0] = wanted - 1
    number = merge.tree.nodes[object].child
    while number != NONE32:
        node = &merge.tree.nodes[number]
        slot = <uint32_t>strong_hash(node.key, node.key_size) & out_mask[0]
        while merge.slots[slot] != 0:
            slot = (slot + 1) & out_mask[0]
        merge.slots[slot] = number + 1
        number = node.next
    return 0


cdef uint32_t find_member(merge_t* merge, uint32_t object, uint32_t mask, const node_t* wanted) noexcept nogil:
    """The member of `object` that has wanted's key, NONE32: none."""
    cdef uint32_t number, slot
    cdef node_t* node
    if mask:
        slot = <uint32_t>strong_hash(wanted.key, wanted.key_size) & mask
        while merge.slots[slot] != 0:
            node = &merge.tree.nodes[merge.slots[slot] - 1]
            if same_text(node.key, node.key_size, wanted.key, wanted.key_size):
                return merge.slots[slot] - 1
            slot = (slot + 1) & mask
        return NONE32
    number = merge.tree.nodes[object].child
    while number != NONE32:
        node = &merge.tree.nodes[number]
        if same_text(node.key, node.key_size, wanted.key, wanted.key_size):
            return number
        number = node.next
    return NONE32


cdef void push(merge_t* merge, uint32_t target, uint32_t members) noexcept nogil:
    """Notes that an object is to get a patch's members (a list of them, by its first)."""
    cdef node_t* node = &merge.tree.nodes[target]
    node.rebuilt = 1
    node.mate = members
    node.link = merge.todo
    merge.todo = target


cdef void replace(merge_t* merge, uint32_t target, uint32_t patch) noexcept nogil:
    """Gives a member the patch's value; its key and its place stay. An object is built anew, without its nulls."""
    cdef node_t* node = &merge.tree.nodes[target]
    cdef node_t* value = &merge.tree.nodes[patch]
    cdef uint32_t members = value.child
    node.text = value.text
    node.size = value.size
    node.kind = value.kind
    node.child = NONE32
    if value.kind == JSON_OBJECT:
        push(merge, target, members)


cdef int merge_members(merge_t* merge, uint32_t object, uint32_t patch) noexcept nogil:
    """Merges a list of patch members into an object. 0, or -1: no memory."""
    cdef node_t* nodes = merge.tree.nodes
    cdef uint32_t mask, following, found, kept
    cdef uint32_t* tail
    cdef uint32_t added = NONE32
    cdef uint32_t* added_tail = &added
    if index_members(merge, object, &mask) != 0:
        return -1
    while patch != NONE32:
        following = nodes[patch].next
        found = find_member(merge, object, mask, &nodes[patch])
        if nodes[patch].kind == JSON_NULL:
            if found != NONE32:
                nodes[found].kind = JSON_NONE
        elif found == NONE32:
            nodes[patch].next = NONE32
            added_tail[0] = patch
            added_tail = &nodes[patch].next
            replace(merge, patch, patch)
        elif nodes[found].kind == JSON_OBJECT and nodes[patch].kind == JSON_OBJECT:
            push(merge, found, nodes[patch].child)
        else:
            replace(merge, found, patch)
        patch = following
    tail = &nodes[object].child
    kept = tail[0]
    while kept != NONE32:
        if nodes[kept].kind != JSON_NONE:
            tail[0] = kept
            tail = &nodes[kept].next
        kept = nodes[kept].next
    tail[0] = added
    return 0


cdef int merge_into(merge_t* merge, slice_t target, slice_t patch, buffer_t* out) noexcept nogil:
    cdef uint32_t root, patch_root, object
    cdef node_t* nodes
    cdef int status
    root = NONE32
    if target.size:
        status = grow_tree(target, &merge.tree, merge.scratch, &root)
        if status != SCAN_OK:
            return status
    status = grow_tree(patch, &merge.tree, merge.scratch, &patch_root)
    if status != SCAN_OK:
        return status
    nodes = merge.tree.nodes
    if root != NONE32 and nodes[root].kind == JSON_OBJECT and nodes[patch_root].kind == JSON_OBJECT:
        push(merge, root, nodes[patch_root].child)
    else:
        root = patch_root
        replace(merge, root, root)
    while merge.todo != NONE32:
        object = merge.todo
        merge.todo = merge.tree.nodes[object].link
        if merge_members(merge, object, merge.tree.nodes[object].mate) != 0:
            return SCAN_NO_MEMORY
    return SCAN_OK if put_tree(&merge.tree, root, False, out, merge.scratch) == 0 else SCAN_NO_MEMORY


cdef int json_merge(slice_t target, slice_t patch, buffer_t* out) noexcept nogil:
    cdef scratch_t scratch
    cdef merge_t merge
    cdef size_t before = out.size
    cdef int status
    scratch_init(&scratch)
    memset(&merge, 0, sizeof(merge_t))
    merge.scratch = &scratch
    merge.todo = NONE32
    status = merge_into(&merge, target, patch, out)
    if status != SCAN_OK:
        out.size = before
    scratch_free(&scratch)
    return status


# ---- canonical form ----

cdef inline bint comes_before(const node_t* a, const node_t* b) noexcept nogil:
    cdef uint32_t shorter = a.key_size if a.key_size < b.key_size else b.key_size
    cdef int order = memcmp(a.key, b.key, shorter)
    return order < 0 or (order == 0 and a.key_size < b.key_size)


cdef uint32_t join_lists(node_t* nodes, uint32_t a, uint32_t b) noexcept nogil:
    """One sorted list of two."""
    cdef uint32_t first = NONE32
    cdef uint32_t* tail = &first
    while a != NONE32 and b != NONE32:
        if comes_before(&nodes[b], &nodes[a]):
            tail[0] = b
            tail = &nodes[b].next
            b = tail[0]
        else:
            tail[0] = a
            tail = &nodes[a].next
            a = tail[0]
    tail[0] = a if a != NONE32 else b
    return first


cdef void sort_members(node_t* nodes, node_t* object) noexcept nogil:
    """Merge sort from the bottom up: bins[i] is empty or a sorted list of 2**i members."""
    cdef uint32_t[32] bins
    cdef uint32_t number = object.child
    cdef uint32_t following, run
    cdef int used = 0
    cdef int i
    while number != NONE32:
        following = nodes[number].next
        nodes[number].next = NONE32
        run = number
        i = 0
        while i < used and bins[i] != NONE32:
            run = join_lists(nodes, bins[i], run)
            bins[i] = NONE32
            i += 1
        if i == used:
            used += 1
        bins[i] = run
        number = following
    run = NONE32
    for i in range(used):
        if bins[i] != NONE32:
            run = join_lists(nodes, bins[i], run) if run != NONE32 else bins[i]
    object.child = run


cdef int json_canonical(slice_t value, buffer_t* out) noexcept nogil:
    cdef scratch_t scratch
    cdef tree_t tree
    cdef size_t before = out.size
    cdef uint32_t root, i
    cdef int status
    scratch_init(&scratch)
    memset(&tree, 0, sizeof(tree_t))
    tree.with_arrays = 1
    status = grow_tree(value, &tree, &scratch, &root)
    if status == SCAN_OK:
        for i in range(tree.count):
            if tree.nodes[i].kind == JSON_OBJECT:
                sort_members(tree.nodes, &tree.nodes[i])
        if put_tree(&tree, root, True, out, &scratch) != 0:
            status = SCAN_NO_MEMORY
    if status != SCAN_OK:
        out.size = before
    scratch_free(&scratch)
    return status


cdef int json_equal(slice_t a, slice_t b) noexcept nogil:
    cdef buffer_t first
    cdef buffer_t second
    cdef int equal = -1
    if a.size == b.size and memcmp(a.data, b.data, a.size) == 0:
        return 1
    if a.size == 0 or b.size == 0:
        return 0
    buffer_init(&first)
    buffer_init(&second)
    if json_canonical(a, &first) == SCAN_OK and json_canonical(b, &second) == SCAN_OK:
        equal = first.size == second.size and memcmp(first.data, second.data, first.size) == 0
    buffer_free(&first)
    buffer_free(&second)
    return equal


# ---- for Python ----

cdef slice_t _slice(bytes text):
    cdef slice_t content
    content.data = text
    content.size = <uint32_t>len(text)
    return content


def check_json(text not None, *, uint32_t max_depth = MAX_DEPTH) -> None:
    """Checks that a text is one value of strict JSON, no key twice, at most `max_depth` deep. Raises InvalidEvent.

    `text` is anything with a buffer of bytes, less than 4 GiB. The error's `column` counts characters from the start.
    """
    cdef Py_buffer view
    cdef scan_error_t error
    cdef int code
    PyObject_GetBuffer(text, &view, PyBUF_SIMPLE)
    try:
        if view.len > 0xFFFFFFF0u:
            raise ValueError("expected less than 4 GiB of JSON")
        with nogil:
            code = json_check(<const char*>view.buf, <uint32_t>view.len, max_depth, &error)
        if code != SCAN_OK:
            raise refusal(&error, <const char*>view.buf, <uint32_t>view.len, "<json>", 1)
    finally:
        PyBuffer_Release(&view)


def merge_patch(bytes target not None, bytes patch not None) -> bytes:
    """RFC 7396 on JSON texts: the raw text of what stays is kept. b"" is an absent target. Raises InvalidEvent."""
    cdef buffer_t out
    if target:
        check_json(target)
    check_json(patch)
    buffer_init(&out)
    try:
        if json_merge(_slice(target), _slice(patch), &out) != SCAN_OK:
            raise MemoryError
        return out.data[:out.size]
    finally:
        buffer_free(&out)


def canonical(bytes text not None) -> bytes:
    """The one JSON text that stands for all that are equal to this one. Raises InvalidEvent.

    >>> canonical(b'{"b": 1.0, "a": 10e-1}')
    b'{"a":1,"b":1}'
    """
    cdef buffer_t out
    check_json(text)
    buffer_init(&out)
    try:
        if json_canonical(_slice(text), &out) != SCAN_OK:
            raise MemoryError
        return out.data[:out.size]
    finally:
        buffer_free(&out)


def equal(bytes a not None, bytes b not None) -> bool:
    """Whether two JSON texts say the same, numbers compared as exact decimals. Raises InvalidEvent."""
    cdef int answer
    check_json(a)
    check_json(b)
    answer = json_equal(_slice(a), _slice(b))
    if answer < 0:
        raise MemoryError
    return answer == 1
