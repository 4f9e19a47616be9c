"""An operation that runs here and is shown elsewhere: what pens say becomes lines."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from threading import Barrier, Thread, get_ident
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from progress import Cancelled, Settings
from progress.core.event import StepState
from progress.core.report import SucceededLine
from progress.errors import ReportError
from progress.reporting.away import Away
from progress.runner.reporter import Reporter
from tests.support.durations import durations


@pytest.fixture
def away() -> Away:
    return Away(Settings())


@pytest.fixture
def pen(away: Away) -> Reporter:
    return Reporter(away)


def sent(away: Away) -> list[dict[str, Any]]:
    """All that waits, without its numbers; it is taken."""
    found: list[dict[str, Any]] = []
    while batch := away.batch():
        away.taken(len(batch))
        found += [msgspec.json.decode(line) for line in batch]
    for line in found:
        del line["seq"]
    return found


def test_what_pens_say(away: Away, pen: Reporter) -> None:
    pen.plan(scan=1, copy=9)
    with pen.step("scan", total=2, unit="files") as scan:
        scan.advance(2)
        scan.log("scanned", "debug")
    with pen.step("copy") as copy, copy.step("one", label="The first", weight=2):
        pass
    pen.output({"rows": 3})
    pen.update(message="done")
    top = {"parent": None, "label": "Scan", "weight": 1}
    copy_top = {"parent": None, "label": "Copy", "weight": 9}
    scanned = {"completed": 2, "total": 2, "unit": "files", "message": None}
    assert sent(away) == [
        {"type": "step", "id": "scan", **top, "state": "pending"},
        {"type": "step", "id": "copy", **copy_top, "state": "pending"},
        {"type": "step", "id": "scan", **top},
        {"type": "log", "message": "scanned", "level": "debug", "step": "scan"},
        {"type": "progress", "step": "scan", **scanned},
        {"type": "step", "id": "scan", "state": "succeeded"},
        {"type": "step", "id": "copy", **copy_top},
        {"type": "step", "id": "one", "parent": "copy", "label": "The first", "weight": 2},
        {"type": "step", "id": "one", "state": "succeeded"},
        {"type": "step", "id": "copy", "state": "succeeded"},
        {"type": "output", "data": {"rows": 3}},
        {"type": "progress", "completed": 0, "total": None, "unit": None, "message": "done"},
    ]  # fmt: skip


def test_much_progress_is_one_line(away: Away, pen: Reporter) -> None:
    for _ in pen.track(range(1_000)):
        pass
    assert [line["completed"] for line in sent(away)] == [1_000]
    assert away.is_quiet


def test_what_is_counted_after_a_batch_is_in_the_next_one(away: Away, pen: Reporter) -> None:
    counted = []
    for n in range(1, 6):
        pen.advance()
        counted += [line["completed"] for line in map(msgspec.json.decode, away.batch())][-1:]
        away.taken(1)
        assert counted[-1] == n


def test_what_is_counted_after_a_rest_is_sent_too(away: Away, pen: Reporter) -> None:
    pen.advance()
    assert len(sent(away)) == 1
    assert sent(away) == []
    assert away.is_quiet
    pen.advance()
    assert [line["completed"] for line in sent(away)] == [2]


def test_the_end(away: Away, pen: Reporter) -> None:
    step = pen.step("scan")
    step.advance()
    away.end(StepState.FAILED, SucceededLine(result=Raw(b"1")))
    done = [away.is_done]
    told = [(line["type"], line.get("state")) for line in sent(away)]
    assert told[-2:] == [("step", "failed"), ("succeeded", None)]
    assert ("progress", None) in told
    assert [*done, away.is_done] == [False, True]
    for report in (step.advance, pen.advance, lambda: pen.log("late"), lambda: pen.step("late")):
        with pytest.raises(ReportError):
            report()
    assert sent(away) == []


def test_a_cancel_is_raised_once_in_each_thread(away: Away, pen: Reporter) -> None:
    step = pen.step("scan")
    pen.advance()
    away.batch()
    away.stop("cancelled")
    for _ in range(3):  # threads may have the same identifier, one after the other
        assert in_thread(lambda: raises_once(step.advance))
    assert raises_once(pen.advance)
    assert pen.stopping


def test_a_thread_that_counts_more_often_than_lines_are_sent_is_told(
    away: Away, pen: Reporter
) -> None:
    away.stop("cancelled")
    assert raises_once(pen.advance)
    for _ in range(3):
        pen.advance()
        away.batch()
        pen.advance()
    assert in_thread(lambda: raises_once(pen.advance))


def test_the_loop_thread_is_not_told(away: Away, pen: Reporter) -> None:
    away.loop_thread = get_ident()
    away.stop("cancelled")
    pen.advance()
    assert in_thread(lambda: raises_once(pen.advance))


def test_steps_may_be_opened_while_it_is_stopped(away: Away, pen: Reporter) -> None:
    """Threads open them, and the one that sends goes through them."""
    with ThreadPoolExecutor(4) as threads:
        opened = [threads.submit(open_steps, pen, name) for name in "abc"]
        for _ in range(300):
            away.stop("cancelled")
        assert all(future.result() for future in opened)


def open_steps(pen: Reporter, name: str) -> bool:
    for _ in range(200):
        try:
            pen.step(name)
        except Cancelled:
            continue
    return True


def test_many_threads_lose_no_line(away: Away, pen: Reporter) -> None:
    start = Barrier(5)
    lines: list[dict[str, Any]] = []

    def work(name: int) -> None:
        start.wait()
        with pen.step(f"step {name}") as step:
            for n in range(500):
                step.advance()
                pen.log(f"{name} {n}")

    threads = [Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    start.wait()
    while any(thread.is_alive() for thread in threads):
        lines += sent(away)
    lines += sent(away)
    for name in range(4):
        logged = [line["message"] for line in lines if line["type"] == "log"]
        of_this = [text for text in logged if text.startswith(f"{name} ")]
        assert of_this == [f"{name} {n}" for n in range(500)]
        counted = [
            line["completed"]
            for line in lines
            if line["type"] == "progress" and line["step"] == f"step {name}"
        ]
        assert counted == sorted(counted)
        assert counted[-1] == 500


def test_starting_over_says_all_that_is_known(away: Away, pen: Reporter) -> None:
    pen.plan(later=3)
    with pen.step("outer", total=4) as outer:
        outer.advance(4)
        with outer.step("inner"):
            pass
    pen.update(total=10)
    running = pen.step("running", unit="rows")
    pen.log("hello")
    away.batch()
    away.taken(3)
    running.advance(2)
    away.start_over()
    told = [
        (line.get("id", line.get("step")), line["type"], line.get("state"), line.get("completed"))
        for line in sent(away)
    ]
    assert told == [
        (None, "progress", None, 0),
        ("later", "step", "pending", None),
        ("outer", "step", None, None),
        ("outer", "progress", None, 4),
        ("inner", "step", None, None),
        ("inner", "progress", None, 0),
        ("running", "step", None, None),
        ("inner", "step", "succeeded", None),
        ("outer", "step", "succeeded", None),
        (None, "log", None, None),
        ("running", "progress", None, 2),
    ]


def test_a_result_that_is_refused_is_a_failure(away: Away) -> None:
    away.end(StepState.SUCCEEDED, SucceededLine(result=Raw(b"1")))
    away.batch()
    away.refused("a result has at most 0 bytes")
    error = {"detail": "a result has at most 0 bytes", "type": "too-large", "title": None}
    assert sent(away) == [{"type": "failed", "error": error}]
    assert away.dropped == 1


def test_numbers_rise_from_one_process_to_the_next() -> None:
    """Else what the second one says of the same operation would count as said."""
    numbers = []
    for _ in range(2):
        away = Away(Settings())
        Reporter(away).log("hello")
        numbers += [msgspec.json.decode(line)["seq"] for line in away.batch()]
    assert 0 < numbers[0] < numbers[1] < 2**53


def test_a_report_costs_the_same_however_much_waits(away: Away, pen: Reporter) -> None:
    took = durations(pen, 5_000)
    assert away.dropped
    assert median(took[-1_000:]) < 4 * median(took[:200]), "it has been full, and was empty"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_is_not_caught_in_a_lock_that_nobody_holds(away: Away, pen: Reporter) -> None:
    pen.log("before")
    with away._lock:  # as the thread does that sends
        child = os.fork()
        if not child:
            signal.alarm(5)  # whoever hangs here ends
            pen.log("in the child")
            os._exit(0 if len(away.batch()) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [line["message"] for line in sent(away)] == ["before"]


def raises_once(report: Callable[[], object]) -> bool:
    """Whether the first report raises, and no other."""
    try:
        report()
    except Cancelled:
        report()
        return True
    return False


def in_thread(function: Callable[[], bool]) -> bool:
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function).result(5)
