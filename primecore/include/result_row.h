/* Tuples of a named class, filled in C: a call of the class would be Python code, in which the GIL may change hands. */
#ifndef PRIME_RESULT_ROW_H
#define PRIME_RESULT_ROW_H

#include <Python.h>
#include <string.h>

/* An instance of a subclass of tuple that adds nothing to it, each item NULL, for items that hold no other object:
 * the collector need not know of it (as it forgets tuples that it finds to be such), so it is not told. */
static inline PyObject *row_new(PyTypeObject *type, Py_ssize_t size) {
    PyTupleObject *row = PyObject_GC_NewVar(PyTupleObject, type, size);
    if (row != NULL)
        memset(row->ob_item, 0, (size_t)size * sizeof(PyObject *));
    return (PyObject *)row;
}

#endif
