/* Rows of one class of result tuples, made and dropped by the million: some of those dropped are kept and used again.
 *
 * A subclass of tuple made by Python code is freed through half a dozen layers of CPython, which ask what a row that holds
 * nothing but str and float cannot have: weak references, attributes, a finalizer, members that lead back to it. Those rows
 * are taken apart here; any other (a user's own, a subclass's) as tuple does it. Everything happens under the GIL. */
#ifndef PRIME_SPARE_ROWS_H
#define PRIME_SPARE_ROWS_H

#include "result_row.h"

enum { SPARE_ROWS = 256, SPARE_ITEMS = 5 };

static PyTypeObject *spare_type;    /* borrowed: lives as long as this module */
static PyObject *spare_rows[SPARE_ROWS];
static int spare_count;

static int row_is_plain(PyObject *row)
{
    for (Py_ssize_t i = 0; i < SPARE_ITEMS; i++) {
        PyObject *item = PyTuple_GET_ITEM(row, i);
        if (item != NULL && !PyUnicode_CheckExact(item) && !PyFloat_CheckExact(item))
            return 0;
    }
    return 1;
}

static void row_dealloc(PyObject *row)
{
    PyTypeObject *type = Py_TYPE(row);
    PyObject_GC_UnTrack(row);
    if (type == spare_type && Py_SIZE(row) == SPARE_ITEMS && row_is_plain(row)) {
        for (Py_ssize_t i = 0; i < SPARE_ITEMS; i++)
            Py_XDECREF(PyTuple_GET_ITEM(row, i));
        if (spare_count < SPARE_ROWS)
            spare_rows[spare_count++] = row;
        else
            type->tp_free(row);
        Py_DECREF(type);
        return;
    }
    Py_TRASHCAN_BEGIN(row, row_dealloc)
    for (Py_ssize_t i = Py_SIZE(row); --i >= 0;)
        Py_XDECREF(PyTuple_GET_ITEM(row, i));
    type->tp_free(row);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

/* From now on rows of `type`, which adds nothing to tuple and has five items, are kept when they are dropped. */
static void spare_rows_of(PyTypeObject *type)
{
    spare_type = type;
    type->tp_dealloc = row_dealloc;
}

/* As row_new(spare_type, SPARE_ITEMS). */
static PyObject *spare_row_new(void)
{
    if (spare_count == 0)
        return row_new(spare_type, SPARE_ITEMS);
    PyObject *row = spare_rows[--spare_count];
    memset(((PyTupleObject *)row)->ob_item, 0, SPARE_ITEMS * sizeof(PyObject *));
    Py_INCREF(spare_type);
    _Py_NewReference(row);
    return row;
}

#endif
