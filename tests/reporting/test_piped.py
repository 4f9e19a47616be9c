"""A pipe's bytes as they come, and that it lives where none do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from threading import Timer

import pytest

from progress.reporting.piped import piped

LONG = 60.0
"""Seconds: longer than a test has."""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    out, into = os.pipe()
    yield out, into
    os.close(out)


def test_bytes_come_at_once(pipe: tuple[int, int]) -> None:
    out, into = pipe
    found = piped(out, LONG)
    for data in (b"one\n", b"tw", b"o\n", b"three"):
        os.write(into, data)
        assert next(found) == data
    os.close(into)
    assert list(found) == []


def test_silence_is_an_empty_line_but_not_within_a_line(pipe: tuple[int, int]) -> None:
    out, into = pipe
    found = piped(out, 0.01)
    assert [next(found), next(found)] == [b"\n", b"\n"]
    os.write(into, b"tw")
    came = next(data for data in found if data != b"\n")
    assert came == b"tw"
    end = Timer(0.1, os.close, [into])  # ten times as long it says nothing: "tw\n" would be a line
    end.start()
    assert list(found) == []
