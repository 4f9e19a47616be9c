"""A healthy subscriber beside whatever else happens to its server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice, pairwise
from threading import Event, Thread

from progress.core.event import LogEvent, StateEvent

from .followers import SseFollower, follow
from .process import eventually
from .wire import TIMEOUT, ask, start

PATIENCE = 1.0
"""Seconds without an event, or for one to arrive; a busy machine needs some of them."""


@contextmanager
def bystander(port: int) -> Iterator[None]:
    """Follow an operation meanwhile, and insist on each of its events, in order and in time."""
    id = start(port, "count", to=1_000_000, interval=0.02)["id"]
    follower = SseFollower({"operation": id})
    lossless = follower.view.lossless
    arrivals: list[float] = []
    delays: list[float] = []
    lines: list[str] = []
    attached = Event()

    def watch() -> bool:
        now = time.time()
        for event in islice(lossless.values(), len(arrivals), None):
            assert isinstance(event, LogEvent | StateEvent)
            arrivals.append(now)
            delays.append(now - datetime.fromisoformat(event.time).timestamp())
            if isinstance(event, LogEvent):
                lines.append(event.message)
        if arrivals:
            attached.set()
        return follower.finished

    reader = Thread(target=follow, args=(follower, port, watch), name="bystander")
    reader.start()
    assert attached.wait(TIMEOUT)
    try:
        yield
    finally:
        cancel = f"/operations/{id}/cancel"
        eventually(lambda: ask(port, cancel, method="POST").status == 202)  # or it is refused
        reader.join()
    assert follower.finished
    assert not follower.view.gaps
    assert lines == [f"line {n}" for n in range(len(lines))]
    assert max(delays) < PATIENCE
    assert max(after - before for before, after in pairwise(arrivals)) < PATIENCE
