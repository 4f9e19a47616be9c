"""What waits to be sent: its order, its numbers, its bound; and what is lost is counted."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec import Raw

from progress.core.event import StepState
from progress.core.report import (
    Line,
    LogLine,
    OutputLine,
    ProgressLine,
    StepLine,
    SucceededLine,
)
from progress.reporting.outbox import Outbox

BYTES = 1_048_576
"""That wait at most of what may be dropped."""


def read(lines: list[bytes]) -> list[dict[str, Any]]:
    """The lines as the server reads them, which takes them all."""
    for line in lines:
        msgspec.json.decode(line, type=Line)
    return [msgspec.json.decode(line) for line in lines]


def messages(outbox: Outbox) -> list[str]:
    """The log lines of the next batch."""
    return [line["message"] for line in read(outbox.batch()) if line["type"] == "log"]


def test_lines_are_numbered_in_order() -> None:
    outbox = Outbox(100)
    outbox.put(StepLine(id="scan"))
    outbox.put(LogLine(message="hello", step="scan"))
    assert read(outbox.batch()) == [
        {"type": "step", "seq": 101, "id": "scan"},
        {"type": "log", "seq": 102, "message": "hello", "step": "scan"},
    ]


def test_a_batch_repeated_has_the_same_numbers() -> None:
    outbox = Outbox()
    outbox.put(LogLine(message="one"))
    first = outbox.batch()
    outbox.put(LogLine(message="two"))
    assert outbox.batch()[:1] == first
    outbox.taken(1)
    outbox.put(LogLine(message="three"))
    assert [(line["seq"], line["message"]) for line in read(outbox.batch())] == [
        (2, "two"),
        (3, "three"),
    ]


def test_newer_progress_takes_the_place_of_older() -> None:
    outbox = Outbox()
    outbox.put(ProgressLine(completed=1))
    outbox.put(ProgressLine(step="scan", completed=1))
    outbox.put(LogLine(message="between"))
    outbox.put(ProgressLine(completed=2))
    told = [
        (line["type"], line.get("step"), line.get("completed")) for line in read(outbox.batch())
    ]
    assert told == [("progress", "scan", 1), ("log", None, None), ("progress", None, 2)]
    assert outbox.dropped == 0


def test_progress_on_its_way_stays() -> None:
    outbox = Outbox()
    outbox.put(ProgressLine(completed=1))
    first = outbox.batch()
    outbox.put(ProgressLine(completed=2))
    assert outbox.batch()[0] == first[0]
    assert len(outbox) == 2


def test_batches_are_bounded() -> None:
    outbox = Outbox()
    for number in range(1_001):
        outbox.put(LogLine(message=str(number)))
    assert len(outbox.batch()) == 1_000
    outbox.taken(1_000)
    outbox.taken(1)
    assert messages(outbox) == ["1000"]
    outbox.taken(1)
    for _ in range(5):
        outbox.put(OutputLine(data=Raw(msgspec.json.encode("x" * 65_000))))
    assert len(outbox.batch()) == 4
    outbox.give_up()
    outbox.put(LogLine(message="x" * 300_000))
    assert len(outbox.batch()) == 1, "a line that is over the bound goes alone"


def test_without_room_the_oldest_logs_and_outputs_go() -> None:
    outbox = Outbox()
    outbox.put(StepLine(id="scan"))
    for number in range(3_000):
        outbox.put(LogLine(message=f"{number} {'x' * 1_000}"))
    outbox.put(SucceededLine())
    kept = []
    while lines := read(outbox.batch()):
        kept += lines
        outbox.taken(len(lines))
    assert (kept[0]["type"], kept[-1]["type"]) == ("step", "succeeded")
    numbers = [int(line["message"].split()[0]) for line in kept[1:-1]]
    assert numbers == list(range(outbox.dropped, 3_000))
    assert BYTES * 0.9 < sum(len(msgspec.json.encode(line)) for line in kept) < BYTES * 1.1


def test_what_is_on_its_way_is_not_dropped() -> None:
    outbox = Outbox()
    outbox.put(LogLine(message="first"))
    outbox.batch()
    for _ in range(2_000):
        outbox.put(LogLine(message="x" * 1_000))
    assert outbox.dropped > 0
    assert messages(outbox)[0] == "first"


def test_refused_lines_are_counted_and_the_rest_stands() -> None:
    outbox = Outbox()
    for message in ("good", "bad", "after"):
        outbox.put(LogLine(message=message))
    outbox.batch()
    outbox.taken(1)
    refused = outbox.refused()
    assert isinstance(refused, LogLine)
    assert refused.message == "bad"
    assert outbox.dropped == 1
    assert messages(outbox) == ["after"]


def test_an_answer_to_a_batch_that_is_no_more_changes_nothing() -> None:
    """The server answers when the reporter has given up, or more lines than it was sent."""
    outbox = Outbox()
    outbox.put(LogLine(message="one"))
    outbox.batch()
    outbox.give_up()
    outbox.put(LogLine(message="two"))
    outbox.taken(1)
    assert outbox.refused() is None
    assert messages(outbox) == ["two"]
    outbox.taken(7)
    assert (len(outbox), outbox.dropped) == (0, 1)


def test_starting_over() -> None:
    """First what is known of the steps, then what waits, without what it says already."""
    outbox = Outbox()
    outbox.put(StepLine(id="scan"))
    outbox.put(LogLine(message="one", step="scan"))
    outbox.put(ProgressLine(step="scan", completed=1))
    outbox.put(SucceededLine())
    outbox.batch()
    state: list[Line] = [
        StepLine(id="scan"),
        ProgressLine(step="scan", completed=2),
        StepLine(id="scan", state=StepState.SUCCEEDED),
    ]
    outbox.start_over(state)
    outbox.taken(2)  # what the old one had answered
    lines = read(outbox.batch())
    told = [(line["type"], line.get("completed")) for line in lines]
    assert told == [
        ("step", None),
        ("progress", 2),
        ("step", None),
        ("log", None),
        ("succeeded", None),
    ]
    numbers = [line["seq"] for line in lines]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    assert outbox.dropped == 0


def test_a_put_costs_the_same_when_all_is_full() -> None:
    """Without room each line drops one; nothing looks through all of them."""
    empty, full = Outbox(), Outbox()
    for index in range(10_000):
        full.put(StepLine(id=f"step {index}", label="x" * 200))
    assert median(put_for(full)) < 4 * median(put_for(empty))


def put_for(outbox: Outbox) -> list[float]:
    """Put a thousand lines; return what each took, in seconds."""
    took = []
    for _ in range(1_000):
        before = time.perf_counter()
        outbox.put(LogLine(message="x"))
        took.append(time.perf_counter() - before)
    return took


class Model(RuleBasedStateMachine):
    """Log lines against a list: what the server has, what waits, and what is counted as dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox()
        self.put = 0
        self.server: dict[int, str] = {}
        self.lost = 0
        self.posted: list[dict[str, Any]] = []

    @rule(size=st.sampled_from([10, 50_000, 400_000]), step=st.sampled_from([None, "a"]))
    def report(self, size: int, step: str | None) -> None:
        self.put += 1
        self.outbox.put(LogLine(message=f"{self.put} {'x' * size}"))
        self.outbox.put(ProgressLine(step=step, completed=self.put))

    @rule(keep=st.integers(0, 20), answered=st.booleans())
    def post(self, keep: int, answered: bool) -> None:
        """The server takes some lines, or all, and perhaps its answer is lost."""
        self.posted = read(self.outbox.batch())
        taken = self.posted[:keep]
        for line in taken:
            self._take(line)
        if answered:
            self.outbox.taken(len(taken))

    @precondition(lambda self: self.posted)
    @rule()
    def refuse(self) -> None:
        self.posted = read(self.outbox.batch())
        if self.posted and self.posted[0]["seq"] not in self.server:
            line = self.outbox.refused()
            self.lost += isinstance(line, ProgressLine)

    def _take(self, line: dict[str, Any]) -> None:
        if line["seq"] in self.server:
            assert self.server[line["seq"]] == text(line), "a number stands for one line"
        else:
            assert line["seq"] > max(self.server, default=0)
            self.server[line["seq"]] = text(line)

    @invariant()
    def none_comes_twice_or_out_of_order(self) -> None:
        numbers = [int(text) for text in self.server.values() if text.isdecimal()]
        assert numbers == sorted(set(numbers))

    def teardown(self) -> None:
        while lines := read(self.outbox.batch()):
            for line in lines:
                self._take(line)
            self.outbox.taken(len(lines))
        logs = [text for text in self.server.values() if text.isdecimal()]
        assert len(logs) + self.outbox.dropped == self.put + self.lost


def text(line: dict[str, Any]) -> str:
    """What tells one line from the others."""
    if line["type"] == "log":
        return str(line["message"]).split()[0]
    return f"{line.get('step')}={line['completed']}"


TestModel = pytest.mark.timeout(60)(Model.TestCase)
