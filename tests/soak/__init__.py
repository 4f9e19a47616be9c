"""Subscribers that come and go for long: afterwards nothing of them may be left.

The 20 seconds of it that belong to the tests are in `tests/server/test_soak.py`.
"""
