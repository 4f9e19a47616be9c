"""Cancelling, time limits, bounded cleaning up, and the orderly stop of all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import anyio
import pytest
from anyio import CancelScope

from progress import Cancelled, Limits, Reporter, Settings, Timing
from progress.core.event import StateEvent
from progress.errors import Draining, Ended, ReportError
from progress.runner.kinds import Function

from .rig import Rig, mock_clock, rig

BACKENDS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("trio", {}), id="trio"),
]

mocked = pytest.mark.parametrize(
    "anyio_backend", [pytest.param(mock_clock, id="clock")], indirect=True
)

DAY = 86_400.0

HASTY = Settings(timing=Timing(cleanup=0.2))


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Make a clock of its own for each test that asks for one."""
    return request.param() if callable(request.param) else request.param


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """An event that stuck threads wait for; set at the end, so that none outlives its test."""
    event = threading.Event()
    yield event
    event.set()


async def begin(made: Rig, function: Function, **bounds: float) -> str:
    """Start an operation and wait for its first report."""
    id = made.start(made.kind(function, **bounds))  # type: ignore[arg-type] # limit is an int
    await made.until(lambda: bool(made.progress(id) or made.logs(id)))
    return id


def at(made: Rig, id: str, state: str) -> float:
    """When an operation came into that state."""
    (when,) = (
        when
        for when, event in made.heard
        if event.operation == id and isinstance(event, StateEvent) and event.state == state
    )
    return when


CANCELLED = ["queued", "running", "cancelling", "cancelled"]


async def test_async_code_is_reached_at_once() -> None:
    async def work(report: Reporter) -> None:
        report.update(completed=1)
        try:
            await anyio.sleep_forever()
        finally:
            report.log("cleaning up")
            with CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            report.update(completed=2)

    async with rig() as made:
        id = await begin(made, work)
        assert made.runner.cancel(id).state == "cancelling"
        assert made.runner.cancel(id).state == "cancelling"  # asked again: nothing more
        snapshot = await made.end(id)
        assert made.states(id) == CANCELLED
        assert made.logs(id) == ["cleaning up"]
        assert (snapshot.progress.completed, snapshot.error) == (2, None)
        with pytest.raises(Ended, match="cancelled"):
            made.runner.cancel(id)


async def test_cancelled_before_its_first_line() -> None:
    """The task may not have begun; the function begins all the same, and is told at once."""

    async def work(report: Reporter) -> None:
        await anyio.sleep_forever()

    async with rig() as made:
        id = made.start(made.kind(work))
        made.runner.cancel(id)
        await made.end(id)
        assert made.states(id) == CANCELLED


async def test_thread_is_told_once_at_its_next_report() -> None:
    told: list[object] = []
    seen: list[bool] = []

    def work(report: Reporter) -> None:
        seen.append(report.stopping)
        try:
            while True:
                report.advance()
        except Cancelled as error:
            told.append(error)
            seen.append(report.stopping)
            report.log("cleaning up")
            for _ in report.track(range(1000)):
                pass
            report.log("clean")
            raise

    async with rig() as made:
        id = await begin(made, work)
        made.runner.cancel(id)
        await made.end(id)
        assert made.states(id) == CANCELLED
        assert made.logs(id) == ["cleaning up", "clean"]
        assert (len(told), seen) == (1, [False, True])


REPORTS: list[Callable[[Reporter], object]] = [
    lambda report: report.advance(),
    lambda report: report.advance(0),
    lambda report: report.update(message="x"),
    lambda report: report.log("x"),
    lambda report: report.output(1),
    lambda report: report.plan(x=1),
    lambda report: report.step("x"),
    lambda report: list(report.track([1])),
]


@pytest.mark.parametrize("call", REPORTS)
async def test_every_report_tells(call: Callable[[Reporter], object]) -> None:
    cancelled = threading.Event()

    def work(report: Reporter) -> str:
        report.update(completed=1)
        cancelled.wait(5)
        try:
            call(report)
        except Cancelled:
            return "told"
        return "not told"

    async with rig() as made:
        id = await begin(made, work)
        made.runner.cancel(id)
        cancelled.set()
        snapshot = await made.end(id)
        assert bytes(snapshot.result) == b'"told"'


@pytest.mark.parametrize("in_thread", [False, True], ids=["loop", "thread"])
@pytest.mark.parametrize("end", ["succeeded", "failed"])
async def test_swallowed_cancellation_ends_as_the_function_does(end: str, in_thread: bool) -> None:
    def finish() -> str:
        if end == "failed":
            raise ValueError("no good")
        return "all the same"

    async def in_loop(report: Reporter) -> str:
        report.update(completed=1)
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            pass  # on purpose: authors do
        return finish()

    def threaded(report: Reporter) -> str:
        try:
            while True:
                report.advance()
        except Cancelled:
            pass
        return finish()

    async with rig() as made:
        id = await begin(made, threaded if in_thread else in_loop)
        made.runner.cancel(id)
        snapshot = await made.end(id)
        assert made.states(id) == ["queued", "running", "cancelling", end]
        if end == "failed":
            assert snapshot.error is not None
            assert snapshot.error.detail == "ValueError: no good"
        else:
            assert bytes(snapshot.result) == b'"all the same"'
        await made.works()


# Cleaning up takes bounded time


async def test_shield_that_does_not_end_is_left_behind() -> None:
    release = anyio.Event()
    late: list[BaseException] = []

    async def work(report: Reporter) -> None:
        report.update(completed=1)
        try:
            with CancelScope(shield=True):
                await release.wait()
            report.log("too late")
        except ReportError as error:
            late.append(error)
            raise

    settings = Settings(limits=Limits(running=1), timing=HASTY.timing)
    async with rig(settings) as made:
        id = await begin(made, work)
        made.runner.cancel(id)
        await made.end(id)
        assert made.states(id) == CANCELLED
        assert made.logs(id) == ["it did not stop in time and was left behind"]
        assert 0.2 <= at(made, id, "cancelled") - at(made, id, "cancelling") < 2
        await made.works()  # its place is free
        release.set()
        await anyio.wait_all_tasks_blocked()
        assert len(late) == 1
        assert made.snapshot(id).state == "cancelled"


async def test_thread_that_never_reports_is_left_behind(released: threading.Event) -> None:
    late: list[BaseException] = []
    over = threading.Event()

    def work(report: Reporter) -> None:
        report.update(completed=1)
        released.wait()
        for _ in range(3):
            try:
                report.log("too late")
            except (Cancelled, ReportError) as error:
                late.append(error)
        over.set()

    settings = Settings(limits=Limits(running=1), timing=HASTY.timing)
    async with rig(settings) as made:
        id = await begin(made, work)
        made.runner.cancel(id)
        await made.end(id)
        assert made.states(id) == CANCELLED
        assert made.logs(id) == ["it did not stop in time and was left behind"]
        await made.works()  # its place is free, and there is a thread for it
        heard = len(made.heard)
        released.set()
        with anyio.fail_after(5):
            await anyio.to_thread.run_sync(over.wait, 5)
        assert len(late) == 3
        assert len(made.heard) == heard


# Time limits


@mocked
async def test_timeout() -> None:
    async def work(report: Reporter) -> None:
        report.update(completed=1)
        await anyio.sleep_forever()

    async with rig(patience=DAY) as made:
        id = await begin(made, work, timeout=50)
        snapshot = await made.end(id)
        assert made.states(id) == ["queued", "running", "cancelling", "failed"]
        assert snapshot.error is not None
        assert snapshot.error.type == "urn:progress:problem:timeout"
        assert "50 s" in snapshot.error.detail
        assert 50 <= at(made, id, "cancelling") - at(made, id, "running") < 50.2


@mocked
async def test_stall_is_counted_from_the_last_report() -> None:
    silences = [20.0, 49.9, 0.2, 49.9]

    async def work(report: Reporter) -> None:
        report.update(completed=1)
        for number, silence in enumerate(silences):
            await anyio.sleep(silence)
            match number:
                case 0:
                    report.advance()
                case 1:
                    report.log("on")
                case 2:
                    report.output(1)
                case _:
                    report.message = "on"
        await anyio.sleep_forever()

    async with rig(patience=DAY) as made:
        id = await begin(made, work, stall=50)
        snapshot = await made.end(id)
        assert snapshot.error is not None
        assert snapshot.error.type == "urn:progress:problem:stalled"
        assert "50 s" in snapshot.error.detail
        stalled = at(made, id, "cancelling") - at(made, id, "running")
        assert sum(silences) + 50 <= stalled < sum(silences) + 50.4


@mocked
@pytest.mark.parametrize(
    ("cleanup", "state"), [("raises", "failed"), ("returns", "succeeded"), ("hangs", "failed")]
)
async def test_what_the_function_does_after_a_timeout(cleanup: str, state: str) -> None:
    """A failure then is the timeout's; a result counts."""
    release = anyio.Event()

    async def work(report: Reporter) -> str:
        report.update(completed=1)
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            if cleanup == "raises":
                raise ValueError from None
            if cleanup == "hangs":
                with CancelScope(shield=True):
                    await release.wait()
        return "after all"

    async with rig(patience=DAY) as made:
        snapshot = await made.end(await begin(made, work, timeout=10))
        assert snapshot.state == state
        if state == "failed":
            assert snapshot.error is not None
            assert snapshot.error.type == "urn:progress:problem:timeout"
        release.set()


async def test_timeout_of_a_stuck_thread(released: threading.Event) -> None:
    def work(report: Reporter) -> None:
        report.update(completed=1)
        released.wait()

    async with rig(HASTY) as made:
        snapshot = await made.end(await begin(made, work, timeout=0.1))
        assert snapshot.error is not None
        assert snapshot.error.type == "urn:progress:problem:timeout"


# Stopping all


async def test_drain_ends_everything_in_time(released: threading.Event) -> None:
    release = anyio.Event()

    async def nice(report: Reporter) -> None:
        report.update(completed=1)
        await anyio.sleep_forever()

    async def deaf(report: Reporter) -> None:
        report.update(completed=1)
        with CancelScope(shield=True):
            await release.wait()

    def stuck(report: Reporter) -> None:
        report.update(completed=1)
        released.wait()

    def busy(report: Reporter) -> None:
        while True:
            report.advance()

    async with rig(Settings(limits=Limits(running=5))) as made:
        running = [await begin(made, work) for work in (nice, deaf, stuck, busy)]
        cancelled = await begin(made, nice_too(nice))
        queued = made.start("nice")
        made.runner.cancel(cancelled)
        began = anyio.current_time()
        await made.runner.drain(0.5)
        assert 0.4 < anyio.current_time() - began < 2
        assert all(journal.snapshot.ended for journal in made.bus.journals())
        for id in (*running, queued):
            error = made.snapshot(id).error
            assert error is not None
            assert error.type == "urn:progress:problem:shutdown"
        assert made.states(queued) == ["queued", "failed"]
        assert made.states(cancelled) == CANCELLED
        with pytest.raises(Draining):
            made.start("nice")
        heard = len(made.heard)
        release.set()
        released.set()
        await made.runner.drain(5)  # again: there is nothing left to do
        assert len(made.heard) == heard


def nice_too(function: Function) -> Function:
    async def other(report: Reporter) -> None:
        await function(report)  # type: ignore[misc] # it is async

    return other


async def test_leaving_the_block_stops_what_runs() -> None:
    ended: list[str] = []

    async def work(report: Reporter) -> None:
        report.update(completed=1)
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("clean")

    async with rig() as made:
        ids = [await begin(made, work)]
        ids += [made.start("work") for _ in range(3)]
        began = anyio.current_time()
    assert anyio.current_time() - began < 2  # as soon as they have stopped
    assert ended == ["clean"] * 4
    for id in ids:
        error = made.snapshot(id).error
        assert error is not None
        assert error.type == "urn:progress:problem:shutdown"
    order = [event.cursor for _, event in made.heard]
    assert all(a < b for a, b in pairwise(order))


async def test_host_that_cancels_everything_ends_the_operations_first() -> None:
    """The block is left by the host's cancellation: terminal events all the same."""

    async def work(report: Reporter) -> None:
        report.update(completed=1)
        await anyio.sleep_forever()

    with CancelScope() as scope:
        async with rig() as made:
            id = await begin(made, work)
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert made.snapshot(id).ended
