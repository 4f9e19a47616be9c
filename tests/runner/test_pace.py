"""How often and how soon reports get out, in mocked time; and reports from threads, in real time.

On trio's `MockClock` time passes when all wait for it, and not before: minutes take no time.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise

import anyio
import pytest
from anyio import from_thread, to_thread

from progress import Reporter, Settings, Step, Timing, track
from progress.core.event import OutputEvent, ProgressEvent, StateEvent

from .rig import DAY, Rig, mocked, rig

INTERVAL, LATEST = 0.1, 0.2  # design section 6: 10 events a second; out within 200 ms


def times(made: Rig, step: str | None) -> list[float]:
    """When progress of that step was published."""
    return [
        at
        for at, event in made.heard
        if isinstance(event, ProgressEvent)
        and (event.step.id if event.step is not None else None) == step
    ]


@mocked
async def test_million_reports_are_ten_events_a_second() -> None:
    """At most ten a second per step, plus the first, the last and those of state changes."""
    seconds = 10

    async def work(report: Reporter) -> None:
        with report.step("one", total=1_000_000) as one, report.step("two") as two:
            for n in range(1_000_000):
                one.advance()
                two.update(completed=n) if n % 10 == 0 else two.advance(0)
                if n % 1000 == 999:
                    await anyio.sleep(seconds / 1000)

    async with rig(patience=DAY) as made:
        snapshot = await made.run(work)
        assert snapshot.error is None
        for step in ("one", "two"):
            at = times(made, step)
            assert len(at) <= 10 * seconds + 4
            assert len(at) >= 5 * seconds  # and it is not silence that keeps the bound
            # begun, the first value, then the pace, then the last before the end of the step
            gaps = [later - earlier for earlier, later in pairwise(at[1:-1])]
            assert min(gaps) >= INTERVAL - 0.001
        assert [(step.completed, str(step.state)) for step in snapshot.steps] == [
            (1_000_000, "succeeded"),
            (999_990, "succeeded"),
        ]


@mocked
@pytest.mark.parametrize("seed", range(20))
async def test_suppressed_value_is_out_within_200_ms(seed: int) -> None:
    """Whatever the rhythm: each value, or a later one, is published 0.2 s later at the latest."""
    randomly = random.Random(seed)
    reported: list[tuple[float, int]] = []

    async def work(report: Reporter) -> None:
        with report.step("step") as step:
            for n in range(1, 100):
                if n % 3:
                    step.advance()
                else:
                    step.completed = n
                reported.append((anyio.current_time(), n))
                await anyio.sleep(randomly.choice([0, 0.001, 0.01, 0.03, 0.09, 0.1, 0.11, 0.5, 3]))
            await anyio.sleep(1)

    async with rig(patience=DAY) as made:
        await made.run(work)
        published = [
            (at, event.step.completed)
            for at, event in made.heard
            if isinstance(event, ProgressEvent) and event.step is not None
        ]
        for when, value in reported:
            assert any(when <= at <= when + LATEST and done >= value for at, done in published)
        at = times(made, "step")
        assert all(later - earlier >= INTERVAL - 0.001 for earlier, later in pairwise(at[1:-1]))


@mocked
async def test_message_that_waits_gets_out_too() -> None:
    async def work(report: Reporter) -> None:
        for text in ("first", "second", "third"):
            report.message = text
        await anyio.sleep(LATEST)
        report.output("now")

    async with rig(patience=DAY) as made:
        id = (await made.run(work)).id
        (output,) = made.of(id, OutputEvent)
        told = [
            event.progress.message for event in made.progress(id) if event.cursor < output.cursor
        ]
        assert told == ["first", "third"]


@mocked
async def test_nothing_is_sent_while_nothing_is_reported() -> None:
    async def work(report: Reporter) -> None:
        with report.step("step") as step:
            step.advance()
            await anyio.sleep(1)
            before = step.completed
            await anyio.sleep(60)
            assert step.completed == before

    async with rig(patience=DAY) as made:
        await made.run(work)
        assert len(times(made, "step")) <= 4


@mocked
@pytest.mark.parametrize("how", ["return", "raise", "cancel", "step"])
async def test_final_value_is_out_before_the_state_changes(how: str) -> None:
    async def work(report: Reporter) -> None:
        with report.step("step") as step:
            for _ in range(7):
                step.advance()
                report.advance(2)
            if how == "cancel":
                await anyio.sleep_forever()
            if how == "raise":
                raise ValueError
        report.output("after the step")

    async with rig(patience=DAY) as made:
        made.kind(work)
        id = made.start("work")
        if how == "cancel":
            await made.until(lambda: "running" in made.states(id) and bool(made.progress(id)))
            made.runner.cancel(id)
        await made.end(id)
        at = next(
            event.cursor
            for event in made.of(id, StateEvent)
            if event.state not in ("queued", "running")
        )
        before = [event for event in made.progress(id) if event.cursor < at]
        steps = [event.step for event in before if event.step is not None]
        assert steps[-1].completed == 7
        assert before[-1].progress.completed == 14


# In real time


@pytest.fixture
def nervous() -> Iterator[None]:
    """Let threads interrupt each other wherever they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


EACH = 100_000


@pytest.mark.usefixtures("nervous")
async def test_four_threads_lose_nothing() -> None:
    def hammer(step: Step) -> None:
        for _ in range(EACH):
            step.advance()

    def work(report: Reporter) -> list[float]:
        counted = []
        for _ in range(3):
            with report.step("step", total=4 * EACH) as step:
                threads = [threading.Thread(target=hammer, args=(step,)) for _ in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                counted.append(step.completed)
        return counted

    # Events as often as the sweep allows: counting and publishing meet as often as they can.
    async with rig(Settings(timing=Timing(report=0.001))) as made:
        snapshot = await made.run(work)
        assert snapshot.error is None
        assert [step.completed for step in snapshot.steps] == [4 * EACH] * 3
        for step in ("step", "step-2", "step-3"):
            values = [
                event.step.completed
                for event in made.progress(snapshot.id)
                if event.step is not None and event.step.id == step
            ]
            assert values == sorted(values)


class Busy:
    """The number 1; whenever it is looked at, another thread counts five more meanwhile."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.looked = 0

    def __lt__(self, other: float) -> bool:
        return self._look() < other

    def __le__(self, other: float) -> bool:
        return self._look() <= other

    def __ge__(self, other: float) -> bool:
        return self._look() >= other

    def __float__(self) -> float:
        return self._look()

    def __radd__(self, other: float) -> float:
        return other + 1.0

    def _look(self) -> float:
        self.looked += 1
        thread = threading.Thread(target=self.step.advance, args=(5,))
        thread.start()
        thread.join()
        return 1.0


async def test_count_is_read_after_the_number_was_checked() -> None:
    """Else what other threads count while a number is checked would be lost."""

    def work(report: Reporter) -> float:
        with report.step("step") as step:
            one = Busy(step)
            for _ in range(3):
                step.advance(one)  # type: ignore[arg-type] # a number by its behaviour
            assert one.looked
            return step.completed - 5 * one.looked

    async with rig() as made:
        snapshot = await made.run(work)
        assert snapshot.error is None
        assert float(bytes(snapshot.result)) == 3


async def test_reports_from_a_thread_that_an_async_operation_started() -> None:
    def part(report: Reporter, name: str) -> None:
        with report.step(name, total=100) as step:
            for _ in step.track(range(100)):
                pass
            step.log(f"{name} done")

    async def work(report: Reporter) -> None:
        async with anyio.create_task_group() as tasks:
            for n in range(4):
                tasks.start_soon(to_thread.run_sync, part, report, f"part-{n}")

    async with rig() as made:
        snapshot = await made.run(work)
        assert snapshot.error is None
        assert sorted(made.logs(snapshot.id)) == [f"part-{n} done" for n in range(4)]
        assert [step.completed for step in snapshot.steps] == [100] * 4


async def test_thread_reports_through_the_loop_and_back() -> None:
    """A plain function may call async code, which reports as well."""

    async def inner(report: Reporter) -> None:
        report.log("from the loop")
        for _ in track(range(3)):
            await anyio.lowlevel.checkpoint()

    def work(report: Reporter) -> None:
        report.log("from the thread")
        from_thread.run(inner, report)
        report.log("back")

    async with rig() as made:
        snapshot = await made.run(work)
        assert made.logs(snapshot.id) == ["from the thread", "from the loop", "back"]
        assert snapshot.progress.completed == 3
