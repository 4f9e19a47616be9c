"""Limits, the queue, time limits, and what is left when it is over."""

from __future__ import annotations

import gc
import threading
import weakref
from itertools import pairwise
from uuid import UUID

import anyio
import pytest
from anyio import to_thread

from progress import Failure, Limits, Reporter, Settings, Timing
from progress.bus import MemoryBus
from progress.core.event import ProgressEvent
from progress.core.filter import Filter
from progress.errors import Busy, Draining, InvalidParams, NotFound, NotRunning, UnknownKind
from progress.hub import Subscription
from progress.runner import Runner
from progress.runner.kinds import Bounds
from progress.runner.operation import Operation
from tests.support.sinks import MemorySink

from .rig import Rig, rig


class Gates:
    """An operation that ends when its gate is opened, in the loop."""

    def __init__(self, made: Rig) -> None:
        self.made = made
        self.gates: dict[int, anyio.Event] = {}

    async def wait(self, report: Reporter, n: int) -> int:
        await self.gates[n].wait()
        return n

    def start(self, kind: str) -> tuple[str, anyio.Event]:
        n = len(self.gates)
        gate = self.gates[n] = anyio.Event()
        return self.made.start(kind, n=n), gate

    def open(self) -> None:
        for gate in self.gates.values():
            gate.set()


def running(made: Rig, ids: list[str]) -> list[bool]:
    assert all(made.snapshot(id).state in ("queued", "running", "succeeded") for id in ids)
    return [made.snapshot(id).state != "queued" for id in ids]


def positions(made: Rig, ids: list[str]) -> list[int | None]:
    return [made.snapshot(id).progress.position for id in ids]


async def test_so_many_run_at_once_and_the_others_see_their_place() -> None:
    async with rig(Settings(limits=Limits(running=2))) as made:
        gates = Gates(made)
        made.kind(gates.wait)
        started = [gates.start("wait") for _ in range(5)]
        ids = [id for id, _ in started]
        assert positions(made, ids) == [None, None, 1, 2, 3]
        assert running(made, ids) == [True, True, False, False, False]
        started[1][1].set()
        await made.until(lambda: positions(made, ids) == [None, None, None, 1, 2])
        assert running(made, ids) == [True, True, True, False, False]
        made.runner.cancel(ids[3])
        await made.until(lambda: positions(made, ids)[4] == 1)
        assert made.states(ids[3]) == ["queued", "cancelled"]
        gates.open()
        await made.end(ids[4])
        for id in ids:
            await made.end(id)
        moved = [
            event.progress.position
            for event in made.of(ids[4], ProgressEvent)
            if event.progress.position
        ]
        assert moved == sorted(moved, reverse=True)


async def test_limit_of_a_kind_does_not_hold_up_other_kinds() -> None:
    async with rig(Settings(limits=Limits(running=3))) as made:
        gates = Gates(made)
        made.kind(gates.wait, "narrow", Bounds(limit=1))
        made.kind(gates.wait, "wide")
        started = [gates.start(kind) for kind in ["narrow"] * 3 + ["wide"] * 3]
        ids = [id for id, _ in started]
        assert running(made, ids) == [True, False, False, True, True, False]
        started[3][1].set()  # room for one more: the first that may
        await made.until(lambda: running(made, ids) == [True, False, False, True, True, True])
        started[0][1].set()
        await made.until(lambda: running(made, ids) == [True, True, False, True, True, True])
        gates.open()
        for id in ids:
            await made.end(id)
        most = max_running(made, set(ids[:3]))
        assert most == 1
        assert max_running(made, set(ids)) == 3


def max_running(made: Rig, ids: set[str]) -> int:
    now = most = 0
    for _, event in made.heard:
        state = getattr(event, "state", None)
        if event.operation in ids and state is not None:
            now += (state == "running") - (state in ("succeeded", "failed"))
            most = max(most, now)
    return most


async def wait_in_thread(event: threading.Event) -> None:
    await to_thread.run_sync(event.wait)


async def test_threads_have_a_limit_of_their_own() -> None:
    """Not anyio's default of 40: sixty that wait for each other, beside forty of the host's."""
    hosts = threading.Event()
    together = threading.Barrier(60, timeout=3)

    def meet(report: Reporter) -> None:
        together.wait()

    async with rig(patience=4) as made, anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(wait_in_thread, hosts)
        try:
            made.kind(meet)
            ids = [made.start("meet") for _ in range(60)]
            states = {(await made.end(id)).state for id in ids}
        finally:
            hosts.set()
        assert states == {"succeeded"}


async def test_too_many_waiting_are_refused() -> None:
    async with rig(Settings(limits=Limits(running=1, queued=2))) as made:
        gates = Gates(made)
        made.kind(gates.wait)
        ids = [gates.start("wait")[0] for _ in range(3)]
        with pytest.raises(Busy):
            gates.start("wait")
        made.runner.cancel(ids[1])
        ids.append(gates.start("wait")[0])
        gates.open()
        for id in ids:
            await made.end(id)


async def test_ids_sort_by_time_and_are_uuids() -> None:
    async with rig(Settings(limits=Limits(queued=1000, running=1))) as made:
        gates = Gates(made)
        made.kind(gates.wait)
        ids = [gates.start("wait")[0] for _ in range(500)]
        assert all(a < b for a, b in pairwise(ids))
        assert {(UUID(id).version, UUID(id).variant, str(UUID(id)) == id) for id in ids} == {
            (7, "specified in RFC 4122", True)
        }


async def test_what_cannot_be_started_leaves_nothing_behind() -> None:
    async with rig() as made:
        gates = Gates(made)
        made.kind(gates.wait)
        with pytest.raises(UnknownKind):
            made.start("copy")
        with pytest.raises(InvalidParams):
            made.start("wait", n="x")
        with pytest.raises(NotFound):
            made.runner.cancel("nothing")
        assert (made.heard, list(made.bus.journals())) == ([], [])


async def test_start_outside_of_run_says_what_to_do() -> None:
    settings = Settings()
    runner = Runner(MemoryBus(1, settings.limits, settings.retention), settings)
    with pytest.raises(NotRunning, match=r"lifespan=app\.lifespan"):
        runner.draft("copy", b"{}", {})


async def test_runner_can_run_again() -> None:
    async with rig() as made:
        await made.works()
    with pytest.raises((NotRunning, Draining)):
        made.start("kind-0")
    async with made.runner.run():
        await made.works()


# What is left


class Thing:
    """What an operation holds, to see whether it is let go."""


@pytest.mark.parametrize("how", ["return", "fail", "cancel"])
@pytest.mark.parametrize("in_thread", [False, True], ids=["loop", "thread"])
async def test_nothing_is_left_of_what_has_ended(how: str, in_thread: bool) -> None:
    held: list[weakref.ref[Thing]] = []

    async def in_loop(report: Reporter) -> None:
        thing = Thing()
        held.append(weakref.ref(thing))
        with report.step("step") as step:
            list(step.track(range(10)))
            if how == "fail":
                raise Failure("x", "as asked for")
            if how == "cancel":
                await anyio.Event().wait()  # not a sleep: asyncio keeps cancelled timers a while

    def threaded(report: Reporter) -> None:
        thing = Thing()
        held.append(weakref.ref(thing))
        while how == "cancel":
            report.log("on")
        with report.step("step"):
            if how == "fail":
                raise Failure("x", "as asked for")

    async with rig() as made:
        kind = made.kind(threaded if in_thread else in_loop)
        ids = [made.start(kind), made.start(kind)]
        await made.until(lambda: len(held) == len(ids))
        if how == "cancel":
            made.runner.cancel(ids[0])
            made.runner.cancel(ids[1])
        for id in ids:
            await made.end(id)
        await anyio.wait_all_tasks_blocked()
        assert "operation" not in task_names()
        with anyio.fail_after(5):
            while remains(held, ids):  # an idle thread lets go of its last error a moment later
                await anyio.lowlevel.checkpoint()


def task_names() -> set[str]:
    """The first words of the names of all tasks."""
    return {str(task.name).partition(" ")[0] for task in anyio.get_running_tasks()}


def remains(held: list[weakref.ref[Thing]], ids: list[str]) -> bool:
    """Whether anything still refers to what these operations held, or to themselves."""
    gc.collect()
    operations = [found for found in gc.get_objects() if isinstance(found, Operation)]
    return any(thing() for thing in held) or any(found.id in ids for found in operations)


async def test_operation_does_not_depend_on_its_viewers() -> None:
    """One reads nothing, one leaves, one is closed: the operation does not notice."""

    async def work(report: Reporter) -> str:
        for n in report.track(range(2000)):
            report.log(f"line {n}")
            if n % 100 == 0:
                await anyio.lowlevel.checkpoint()
        return "well"

    settings = Settings(timing=Timing(lag=1))
    async with rig(settings) as made:
        made.kind(work)
        id = made.start("work")
        deaf, gone, slow = MemorySink(1), MemorySink(1 << 20), MemorySink(300)
        journal = made.bus.journal(id)
        with (
            made.hub.subscribe(deaf, Subscription(Filter(), journal), None),
            made.hub.subscribe(slow, Subscription(Filter()), None),
        ):
            with made.hub.subscribe(gone, Subscription(Filter()), None):
                await made.until(lambda: len(made.logs(id)) > 10)
            made.hub.tick(10)
            made.hub.tick(20)
            assert deaf.closed
            snapshot = await made.end(id)
        assert made.hub.count == 0
        assert snapshot.state == "succeeded"
        assert made.logs(id) == [f"line {n}" for n in range(2000)]
        assert deaf.most + slow.most < 10_000
