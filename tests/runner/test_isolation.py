"""What one operation does, or its author, never reaches the others."""

from __future__ import annotations

from contextvars import ContextVar

import pytest
from anyio import Event, from_thread, to_thread
from msgspec import Raw

from progress import Failure, Progress, Reporter, RequestError, Settings
from progress.core.operation import Snapshot
from progress.delivery.polling import wait_for_end
from progress.errors import ConfigurationError, InvalidParams
from progress.settings import Limits

from .rig import rig

USER: ContextVar[str] = ContextVar("USER")


class Careless(Failure):
    """Its author forgot what the base class needs."""

    def __init__(self) -> None:
        pass


class Unspeakable(Exception):
    """It cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __getattribute__(self, name: str) -> object:
        if name == "__notes__":
            raise RuntimeError("no notes")
        return super().__getattribute__(name)


def nested_groups(depth: int) -> Exception:
    error: Exception = ValueError("innermost")
    for _ in range(depth):
        error = ExceptionGroup("outer", [error])
    return error


@pytest.mark.parametrize(
    "error",
    [Careless(), Unspeakable(), nested_groups(1_500), Failure(404, "x"), Failure("x", b"y")],  # type: ignore[arg-type] # on purpose
    ids=["careless", "unspeakable", "nested", "number", "bytes"],
)
async def test_whatever_is_raised_the_others_go_on(error: Exception) -> None:
    async def bad(report: Reporter) -> None:
        raise error

    async def good(report: Reporter) -> str:
        return "good"

    async with rig() as made:
        assert (await made.run(bad)).state == "failed"
        assert bytes((await made.run(good)).result) == b'"good"'


async def test_steps_may_nest_as_deeply_as_there_may_be_steps() -> None:
    async def deep(report: Reporter) -> None:
        step = report.step("0")
        for n in range(1, 1_000):
            step = step.step(str(n))

    async with rig() as made:
        snapshot = await made.run(deep)
        assert snapshot.state == "succeeded"
        assert len(snapshot.steps) == 1_000
        assert {step.state for step in snapshot.steps} == {"succeeded"}


async def test_a_queued_operation_runs_in_the_context_of_who_started_it() -> None:
    app = Progress(settings=Settings(limits=Limits(running=1)))

    @app.operation
    async def who(report: Reporter) -> str:
        if report.id == first:
            await Event().wait()
        return USER.get()

    first = ""
    async with app.lifespan():
        USER.set("ada")
        first = app.start("who").id
        USER.set("bob")
        second = app.start("who").id
        app.cancel(first)
        assert (await ending(app, second)).result == Raw(b'"bob"')


async def ending(app: Progress, id: str) -> Snapshot:
    await wait_for_end(app.hub, app.bus.journal(id), 5)
    snapshot = app.snapshot(id)
    assert snapshot.ended
    return snapshot


async def test_any_thread_may_start_and_cancel() -> None:
    app = Progress()

    @app.operation
    async def wait(report: Reporter) -> None:
        await Event().wait()

    @app.operation
    def parent(report: Reporter) -> str:
        child: Snapshot = app.start("wait")
        return str(app.cancel(child.id).state)

    async with app.lifespan():
        id = app.start("parent").id
        assert (await ending(app, id)).result == Raw(b'"cancelling"')
        started = await to_thread.run_sync(lambda: app.start("wait"))
        await to_thread.run_sync(app.cancel, started.id)
        assert (await ending(app, started.id)).state == "cancelled"
        # As it was before: on the loop's thread, by way of another one.
        again = await to_thread.run_sync(lambda: from_thread.run_sync(app.start, "wait"))
        app.cancel(again.id)


async def test_labels_from_python_are_checked_too() -> None:
    app = Progress()

    @app.operation
    async def end(report: Reporter) -> None: ...

    async with app.lifespan():
        for labels in ({"n": 5}, {"": "x"}, {"n": "x" * 257}, {str(n): "" for n in range(33)}):
            with pytest.raises(InvalidParams, match="label"):
                app.start("end", labels=labels)  # type: ignore[arg-type] # on purpose
        id = app.start("end", labels={"file": "x\udce9"}).id
        assert app.snapshot(id).labels == {"file": "x?"}
        assert (await ending(app, id)).state == "succeeded"


async def test_one_kinds_backlog_does_not_refuse_another_kind() -> None:
    app = Progress(settings=Settings(limits=Limits(queued=1)))

    @app.operation(limit=1)
    async def slow(report: Reporter) -> None:
        await Event().wait()

    @app.operation
    async def quick(report: Reporter) -> None: ...

    async with app.lifespan():
        for _ in range(2):
            app.start("slow")
        with pytest.raises(RequestError):
            app.start("slow")
        assert (await ending(app, app.start("quick").id)).state == "succeeded"


async def test_a_lifespan_is_run_once() -> None:
    app = Progress()
    async with app.lifespan():
        with pytest.raises(ConfigurationError, match="already"):
            async with app.lifespan():
                pass
