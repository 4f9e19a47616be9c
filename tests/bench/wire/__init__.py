"""The wire benchmarks: our server beside others, over real sockets, with the same workloads.

`contestants.py` starts the servers, `load.c` is their only client, `workloads.py` says what they
have to do, `report.py` compares. `floor.c` is the yardstick: one `write()` per delivery and
nothing else.
"""
