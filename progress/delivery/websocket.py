"""WebSocket (RFC 6455): JSON-RPC calls in, events out, over one connection to the hub.

Where the server lets go of the connection, the hub writes to it. Under any other server the same
messages go through Starlette, with a task that reads, always: without it nobody learns of a close.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import ClassVar, Protocol, TypeAlias, cast

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from progress.core.frames import Frame, Joined
from progress.core.wires import WEBSOCKET, Wire
from progress.hub import CloseReason, Connection, Hub
from progress.settings import Settings

from .buffer import Buffer
from .calls import Calls
from .extensions import DETACH, Receiver, TextSink, extension
from .rate import Rate

__all__ = ["CLOSE_CODES", "SUBPROTOCOL", "Answer", "Session", "serve"]

Answer: TypeAlias = "Callable[[Session, str], Coroutine[object, None, None]]"
"""Carries out one message of a client, and answers it with `Session.send`. It must not raise."""

SUBPROTOCOL = "progress.v1"

CLOSE_CODES: dict[CloseReason, int] = {
    "complete": 1000,
    "drain": 1001,
    "binary": 1003,
    "idle": 1008,
    "rate": 1008,
    "oversize": 1009,
    "slow": 1013,
    "busy": 1013,
}
"""RFC 6455 §7.4.1, and IANA's registry for 1013 (try again later)."""

_WAITING = 16
"""Calls that wait for their turn before the client is read no further."""


class _Detach(Protocol):
    def __call__(self, owner: Receiver) -> TextSink | None: ...


class Asking(Protocol):
    """Permits that a task has to ask for."""

    async def ask(self, resume: Callable[[], None]) -> None:
        """Get the answers, for ever; call `resume` when there are new ones."""


class Session:
    """One client's connection: its subscriptions are the hub's, its calls are answered in order.

    It owns a detached connection, and has a task only while it answers calls.
    """

    __slots__ = ("_answer", "_calls", "_gone", "_hub", "_tasks", "connection", "sink")

    def __init__(self, hub: Hub, answer: Answer) -> None:
        self._hub = hub
        self._answer = answer
        self._tasks: Calls
        self._calls: deque[str] | None = None
        self._gone: anyio.Event | None = None
        self.sink: TextSink
        self.connection: Connection

    def open(self, sink: TextSink, tasks: Calls) -> None:
        """Belong to the hub from now on; calls are answered in these tasks."""
        self.sink = sink
        self._tasks = tasks
        self.connection = self._hub.connect(sink)

    def send(self, message: bytes | None) -> bool:
        """Send an answer, if there is one; say whether there is room for more."""
        if message is not None and not self.connection.closed:
            self.sink.send(message)
        return self.sink.has_room

    async def answer(self, text: str) -> None:
        """Carry out one call, and answer it."""
        self._hub.touch(self.connection)
        await self._answer(self, text)

    def received(self, text: str) -> None:
        """A call has come: it waits for its turn."""
        if self._calls is None:
            self._calls = deque((text,))
            self._tasks.start(self._work, self._calls)
        else:
            self._calls.append(text)
            if len(self._calls) >= _WAITING:
                self.sink.hold()

    def ask(self, permissions: Asking) -> None:
        """Let permissions be asked for beside it, until the connection is gone."""
        self._tasks.start(permissions.ask, self.drained)

    def drained(self) -> None:
        """There is room, or there are new permits."""
        self._hub.resume(self.connection)

    def dismiss(self) -> None:
        """Say `bye`: the server is about to stop."""
        self._hub.dismiss(self.connection)

    def ended(self) -> None:
        """The connection is being closed, not by the hub."""
        self._hub.stop(self.connection)

    def lost(self) -> None:
        """The connection is gone: calls that wait are not carried out."""
        self._hub.remove(self.connection)
        if self._calls is not None:
            self._calls.clear()
        if self._gone is not None:
            self._gone.set()

    async def closed(self) -> None:
        """Wait until the connection is gone."""
        self._gone = anyio.Event()
        await self._gone.wait()

    async def _work(self, calls: deque[str]) -> None:
        while calls:
            await self.answer(calls.popleft())
        self._calls = None
        self.sink.go_on()


async def serve(
    websocket: WebSocket, session: Session, settings: Settings, calls: Calls | None
) -> None:
    """Serve an accepted connection, until its end or until it is detached.

    `calls` is where a detached one answers calls. If it is None, the exchange goes on as long as
    the connection does, and calls are answered inside of it.
    """
    detach = cast("_Detach | None", extension(websocket.scope, DETACH))
    sink = None if detach is None else detach(session)
    if sink is None:
        await _Portable(websocket, session, settings).run()
    elif calls is not None:
        session.open(sink, calls)
    else:
        async with anyio.create_task_group() as own:
            calls = Calls()
            own.start_soon(calls.run)
            session.open(sink, calls)
            try:
                await session.closed()
            finally:
                sink.abort()  # whatever has ended it: nobody else would
            own.cancel_scope.cancel()


class _TextBuffer(Buffer):
    """A buffer beside which somebody reads, unless it is held."""

    wire: ClassVar[Wire] = WEBSOCKET
    readable: anyio.Event | None = None

    def hold(self) -> None:
        """Read nothing more from the client."""
        self.readable = self.readable or anyio.Event()

    def go_on(self) -> None:
        """Read again."""
        if self.readable is not None:
            self.readable.set()
            self.readable = None


class _Portable:
    """The same through Starlette: a buffer, a task that writes and one that reads."""

    def __init__(self, websocket: WebSocket, session: Session, settings: Settings) -> None:
        self._websocket = websocket
        self._session = session
        self._limits = settings.limits
        self._rate = Rate()

    async def run(self) -> None:
        """Serve it until its end."""
        async with anyio.create_task_group() as tasks:
            buffer = _TextBuffer(
                self._limits.sink, _texts, self._session.drained, tasks.cancel_scope.cancel
            )
            calls = Calls()
            self._session.open(buffer, calls)
            try:
                tasks.start_soon(calls.run)
                tasks.start_soon(self._write, buffer)
                await self._read(buffer)
            finally:
                self._session.lost()
                tasks.cancel_scope.cancel()

    async def _write(self, buffer: Buffer) -> None:
        with suppress(WebSocketDisconnect):  # the one that reads is told, too
            async for message in buffer.messages():
                await self._websocket.send_text(message.decode())
            if buffer.reason is not None:
                await self._websocket.close(CLOSE_CODES[buffer.reason], buffer.reason)

    async def _read(self, buffer: _TextBuffer) -> None:
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            if (reason := self._violation(text)) is not None:
                self._session.ended()
                buffer.close(reason)
            elif text is not None and buffer.reason is None:
                self._session.received(text)
            if buffer.readable is not None:
                await buffer.readable.wait()

    def _violation(self, text: str | None) -> CloseReason | None:
        if not self._rate.allows(anyio.current_time(), self._limits.messages):
            return "rate"
        if text is None:
            return "binary"
        return "oversize" if len(text.encode()) > self._limits.message else None


def _texts(frame: Frame | Joined) -> Iterable[bytes]:
    return [part.notification for part in frame.parts]
