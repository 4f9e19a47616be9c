"""A reverse proxy with the manners of some that are out there: it refuses, or it buffers.

Each connection carries one request. What the proxy does is decided when that has come.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.from_thread import start_blocking_portal
from anyio.streams.buffered import BufferedByteReceiveStream

_HOST = "127.0.0.1"
_MOST = 1 << 20
"""Bytes of a request."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_HOP_BY_HOP = re.compile(rb"\r\n(?:connection|upgrade|keep-alive):[^\r]*", re.IGNORECASE)


class HttpProxy:
    """A port that leads to another one."""

    def __init__(self, target: int, port: int) -> None:
        self.port = port
        self.buffers = False
        """Pass a response on once all of it is there, and no WebSocket at all."""
        self.seen: list[str] = []
        """The first lines of the requests, `GET /events HTTP/1.1`."""
        self._target = target
        self._refusals = 0
        self._retry_after = 0
        self._only = ""

    def refuse(self, times: int, retry_after: int = 1, only: str = "") -> None:
        """Answer so many requests by 503 from now on; `only` those with this in their path."""
        self._refusals, self._retry_after, self._only = times, retry_after, only

    async def connect(self, client: SocketStream) -> None:
        """Carry one request and its response."""
        async with client:
            try:
                head, body = await _request(client)
                await self._answer(client, head, body)
            except* (OSError, anyio.BrokenResourceError, anyio.IncompleteRead):
                pass  # one of the two has left

    async def _answer(self, client: SocketStream, head: bytes, body: bytes) -> None:
        line = head.partition(b"\r\n")[0].decode("latin-1")
        self.seen.append(line)
        if self._refusals and self._only in line:
            self._refusals -= 1
            await client.send(_refusal(self._retry_after))
            return
        passes_upgrade = _UPGRADE.search(head) and not self.buffers
        if not passes_upgrade:
            head = _HOP_BY_HOP.sub(b"", head) + b"\r\nconnection: close"
        async with await anyio.connect_tcp(_HOST, self._target) as server:
            await server.send(head + b"\r\n\r\n" + body)
            if self.buffers:
                await _buffer(client, server)
            else:
                await _pipe(client, server)


async def _request(client: SocketStream) -> tuple[bytes, bytes]:
    """Read one request: its head without the empty line, and its body."""
    stream = BufferedByteReceiveStream(client)
    head = await stream.receive_until(b"\r\n\r\n", _MOST)
    length = _LENGTH.search(head)
    return head, await stream.receive_exactly(int(length[1])) if length else b""


async def _buffer(client: SocketStream, server: SocketStream) -> None:
    """Pass the response on when it has ended, unless the client leaves before."""
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            async for _ in client:
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        response = b"".join([data async for data in server])
        await client.send(response)
        tasks.cancel_scope.cancel()


async def _pipe(client: SocketStream, server: SocketStream) -> None:
    """Pass both directions on until one of the two leaves."""
    async with anyio.create_task_group() as tasks:

        async def one_way(source: SocketStream, sink: SocketStream) -> None:
            async for data in source:
                await sink.send(data)
            tasks.cancel_scope.cancel()

        tasks.start_soon(one_way, client, server)
        await one_way(server, client)


def _refusal(retry_after: int) -> bytes:
    lines = (
        "HTTP/1.1 503 Service Unavailable",
        f"Retry-After: {retry_after}",
        "Content-Type: text/plain",
        "Content-Length: 5",
        "Connection: close",
    )
    return "\r\n".join([*lines, "", "busy\n"]).encode()


@contextmanager
def http_proxy_to(port: int) -> Iterator[HttpProxy]:
    """Run a proxy to that port of loopback until the block is left."""
    with (
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(_running(port)) as proxy,
    ):
        yield proxy


@asynccontextmanager
async def _running(target: int) -> AsyncIterator[HttpProxy]:
    async with (
        await anyio.create_tcp_listener(local_host=_HOST) as listener,
        anyio.create_task_group() as tasks,
    ):
        proxy = HttpProxy(target, listener.extra(SocketAttribute.local_port))
        tasks.start_soon(listener.serve, proxy.connect)
        yield proxy
        tasks.cancel_scope.cancel()
