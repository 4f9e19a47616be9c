"""Who comes and goes: they leave in the middle of an event, by FIN, RST or a goodbye, or read no
more; and they come back where they were."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Callable
from random import Random

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketStream

from progress.core.event import LogEvent
from tests.support.followers import Follower, Query
from tests.support.view import View

from .operations import LINES, Operations

__all__ = ["WAYS", "Visitor"]

WAYS = ("fin", "reset", "stall", "goodbye")
"""In which a visitor leaves."""

_ARRIVAL = 3.0
"""Seconds in which all of them come for the first time."""
_RETURNS = 6
"""Connections a visitor makes at most before it follows something else."""
_CUT = 30_000
"""Bytes after which a visitor leaves at the latest."""
_STAY = 8.0
"""Seconds after which it leaves at the latest, or after which it wakes up at the latest."""
_AWAY = 1.0
"""Seconds it is away at most."""
_GOODBYE = 5.0
"""Seconds that the server has to end a connection whose client has said goodbye."""

_RESET = struct.pack("ii", 1, 0)


class Visitor:
    """Follows one thing after the other."""

    def __init__(
        self,
        operations: Operations,
        following: Callable[[Query], Follower],
        told: Counter[str],
        seed: int,
    ) -> None:
        """`told` is where it counts what it has done."""
        self._operations = operations
        self._following = following
        self._told = told
        self._random = Random(seed)

    async def run(self, port: int) -> None:
        """Come and go until cancelled."""
        await anyio.sleep(self._random.uniform(0, _ARRIVAL))
        while True:
            follower = self._following(self._operations.choose(self._random))
            for _ in range(self._random.randint(1, _RETURNS)):
                await self._visit(follower, port)
                await anyio.sleep(self._random.uniform(0, _AWAY))
                if follower.finished:
                    self._told["gone" if follower.gone else "finished"] += 1
                    if not follower.gone:
                        _check(follower.view)
                    break

    async def _visit(self, follower: Follower, port: int) -> None:
        """Make one connection."""
        left = self._random.randrange(_CUT)
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            self._told["connections"] += 1
            with anyio.move_on_after(self._random.uniform(0, _STAY)):
                await stream.send(follower.connect())
                while left > 0 and not follower.finished:
                    data = await stream.receive()
                    left -= len(data)
                    if answer := follower.feed(data):
                        await stream.send(answer)
            way = self._random.choice(WAYS)
            self._told[way] += 1
            match way:
                case "reset":
                    raw: socket.socket = stream.extra(SocketAttribute.raw_socket)
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                case "stall":
                    await anyio.sleep(self._random.uniform(0, _STAY))
                case "goodbye":
                    await _say_goodbye(stream, follower)


async def _say_goodbye(stream: SocketStream, follower: Follower) -> None:
    """Close our half, and wait for the server's."""
    with anyio.fail_after(_GOODBYE):
        try:
            await stream.send(follower.leave())
            await stream.send_eof()
            while True:
                await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass


def _check(view: View) -> None:
    """It knows all of what it followed and what is still kept."""
    assert all(gap.reason == "expired" for gap in view.gaps)
    for id, snapshot in view.snapshots.items():
        assert msgspec.json.decode(snapshot.result) == {"counted": LINES}
        lines = [
            event.message
            for event in view.lossless.values()
            if isinstance(event, LogEvent) and event.operation == id
        ]
        assert lines == [f"line {n}" for n in range(LINES)]
