"""The benchmarks of `make bench`: ratios to a yardstick taken in the same run, never timed tests.

One file for each topic; `harness.py` takes turns and prints. What needs no stopwatch is asserted
in `tests/test_bounds.py`, with the functions from here.
"""
