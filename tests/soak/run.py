"""Run a server, let them come and go, and weigh it before and afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import anyio
import psutil

from tests.support.census import Census, census, deserted, result
from tests.support.followers import SocketFollower, SseFollower
from tests.support.process import Process, eventually, progress_serve
from tests.support.wire import ask

from .operations import Operations
from .visitors import Visitor

__all__ = ["Load", "Report", "Weight", "server", "soak"]

APP = "tests.support.soak_app:app"

_AGE = 2.0
"""Seconds that an operation is kept after its end: some visitors come back too late."""
_WARM_UP = 0.5
"""Of the time: what a server has needed once it keeps, for the caches and the most connections."""
_SETTLING = 20.0
"""Seconds for the operations and for the last connections to go."""
_RESIDENT = 8_388_608
"""Bytes that may be new: the allocator does not give back what is in pieces."""
_SAME = 5
"""Counts in a row that have to agree, before it is believed that all have gone."""


class Load(NamedTuple):
    """Who comes and goes at the same time, and for how long."""

    sse: int
    websocket: int
    seconds: float

    @property
    def visitors(self) -> int:
        """All of them. Each makes several connections."""
        return self.sse + self.websocket


class Weight(NamedTuple):
    """What a server has that nobody is connected to."""

    census: Census
    blocks: int
    """Of memory, that Python's objects take."""
    resident: int
    """Bytes of the process."""


class Report(NamedTuple):
    """What came of it."""

    load: Load
    before: Weight
    after: Weight
    subscribers: int
    """Half-way."""
    told: Counter[str]
    """What the visitors did, and how often."""

    @property
    def misses(self) -> list[str]:
        """What is left of them, in words."""
        found = []
        if self.after.census != self.before.census:
            found.append(f"there was {self.before.census}, there is {self.after.census}")
        for what, before, after, bound in (
            # Some are kept in free lists; a leak is one for each connection, at least.
            ("blocks", self.before.blocks, self.after.blocks, self.load.visitors),
            ("bytes", self.before.resident, self.after.resident, _RESIDENT),
        ):
            if after - before > bound:
                found.append(f"{after - before:,} {what} more than {before:,}, at most {bound:,}")
        return found


@contextmanager
def server() -> Iterator[Process]:
    """Run a server that soon forgets its operations."""
    options = ["--set", f"retention.age={_AGE}", "--set", "retention.expired=50"]
    with progress_serve(APP, *options, "--log-level", "warning") as process:
        yield process
        assert not process.stderr, process.stderr


async def soak(process: Process, load: Load) -> Report:
    """Let them come and go; weigh the server once it is warm, and in the end."""
    await anyio.to_thread.run_sync(deserted, process)
    await _crowd(process, load, load.seconds * _WARM_UP, Counter())
    before = await anyio.to_thread.run_sync(_weigh, process)
    told = Counter[str]()
    subscribers = await _crowd(process, load, load.seconds * (1 - _WARM_UP), told)
    after = await anyio.to_thread.run_sync(_weigh, process)
    return Report(load, before, after, subscribers, told)


async def _crowd(process: Process, load: Load, seconds: float, told: Counter[str]) -> int:
    """Let them come and go; return how many subscribers there were half-way."""
    operations = Operations(process.port)
    async with anyio.create_task_group() as tasks:
        await tasks.start(operations.run)
        kinds = [SseFollower] * load.sse + [SocketFollower] * load.websocket
        for seed, following in enumerate(kinds):
            visitor = Visitor(operations, following, told, seed)
            tasks.start_soon(visitor.run, process.port)
        await anyio.sleep(seconds / 2)
        found = await anyio.to_thread.run_sync(census, process)
        await anyio.sleep(seconds / 2)
        tasks.cancel_scope.cancel()
    return found.subscribers


def _weigh(process: Process) -> Weight:
    """Weigh the server once all operations are forgotten and everybody has gone."""
    followed = "/operations?kind=count&limit=500"
    for operation in ask(process.port, followed).json["operations"]:
        ask(process.port, operation["links"]["cancel"], method="POST")
    eventually(lambda: not ask(process.port, followed).json["operations"], _SETTLING)
    counted: list[Census] = []

    def settled() -> bool:
        counted.append(census(process))
        return counted[-_SAME:] == [counted[-1]] * _SAME

    eventually(settled, _SETTLING)
    blocks = result(process.port, "weight")["blocks"]
    return Weight(counted[-1], blocks, psutil.Process(process.pid).memory_info().rss)
