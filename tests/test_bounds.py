"""What `make bench` measures and needs no stopwatch: how many events, how many bytes, who goes."""

from collections.abc import Callable
from itertools import pairwise

import anyio
import pytest
from trio.testing import MockClock

from progress import Progress, Reporter, Retention, Settings, Snapshot, Step
from progress.core.event import State, StepState
from progress.core.frames import encode
from progress.errors import Expired
from progress.runner.kinds import Function
from tests.bench.memory import BAR, bytes_per_operation
from tests.bench.pace import REPORTS, Sent, allowed, progress_of
from tests.bench.running import ended

NO_SOONER = 0.0995  # seconds: Timing.report, less the half millisecond that is on time
NO_LATER = 0.2  # a value that had to wait is out by then
A_PAUSE = 1_000  # reports

Report = Callable[[Step, int], None]


def on_mock_clock(function: Function) -> list[Sent]:
    clock = MockClock(autojump_threshold=0)
    return anyio.run(progress_of, function, backend="trio", backend_options={"clock": clock})


def check_pace(events: list[Sent]) -> None:
    """Start, first value, at most ten a second, and the end with the last value."""
    start, first, *_, last = events
    assert (start.state, start.completed) == (StepState.RUNNING, 0)
    assert first.at - start.at < NO_LATER
    assert (last.state, last.completed) == (StepState.SUCCEEDED, REPORTS)
    assert len(events) <= allowed(events)
    gaps = [after.at - before.at for before, after in pairwise(events[1:-1])]
    assert not [gap for gap in gaps if gap < NO_SOONER]


@pytest.mark.parametrize(
    "report_once",
    [
        pytest.param(lambda step, n: step.advance(), id="advance"),
        pytest.param(lambda step, n: step.advance(1.0), id="float"),
        pytest.param(lambda step, n: step.update(completed=n + 1), id="update"),
        pytest.param(lambda step, n: setattr(step, "completed", n + 1), id="completed"),
    ],
)
def test_a_million_reports_make_ten_events_a_second(report_once: Report) -> None:
    async def work(report: Reporter) -> None:
        with report.step("work", total=REPORTS) as step:
            for n in range(REPORTS):
                report_once(step, n)
                if n % A_PAUSE == 0:
                    await anyio.sleep(0.003)

    events = on_mock_clock(work)
    check_pace(events)
    assert events[-1].at - events[0].at > 2.9  # so that there was a pace to keep
    assert all(after.at - before.at <= NO_LATER for before, after in pairwise(events))


def test_a_million_tracked_items_make_ten_events_a_second() -> None:
    async def work(report: Reporter) -> None:
        with report.step("work") as step:
            for n in step.track(range(REPORTS)):
                if n % A_PAUSE == 0:
                    await anyio.sleep(0.003)

    check_pace(on_mock_clock(work))


def test_each_step_has_its_own_pace() -> None:
    async def work(report: Reporter) -> None:
        with report.step("a", total=REPORTS) as a, report.step("b", total=REPORTS) as b:
            for n in range(REPORTS):
                a.advance()
                b.advance()
                if n % A_PAUSE == 0:
                    await anyio.sleep(0.003)

    events = on_mock_clock(work)
    for step in ("a", "b"):
        check_pace([event for event in events if event.step == step])


def test_a_loop_that_never_yields_makes_three_events() -> None:
    async def work(report: Reporter) -> None:
        with report.step("work", total=REPORTS) as step:
            for _ in range(REPORTS):
                step.advance()

    events = on_mock_clock(work)
    assert [event.completed for event in events] == [0, 1, REPORTS]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_million_reports_from_a_thread(backend: str) -> None:
    def work(report: Reporter) -> None:
        with report.step("work", total=REPORTS) as step:
            for _ in range(REPORTS):
                step.advance()

    check_pace(anyio.run(progress_of, work, backend=backend))


@pytest.mark.parametrize("steps", [0, 2])
def test_an_ended_operation_takes_at_most_4_kib(steps: int) -> None:
    assert 0 < anyio.run(bytes_per_operation, 1_000, steps) <= BAR


async def test_the_10_001st_ended_evicts_the_oldest_ended_and_never_a_running_one() -> None:
    app, released = Progress(settings=Settings()), anyio.Event()

    @app.operation
    async def wait(report: Reporter) -> None:
        await released.wait()

    @app.operation
    async def end(report: Reporter) -> None:
        pass

    def held() -> list[str]:
        return [journal.snapshot.id for journal in app.bus.journals()]

    async with app.lifespan():
        running = app.start("wait").id
        ids = [await run_to_end(app, "end") for _ in range(Retention().operations)]
        assert sorted(held()) == sorted([running, *ids])
        newest = await run_to_end(app, "end")
        assert sorted(held()) == sorted([running, *ids[1:], newest])
        assert app.snapshot(running).state is State.RUNNING
        with pytest.raises(Expired):
            app.snapshot(ids[0])
        released.set()


async def test_steps_count_in_the_bytes_that_are_kept() -> None:
    text = "x" * 8_000
    settings = Settings(retention=Retention(bytes=1_048_576))
    app = Progress(settings=settings)

    @app.operation
    async def work(report: Reporter) -> None:
        for n in range(50):
            with report.step(f"step {n}") as step:
                step.update(message=text)

    async with app.lifespan():
        for _ in range(5):
            await run_to_end(app, "work")
        kept = [journal.snapshot for journal in app.bus.journals()]
        assert kept
        assert sum(len(encode(snapshot)) for snapshot in kept) <= settings.retention.bytes


def test_what_ends_in_the_first_second_is_kept_on_a_machine_that_is_up_for_long() -> None:
    app = Progress(settings=Settings())

    @app.operation
    async def end(report: Reporter) -> None:
        pass

    async def keep() -> Snapshot:
        clock.jump(Retention().age * 2)
        async with app.lifespan():
            id = await run_to_end(app, "end")
            await anyio.sleep(2 * app.hub.beat)
            return app.snapshot(id)

    clock = MockClock(autojump_threshold=0)
    options = {"clock": clock}
    assert anyio.run(keep, backend="trio", backend_options=options).state is State.SUCCEEDED


async def run_to_end(app: Progress, kind: str) -> str:
    return (await ended(app, app.start(kind).id)).id
