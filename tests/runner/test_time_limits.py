"""Time limits, and the orderly stop of all."""

from __future__ import annotations

import threading
from itertools import pairwise

import anyio
import pytest
from anyio import CancelScope

from progress import Limits, Reporter, Settings, Timing
from progress.errors import Draining
from progress.runner.kinds import Bounds, Function

from .rig import DAY, mocked, rig

HASTY = Settings(timing=Timing(cleanup=0.2))

CANCELLED = ["queued", "running", "cancelling", "cancelled"]


@mocked
async def test_timeout() -> None:
    async def work(report: Reporter) -> None:
        report.update(completed=1)
        await anyio.sleep_forever()

    async with rig(patience=DAY) as made:
        id = await made.begin(work, Bounds(timeout=50))
        snapshot = await made.end(id)
        assert made.states(id) == ["queued", "running", "cancelling", "failed"]
        assert snapshot.error is not None
        assert snapshot.error.type == "urn:progress:problem:timeout"
        assert "50 s" in snapshot.error.detail
        assert 50 <= made.at(id, "cancelling") - made.at(id, "running") < 50.2


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
        id = await made.begin(work, Bounds(stall=50))
        snapshot = await made.end(id)
        assert snapshot.error is not None
        assert snapshot.error.type == "urn:progress:problem:stalled"
        assert "50 s" in snapshot.error.detail
        stalled = made.at(id, "cancelling") - made.at(id, "running")
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
        snapshot = await made.end(await made.begin(work, Bounds(timeout=10)))
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
        snapshot = await made.end(await made.begin(work, Bounds(timeout=0.1)))
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
        running = [await made.begin(work) for work in (nice, deaf, stuck, busy)]
        cancelled = await made.begin(nice_too(nice))
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
        ids = [await made.begin(work)]
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
            id = await made.begin(work)
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert made.snapshot(id).ended
