"""A TCP proxy with faults: it passes bytes on late, in slices, up to a point, or no more.

It does to a connection what a network does, so that neither end has to play along.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal, NamedTuple

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.from_thread import BlockingPortal, start_blocking_portal

_HOST = "127.0.0.1"
_BUFFER = 65_536
"""Bytes of each kernel buffer: a stalled direction soon stops its sender. Less makes all slow."""
_RESET = struct.pack("ii", 1, 0)

Ending = Literal["close", "half-close", "reset", "stall"]
"""Of both directions by FIN, of this one alone, of both by RST; or nothing more is read."""


class Fault(NamedTuple):
    """What happens to one direction of a connection; by default nothing does."""

    slice: int = 65_536
    """Bytes passed on at once, at most."""
    delay: float = 0.0
    """Seconds before each slice."""
    after: int | None = None
    """Bytes passed on before the ending; None: all of them."""
    ending: Ending = "close"


PASS = Fault()


class Proxy:
    """A port that leads to another one. Its faults are those of the connections to come."""

    def __init__(self, target: int, port: int, portal: BlockingPortal) -> None:
        self.port = port
        self.up = PASS
        """From the client to the server."""
        self.down = PASS
        """From the server to the client."""
        self._target = target
        self._portal = portal
        self._released = anyio.Event()
        self._is_cut = False
        self._carried: set[anyio.CancelScope] = set()

    def release(self) -> None:
        """Let all that is stalled move on, for good."""
        self._portal.call(self._released.set)

    def cut(self) -> None:
        """Reset all connections, and each new one until `restore`."""
        self._portal.call(self._cut)

    def restore(self) -> None:
        """Carry new connections again."""
        self._is_cut = False

    async def connect(self, client: SocketStream) -> None:
        """Carry one connection to its end, or to a cut."""
        async with client:
            with anyio.CancelScope() as scope:
                self._carried.add(scope)
                try:
                    if self._is_cut:
                        scope.cancel()
                    await self._carry(client)
                except OSError:
                    scope.cancel()  # nobody listens there
                finally:
                    self._carried.remove(scope)
            if scope.cancel_called:
                _reset(client)

    def _cut(self) -> None:
        self._is_cut = True
        for scope in self._carried:
            scope.cancel()

    async def _carry(self, client: SocketStream) -> None:
        up, down = self.up, self.down
        async with await anyio.connect_tcp(_HOST, self._target) as server:
            for end in (client, server):
                raw: socket.socket = end.extra(SocketAttribute.raw_socket)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._pass, client, server, up, tasks.cancel_scope)
                    tasks.start_soon(self._pass, server, client, down, tasks.cancel_scope)
            except* (anyio.BrokenResourceError, OSError):
                _reset(client, server)  # one of the two was reset, and so is the other

    async def _pass(
        self,
        source: SocketStream,
        sink: SocketStream,
        fault: Fault,
        both: anyio.CancelScope,
    ) -> None:
        """Pass one direction on; `both` ends the two."""
        left = fault.after
        while left != 0:
            try:
                data = await source.receive(min(fault.slice, left or fault.slice))
            except anyio.EndOfStream:
                await sink.send_eof()
                return
            await anyio.sleep(fault.delay)
            await sink.send(data)
            left = None if left is None else left - len(data)
        match fault.ending:
            case "half-close":
                await sink.send_eof()
            case "stall":
                await self._released.wait()
                await self._pass(source, sink, PASS, both)
            case "reset":
                _reset(source, sink)
                both.cancel()
            case "close":
                both.cancel()


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """Run a proxy to that port of loopback until the block is left."""
    # Trio's sockets have no buffer of their own, so that a byte passed on is a byte sent.
    with (
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(_running(port, portal)) as proxy,
    ):
        yield proxy


@asynccontextmanager
async def _running(target: int, portal: BlockingPortal) -> AsyncIterator[Proxy]:
    async with (
        await anyio.create_tcp_listener(local_host=_HOST) as listener,
        anyio.create_task_group() as tasks,
    ):
        proxy = Proxy(target, listener.extra(SocketAttribute.local_port), portal)
        tasks.start_soon(listener.serve, proxy.connect)
        yield proxy
        tasks.cancel_scope.cancel()


def _reset(*ends: SocketStream) -> None:
    """Make these end by RST instead of FIN."""
    for end in ends:
        raw: socket.socket = end.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
