"""The ladder of tests that a log must climb before it is trusted, cheap rungs first. Each rung is a function of a seed.

`test_torture.py` runs a slice of each; `python -m torture` (make torture) runs them for as long as it is told.
"""
