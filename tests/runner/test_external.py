"""Operations that others run: lines of all types, what cannot come when, the lease, the stop."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
import pytest

from progress import Limits, Reporter, Settings
from progress.core.event import StateEvent
from progress.core.journal import Journal
from progress.core.report import Line
from progress.errors import Busy, Conflict, Draining, Ended, InvalidParams, TooLarge

from .rig import DAY, Rig, mocked, rig


class Outside:
    """An operation of `external`, and who reports of it."""

    def __init__(self, made: Rig, lease: float = 60.0) -> None:
        self._made = made
        self.id = made.start("external", label="there", lease=lease)
        self.journal: Journal = made.bus.journal(self.id)

    def tell(self, type: str, **fields: object) -> None:
        """Send one line, as it is on the wire."""
        line: Line = msgspec.json.decode(msgspec.json.encode({"type": type, **fields}), type=Line)
        self._made.runner.report(self.journal, line)

    def live(self) -> None:
        """Send a blank one."""
        self._made.runner.report(self.journal)

    def step(self, id: str) -> Any:
        """A step as the snapshot shows it."""
        (found,) = (step for step in self.journal.snapshot.steps if step.id == id)
        return found

    @property
    def state(self) -> str:
        return str(self.journal.snapshot.state)

    @property
    def shown(self) -> Any:
        progress = self.journal.snapshot.progress
        return progress.completed, progress.total, progress.fraction


async def test_runs_at_once_and_takes_no_place_of_what_runs_here() -> None:
    async def work(report: Reporter) -> None:
        report.update(completed=1)
        await anyio.sleep_forever()

    async with rig(Settings(limits=Limits(running=1, queued=1, external=2))) as made:
        here = await made.begin(work)
        outside = [Outside(made), Outside(made)]
        assert made.states(outside[0].id) == ["queued", "running"]
        assert made.snapshot(outside[0].id).progress.position is None
        queued = made.start("work")
        with pytest.raises(Busy):
            made.start("work")
        with pytest.raises(Busy):
            Outside(made)
        assert str(made.snapshot(queued).state) == "queued"
        outside[0].tell("succeeded")
        Outside(made)
        made.runner.cancel(here)
        await made.until(lambda: str(made.snapshot(queued).state) == "running")


async def test_lines_of_all_types() -> None:
    async with rig() as made:
        outside = Outside(made)
        outside.tell("progress", completed=1, total=4, unit="files", message="a")
        assert outside.shown == (1, 4, 0.25)
        outside.tell("log", message="hello", level="warning")
        outside.tell("output", data={"url": "a"})
        outside.tell("step", id="scan", label="Scan it", weight=3, state="pending")
        outside.tell("step", id="copy")
        outside.tell("log", message="inside", step="copy")
        outside.tell("progress", step="copy", completed=1, total=2)
        assert (outside.step("copy").state, outside.step("copy").fraction) == ("running", 0.5)
        assert (outside.step("scan").state, outside.step("scan").label) == ("pending", "Scan it")
        assert outside.shown[2] == 0.125
        outside.tell("succeeded", result=[1, None])
        assert bytes(outside.journal.snapshot.result) == b"[1,null]"
        assert outside.step("copy").state == "succeeded"
        assert made.logs(outside.id) == ["hello", "inside"]
        assert made.outputs(outside.id) == [b'{"url":"a"}']
        assert made.states(outside.id) == ["queued", "running", "succeeded"]


async def test_what_is_left_out_stays_and_null_is_unknown() -> None:
    async with rig() as made:
        outside = Outside(made)
        outside.tell("step", id="a")
        outside.tell("progress", step="a", completed=2, total=4, unit="files", message="m")
        outside.tell("progress", step="a", completed=3)
        await made.until(lambda: outside.step("a").completed == 3)
        step = outside.step("a")
        assert (step.total, step.unit, step.message, step.fraction) == (4, "files", "m", 0.75)
        outside.tell("progress", step="a", total=None, unit=None, message=None)
        await made.until(lambda: outside.step("a").total is None)
        step = outside.step("a")
        assert (step.completed, step.unit, step.message, step.fraction) == (3, None, None, None)
        outside.tell("progress", step="a", total=6)
        await made.until(lambda: outside.step("a").total == 6)
        assert outside.step("a").fraction == 0.5


async def test_the_newest_number_waits_for_its_turn_and_gets_out() -> None:
    """However fast the lines come: one event now, one when the pace allows it."""
    async with rig() as made:
        outside = Outside(made)
        for n in range(1, 1001):
            outside.tell("progress", completed=n, total=1000)
        assert len(made.progress(outside.id)) == 1
        await made.until(lambda: outside.shown == (1000, 1000, 1.0))
        assert len(made.progress(outside.id)) == 2


async def test_step_that_is_told_again_says_nothing_new() -> None:
    async with rig() as made:
        outside = Outside(made)
        outside.tell("step", id="a", label="A")
        outside.tell("progress", step="a", completed=1, total=2)
        heard = len(made.heard)
        for _ in range(3):
            outside.tell("step", id="a", label="A", parent=None)
        assert len(made.heard) == heard
        outside.tell("progress", step="a", completed=1.5)  # that waits for its turn
        outside.tell("step", id="a", label="B")
        assert len(made.heard) == heard + 1
        step = outside.step("a")
        assert (step.label, step.completed, step.fraction) == ("B", 1.5, 0.75)
        assert outside.shown[2] == 0.75


async def test_steps_stand_below_steps() -> None:
    async with rig() as made:
        outside = Outside(made)
        outside.tell("step", id="a", state="pending")
        outside.tell("step", id="b", parent="a", state="pending")
        with pytest.raises(Conflict, match="'a' is pending"):
            outside.tell("step", id="b")
        outside.tell("step", id="a")
        outside.tell("step", id="b", parent="a")
        assert outside.step("b").parent == "a"
        with pytest.raises(Conflict, match="below 'a'"):
            outside.tell("step", id="b", parent=None)
        with pytest.raises(Conflict, match="below the operation"):
            outside.tell("step", id="a", parent="b")
        outside.tell("step", id="c", parent="b", state="pending")
        outside.tell("step", id="a", state="failed")  # ends what runs below it, too
        assert [step.state for step in outside.journal.snapshot.steps] == [
            "failed",
            "failed",
            "pending",
        ]
        for id, parent in (("c", "b"), ("d", "a")):
            with pytest.raises(Conflict, match="nothing can come below it"):
                outside.tell("step", id=id, parent=parent)


IMPOSSIBLE = [
    ("progress", {"step": "nope", "completed": 1}),
    ("progress", {"step": "later", "completed": 1}),
    ("progress", {"step": "over", "completed": 1}),
    ("log", {"step": "nope", "message": "m"}),
    ("step", {"id": "new", "parent": "nope"}),
    ("step", {"id": "new", "parent": "new"}),
    ("step", {"id": "new", "parent": "over"}),
    ("step", {"id": "new", "parent": "later", "state": "succeeded"}),
    ("step", {"id": "over"}),
    ("step", {"id": "over", "state": "failed"}),
    ("step", {"id": "over", "state": "pending"}),
    ("step", {"id": "open", "state": "pending"}),
    ("step", {"id": "open", "parent": "later"}),
]


@pytest.mark.parametrize(("type", "fields"), IMPOSSIBLE)
async def test_line_that_cannot_come_changes_nothing(type: str, fields: dict[str, object]) -> None:
    async with rig() as made:
        outside = Outside(made)
        outside.tell("step", id="later", state="pending")
        outside.tell("step", id="over", state="succeeded")
        outside.tell("step", id="open", seq=4)
        before, heard = outside.journal.snapshot, len(made.heard)
        with pytest.raises(Conflict):
            outside.tell(type, **fields, seq=5)
        assert outside.journal.snapshot is before
        assert len(made.heard) == heard
        outside.tell("log", message="its number is still free", seq=5)
        assert made.logs(outside.id) == ["its number is still free"]


LARGE: list[tuple[str, dict[str, object], type[Exception]]] = [
    ("output", {"data": "x" * 1023}, TooLarge),
    ("succeeded", {"result": "x" * 1023}, TooLarge),
    ("step", {"id": "x" * 513}, TooLarge),
    ("step", {"id": "third"}, TooLarge),
]


@pytest.mark.parametrize(("type", "fields", "error"), LARGE)
async def test_line_over_a_bound_changes_nothing(
    type: str, fields: dict[str, object], error: type[Exception]
) -> None:
    async with rig(Settings(limits=Limits(event=1024, steps=2))) as made:
        outside = Outside(made)
        outside.tell("step", id="one")
        outside.tell("step", id="two")
        outside.tell("output", data="x" * 1022)  # just within it, quotes included
        before = outside.journal.snapshot
        with pytest.raises(error):
            outside.tell(type, **fields)
        assert outside.journal.snapshot is before


async def test_texts_are_cut_as_those_of_reporters_here() -> None:
    async with rig(Settings(limits=Limits(log=1024))) as made:
        outside = Outside(made)
        outside.tell("log", message="x" * 2000)
        outside.tell("step", id="a", label="y" * 2000)
        outside.tell("progress", message="z" * 2000, unit="u" * 2000)
        progress = outside.journal.snapshot.progress
        texts = [made.logs(outside.id)[0], outside.step("a").label]
        for text in (*texts, progress.message, progress.unit):
            assert text is not None
            assert text.endswith("bytes cut)")
            assert len(text) < 1100


ENDINGS: list[tuple[str, dict[str, object], list[str], object]] = [
    ("succeeded", {}, ["succeeded"], None),
    ("succeeded", {"result": {"a": 1}}, ["succeeded"], None),
    ("failed", {"error": "no disk"}, ["failed"], ("urn:progress:problem:failed", "no disk")),
    (
        "failed",
        {"error": {"type": "disk", "detail": "full", "status": 507}},
        ["failed"],
        ("urn:progress:problem:disk", "full"),
    ),
    (
        "failed",
        {"error": {"type": "https://e.org/disk", "title": "Disk", "detail": "full"}},
        ["failed"],
        ("https://e.org/disk", "full"),
    ),
    ("cancelled", {}, ["cancelling", "cancelled"], None),
]


@pytest.mark.parametrize(("type", "fields", "states", "error"), ENDINGS)
async def test_end_comes_once(
    type: str, fields: dict[str, object], states: list[str], error: object
) -> None:
    async with rig() as made:
        outside = Outside(made)
        outside.tell("step", id="a")
        outside.tell("progress", completed=1)
        outside.tell("progress", completed=2)
        outside.tell(type, **fields, seq=5)
        assert made.states(outside.id) == ["queued", "running", *states]
        assert outside.shown[0] == 2  # the last number came before the end
        assert outside.step("a").state == states[-1]
        found = outside.journal.snapshot.error
        assert (found and (found.type, found.detail)) == error
        heard = len(made.heard)
        outside.tell(type, **fields, seq=5)
        outside.tell("log", message="again", seq=4)
        outside.live()
        for seq in (None, 6):
            with pytest.raises(Ended):
                outside.tell("succeeded", seq=seq)
        assert len(made.heard) == heard


async def test_number_that_was_taken_is_passed_over() -> None:
    async with rig() as made:
        outside = Outside(made)
        for seq in (1, 2, 1, 2, 3, None, 3, None):
            outside.tell("log", message=f"line {seq}", seq=seq)
        assert made.logs(outside.id) == ["line 1", "line 2", "line 3", "line None", "line None"]


@mocked
@pytest.mark.parametrize("end", ["line", "lease", "drain"])
async def test_number_that_was_taken_is_known_after_any_end(end: str) -> None:
    async with rig(patience=DAY) as made:
        outside = Outside(made, lease=1)
        outside.tell("log", message="taken", seq=4)
        with pytest.raises(Conflict):
            outside.tell("progress", step="?", seq=5)
        if end == "line":
            outside.tell("succeeded")
        elif end == "drain":
            await made.runner.drain(5)
        await made.end(outside.id)
        outside.tell("log", message="taken", seq=4)
        with pytest.raises(Ended):
            outside.tell("log", message="new", seq=5)
        assert made.logs(outside.id) == ["taken"]


# Cancelling, and the lease


@mocked
async def test_cancel_asks_and_the_lease_bounds_it() -> None:
    async with rig(patience=DAY) as made:
        outside = Outside(made, lease=30)
        for _ in range(2):
            assert made.runner.cancel(outside.id).state == "cancelling"
        await anyio.sleep(20)  # more than it would have for cleaning up here
        outside.tell("progress", completed=3)
        assert (outside.state, outside.shown[0]) == ("cancelling", 3)
        await anyio.sleep(20)
        assert outside.state == "cancelling"
        await made.end(outside.id)
        assert made.states(outside.id) == ["queued", "running", "cancelling", "lost"]
        lost = made.at(outside.id, "lost") - made.at(outside.id, "cancelling")
        assert 50 <= lost < 50.2


@pytest.mark.parametrize("end", ["cancelled", "succeeded", "failed"])
async def test_its_reporter_says_what_comes_of_a_cancel(end: str) -> None:
    async with rig() as made:
        outside = Outside(made)
        made.runner.cancel(outside.id)
        outside.tell(end, **({"error": "e"} if end == "failed" else {}))
        assert made.states(outside.id) == ["queued", "running", "cancelling", end]
        with pytest.raises(Ended):
            made.runner.cancel(outside.id)


@mocked
@pytest.mark.parametrize("sign", ["blank", "line", "passed over", "refused"])
async def test_each_sign_of_life_renews_the_lease(sign: str) -> None:
    async with rig(patience=DAY) as made:
        outside = Outside(made, lease=10)
        outside.tell("log", message="first", seq=1)
        for _ in range(5):
            await anyio.sleep(9.9)
            match sign:
                case "blank":
                    outside.live()
                case "line":
                    outside.tell("log", message="m")
                case "passed over":
                    outside.tell("log", message="m", seq=1)
                case _:
                    with pytest.raises(Conflict):
                        outside.tell("log", message="m", step="nope")
        await made.end(outside.id)
        lost = made.at(outside.id, "lost") - made.at(outside.id, "running")
        assert 59.5 <= lost < 59.7
        assert outside.journal.snapshot.error is None
        with pytest.raises(Ended):
            outside.tell("log", message="too late")
        outside.live()


@mocked
async def test_lost_ends_steps_as_failed_and_shows_the_last_number() -> None:
    async with rig(patience=DAY) as made:
        outside = Outside(made, lease=1)
        outside.tell("step", id="a")
        for n in (1, 2):
            outside.tell("progress", step="a", completed=n, total=4)
        await made.end(outside.id)
        step = outside.step("a")
        assert (step.state, step.completed, step.fraction) == ("failed", 2, 0.5)


async def test_drain_loses_them_all() -> None:
    async with rig() as made:
        running, cancelling = Outside(made), Outside(made)
        made.runner.cancel(cancelling.id)
        with anyio.fail_after(1):
            await made.runner.drain(5)
        assert made.states(running.id) == ["queued", "running", "lost"]
        assert made.states(cancelling.id) == ["queued", "running", "cancelling", "lost"]
        with pytest.raises(Draining):
            Outside(made)
        with pytest.raises(Ended):
            running.tell("succeeded")


@mocked
@pytest.mark.parametrize("end", ["line", "lease"])
async def test_who_listens_is_let_go_a_moment_after_the_end(end: str) -> None:
    async with rig(patience=DAY) as made:
        outside = Outside(made, lease=5)
        began = anyio.current_time()
        with anyio.fail_after(60), made.runner.listening(outside.journal) as scope:
            if end == "line":
                outside.tell("succeeded")
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert 0.1 < anyio.current_time() - began - (0 if end == "line" else 5) < 0.5
        with made.runner.listening(outside.journal) as scope:
            await anyio.sleep(60)  # there is nothing that could end any more
        assert not scope.cancelled_caught


async def test_what_runs_here_is_not_for_others_to_report() -> None:
    async def work(report: Reporter) -> None:
        report.update(completed=1)

    async with rig() as made:
        snapshot = await made.run(work)
        with pytest.raises(Conflict):
            made.runner.report(made.bus.journal(snapshot.id))
        assert [event.state for event in made.of(snapshot.id, StateEvent)][-1] == "succeeded"


@pytest.mark.parametrize(
    "params", [{}, {"label": ""}, {"label": "x", "lease": 0.5}, {"label": "x", "lease": 86_401}]
)
async def test_parameters(params: dict[str, object]) -> None:
    async with rig() as made:
        with pytest.raises(InvalidParams):
            made.start("external", **params)
        assert made.heard == []
