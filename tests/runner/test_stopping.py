"""Cancelling, and bounded time for cleaning up."""

from __future__ import annotations

import threading
from collections.abc import Callable

import anyio
import pytest
from anyio import CancelScope

from progress import Cancelled, Limits, Reporter, Settings, Timing
from progress.errors import Ended, ReportError

from .rig import rig

HASTY = Settings(timing=Timing(cleanup=0.2))


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
        id = await made.begin(work)
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
        id = await made.begin(work)
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
        id = await made.begin(work)
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
        id = await made.begin(threaded if in_thread else in_loop)
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
        id = await made.begin(work)
        made.runner.cancel(id)
        await made.end(id)
        assert made.states(id) == CANCELLED
        assert made.logs(id) == ["it did not stop in time and was left behind"]
        assert 0.2 <= made.at(id, "cancelled") - made.at(id, "cancelling") < 2
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
        id = await made.begin(work)
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
