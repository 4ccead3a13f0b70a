# An event's parts out of Python values, where they are of the ordinary kinds.


# The JSON text of a dict; None where the encoder refuses, or may have written null for a number that is none.
cdef bytes encoded(value)
