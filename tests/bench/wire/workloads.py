"""What a contestant has to do, and what that cost it. Processor time is the server's alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from msgspec import Struct

from .client import Load, Seen, Target, Wire, loading
from .contestants import CONTESTANTS
from .errors import BenchError
from .machine import cpu, memory, queued, writes
from .servers import Ours, Server
from .tools import BUILD

__all__ = ["WORKLOADS", "Figures", "Plan", "Watch", "Workload", "unwatched"]

_SUBSCRIBERS = 1_000
_ONE_RATE = 20.0
"""Events a second of the one operation."""
_MANY_RATE = 10.0
"""Events a second of each of the many operations."""

_WARM_UP = 100
_CONNECTS = 2_000
_IDLE = 8_000
"""Connections beyond those of the warm-up, the timed ones among them."""

_STALLED = 50
_FLOOD = 100_000
_STATE = '"type":"state"'
_STATES = 33
"""State events of the flood: three of its own, and three of each of ten short operations."""

_PATIENCE = 60.0  # seconds
_QUIET = 0.25
"""Seconds between two looks at a server's memory, until both say the same."""


class Figures(Struct, omit_defaults=True):
    """What a turn of one contestant cost it; seconds and bytes."""

    cpu: float = 0.0
    """Per delivery; where connections are opened, per connect."""
    client: float = 0.0
    """Of the load client, per delivery: less than the server's, or it is the bottleneck."""
    p50: float = 0.0
    p99: float = 0.0
    """From publishing to reading."""
    writes: float = 0.0
    """System calls per delivery."""
    memory: float = 0.0
    """Per idle connection; in the flood, per subscriber that is stalled."""
    kernel: float = 0.0
    """Waiting in its socket, per subscriber that is stalled."""
    seconds: float = 0.0
    """Until all readers had everything, with stalled ones beside them."""
    seconds_alone: float = 0.0
    """The same without the stalled ones."""
    cpu_alone: float = 0.0
    """The same as `cpu`: in the flood without the stalled ones, else without any subscriber."""


Watch = Callable[[int], AbstractContextManager[None]]
"""What looks at a server, by its process id, while it works."""


def unwatched(pid: int) -> AbstractContextManager[None]:
    """Look at nothing."""
    return nullcontext()


class Plan(NamedTuple):
    """One turn."""

    contestant: str
    wire: Wire
    seconds: float
    """How long to publish."""
    watch: Watch = unwatched


Workload = Callable[[Plan], Figures]


def one_many(plan: Plan) -> Figures:
    """One operation, 1,000 subscribers, 20 events a second."""
    with CONTESTANTS[plan.contestant](plan.wire) as server:
        return _publish(server, server.targets(1), plan, _ONE_RATE)


def many_one(plan: Plan) -> Figures:
    """1,000 operations of one subscriber each, 10 events a second of each."""
    with CONTESTANTS[plan.contestant](plan.wire) as server:
        targets = server.targets(_SUBSCRIBERS)
        alone = _report(server, plan.seconds) if isinstance(server, Ours) else 0.0
        figures = _publish(server, targets, plan, _MANY_RATE)
        figures.cpu_alone = alone
        return figures


def connections(plan: Plan) -> Figures:
    """2,000 connects as fast as they go, and 8,000 connections that are idle then."""
    with (
        CONTESTANTS[plan.contestant](plan.wire) as server,
        _load(server, plan, server.targets(1)) as load,
    ):
        load.connect(_WARM_UP)
        before = _quiet_memory(server.pid)
        began = cpu(server.pid)
        with plan.watch(server.pid):
            load.connect(_CONNECTS)
        connecting = cpu(server.pid) - began
        load.connect(_IDLE - _CONNECTS)
        grown = _quiet_memory(server.pid) - before
    return Figures(cpu=connecting / _CONNECTS, memory=grown / _IDLE)


def flood(plan: Plan) -> Figures:
    """100,000 events in a tight loop to 950 readers, and to 50 more that do not read."""
    with_stalled = _flood(plan, _STALLED)
    alone = _flood(plan, 0)
    return Figures(
        cpu=with_stalled.cpu,
        cpu_alone=alone.cpu,
        seconds=with_stalled.seconds,
        seconds_alone=alone.seconds,
        memory=(with_stalled.memory - alone.memory) / _STALLED,
        kernel=with_stalled.kernel / _STALLED,
    )


WORKLOADS: dict[str, Workload] = {
    "one-many": one_many,
    "many-one": many_one,
    "connections": connections,
    "flood": flood,
}
"""By the names they have on the command line."""


def _publish(server: Server, targets: list[Target], plan: Plan, rate: float) -> Figures:
    each = round(plan.seconds * rate)  # events, and therefore what each subscriber gets
    operations = len(targets)
    with _load(server, plan, targets) as load:
        load.connect(_SUBSCRIBERS)
        load.expect(each, within=plan.seconds * 2 + 10)
        before = cpu(server.pid), writes(server.pid)
        with plan.watch(server.pid):
            server.publish(operations, rate * operations, each * operations)
            seen = load.seen()
        after = cpu(server.pid), writes(server.pid)
    _check_complete(seen, each, _SUBSCRIBERS)
    costs = [(end - begin) / seen.deliveries for begin, end in zip(before, after, strict=True)]
    client = seen.busy / seen.deliveries
    return Figures(cpu=costs[0], client=client, writes=costs[1], p50=seen.p50, p99=seen.p99)


def _report(server: Ours, seconds: float) -> float:
    """Processor time for an event to which nobody has subscribed."""
    rate = _SUBSCRIBERS * _MANY_RATE
    events = round(seconds * rate)
    before = cpu(server.pid)
    server.start("publish", wait=30, rate=rate, events=events)
    return (cpu(server.pid) - before) / events


def _flood(plan: Plan, stalled: int) -> Figures:
    readers = _SUBSCRIBERS - _STALLED
    with (
        CONTESTANTS[plan.contestant](plan.wire) as server,
        _load(server, plan, server.targets(0), _STATE) as load,
    ):
        if not isinstance(server, Ours):
            raise BenchError("has no flood to show: it knows no states")
        load.connect(readers)
        load.stall(stalled)
        before, began = _quiet_memory(server.pid), cpu(server.pid)
        load.expect_marks(_STATES, _PATIENCE)
        with plan.watch(server.pid):
            server.start("flood", wait=0, events=_FLOOD)
            seen = load.seen()
        time_taken = cpu(server.pid) - began
        grown = _quiet_memory(server.pid) - before
        waiting = queued(server.port)
        _check_complete(seen, _STATES, readers)
        if stalled:
            load.read()
            load.expect_marks(_STATES, _PATIENCE)
            _check_complete(load.seen(), _STATES, readers + stalled)
    return Figures(cpu=time_taken, seconds=seen.seconds, memory=grown, kernel=waiting)


def _load(
    server: Server, plan: Plan, targets: list[Target], mark: str = ""
) -> AbstractContextManager[Load]:
    return loading(BUILD / "load", server.port, plan.wire, server.ready, mark, targets)


def _check_complete(seen: Seen, each: int, readers: int) -> None:
    if (seen.complete, seen.least, seen.most) != (readers, each, each):
        raise BenchError(
            f"{seen.complete} of {readers} connections have all of {each}: "
            f"{seen.least} to {seen.most} within {seen.seconds:.1f} s"
        )


def _quiet_memory(pid: int) -> int:
    """Bytes of memory once it has settled."""
    found = memory(pid)
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        time.sleep(_QUIET)
        before, found = found, memory(pid)
        if found == before:
            return found
    raise BenchError("its memory does not come to rest")
