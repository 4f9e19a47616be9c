"""What there is to be followed: batches of operations, always some that run."""

from __future__ import annotations

import json
from itertools import count
from random import Random
from uuid import uuid4

import anyio

from tests.support.followers import Query
from tests.support.wire import Response, request

__all__ = ["LINES", "Operations"]

LINES = 7
"""Of the log of each operation."""

_INTERVAL = 1.0
"""Seconds between two of them."""
_BATCHES = 5
"""That visitors may choose from."""
_RENEWAL = 0.5
"""Seconds from one to the next: who chooses one of these finds that it still runs."""
_TOGETHER = 4
"""Operations of a batch: they have a label in common."""


class Operations:
    """Those that visitors may choose from."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._batches: list[list[Query]] = []

    async def run(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Start new ones for ever."""
        due = anyio.current_time()
        for started in count(1):
            await self._renew()
            if started == _BATCHES:
                task_status.started()
            due += _RENEWAL
            await anyio.sleep_until(due)

    def choose(self, random: Random) -> Query:
        """Something to follow: one operation, or a batch."""
        return random.choice(random.choice(self._batches))

    async def _renew(self) -> None:
        label = uuid4().hex
        batch: list[Query] = [{"label": f"batch:{label}"}]
        async with anyio.create_task_group() as tasks:
            for _ in range(_TOGETHER):
                tasks.start_soon(self._start, label, batch)
        self._batches = [*self._batches, batch][-_BATCHES:]

    async def _start(self, label: str, batch: list[Query]) -> None:
        params = {"to": LINES, "interval": _INTERVAL}
        content = {"kind": "count", "params": params, "labels": {"batch": label}}
        body = json.dumps(content).encode()
        response, answer = Response(), b""
        async with await anyio.connect_tcp("127.0.0.1", self._port) as stream:
            await stream.send(request("/operations", method="POST", body=body))
            while not response.complete:
                answer += response.feed(await stream.receive())
        assert response.status == 202, answer
        batch.append({"operation": json.loads(answer)["id"]})
