"""What comes out of a pipe is sent, whatever the server says; the work never has to wait for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from threading import Thread

import pytest

from progress.reporting.piped import CANCEL_REQUESTED, NOT_TAKEN, Pipe, pump
from progress.reporting.posting import Place
from tests.support.process import eventually, free_port

from .puppet import Answer, Puppet, problem, puppet

LONG = 60.0
"""Seconds: longer than a test has."""


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    out, into = os.pipe()
    yield out, into
    os.close(out)


class Running:
    """A pump in a thread, and what it has said."""

    def __init__(self, out: int, url: str, lease: float = LONG) -> None:
        self.said: list[str] = []
        self.pipe = Pipe(out)
        self.status: int | None = None
        place = Place(f"{url}/operations/given", None)
        self._thread = Thread(target=self._run, args=(place, lease), daemon=True)
        self._thread.start()

    def _run(self, place: Place, lease: float) -> None:
        self.status = pump(self.pipe, place, [], lease, self.said.append)
        place.close()

    def ended(self) -> int | None:
        self._thread.join(8)
        return self.status


def line(n: int) -> bytes:
    return b'{"type":"progress","completed":%d}\n' % n


def completed(server: Puppet) -> list[int]:
    return [told["completed"] for told in server.told("progress")]


def has_come(server: Puppet, n: int) -> bool:
    return n in completed(server)


@pytest.fixture
def server() -> Iterator[Puppet]:
    with puppet() as server:
        yield server


def test_lines_as_they_come(ends: tuple[int, int]) -> None:
    out, into = ends
    pipe = Pipe(out)
    assert pipe.take(0.0) == []
    os.write(into, b"one\n\n  \ntw")
    assert pipe.take(LONG) == [b"one"]
    os.write(into, b"o\nthree")
    assert pipe.take(LONG) == [b"two"]
    os.close(into)
    assert pipe.take(LONG) == [b"three"]
    assert pipe.take(LONG) is None


def test_who_writes_never_waits(ends: tuple[int, int]) -> None:
    """Nobody takes them: the newest megabyte stays, and the others are counted."""
    out, into = ends
    pipe = Pipe(out)
    written = [b"%06d" % n + b"x" * 9_994 for n in range(300)]
    for data in written:
        os.write(into, data + b"\n")
    os.close(into)
    eventually(lambda: pipe.has_ended)
    kept: list[bytes] = []
    while (lines := pipe.take(LONG)) is not None:
        kept += lines
    assert kept == written[-len(kept) :]
    assert len(kept) + pipe.dropped == 300
    assert 1_000_000 < len(kept) * 10_000 <= 1_048_576


def test_to_the_end(ends: tuple[int, int], server: Puppet) -> None:
    out, into = ends
    running = Running(out, server.url)
    for n in (1, 2, 3):
        os.write(into, line(n))
        eventually(partial(has_come, server, n))
    os.close(into)
    assert (running.ended(), running.said) == (0, [])
    assert completed(server) == [1, 2, 3]


def test_after_a_bad_line_it_goes_on(ends: tuple[int, int], server: Puppet) -> None:
    out, into = ends
    server.to_reports += [problem(422, "invalid-params", line=2, taken=1)]
    os.write(into, line(1) + line(2) + line(3))
    os.close(into)
    running = Running(out, server.url)
    assert running.ended() == NOT_TAKEN
    assert completed(server) == [3]
    assert running.said == [
        'not taken: HTTP 422 invalid-params (line 2: {"type":"progress","completed":2})'
    ]


def test_it_is_tried_again(ends: tuple[int, int], server: Puppet) -> None:
    out, into = ends
    server.to_reports += [Answer(502, "<h1>Bad gateway</h1>"), problem(429, "busy")]
    os.write(into, line(1))
    running = Running(out, server.url)
    eventually(lambda: completed(server) == [1])
    os.close(into)
    assert running.ended() == 0
    assert running.said == ["not taken yet: HTTP 502; the work goes on"]


def test_silence_says_that_it_lives(ends: tuple[int, int], server: Puppet) -> None:
    out, into = ends
    running = Running(out, server.url, lease=0.03)
    eventually(lambda: len(server.posts) >= 4)
    os.close(into)
    assert running.ended() == 0
    assert not any(server.posts)


@pytest.mark.parametrize("slug", ["unauthorized", "ended", "not-found"])
def test_what_is_never_taken_is_read_to_its_end(
    ends: tuple[int, int], server: Puppet, slug: str
) -> None:
    out, into = ends
    status = {"unauthorized": 401, "ended": 409, "not-found": 404}[slug]
    server.to_reports += [problem(status, slug)]
    running = Running(out, server.url)
    eventually(lambda: running.said)
    for n in range(1_000):  # more than a pipe holds, if nobody reads it
        os.write(into, line(n) + b" " * 200 + b"\n")
    os.close(into)
    assert running.ended() == NOT_TAKEN
    assert running.said == [f"not taken: HTTP {status} {slug}", "lines not taken: 1000"]


def test_a_cancel_ends_it(ends: tuple[int, int], server: Puppet) -> None:
    out, into = ends
    running = Running(out, server.url, lease=0.3)
    os.write(into, line(1))
    eventually(lambda: completed(server) == [1])
    server.cancel_requested = True  # heard with the next sign of life
    assert (running.ended(), running.said) == (CANCEL_REQUESTED, ["it is asked to stop"])
    assert server.told("cancelled")
    os.close(into)


def test_nobody_is_there(ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("progress.reporting.piped._PATIENCE", 0.3)
    out, into = ends
    running = Running(out, f"http://127.0.0.1:{free_port()}")
    os.write(into, line(1))
    eventually(lambda: running.said)
    os.close(into)
    assert running.ended() == NOT_TAKEN
    assert [said.partition(":")[0] for said in running.said] == [
        "not taken yet",
        "not taken",
        "lines not taken",
    ]
