"""A sink for servers that take bytes by `await send(…)`.

Its frames are all that stands between the hub and the server: when they are too many the subscriber
falls behind, and what is missing is read from the journals once the client takes more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import ClassVar, TypeAlias

from anyio import Event
from anyio.lowlevel import checkpoint

from progress.core.frames import Frame, Joined
from progress.core.wires import SSE, Wire
from progress.hub import CloseReason

__all__ = ["Buffer", "Encode"]

Encode: TypeAlias = Callable[[Frame | Joined], Iterable[bytes]]
"""Gives the messages of a frame as a wire has them."""


class Buffer:
    """Bounded; it says when it is full, and when it has drained."""

    wire: ClassVar[Wire] = SSE

    def __init__(
        self,
        room: int,
        encode: Encode,
        drained: Callable[[], None],
        abort: Callable[[], None],
    ) -> None:
        """`room` is in bytes."""
        self.abort = abort
        self.reason: CloseReason | None = None
        """Why it was closed, once it is."""
        self._room = room
        self._encode = encode
        self._drained = drained
        self._messages: deque[bytes] = deque()
        self._size = 0
        self._wake = Event()

    @property
    def has_room(self) -> bool:
        """Whether a next frame should be written."""
        return self._size < self._room

    def write(self, frame: Frame | Joined) -> bool:
        """Take a frame; say whether there is room for another one."""
        for message in self._encode(frame):
            self.send(message)
        return self.has_room

    def send(self, message: bytes) -> bool:
        """Take one message as it is; say whether there is room for another one."""
        self._messages.append(message)
        self._size += len(message)
        self._wake.set()
        return self.has_room

    def close(self, reason: CloseReason) -> None:
        """End after what is here."""
        self.reason = reason
        self._wake.set()

    async def wait(self) -> None:
        """Return once something is written, or it is closed."""
        self._wake = Event()
        await self._wake.wait()

    async def messages(self) -> AsyncIterator[bytes]:
        """What was written, until it is closed. Asking for the next says that one is gone."""
        taken = 0
        while self._messages or self.reason is None:
            if not self._messages:
                await self.wait()
                continue
            message = self._messages.popleft()
            yield message
            # Only now has the server taken it.
            self._size -= len(message)
            if self._size <= self._room // 2:
                self._drained()
            taken += len(message)
            if taken >= self._room:  # a socket that takes everything never waits
                taken = 0
                await checkpoint()  # and others want their turn
