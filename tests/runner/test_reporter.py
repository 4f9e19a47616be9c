"""What an operation function reports, and what of it is published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from anyio import to_thread

from progress import Limits, Reporter, Settings, Step
from progress.core.event import LogEvent, OutputEvent
from progress.errors import Failure, ReportError

from .rig import Rig, rig


def steps(made: Rig, id: str) -> list[tuple[str, str | None, str]]:
    """All step changes in order: id, parent, state."""
    found = [event.step for event in made.progress(id) if event.step is not None]
    return [(step.id, step.parent, str(step.state)) for step in found]


async def test_plan_and_steps() -> None:
    """The example of design section 6, at the moment it shows."""

    async def copy(report: Reporter) -> None:
        report.plan(scan=1, copy=9)
        with report.step("scan", total=2048, unit="files") as scan:
            scan.advance(2048)
        with report.step("copy", total=1024, unit="bytes") as step:
            step.update(completed=256, message="photos/1.jpg")
            report.output("now")

    async with rig() as made:
        snapshot = await made.run(copy)
        assert snapshot.state == "succeeded"
        (output,) = made.of(snapshot.id, OutputEvent)
        at = made.progress(snapshot.id)
        assert [e.progress.fraction for e in at if e.cursor < output.cursor][-1] == 0.325
        assert steps(made, snapshot.id) == [
            ("scan", None, "pending"),
            ("copy", None, "pending"),
            ("scan", None, "running"),
            ("scan", None, "running"),
            ("scan", None, "succeeded"),
            ("copy", None, "running"),
            ("copy", None, "running"),
            ("copy", None, "succeeded"),
        ]
        scan, copied = snapshot.steps
        assert (scan.label, scan.weight, scan.unit, scan.completed) == ("Scan", 1, "files", 2048)
        assert (copied.weight, copied.completed, copied.fraction) == (9, 256, 1)
        assert snapshot.progress.fraction == 1
        assert (snapshot.progress.completed, snapshot.progress.total) == (None, None)


async def test_ids_of_repeated_names() -> None:
    async def repeat(report: Reporter) -> None:
        report.plan(copy=1)
        with report.step("copy") as copy, copy.step("copy"):
            pass
        with report.step("copy"):
            pass
        with report.step("copy-2"):
            pass
        with report.step("other") as other, other.step("copy"):
            pass

    async with rig() as made:
        snapshot = await made.run(repeat)
        assert [(step.id, step.parent) for step in snapshot.steps] == [
            ("copy", None),
            ("copy-2", "copy"),
            ("copy-3", None),
            ("copy-2-2", None),
            ("other", None),
            ("copy-4", "other"),
        ]


async def test_plan_is_taken_up_by_name_and_once() -> None:
    async def planned(report: Reporter) -> None:
        report.plan({"a b": 2, "twice": 1})
        report.plan(twice=5)
        with report.step("twice", weight=7):  # a planned weight stays
            pass
        with report.step("twice", label="Again"):
            pass
        with report.step("twice", weight=7):
            pass

    async with rig() as made:
        snapshot = await made.run(planned)
        assert [(step.id, step.label, step.weight, step.state) for step in snapshot.steps] == [
            ("a b", "a b", 2, "pending"),
            ("twice", "Twice", 1, "succeeded"),
            ("twice-2", "Again", 5, "succeeded"),
            ("twice-3", "Twice", 7, "succeeded"),
        ]


async def test_nested_steps_end_with_what_is_around_them() -> None:
    async def nest(report: Reporter) -> None:
        outer = report.step("outer")
        inner = outer.step("inner")
        inner.step("innermost", total=2).advance(1)
        try:
            with report.step("failing") as failing:
                failing.step("below")
                raise ValueError
        except ValueError:
            pass

    async with rig() as made:
        id = (await made.run(nest)).id
        states = {step.id: str(step.state) for step in made.snapshot(id).steps}
        assert states == {
            "outer": "succeeded",
            "inner": "succeeded",
            "innermost": "succeeded",
            "failing": "failed",
            "below": "failed",
        }


async def test_operation_that_fails_fails_its_open_steps() -> None:
    async def fail(report: Reporter) -> None:
        report.plan(done=1, open=1, later=2)
        with report.step("done"):
            pass
        report.step("open", total=4).advance(1)
        raise ValueError

    async with rig() as made:
        snapshot = await made.run(fail)
        assert [str(step.state) for step in snapshot.steps] == ["succeeded", "failed", "pending"]
        assert snapshot.progress.fraction == 0.3125


async def test_too_many_steps_fail_the_operation_and_not_more() -> None:
    async def open_all(report: Reporter) -> None:
        for n in range(6):
            with report.step(f"step {n}"):
                pass

    async def plan_all(report: Reporter) -> None:
        report.plan({str(n): 1 for n in range(6)})

    async with rig(Settings(limits=Limits(steps=5))) as made:
        for function in (open_all, plan_all):
            snapshot = await made.run(function)
            assert snapshot.error is not None
            assert snapshot.error.type == "urn:progress:problem:too-large"
            assert len(snapshot.steps) == 5


async def test_operations_own_numbers() -> None:
    async def count(report: Reporter) -> None:
        report.update(completed=2, total=8, unit="rows", message="begun")
        report.advance(2)
        report.total = 16
        report.completed += 1
        report.message = "half"
        report.unit = "lines"
        assert (report.completed, report.total) == (5, 16)
        assert (report.message, report.unit) == ("half", "lines")

    async with rig() as made:
        snapshot = await made.run(count)
        progress = snapshot.progress
        assert (progress.completed, progress.total, progress.unit) == (5, 16, "lines")
        assert (progress.message, progress.fraction, snapshot.steps) == ("half", 1, ())
        first = made.progress(snapshot.id)[0].progress
        assert (first.completed, first.total, first.fraction) == (2, 8, 0.25)


async def test_logs_and_outputs() -> None:
    async def tell(report: Reporter) -> None:
        report.log("plain")
        with report.step("copy") as step:
            step.log("inside", level="warning")
            step.output({"a": [1]})
        report.log("\ud800 and \r\n\0", "debug")
        report.output(None)

    async with rig() as made:
        id = (await made.run(tell)).id
        logs = [(event.message, event.level, event.step) for event in made.of(id, LogEvent)]
        assert logs == [
            ("plain", "info", None),
            ("inside", "warning", "copy"),
            ("? and \r\n\0", "debug", None),
        ]
        assert made.outputs(id) == [b'{"a":[1]}', b"null"]


async def test_texts_are_cut_and_say_so() -> None:
    limit = 1024

    async def long(report: Reporter) -> None:
        report.log("é" * 1000)
        report.update(message="m" * 5000, unit="u" * 5000)
        with report.step("n" * 5000, label="l" * 5000):
            pass
        report.plan({"p" * 5000: 1})
        raise ValueError("v" * 50_000)

    async with rig(Settings(limits=Limits(log=limit))) as made:
        snapshot = await made.run(long)
        (log,) = made.logs(snapshot.id)
        assert log == "é" * 512 + " … (976 bytes cut)"
        assert snapshot.progress.message == "m" * limit + " … (3976 bytes cut)"
        assert snapshot.error is not None
        for text in (
            snapshot.progress.unit,
            *(step.id for step in snapshot.steps),
            *(step.label for step in snapshot.steps),
            snapshot.error.detail,
        ):
            assert text is not None
            assert text.endswith(" bytes cut)")
            assert len(text) < 10_000


@pytest.mark.parametrize("level", ["fatal", "", None, "INFO"])
async def test_level_that_cannot_be(level: Any) -> None:
    async def tell(report: Reporter) -> None:
        with pytest.raises(ReportError, match="debug, info, warning, error"):
            report.log("x", level)

    async with rig() as made:
        snapshot = await made.run(tell)
        assert (snapshot.error, made.logs(snapshot.id)) == (None, [])


async def test_output_without_a_json_form_or_over_the_bound() -> None:
    async def tell(report: Reporter) -> None:
        with pytest.raises(TypeError, match="object has no JSON form"):
            report.output(object())
        with pytest.raises(Failure, match="at most 1024 bytes"):
            report.output("x" * 1023)
        report.output("x" * 1022)  # with its two quotes

    async with rig(Settings(limits=Limits(event=1024))) as made:
        snapshot = await made.run(tell)
        assert snapshot.error is None
        assert [len(output) for output in made.outputs(snapshot.id)] == [1024]


LATE: list[Callable[[Reporter, Step], object]] = [
    lambda report, step: report.advance(),
    lambda report, step: step.advance(),
    lambda report, step: report.update(message="late"),
    lambda report, step: step.update(completed=9),
    lambda report, step: report.plan(late=1),
    lambda report, step: report.step("late"),
    lambda report, step: report.log("late"),
    lambda report, step: step.log("late"),
    lambda report, step: report.output("late"),
    lambda report, step: setattr(report, "total", 9),
    lambda report, step: list(report.track([1])),
    lambda report, step: step.__exit__(None, None, None),
]


@pytest.mark.parametrize("late", LATE)
async def test_report_after_the_end(late: Callable[[Reporter, Step], object]) -> None:
    kept: list[tuple[Reporter, Step]] = []

    async def end(report: Reporter) -> None:
        kept.append((report, report.step("open")))
        report.advance(3)

    async with rig() as made:
        snapshot = await made.run(end)
        ((report, step),) = kept
        for _ in range(2):
            with pytest.raises(ReportError, match="has ended"):
                late(report, step)
            with pytest.raises(ReportError, match="has ended"):
                await to_thread.run_sync(late, report, step)
        assert made.snapshot(snapshot.id) == snapshot


async def test_step_that_has_ended_takes_no_more_reports() -> None:
    async def work(report: Reporter) -> None:
        with report.step("scan", total=3) as scan:
            scan.advance()
        reports: list[Callable[[], None]] = [scan.advance, lambda: scan.update(message="late")]
        for late in reports:
            with pytest.raises(ReportError, match="'scan' has ended"):
                late()

    async with rig() as made:
        assert (await made.run(work)).error is None
