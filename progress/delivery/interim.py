"""Following an operation with interim responses, for a client that holds one HTTP/1.1 connection.

`102 Processing` is RFC 2518 §10.1; the fields `Location` and `Progress` are those of
draft-wright-http-progress. When the next interim is due, and what it says, is decided here without
a clock or a socket; `follow` does the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from math import ceil
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

import anyio

from progress.core.counts import Counts
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.hub import Hub

from .polling import wait_for_end

__all__ = ["Interims", "Pace", "Ratio", "Send", "Teller", "Wishes", "follow"]

Send: TypeAlias = Callable[[int, Iterable[tuple[bytes, bytes]]], Awaitable[None]]
"""`progress.interim` of `extensions`."""

_PROCESSING = 102
_PERCENT = 100

_SHARES = (0.25, 0.5, 0.75)
_TIMES = (15.0, 45.0, 90.0)
"""Without wishes an interim is due at these shares of the work, or after so many seconds."""

_USUAL = 4
"""Interims without wishes: some clients give up after five (Go until 1.23), some after eight."""

_MOST = 100
_BYTES = 65_536
"""Interims, and bytes of them, whatever a client wishes: many count either."""

_APART = 1.0
"""Seconds between two of them, at least."""

_LOOK = 0.25
"""Seconds between two looks at how far the work is."""

_OVERHEAD, _FIELD = 30, 4
"""Bytes of an interim beside its fields, and of a field beside its name and value."""

_REMARK = 200
"""Characters of a message that go along."""


class Wishes(NamedTuple):
    """What a client has asked for: `Prefer: processing; max=50; interval=5`."""

    most: int = _USUAL
    interval: float | None = None
    """Seconds; None for the usual marks."""


class Interims(NamedTuple):
    """How one request can be sent interims, and how many are wished for."""

    send: Send
    wishes: Wishes


class Ratio:
    """The `Progress` field: `12/100 "photos/1.jpg"`. Its first number never falls.

    It counts what the operation counts if that has a total, else percent, else nothing. Which of
    these it is stays once the first number is above zero.
    """

    def __init__(self) -> None:
        self._done = 0
        self._total: int | None = None
        self._in_percent: bool | None = None

    def of(self, snapshot: Snapshot) -> bytes:
        """The field's value now; `N/N` once it has succeeded."""
        self._look(snapshot)
        if snapshot.state == "succeeded":
            self._done = self._total = max(self._done, self._total or 0) or _PERCENT
        total = "" if self._total is None else self._total
        remark = _remark(snapshot.progress.message)
        return f"{self._done}/{total}{remark}".encode("ascii")

    def _look(self, snapshot: Snapshot) -> None:
        progress = snapshot.progress
        counted, total, fraction = progress.completed, progress.total, progress.fraction
        if not self._done:
            self._in_percent = total is None
        if self._in_percent:
            if fraction is not None:
                self._done = max(self._done, int(fraction * _PERCENT))
                self._total = _PERCENT
        elif total is not None:
            self._total = max(ceil(total), self._done)
            self._done = max(self._done, min(int(counted or 0), self._total))


class Pace:
    """When the next interim is due. It is told the time, and reads none."""

    def __init__(self, wishes: Wishes) -> None:
        self.left = min(wishes.most, _MOST)
        """Interims that may still be sent."""
        self._bytes = _BYTES
        self._interval = wishes.interval
        self._earliest = 0.0
        self._marks = [(0.0, 0.0), *zip(_SHARES, _TIMES, strict=True)]

    def is_due(self, elapsed: float, fraction: float | None) -> bool:
        """Whether one is to be sent, so many seconds after the first."""
        if not self.left or elapsed < self._earliest:
            return False
        return elapsed >= self.next_at or (
            self._interval is None and bool(self._marks) and (fraction or 0.0) >= self._marks[0][0]
        )

    @property
    def next_at(self) -> float:
        """Seconds after the first at which it is due in any case; infinite if never."""
        if not self.left:
            return float("inf")
        if self._interval is not None:
            return self._earliest
        return max(self._marks[0][1], self._earliest) if self._marks else float("inf")

    @property
    def watches(self) -> bool:
        """Whether it may become due by how far the work is."""
        return self.left > 0 and self._interval is None and bool(self._marks)

    @property
    def earliest(self) -> float:
        """Seconds after the first before which none is sent, whatever happens."""
        return self._earliest if self.left else float("inf")

    def sent(self, elapsed: float, fraction: float | None, size: int) -> None:
        """One was sent, of so many bytes."""
        self.left -= 1
        self._bytes -= size
        if self._bytes < size:
            self.left = 0
        self._earliest = elapsed + max(self._interval or 0.0, _APART)
        share = fraction or 0.0
        self._marks = [mark for mark in self._marks if mark[0] > share and mark[1] > elapsed]


class Teller:
    """Sends one request its interims, each when it is due."""

    def __init__(self, interims: Interims, counts: Counts | None = None) -> None:
        self.counts = counts
        """Where they are counted, once it is known for whom they are."""
        self.pace = Pace(interims.wishes)
        self.ratio = Ratio()
        self.count = 0
        """Sent so far."""
        self._send = interims.send
        self._began = anyio.current_time()
        self._has_said_where = False

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return anyio.current_time() - self._began

    async def tell(self, snapshot: Snapshot, location: str) -> None:
        """Say how far an operation is, if that is due, and the first time where it can be found.

        Raises what `progress.interim` does.
        """
        fields = [(b"progress", self.ratio.of(snapshot))]
        if not self._has_said_where:
            fields.insert(0, (b"location", location.encode("ascii")))
        if await self._tell(snapshot.progress.fraction, fields):
            self._has_said_where = True

    async def beat(self) -> None:
        """Say no more than that it goes on, if that is due."""
        await self._tell(None, [])

    async def _tell(self, fraction: float | None, fields: list[tuple[bytes, bytes]]) -> bool:
        elapsed = self.elapsed
        if not self.pace.is_due(elapsed, fraction):
            return False
        await self._send(_PROCESSING, fields)
        size = _OVERHEAD + sum(len(name) + len(value) + _FIELD for name, value in fields)
        self.pace.sent(elapsed, fraction, size)
        self.count += 1
        if self.counts is not None:
            self.counts.interims += 1
        return True


async def follow(teller: Teller, hub: Hub, journal: Journal, location: str, seconds: float) -> None:
    """Send interims until the operation has ended, or for so many seconds; the first at once.

    Raises:
        ConnectionResetError: the client is gone.
    """
    pace = teller.pace
    while True:
        await teller.tell(journal.snapshot, location)
        elapsed = teller.elapsed
        # Not at each event: there may be thousands of them.
        at = elapsed + _LOOK if pace.watches else pace.next_at
        await wait_for_end(hub, journal, min(max(at, pace.earliest), seconds) - elapsed)
        if journal.snapshot.ended or teller.elapsed >= seconds or hub.gone is not None:
            return


def _remark(message: str | None) -> str:
    """A quoted-string, or where ASCII does not do an ext-value (RFC 8187 §3.2.1)."""
    if not message:
        return ""
    text = message[:_REMARK]
    if text.isascii() and text.isprintable():
        return ' "' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return " UTF-8''" + quote(text, safe="!#$&+-.^_`|~", errors="replace")
