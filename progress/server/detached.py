"""What is left of a connection once its request is done with: the transport, and its owner.

There is one of these for each subscriber, and no task, queue, timer or lock.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from progress.core.frames import Frame, Joined
from progress.core.wires import SSE_DIRECT, Wire
from progress.delivery.extensions import Owner
from progress.hub import CloseReason

from .front import Front

__all__ = ["Detached", "EventSink"]


class Detached(asyncio.Protocol):
    """Takes the place of uvicorn's protocol on the transport, and among its connections."""

    __slots__ = ("_owner", "address", "front", "has_room", "transport")

    def __init__(
        self, transport: asyncio.Transport, owner: Owner, front: Front, address: str
    ) -> None:
        self.transport = transport
        self.front = front
        self.address = address
        self.has_room = True
        self._owner = owner
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=front.limits.sink)
        front.connections.add(self)  # type: ignore[arg-type] # it has what the server asks of one

    def abort(self) -> None:
        """Close the connection now."""
        self.transport.abort()

    def shutdown(self) -> None:
        """The server stops."""
        self._owner.dismiss()

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self.has_room = False

    def resume_writing(self) -> None:
        """It has drained."""
        self.has_room = True
        self._owner.drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left, or was closed."""
        self.front.connections.discard(self)
        self.front.leave(self.address)
        self._owner.lost()


class EventSink(Detached):
    """An SSE stream. What its client still sends is ignored."""

    __slots__ = ()

    wire: ClassVar[Wire] = SSE_DIRECT

    def write(self, frame: Frame | Joined) -> bool:
        """Hand a frame to the transport; say whether there is room for a next one."""
        self.transport.write(frame.chunk)
        return self.has_room

    def close(self, reason: CloseReason) -> None:
        """End the body (RFC 9112 §7.1), and then the connection."""
        self.transport.write(b"0\r\n\r\n")
        self.transport.close()
