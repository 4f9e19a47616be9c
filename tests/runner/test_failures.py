"""Every way for an operation function to go wrong, in the loop and in a thread.

After each of them the Runner has to run the next operation as if nothing had been.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio import CancelScope, to_thread

from progress import Cancelled, Failure, Limits, Reporter, Settings
from progress.core.event import Problem
from progress.core.operation import Snapshot

from .rig import Rig, rig


class Own(BaseException):
    """Not an Exception."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class NotText(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value] # on purpose


CASES: list[tuple[BaseException, str]] = [
    (ValueError("no good"), "ValueError: no good"),
    (ValueError(), "ValueError"),
    (KeyError("x"), "KeyError: 'x'"),
    (SystemExit(3), "SystemExit: 3"),
    (StopIteration(5), "StopIteration"),
    (StopAsyncIteration(), "StopAsyncIteration"),
    (Own("own"), "Own: own"),
    (Unprintable(), "Unprintable"),
    (NotText(), "NotText"),
    (ValueError("\ud800\r\n\0"), "ValueError: ?"),
    (ExceptionGroup("two", [ValueError("a"), TypeError("b")]), "ExceptionGroup: two"),
    (BaseExceptionGroup("one", [SystemExit(1)]), "BaseExceptionGroup: one"),
    (BaseExceptionGroup("both", [Cancelled(), ValueError("a")]), "both"),
    (RecursionError("deep"), "RecursionError: deep"),
    (MemoryError(), "MemoryError"),
    (TimeoutError(), "TimeoutError"),
    (DeprecationWarning("old"), "DeprecationWarning: old"),
]


async def run_raising(made: Rig, error: BaseException, in_thread: bool) -> Snapshot:
    async def in_loop(report: Reporter) -> None:
        report.advance(3)
        raise error

    def threaded(report: Reporter) -> None:
        report.advance(3)
        raise error

    return await made.run(threaded if in_thread else in_loop)


@pytest.mark.parametrize("in_thread", [False, True], ids=["loop", "thread"])
@pytest.mark.parametrize(("error", "detail"), CASES, ids=[type(e).__name__ for e, _ in CASES])
async def test_whatever_is_raised_is_a_problem(
    error: BaseException, detail: str, in_thread: bool
) -> None:
    async with rig() as made:
        snapshot = await run_raising(made, error, in_thread)
        assert (snapshot.state, bytes(snapshot.result)) == ("failed", b"null")
        assert snapshot.error is not None
        assert snapshot.error.type == "urn:progress:problem:exception"
        assert snapshot.error.title == "The operation raised an exception"
        assert detail in snapshot.error.detail
        assert snapshot.error.traceback is None
        assert snapshot.progress.completed == 3
        await made.works()


async def captured_cancellation() -> BaseException:
    """Return an exception of the backend's own for a cancellation."""
    caught: list[BaseException] = []
    with CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class() as error:
            caught.append(error)
            raise
    return caught[0]


@pytest.mark.parametrize("in_thread", [False, True], ids=["loop", "thread"])
@pytest.mark.parametrize("how", ["backend's", "ours", "group of ours"])
async def test_operation_that_cancels_itself(how: str, in_thread: bool) -> None:
    error = {
        "backend's": await captured_cancellation(),
        "ours": Cancelled(),
        "group of ours": BaseExceptionGroup("", [BaseExceptionGroup("", [Cancelled()])]),
    }[how]
    async with rig() as made:
        snapshot = await run_raising(made, error, in_thread)
        assert (snapshot.state, snapshot.error) == ("cancelled", None)
        assert made.states(snapshot.id) == ["queued", "running", "cancelling", "cancelled"]
        await made.works()


async def test_scopes_of_the_operation_are_its_own() -> None:
    async def work(report: Reporter) -> str:
        with anyio.move_on_after(0):
            await anyio.sleep_forever()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            tasks.cancel_scope.cancel()
        with CancelScope() as scope:
            scope.cancel()
            await anyio.sleep_forever()
        return "done"

    async with rig() as made:
        assert (await made.run(work)).state == "succeeded"


async def test_cancelled_thread_inside_a_task_group() -> None:
    """The thread's `Cancelled` comes out of the group wrapped."""

    def part(report: Reporter) -> None:
        while True:
            report.log("part")

    async def work(report: Reporter) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(to_thread.run_sync, part, report)
            tasks.start_soon(to_thread.run_sync, part, report)

    async with rig() as made:
        made.kind(work)
        id = made.start("work")
        await made.until(lambda: len(made.logs(id)) > 3)
        made.runner.cancel(id)
        assert (await made.end(id)).state == "cancelled"
        assert set(made.logs(id)) == {"part"}  # both threads heard of it: none was left behind
        await made.works()


FAILURES: list[tuple[Callable[[], Failure], Problem]] = [
    (
        lambda: Failure("outside-root", "stay inside"),
        Problem(
            type="urn:progress:problem:outside-root", title="Outside root", detail="stay inside"
        ),
    ),
    (
        lambda: Failure("https://example.org/full", "no space", "Disk full"),
        Problem(type="https://example.org/full", title="Disk full", detail="no space"),
    ),
    (
        lambda: Failure("x\ud800", "d\ud800", "t\ud800"),
        Problem(type="urn:progress:problem:x?", title="t?", detail="d?"),
    ),
]


@pytest.mark.parametrize(("make", "problem"), FAILURES)
@pytest.mark.parametrize("in_thread", [False, True], ids=["loop", "thread"])
async def test_failure_has_a_type_of_its_own(
    make: Callable[[], Failure], problem: Problem, in_thread: bool
) -> None:
    async with rig() as made:
        snapshot = await run_raising(made, make(), in_thread)
        assert (snapshot.state, snapshot.error) == ("failed", problem)
        await made.works()


async def test_texts_of_a_problem_are_bounded() -> None:
    long = "x" * 1_000_000
    async with rig(Settings(debug=True)) as made:
        for error in (ValueError(long), Failure(long, long, long)):
            problem = (await run_raising(made, error, in_thread=False)).error
            assert problem is not None
            for text in (problem.type, problem.title, problem.detail, problem.traceback):
                assert text is not None
                assert len(text) < 10_000
        await made.works()


@pytest.mark.parametrize("debug", [False, True])
async def test_traceback_only_in_debug(debug: bool) -> None:
    async with rig(Settings(debug=debug)) as made:
        problem = (await run_raising(made, ValueError("\ud800"), in_thread=False)).error
        assert problem is not None
        if debug:
            assert problem.traceback is not None
            assert "run_raising" not in (problem.traceback or "")
            assert "in_loop" in problem.traceback
        else:
            assert problem.traceback is None


async def test_exception_is_logged_with_the_operation(caplog: pytest.LogCaptureFixture) -> None:
    async with rig() as made:
        snapshot = await run_raising(made, ValueError("no good"), in_thread=True)
        await run_raising(made, Failure("x", "as asked for"), in_thread=True)
    (record,) = (found for found in caplog.records if found.levelno >= logging.ERROR)
    assert record.name == "progress"
    assert snapshot.id in record.getMessage()
    assert record.exc_info is not None


# Results


RESULTS: list[tuple[Any, str]] = [
    (None, "null"),
    (0, "0"),
    ("\ud800", '"?"'),
    ({"files": 3}, '{"files":3}'),
    (float("nan"), "null"),
    ("x" * 1022, '"' + "x" * 1022 + '"'),
]


@pytest.mark.parametrize(("result", "data"), RESULTS, ids=[repr(r)[:20] for r, _ in RESULTS])
async def test_result(result: object, data: str) -> None:
    async def work(report: Reporter) -> object:
        return result

    async with rig(Settings(limits=Limits(event=1024))) as made:
        snapshot = await made.run(work)
        assert snapshot.state == "succeeded"
        assert bytes(snapshot.result) == data.encode()


@pytest.mark.parametrize("in_thread", [False, True], ids=["loop", "thread"])
@pytest.mark.parametrize(
    ("result", "type"),
    [("x" * 1023, "too-large"), (object(), "exception"), (range(3), "exception")],
)
async def test_result_that_cannot_be_sent(result: object, type: str, in_thread: bool) -> None:
    async def in_loop(report: Reporter) -> object:
        return result

    def threaded(report: Reporter) -> object:
        return result

    async with rig(Settings(limits=Limits(event=1024))) as made:
        snapshot = await made.run(threaded if in_thread else in_loop)
        assert (snapshot.state, bytes(snapshot.result)) == ("failed", b"null")
        assert snapshot.error is not None
        assert snapshot.error.type == f"urn:progress:problem:{type}"
        await made.works()
