"""A receiver of webhooks on a socket of loopback, which answers as badly as it is told to."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any, NamedTuple, TypeAlias

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSListener

__all__ = ["OK", "Act", "Received", "Receiver", "answer", "hang", "receiving", "reset"]

Act: TypeAlias = Callable[[ByteStream], Awaitable[None]]
"""What it does once it has a request."""


class Received(NamedTuple):
    """One request."""

    line: str
    fields: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)

    @property
    def id(self) -> str:
        """The `webhook-id`."""
        return self.fields["webhook-id"]

    @property
    def type(self) -> str:
        """What it tells of."""
        type: str = self.json["type"]
        return type

    @property
    def cursor(self) -> int:
        """How far the operation had come."""
        return int(self.json["data"]["operation"]["cursor"].partition("-")[2])


def answer(status: int, *fields: str, body: bytes = b"", before: bytes = b"") -> Act:
    """Answer with that status and those field lines, perhaps after other bytes."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *fields, "", ""]

    async def act(stream: ByteStream) -> None:
        await stream.send(before + "\r\n".join(lines).encode() + body)

    return act


async def hang(stream: ByteStream) -> None:
    """Say nothing, until the client leaves."""
    try:
        while True:
            await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return


async def reset(stream: ByteStream) -> None:
    """Answer with RST."""
    raw = stream.extra(SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


OK = answer(204)


class Receiver:
    """What it got, and what it does next."""

    def __init__(self, port: int, acts: Iterable[Act]) -> None:
        self.port = port
        self.requests: list[Received] = []
        self.connections = 0
        self.acts = iter(acts)
        """One for each request; then all are taken."""
        self._news = anyio.Event()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/hook?token=hidden"

    @property
    def types(self) -> list[str]:
        """Of what it got."""
        return [request.type for request in self.requests]

    async def has(self, count: int) -> None:
        """Return once it has got so many requests."""
        with anyio.fail_after(8):
            while len(self.requests) < count:
                self._news = anyio.Event()
                await self._news.wait()

    async def serve(self, stream: ByteStream) -> None:
        """Take one request and act on it."""
        self.connections += 1
        async with stream:
            try:
                self.requests.append(await _read(stream))
                self._news.set()
                await next(self.acts, OK)(stream)
            except (anyio.IncompleteRead, anyio.BrokenResourceError):
                return


@asynccontextmanager
async def receiving(*acts: Act, tls: SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Listen until the block is left."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    receiver = Receiver(listener.extra(SocketAttribute.local_port), acts)
    async with listener, anyio.create_task_group() as tasks:
        serving = listener if tls is None else TLSListener(listener, tls, False)
        tasks.start_soon(serving.serve, receiver.serve)
        try:
            yield receiver
        finally:
            tasks.cancel_scope.cancel()


async def _read(stream: ByteStream) -> Received:
    buffered = BufferedByteReceiveStream(stream)
    head = (await buffered.receive_until(b"\r\n\r\n", 65_536)).decode("latin-1")
    line, *rest = head.split("\r\n")
    pairs = [field.partition(":") for field in rest]
    fields = {name.lower(): value.strip() for name, _, value in pairs}
    body = await buffered.receive_exactly(int(fields["content-length"]))
    return Received(line, fields, body)
