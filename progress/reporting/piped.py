"""Lines that come out of a pipe, and how they are sent: the work at its other end is not held up.

A thread reads, whatever becomes of the server; what cannot be kept is dropped, the oldest first,
and counted. Only a cancel ends the reading, and with it, by SIGPIPE, the work.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from math import inf
from threading import Condition, Thread
from time import monotonic, sleep

from .posting import AwayFor, Place, Refused, Took

__all__ = ["CANCEL_REQUESTED", "NOT_TAKEN", "Pipe", "pump"]

NOT_TAKEN = 1
CANCEL_REQUESTED = 3
"""Exit statuses."""

_CHUNK = 65_536
_BYTES = 1_048_576
_BATCH_LINES = 1_000
_BATCH_BYTES = 262_144

_PACE = 0.1
"""Seconds between two posts."""

_LONGEST_WAIT = 5.0
_LAST_WAIT = 1.0
"""Seconds, doubling, before the next try; the last one is for when the pipe has ended."""

_PATIENCE = 10.0
"""Seconds for what is still to be sent when the pipe has ended and the server is away."""


class Pipe:
    """The lines of a file descriptor, without those that are blank."""

    def __init__(self, fd: int) -> None:
        self.dropped = 0
        """Lines for which there was no room."""
        self.has_ended = False
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._news = Condition()
        Thread(target=self._read, args=(fd,), daemon=True).start()

    def take(self, within: float) -> list[bytes] | None:
        """Some lines, as soon as there is one; none after so many seconds; None at the end."""
        with self._news:
            self._news.wait_for(lambda: self._lines or self.has_ended, within)
            if not self._lines:
                return None if self.has_ended else []
            lines: list[bytes] = []
            size = 0
            while self._lines and len(lines) < _BATCH_LINES and size < _BATCH_BYTES:
                lines.append(self._lines.popleft())
                size += len(lines[-1])
            self._bytes -= size
            return lines

    def drain(self, taken: int) -> None:
        """Read what still comes, for nobody, up to the end; drop also what was `taken` before."""
        self.dropped += taken
        while (lines := self.take(_PATIENCE)) is not None:
            self.dropped += len(lines)

    def _read(self, fd: int) -> None:
        # Not sys.stdin: at the interpreter's end nobody may hold its lock.
        rest = b""
        while chunk := os.read(fd, _CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            with self._news:
                self._put(lines)
                if len(rest) > _BYTES:
                    self.dropped += 1
                    rest = b""
        with self._news:
            self._put([rest])
            self.has_ended = True
            self._news.notify_all()

    def _put(self, lines: list[bytes]) -> None:
        for line in lines:
            if line.strip():
                self._lines.append(line)
                self._bytes += len(line)
        while self._bytes > _BYTES:
            self._bytes -= len(self._lines.popleft())
            self.dropped += 1
        self._news.notify_all()


def pump(
    pipe: Pipe, place: Place, first: list[bytes], lease: float, say: Callable[[str], object]
) -> int:
    """Send these lines, and those that come, up to the pipe's end; return the exit status.

    Where none come, an empty post says three times in a lease that the work lives. What is wrong is
    said at once, and once.
    """
    return _Pump(pipe, place, lease, say).run(first)


class _Pump:
    def __init__(
        self, pipe: Pipe, place: Place, lease: float, say: Callable[[str], object]
    ) -> None:
        self._pipe = pipe
        self._place = place
        self._lease = lease
        self._say = say
        self._sent = 0
        self._failures = 0
        self._status = 0
        self._until = inf  # when it gives up

    def run(self, lines: list[bytes] | None) -> int:
        lines = lines or self._pipe.take(0)
        while lines is not None:
            answer = self._place.report(lines)
            if isinstance(answer, Took) and answer.cancel_requested:
                self._say("it is asked to stop")
                self._place.report([b'{"type":"cancelled"}'])
                return CANCEL_REQUESTED
            if isinstance(answer, AwayFor) and monotonic() < self._until:
                self._wait(answer)
            elif isinstance(answer, Took | Refused):
                lines = self._after(answer, lines)
            else:
                self._say(f"not taken: {answer.detail}")
                self._pipe.drain(len(lines))
                break
        if self._pipe.dropped:
            self._say(f"lines not taken: {self._pipe.dropped}")
            self._status = NOT_TAKEN
        return self._status

    def _after(self, answer: Took | Refused, lines: list[bytes]) -> list[bytes] | None:
        """What is to be sent next; None at the end."""
        self._failures, self._until = 0, inf
        taken = answer.taken
        if isinstance(answer, Refused):
            shown = b"".join(lines[taken : taken + 1])[:80].decode(errors="replace")
            self._say(f"not taken: {answer.detail} (line {self._sent + taken + 1}: {shown})")
            self._status = NOT_TAKEN
            taken += 1
            if rest := lines[taken:]:
                self._sent += taken
                return rest
        self._sent += taken
        sleep(_PACE)
        return self._pipe.take(self._lease / 3)

    def _wait(self, answer: AwayFor) -> None:
        if not self._failures:
            self._say(f"not taken yet: {answer.detail}; the work goes on")
        self._failures = min(self._failures + 1, 6)
        if self._pipe.has_ended and self._until == inf:
            self._until = monotonic() + _PATIENCE
        longest = _LONGEST_WAIT if self._until == inf else _LAST_WAIT
        sleep(min(max(answer.seconds, 2**self._failures * _PACE), longest))
