"""What waits to be sent: bounded lines in order, each numbered. It knows no network and no thread.

Log lines and outputs are dropped, the oldest first, and counted, where there is no room; progress
that is not on its way yet gives way to what is newer. What says which steps there are and how it
ends is never dropped: there are few of those.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import NamedTuple

import msgspec

from progress.core.report import Line, LogLine, OutputLine, ProgressLine, StepLine

__all__ = ["Outbox"]

_BYTES = 1_048_576
_BATCH_LINES = 1_000
_BATCH_BYTES = 262_144


class _Waiting(NamedTuple):
    line: Line
    json: bytes


class Outbox:
    """Lines in the order in which they were reported. Whoever calls holds its owner's lock.

    A line that was in a batch stays where it is until it is taken, so its number never changes.
    """

    def __init__(self, number: int = 0) -> None:
        """`number` is not below that of any line that the operation has been sent before."""
        self.dropped = 0
        """Lines that never reached the server."""
        self._number = number  # of the last line that was taken
        self._lines: OrderedDict[int, _Waiting] = OrderedDict()
        self._count = 0
        self._bytes = 0
        self._batch: list[int] = []
        self._loose: deque[int] = deque()  # what may be dropped
        self._progress: dict[str | None, int] = {}  # what may give way, by step

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: Line) -> None:
        """Add a line. The time it takes does not depend on how many there are."""
        if isinstance(line, ProgressLine):
            self._remove(self._progress.pop(line.step, 0))
        key = self._add(line)
        if isinstance(line, LogLine | OutputLine):
            self._loose.append(key)
        while self._bytes > _BYTES and self._loose:
            self._remove(self._loose.popleft())
            self.dropped += 1

    def batch(self) -> list[bytes]:
        """The next lines to send. They stay until they are `taken`, so a post can be repeated."""
        lines: list[bytes] = []
        self._batch = []
        size = 0
        for key, (line, json) in self._lines.items():
            size += len(json)
            if len(lines) >= _BATCH_LINES or (lines and size > _BATCH_BYTES):
                break
            self._batch.append(key)
            lines.append(b'%s,"seq":%d}' % (json[:-1], self._number + len(self._batch)))
            if self._loose and self._loose[0] == key:
                self._loose.popleft()
            elif isinstance(line, ProgressLine) and self._progress.get(line.step) == key:
                del self._progress[line.step]
        return lines

    def taken(self, count: int) -> None:
        """So many lines of the last batch stand."""
        of_batch = self._batch[:count]
        self._batch = self._batch[count:]
        self._number += len(of_batch)
        for key in of_batch:
            self._remove(key)

    def refused(self) -> Line | None:
        """The next line of the last batch was not taken, and never will be: return it."""
        if not self._batch:
            return None
        line = self._lines[self._batch[0]].line
        self.taken(1)
        self.dropped += 1
        return line

    def start_over(self, state: list[Line]) -> None:
        """Begin with an operation that knows nothing yet: with these lines, then what waits.

        What waits of steps and progress they contain already.
        """
        self._batch = []
        self._progress = {}
        for key, (line, _) in list(self._lines.items()):
            if isinstance(line, StepLine | ProgressLine):
                self._remove(key)
        for line in reversed(state):
            key = self._add(line)
            self._lines.move_to_end(key, last=False)

    def give_up(self) -> None:
        """Nothing that waits will be sent."""
        self.dropped += len(self._lines)
        self._lines.clear()
        self._loose.clear()
        self._progress.clear()
        self._batch = []
        self._bytes = 0

    def _add(self, line: Line) -> int:
        self._count += 1
        waiting = _Waiting(line, msgspec.json.encode(line))
        self._lines[self._count] = waiting
        self._bytes += len(waiting.json)
        if isinstance(line, ProgressLine):
            self._progress[line.step] = self._count
        return self._count

    def _remove(self, key: int) -> None:
        waiting = self._lines.pop(key, None)
        if waiting is not None:
            self._bytes -= len(waiting.json)
