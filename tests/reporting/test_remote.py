"""`progress.remote`: the work goes on, whatever the server does, and says what was not taken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from threading import Event
from typing import Any

import anyio
import pytest
from anyio import to_thread

import progress
from progress import Failure, Reporter, Settings
from progress.errors import ConfigurationError
from progress.reporting import sender
from progress.reporting.away import Away
from tests.examples.client import User
from tests.reporting.puppet import Answer, Puppet, problem, puppet
from tests.support.durations import durations
from tests.support.process import eventually, free_port

AWAY = [
    Answer(500, "<h1>Oh dear</h1>"),
    Answer(502, "<h1>Bad gateway</h1>", {"content-type": "text/html"}),
    problem(429, "busy"),
    problem(503, "draining"),
    Answer(404, "<h1>No such host</h1>"),
    Answer(200, "<h1>Welcome</h1>"),
    Answer(301, "", {"location": "/elsewhere"}),
    Answer(200, is_lost=True),
    Answer(200, is_lost=True, does_take=True),
]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All waits a tenth as long."""
    for name in ("_PACE", "_BACKOFF", "_LAST_BACKOFF"):
        monkeypatch.setattr(sender, name, getattr(sender, name) / 10)


def id_of(report: progress.Reporter) -> str:
    """Its id, once the server has started it."""
    eventually(lambda: report.id)
    return report.id


# What becomes of the work


def test_everything_arrives(user: User) -> None:
    with progress.remote(url_of(user), "backup", lease=30, labels={"owner": "ada"}) as report:
        report.plan(scan=1, copy=3)
        with report.step("scan", total=2, unit="files") as scan:
            for _ in progress.track(range(2)):
                report.log("one")
        with report.step("copy"):
            pass
        report.output({"rows": 3})
        report.result = {"files": scan.completed}
    shown = user.get(report.id)
    assert shown["params"] == {"label": "backup", "lease": 30}
    assert shown["labels"] == {"owner": "ada"}
    assert (shown["state"], shown["result"]) == ("succeeded", {"files": 2})
    steps = [(step["id"], step["state"], step["completed"]) for step in shown["steps"]]
    assert steps == [("scan", "succeeded", 2), ("copy", "succeeded", 0)]
    assert report.url.endswith(f"/operations/{report.id}")
    assert user.logs(report.id) == [("info", "one")] * 2
    assert report.dropped == 0


def test_track_finds_nothing_after_the_block(server: Puppet) -> None:
    with progress.remote(server.url):
        pass
    assert list(progress.track([1])) == [1]


@pytest.mark.parametrize(
    ("error", "state", "slug", "detail"),
    [
        (Failure("outside-root", "no"), "failed", "urn:progress:problem:outside-root", "no"),
        (ValueError("no"), "failed", "urn:progress:problem:exception", "ValueError: no"),
        (ValueError("x" * 100_000), "failed", "urn:progress:problem:exception", None),
        (SystemExit(3), "failed", "urn:progress:problem:exception", "SystemExit: 3"),
        (SystemExit("no"), "failed", "urn:progress:problem:exception", "SystemExit: no"),
        (
            BaseExceptionGroup("", [KeyboardInterrupt(), ValueError("no")]),
            "failed",
            "urn:progress:problem:exception",
            None,
        ),
        (SystemExit(0), "succeeded", None, None),
        (SystemExit(), "succeeded", None, None),
        (KeyboardInterrupt(), "cancelled", None, None),
    ],
)
def test_what_is_raised_ends_it_and_goes_on(
    user: User, error: BaseException, state: str, slug: str | None, detail: str | None
) -> None:
    block = progress.remote(url_of(user))

    def work() -> None:
        with block as report:
            report.step("open")
            raise error

    with pytest.raises(type(error)) as raised:
        work()
    assert raised.value is error
    report = block._pen
    shown = user.get(report.id)
    assert (shown["state"], (shown["error"] or {}).get("type")) == (state, slug)
    assert detail is None or shown["error"]["detail"] == detail
    assert shown["steps"][0]["state"] == state


@pytest.mark.parametrize("value", [object(), {"x": float("nan")}.keys()])
def test_a_result_without_a_json_form(server: Puppet, value: object) -> None:
    with progress.remote(server.url) as report, pytest.raises(TypeError):
        report.result = value


def test_a_result_that_is_too_large(server: Puppet) -> None:
    with progress.remote(server.url) as report, pytest.raises(Failure, match="at most"):
        report.result = "x" * 70_000


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("localhost:8000", {}),
        ("ftp://localhost", {}),
        ("http://", {}),
        ("http://localhost", {"lease": 0.5}),
        ("http://localhost", {"lease": float("nan")}),
        ("http://localhost", {"patience": -1}),
        ("http://localhost", {"patience": float("inf")}),
        ("http://localhost", {"token": "of a file\n"}),
        ("http://localhost", {"token": "ä"}),
    ],
)
def test_what_it_cannot_be_asked(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        progress.remote(url, **options)


def test_it_begins_at_once(server: Puppet) -> None:
    """What takes long, its thread does: the certificates, the connection."""
    with within(0.02):
        block = progress.remote(server.url)
        report = block.__enter__()
        report.log("hello")
    block.__exit__(None, None, None)
    assert server.told("log")


# What becomes of the server


@pytest.mark.parametrize("answer", AWAY, ids=lambda answer: f"{answer.status} {answer.is_lost}")
def test_a_post_is_tried_again(server: Puppet, answer: Answer) -> None:
    server.to_reports += [answer] * 2
    with progress.remote(server.url) as report:
        for n in range(3):
            report.log(str(n))
    assert [line["message"] for line in server.told("log")] == ["0", "1", "2"]
    assert len(server.told("succeeded")) == 1
    assert report.dropped == 0
    assert len(server.starts) == 1


@pytest.mark.parametrize(
    "answer",
    [answer for answer in AWAY if answer.status >= 429 or answer.is_lost],
    ids=lambda answer: f"{answer.status} {answer.is_lost}",
)
def test_a_start_is_tried_again_with_the_same_key(server: Puppet, answer: Answer) -> None:
    server.to_start += [answer] * 2
    with progress.remote(server.url) as report:
        report.log("hello")
    server.wait_for("succeeded")
    assert len(server.keys) == 3
    assert len(set(server.keys)) == 1
    assert report.dropped == 0


@pytest.mark.parametrize(
    "answer",
    [problem(401, "unauthorized"), problem(422, "invalid-params"), Answer(404, "<h1>?</h1>")],
    ids=lambda answer: str(answer.status),
)
def test_a_start_that_is_rejected(
    server: Puppet, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no sense in waiting, and none in trying again."""
    server.to_start += [answer]
    with within(2), progress.remote(server.url, patience=60) as report:
        report.log("hello")
        report.step("one")
    assert server.posts == []
    assert report.dropped == 4, "the log line, the step's begin and end, and the operation's"
    assert "has not taken 4 reports" in caplog.text
    assert report.url == server.url


def test_a_token(server: Puppet) -> None:
    with progress.remote(server.url, token="secret") as report:
        report.log("hello")
    assert server.tokens == {"Bearer secret"}


def test_retry_after(server: Puppet) -> None:
    server.to_reports.append(problem(429, "busy")._replace(fields={"retry-after": "1"}))
    began = time.monotonic()
    with progress.remote(server.url) as report:
        report.log("hello")
        server.wait_for("log")
    assert 1 <= time.monotonic() - began < 5


def test_the_end_does_not_wait_for_the_next_try(
    server: Puppet, caplog: pytest.LogCaptureFixture
) -> None:
    server.to_reports.append(problem(503, "draining")._replace(fields={"retry-after": "60"}))
    with within(5), progress.remote(server.url) as report:
        report.log("hello")
        eventually(lambda: "cannot be reported to" in caplog.text)
    assert server.told("log")
    assert report.dropped == 0


def test_nobody_is_there(caplog: pytest.LogCaptureFixture) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with within(3), progress.remote(url, patience=0.3) as report:
        report.log("hello")
    assert report.dropped == 2
    assert caplog.text.count("cannot be reported to") == 1
    assert "has not taken 2 reports" in caplog.text


def test_a_server_that_comes_later() -> None:
    port = free_port()
    with progress.remote(f"http://127.0.0.1:{port}", patience=0.1) as report:
        report.log("early")
        with puppet(port) as server:
            server.wait_for("log", message="early")
    assert report.dropped == 1, "the end: the server has gone before it"


def test_a_server_that_hangs(server: Puppet, caplog: pytest.LogCaptureFixture) -> None:
    """Reports take no longer than without it, and the end is not waited for for ever."""
    with within(3), progress.remote(server.url, patience=0.2) as report:
        server.go_on.clear()
        report.log("first")
        took = durations(report, 2_000)
    alone = durations(Reporter(Away(Settings())), 2_000)
    assert median(took) < 4 * median(alone), "as if there were no server at all"
    assert report.dropped == 2_000 + 3, "all log lines, the last progress, and the end"
    assert "has not taken" in caplog.text
    server.go_on.set()


def test_a_late_answer_ends_nothing(server: Puppet, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes when its reporter has given up: its thread ends without an error."""
    errors: list[object] = []
    monkeypatch.setattr("threading.excepthook", errors.append)
    with progress.remote(server.url, patience=0.1) as report:
        report.log("first")
        server.wait_for("log")
        server.go_on.clear()
        posts = len(server.posts)
        report.log("second")
        eventually(lambda: len(server.posts) > posts)
    block = sending()
    server.go_on.set()
    for thread in block:
        thread.join(5)
    assert not errors
    assert report.dropped == 2


def test_a_restart(caplog: pytest.LogCaptureFixture) -> None:
    """The next operation knows all steps; what was waiting is said, and not counted as lost."""
    port = free_port()
    with progress.remote(f"http://127.0.0.1:{port}", patience=0.1) as report:
        with puppet(port) as first:
            with report.step("scan", total=2) as scan:
                scan.advance(2)
            first.wait_for("step", id="scan", state="succeeded")
        report.log("meanwhile")
        with puppet(port) as second:
            second.to_reports.append(problem(404, "not-found"))
            second.wait_for("log", message="meanwhile")
            second.wait_for("step", id="scan", state="succeeded")
            assert second.wait_for("progress", step="scan")["completed"] == 2
            assert len(second.starts) == 1
            report.result = 7
            numbers = [line["seq"] for line in second.lines]
            assert numbers == sorted(set(numbers))
    assert "starting it again" in caplog.text
    assert "it goes on as" in caplog.text
    assert report.dropped == 1


@pytest.mark.parametrize(
    "gone", [problem(404, "not-found"), problem(410, "expired"), problem(409, "ended")]
)
def test_an_operation_that_is_gone_is_started_again(server: Puppet, gone: Answer) -> None:
    with progress.remote(server.url) as report:
        report.log("before")
        server.wait_for("log")
        server.to_reports.append(gone)
        server.to_start.append(Answer(404, "<h1>No such host</h1>"))
        report.log("after")
        server.wait_for("log", message="after")
    assert [line["message"] for line in server.told("log")] == ["after"]
    assert len(server.told("succeeded")) == 1
    assert len(server.starts) == 3
    assert report.dropped == 0


def test_it_is_not_started_again_and_again_at_once(
    server: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if each request came to another server."""
    windows: list[float] = []

    def uniform(low: float, high: float) -> float:
        windows.append(high)
        return low

    monkeypatch.setattr(sender, "uniform", uniform)
    server.to_reports += [problem(404, "not-found")] * 5
    with progress.remote(server.url) as report:
        report.log("hello")
        server.wait_for("log")
    assert windows == sorted(windows)
    assert len(set(windows)) == 5


@pytest.mark.parametrize("gone", [problem(404, "not-found"), problem(409, "ended")])
def test_an_operation_of_others_is_not_started_again(server: Puppet, gone: Answer) -> None:
    server.to_reports.append(gone)
    with within(2), progress.remote(f"{server.url}/operations/given") as report:
        report.log("hello")
        eventually(lambda: server.posts)
    assert server.starts == []
    assert report.dropped >= 1


def test_lines_that_are_refused(server: Puppet, caplog: pytest.LogCaptureFixture) -> None:
    """They are counted, the first one is told of, and the others go on."""
    server.go_on.clear()
    with progress.remote(server.url) as report:
        for n in range(4):
            report.log(str(n))
        server.to_reports += [
            problem(422, "invalid-params", line=1, taken=0),
            problem(413, "too-large", line=1, taken=0),
            problem(409, "conflict", line=1, taken=0),
        ]
        server.go_on.set()
    assert [line["message"] for line in server.told("log")] == ["3"]
    assert len(server.told("succeeded")) == 1
    assert report.dropped == 3
    assert caplog.text.count("has not taken a report") == 1


def test_the_lease_is_renewed(server: Puppet) -> None:
    """By posts without a line, if there is nothing to say, and again after one that failed."""
    with progress.remote(server.url, lease=1):
        eventually(lambda: len([post for post in server.posts if not post]) >= 2)
        server.to_reports.append(Answer(500))
        posts, began = len(server.posts), time.monotonic()
        eventually(lambda: len(server.posts) >= posts + 2)
        assert time.monotonic() - began < 0.6


def test_two_processes_one_after_the_other(user: User) -> None:
    """The second one reports of the operation that the first one was killed at."""
    id = user.start("external", label="there")
    first = progress.remote(f"{url_of(user)}/operations/{id}", patience=0)
    report = first.__enter__()
    report.log("first")
    eventually(lambda: not first._away.batch())
    with progress.remote(f"{url_of(user)}/operations/{id}") as again:
        again.log("second")
    assert [message for _, message in user.logs(id)] == ["first", "second"]
    assert user.get(id)["state"] == "succeeded"
    first.__exit__(None, None, None)


# Cancelled


def test_a_cancel_under_with(user: User) -> None:
    with progress.remote(url_of(user), lease=1) as report:
        user.cancel(id_of(report))
        for _ in report.track(forever()):
            pass
        pytest.fail("it was cancelled")
    assert user.get(report.id)["state"] == "cancelled"
    assert report.stopping


def test_a_cancel_that_comes_when_all_is_done(server: Puppet) -> None:
    with progress.remote(server.url) as report:
        report.log("hello")
        server.wait_for("log")
        server.cancel_requested = True
    assert len(server.told("succeeded")) == 1


async def test_async(user: User) -> None:
    async with progress.remote(url_of(user)) as report:
        with report.step("one") as one:
            async for _ in report.track(several()):
                one.advance()
        await to_thread.run_sync(report.log, "from a thread")
        report.result = 7
    assert user.get(report.id)["result"] == 7
    assert user.logs(report.id) == [("info", "from a thread")]


async def test_a_cancel_under_async_with(user: User) -> None:
    async with progress.remote(url_of(user), lease=1) as report:
        await to_thread.run_sync(id_of, report)
        user.cancel(report.id)
        await anyio.sleep(5)
        pytest.fail("it was cancelled")
    with anyio.fail_after(2):
        await anyio.lowlevel.checkpoint()
    assert user.get(report.id)["state"] == "cancelled"


async def test_a_cancel_in_a_thread_of_async_with(user: User) -> None:
    def work(report: progress.Reporter) -> None:
        user.cancel(id_of(report))
        for _ in report.track(forever()):
            pass

    async with progress.remote(url_of(user), lease=1) as report:
        await to_thread.run_sync(work, report)
        pytest.fail("it was cancelled")
    assert user.get(report.id)["state"] == "cancelled"


async def test_a_cancel_of_a_task_group(user: User) -> None:
    async with progress.remote(url_of(user), lease=1) as report:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            await to_thread.run_sync(id_of, report)
            user.cancel(report.id)
    assert user.get(report.id)["state"] == "cancelled"


async def test_a_cancel_from_outside_goes_on(user: User) -> None:
    with anyio.move_on_after(5) as scope:
        async with progress.remote(url_of(user)) as report:
            await to_thread.run_sync(id_of, report)
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert user.get(report.id)["state"] == "cancelled"


async def test_an_exception_under_async_with(user: User) -> None:
    block = progress.remote(url_of(user))

    async def work() -> None:
        async with block, anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            raise Failure("outside-root", "no")

    with pytest.raises(ExceptionGroup):
        await work()
    shown = user.get(block._pen.id)
    assert (shown["state"], shown["error"]["detail"]) == ("failed", "no")


async def test_a_loop_that_is_busy_is_cancelled_when_it_is_free(user: User) -> None:
    went_on = False
    async with progress.remote(url_of(user), lease=1) as report:
        user.cancel(id_of(report))  # which blocks
        eventually(lambda: report.stopping)
        report.log("that goes on")
        went_on = True
        await anyio.sleep(5)
        pytest.fail("it was cancelled")
    assert went_on, "no report raises in the loop's thread"
    assert user.get(report.id)["state"] == "cancelled"


async def test_the_loop_runs_while_the_end_is_waited_for(server: Puppet) -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await anyio.sleep(0.01)
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(turn)
        async with progress.remote(server.url, patience=0.5):
            server.go_on.clear()
        tasks.cancel_scope.cancel()
    assert turns > 10
    server.go_on.set()


def url_of(user: User) -> str:
    return str(user._http.base_url).rstrip("/")


def sending() -> list[Any]:
    """The threads that send."""
    import threading

    return [thread for thread in threading.enumerate() if thread.name == "progress reporting"]


def forever() -> Iterator[int]:
    """Numbers, until somebody has had enough."""
    stop, began = Event(), time.monotonic()
    while time.monotonic() - began < 8:
        yield 1
        stop.wait(0.001)


async def several() -> Any:
    for n in range(3):
        yield n


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The block takes no longer."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds
