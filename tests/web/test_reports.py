"""Reports from outside over HTTP: lines, what is wrong with them, and who may send them."""

from __future__ import annotations

import json
import select
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import anyio
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message

from progress import Progress, Settings, Timing
from progress.core.cursor import ZERO
from progress.core.event import LOSSLESS, StateEvent
from progress.core.frames import encode
from tests.support.process import eventually, progress_serve
from tests.support.server import Server
from tests.support.view import View
from tests.support.web import UNKNOWN, check_problem, finish, in_process, request_body, start
from tests.support.wire import Connection, request

NDJSON = {"content-type": "application/x-ndjson"}


def report(client: httpx2.Client, id: str, content: bytes, **headers: str) -> httpx2.Response:
    """Post lines."""
    path = f"/operations/{id}/events"
    return client.post(path, content=content, headers={**NDJSON, **headers})


def begin(client: httpx2.Client, lease: float = 60) -> str:
    """Start an operation that this test runs; return its id."""
    id: str = start(client, "external", label="here", lease=lease)["id"]
    return id


def lines(*given: Mapping[str, object]) -> bytes:
    """As they are on the wire."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in given)


def log(message: str, **more: object) -> dict[str, object]:
    return {"type": "log", "message": message, **more}


def follow(client: httpx2.Client, id: str) -> View:
    """All that is kept of an operation."""
    view = View()
    view.connect()
    headers = {"prefer": "wait=0"}
    view.feed(client.get(f"/operations/{id}/events?after={ZERO}", headers=headers).content)
    return view


def logs(client: httpx2.Client, id: str) -> list[str]:
    view = follow(client, id)
    return [event.message for event in view.lossless.values() if hasattr(event, "message")]


def test_lines_are_taken_and_the_cursor_misses_nothing(client: httpx2.Client) -> None:
    id = begin(client)
    answer = report(client, id, lines({"type": "progress", "completed": 1, "total": 4}, log("a")))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    shown = client.get(f"/operations/{id}").json()
    assert answer.json() == {"taken": 2, "cursor": shown["cursor"], "cancel_requested": False}
    assert (shown["kind"], shown["state"]) == ("external", "running")
    assert shown["params"] == {"label": "here", "lease": 60.0}
    assert shown["progress"]["fraction"] == 0.25


BODIES = [
    (b"", 0),
    (b"\n\n \t\r\n", 0),
    (b'{"type":"log","message":"a"}', 1),
    (b'{"type":"log","message":"a"}\r\n\r\n{"type":"log","message":"b"}\r\n', 2),
    (b' {"type":"log",\t"message":"a"} \n', 1),
    (b'\n\n{"type":"log","message":"a","seq":null}', 1),
]


@pytest.mark.parametrize("media_type", ["x-ndjson", "ndjson", "jsonl", "json; charset=utf-8"])
@pytest.mark.parametrize(("body", "taken"), BODIES)
def test_body(client: httpx2.Client, body: bytes, taken: int, media_type: str) -> None:
    id = begin(client)
    answer = report(client, id, body, **{"content-type": f"application/{media_type}"})
    assert (answer.status_code, answer.json()["taken"]) == (200, taken)
    assert logs(client, id) == ["a", "b"][:taken]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_media_type_that_a_form_can_send(client: httpx2.Client, media_type: str) -> None:
    id = begin(client)
    answer = report(client, id, lines(log("a")), **{"content-type": media_type})
    check_problem(answer, 415, "unsupported-media-type")
    assert answer.headers["accept-post"] == "application/x-ndjson"
    assert logs(client, id) == []


BAD: list[tuple[bytes, int, str]] = [
    (b"nonsense", 422, "invalid-params"),
    (b"[]", 422, "invalid-params"),
    (b"{}", 422, "invalid-params"),
    (b'{"type":"nope"}', 422, "invalid-params"),
    (b'{"type":"state","state":"failed"}', 422, "invalid-params"),
    (b'{"type":"log"}', 422, "invalid-params"),
    (b'{"type":"log","message":"a","level":"loud"}', 422, "invalid-params"),
    (b'{"type":"log","message":"a","else":1}', 422, "invalid-params"),
    (b'{"type":"log","message":"a"}{"type":"log","message":"b"}', 422, "invalid-params"),
    (b'{"type":"log","message":"a"', 422, "invalid-params"),
    (b'\xef\xbb\xbf{"type":"log","message":"a"}', 422, "invalid-params"),
    (b'{"type":"log","message":"\xff"}', 422, "invalid-params"),
    (b'{"type":"log","message":"\\ud800"}', 422, "invalid-params"),
    (b'{"type":"output"}', 422, "invalid-params"),
    (b'{"type":"output","data":"\xff"}', 422, "invalid-params"),
    (b'{"type":"output","data":%b%b}' % (b"[" * 5_000, b"]" * 5_000), 422, "invalid-params"),
    (b'{"type":"succeeded","result":"\xc3"}', 422, "invalid-params"),
    (b'{"type":"succeeded","result":nope}', 422, "invalid-params"),
    (b'{"type":"failed"}', 422, "invalid-params"),
    (b'{"type":"failed","error":{"type":"","detail":"d"}}', 422, "invalid-params"),
    (b'{"type":"failed","error":{"type":"disk"}}', 422, "invalid-params"),
    (b'{"type":"progress","completed":-1}', 422, "invalid-params"),
    (b'{"type":"progress","completed":NaN}', 422, "invalid-params"),
    (b'{"type":"progress","total":1e400}', 422, "invalid-params"),
    (b'{"type":"progress","total":9007199254740994}', 422, "invalid-params"),
    (b'{"type":"progress","completed":null}', 422, "invalid-params"),
    (b'{"type":"progress","completed":true}', 422, "invalid-params"),
    (b'{"type":"step","id":""}', 422, "invalid-params"),
    (b'{"type":"step","id":"a","state":"lost"}', 422, "invalid-params"),
    (b'{"type":"step","id":"a","weight":0}', 422, "invalid-params"),
    (b'{"type":"cancelled","seq":0}', 422, "invalid-params"),
    (b'{"type":"cancelled","seq":1.5}', 422, "invalid-params"),
    (b'{"type":"log","message":"a","step":"nope"}', 409, "conflict"),
    (b'{"type":"progress","step":"nope"}', 409, "conflict"),
    (b'{"type":"step","id":"b","parent":"nope"}', 409, "conflict"),
    (b'{"type":"output","data":"%b"}' % (b"x" * 65_535), 413, "too-large"),
    (b'{"type":"log","message":"%b"}' % (b"x" * 200_000), 413, "too-large"),
    (b" " * 200_000, 413, "too-large"),
]


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize(("bad", "status", "slug"), BAD, ids=lambda value: str(value)[:40])
def test_bad_line_leaves_those_before_it(
    client: httpx2.Client, bad: bytes, status: int, slug: str, before: int
) -> None:
    id = begin(client)
    good = [log(f"line {n}") for n in range(before)]
    body = lines(*good) + b"\r\n" + bad + b"\n" + lines(log("after"), {"type": "succeeded"})
    problem = check_problem(report(client, id, body), status, slug)
    assert (problem["line"], problem["taken"]) == (before + 2, before)
    assert logs(client, id) == [line["message"] for line in good]
    assert client.get(f"/operations/{id}").json()["state"] == "running"


def test_depth(client: httpx2.Client) -> None:
    """What can be read may still be too deep to be written, by a few levels."""
    id = begin(client)
    statuses = set()
    for depth in range(900, 1000):
        line = b'{"type":"output","data":\r%b%b}' % (b"[\r" * depth, b"]" * depth)
        statuses.add(report(client, id, line).status_code)
    assert statuses == {200, 422}


def test_field_that_is_wrong_is_pointed_at(client: httpx2.Client) -> None:
    body = lines({"type": "progress", "completed": "5"})
    problem = check_problem(report(client, begin(client), body), 422, "invalid-params")
    assert [error["pointer"] for error in problem["errors"]] == ["#/completed"]


def test_line_after_the_end(client: httpx2.Client) -> None:
    id = begin(client)
    end = {"type": "succeeded", "result": {"files": 3}}
    problem = check_problem(report(client, id, lines(end, log("more"))), 409, "ended")
    assert (problem["line"], problem["taken"]) == (2, 1)
    for body, line in ((lines(log("more")), 1), (b"\n", None), (b"", None)):
        problem = check_problem(report(client, id, body), 409, "ended")
        assert (problem.get("line"), problem["taken"]) == (line, 0)
    assert follow(client, id).terminal == [id]
    assert client.get(f"/operations/{id}").json()["result"] == {"files": 3}


def test_1001_steps(client: httpx2.Client) -> None:
    id = begin(client)
    body = lines(*({"type": "step", "id": f"s{n}"} for n in range(1001)))
    problem = check_problem(report(client, id, body), 413, "too-large")
    assert (problem["line"], problem["taken"]) == (1001, 1000)


def test_cancel_asks(client: httpx2.Client) -> None:
    id = begin(client)
    assert client.post(f"/operations/{id}/cancel").json()["state"] == "cancelling"
    answer = report(client, id, lines(log("cleaning up"))).json()
    assert (answer["taken"], answer["cancel_requested"]) == (1, True)
    answer = report(client, id, lines({"type": "cancelled"})).json()
    assert (answer["taken"], answer["cancel_requested"]) == (1, False)
    assert client.get(f"/operations/{id}").json()["state"] == "cancelled"


def test_post_that_ended_it_can_be_sent_again(client: httpx2.Client) -> None:
    id = begin(client)
    body = lines(log("a", seq=1), {"type": "failed", "error": "no", "seq": 2})
    first = report(client, id, body)
    again = report(client, id, body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    check_problem(report(client, id, lines(log("b", seq=3))), 409, "ended")
    assert logs(client, id) == ["a"]


def test_who_cannot_be_reported_of(client: httpx2.Client, tight: httpx2.Client) -> None:
    check_problem(report(client, UNKNOWN, lines(log("a"))), 404, "not-found")
    ended = finish(client, "count")["id"]
    for id in (ended, start(client, "wait")["id"]):
        problem = check_problem(report(client, id, lines(log("a"))), 409, "conflict")
        assert problem["taken"] == 0
    evicted, other = begin(tight), begin(tight)
    for id in (evicted, other):
        assert report(tight, id, lines({"type": "succeeded"})).status_code == 200
    check_problem(report(tight, evicted, lines(log("a"))), 410, "expired")


def test_external_elsewhere(client: httpx2.Client) -> None:
    """It is a kind like others: in a list, with a schema, and for who holds a connection."""
    *_, kind = client.get("/kinds").json()["kinds"]
    assert (kind["kind"], kind["params"]["required"]) == ("external", ["label"])
    headers = {"prefer": "respond-async"}
    answer = client.post("/legacy/external", json={"label": "held"}, headers=headers)
    assert answer.status_code == 202
    id = answer.json()["id"]
    assert report(client, id, lines({"type": "succeeded"})).status_code == 200


# Access


def test_stranger_sees_nothing(
    guarded_server: Server, ada: httpx2.Client, bob: httpx2.Client
) -> None:
    id = start(ada, "external", {"owner": "ada"}, label="hers")["id"]
    assert report(ada, id, lines(log("a"))).status_code == 200
    missing = check_problem(report(bob, UNKNOWN, lines(log("a"))), 404, "not-found")
    found = check_problem(report(bob, id, lines(log("b"))), 404, "not-found")
    assert found["detail"].replace(id, UNKNOWN) == missing["detail"]
    with httpx2.Client(base_url=guarded_server.url, timeout=8) as nobody:
        for known in (id, UNKNOWN):
            check_problem(report(nobody, known, lines(log("c"))), 401, "unauthorized")
    assert logs(ada, id) == ["a"]


async def test_report_is_what_the_hook_is_asked_for() -> None:
    asked: list[tuple[str, str | None]] = []

    async def authorize(connection: object, action: str, operation: Any) -> None:
        asked.append((action, operation and operation.id))

    async with in_process(Progress(authorize=authorize)) as client:
        body = request_body("external", {"label": "x"})
        id = (await client.post("/operations", json=body)).json()["id"]
        asked.clear()
        path = f"/operations/{id}/events"
        await client.post(path, content=lines(log("a"), log("b")), headers=NDJSON)
        assert asked == [("report", id)]


# However the lines come

NUMBERS = st.sampled_from([0, 1, 2.5, 7])
STEPS = st.sampled_from(["a", "b", "c"])
MAYBE = partial(st.fixed_dictionaries, {})

LINES: st.SearchStrategy[dict[str, object]] = st.one_of(
    st.builds(
        lambda given, step: {"type": "progress", **given, "step": step},
        MAYBE(optional={"completed": NUMBERS, "total": st.none() | NUMBERS, "unit": st.just("u")}),
        st.none() | STEPS,
    ),
    st.builds(
        lambda id, given: {"type": "step", "id": id, **given},
        STEPS,
        MAYBE(
            optional={
                "parent": st.none() | STEPS,
                "state": st.sampled_from(["pending", "running", "succeeded", "failed"]),
                "label": st.text(max_size=3),
                "weight": st.integers(1, 3),
            }
        ),
    ),
    st.builds(log, st.text(max_size=5)),
    st.builds(lambda data: {"type": "output", "data": data}, st.text(max_size=9)),
)
ENDS = st.sampled_from(
    [{"type": "succeeded", "result": "é"}, {"type": "failed", "error": "no"}, {"type": "cancelled"}]
)


class Wire:
    """An application, spoken to by ASGI itself: a body in chunks, and answers that get lost."""

    def __init__(self, app: Progress) -> None:
        self.app = app
        self.id = app.start("external", label="here", lease=60).id

    async def post(self, chunks: Sequence[bytes], is_lost: bool = False) -> Any:
        """Send a body in pieces; a lost one is not whole. Return the answer, if it came."""
        messages: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
        ]
        end: Message = {"type": "http.request", "body": b"", "more_body": False}
        rest = iter([*messages, {"type": "http.disconnect"} if is_lost else end])
        sent: list[Message] = []

        async def receive() -> Message:
            await anyio.lowlevel.checkpoint()
            return next(rest)

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-type", b"application/x-ndjson")]
        path = f"/operations/{self.id}/events"
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode()}
        more = {"headers": headers, "query_string": b"", "http_version": "1.1", "root_path": ""}
        await self.app({**scope, **more}, receive, send)
        return json.loads(b"".join(message.get("body", b"") for message in sent) or b"null")

    def outcome(self) -> tuple[Any, list[Any]]:
        """The snapshot and the lossless events, without ids, cursors and what a clock says."""
        journal = self.app.bus.journal(self.id)
        snapshot = json.loads(encode(journal.snapshot))
        events = [json.loads(frame.json) for frame in journal.since(0, LOSSLESS)]
        del snapshot["id"]
        for part in (snapshot, snapshot["progress"], *snapshot["steps"], *events):
            for name in CLOCKED:
                part.pop(name, None)
        return snapshot, events


CLOCKED = {"cursor", "operation", "time", "rate", "eta", "elapsed"} | {
    f"{what}_at" for what in ("created", "started", "updated", "finished")
}


def numbered(given: Sequence[dict[str, object]]) -> bytes:
    return lines(*({**line, "seq": seq} for seq, line in enumerate(given, 1)))


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    """A body in pieces, cut at these bytes."""
    ends = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[start:end] for start, end in pairwise(ends)]


async def possible(app: Progress, given: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Those of the lines that may come, each after those before it."""
    wire = Wire(app)
    kept = []
    for line in given:
        answer = await wire.post([lines(line)])
        if answer.get("taken"):
            kept.append(line)
        else:
            assert answer["status"] == 409
    return kept


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=60)
@given(
    asked=st.lists(LINES, max_size=12),
    end=st.none() | ENDS,
    places=st.lists(st.integers(0, 2_000), max_size=8),
    losses=st.lists(st.booleans() | st.integers(0, 2_000), max_size=3),
)
def test_cut_and_sent_again_is_as_sent_once(
    backend: str,
    asked: list[dict[str, object]],
    end: dict[str, object] | None,
    places: list[int],
    losses: list[int],
) -> None:
    """Any lines, cut at any byte; posts of which nothing was heard, complete or not; sent again."""

    async def check() -> None:
        app = Progress(settings=NEVER_DUE)
        async with app.lifespan():
            given = [*await possible(app, asked), *([] if end is None else [end])]
            once, again = Wire(app), Wire(app)
            assert (await once.post([lines(*given)]))["taken"] == len(given)
            body = numbered(given)
            for loss in losses:
                if loss is True:  # all of it came, and the answer did not
                    await again.post(cut(body, places))
                else:
                    await again.post(cut(body[: loss % (len(body) + 1)], places), is_lost=True)
            last = await again.post(cut(body, places))
            assert last["taken"] == len(given) or (not given and not last["taken"])
            await app.runner.drain(0)  # what waits for its turn gets out
            assert again.outcome() == once.outcome()

    anyio.run(check, backend=backend)


NEVER_DUE = Settings(timing=Timing(report=3600.0))
"""What may be passed over then does not depend on how long the posts take."""


# Long ones, over a real server


class Stream:
    """A post that goes on."""

    def __init__(self, port: int, id: str) -> None:
        path = f"/operations/{id}/events"
        headers = {"Content-Type": "application/x-ndjson", "Transfer-Encoding": "chunked"}
        self.connection = Connection(port, request(path, headers, method="POST"))

    def send(self, data: bytes) -> None:
        self.connection.socket.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> Any:
        """End the request; return the answer."""
        self.connection.socket.sendall(b"0\r\n\r\n")
        return self.answer()

    def answer(self) -> Any:
        """What the server says of itself, or after that."""
        return json.loads(self.connection.read())

    @property
    def head(self) -> tuple[int, str | None]:
        response = self.connection.response
        return response.status, response.headers.get("connection")


@contextmanager
def streaming(server: Server, id: str) -> Iterator[Stream]:
    stream = Stream(server.port, id)
    with stream.connection:
        yield stream


def test_line_is_live_before_the_request_has_ended(server: Server, client: httpx2.Client) -> None:
    id = begin(client)
    path = f"/operations/{id}/events"
    with streaming(server, id) as stream, Connection(server.port, request(path)) as viewer:
        view, parts = View(), viewer.body()
        view.connect()

        def until(condition: Callable[[], object]) -> None:
            while not condition():
                view.feed(next(parts))

        until(lambda: view.last_event_id)  # the bookmark: it is live from here on
        stream.send(lines(log("a"))[:9])
        stream.send(lines(log("a"))[9:] + lines(log("b"))[:-1])
        until(lambda: [getattr(event, "message", "") for event in view.lossless.values()] == ["a"])
        stream.send(b"\n" + lines({"type": "progress", "completed": 3}))
        until(lambda: view.snapshots[id].progress.completed == 3)
        assert client.post(f"/operations/{id}/cancel").status_code == 202
        stream.send(lines({"type": "cancelled"}))
        until(lambda: view.terminal)
        assert stream.end()["taken"] == 4
        assert stream.head == (200, None)
    assert view.terminal == [id]
    assert [event.state for event in view.lossless.values() if isinstance(event, StateEvent)] == [
        "cancelling",
        "cancelled",
    ]


@pytest.mark.parametrize("rest", [b"", b'{"type":"succee', b'{"type":"succeeded"}'])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_line_that_is_cut_off_is_not_taken(
    server: Server, client: httpx2.Client, rest: bytes, how: str
) -> None:
    """Not even one that would be whole: nobody knows whether more was to come."""
    id = begin(client)
    with streaming(server, id) as stream:
        stream.send(lines(log("a")) + rest)
        eventually(lambda: logs(client, id) == ["a"])
        if how == "reset":
            stream.connection.reset()
    assert report(client, id, lines(log("b"))).json()["taken"] == 1
    assert logs(client, id) == ["a", "b"]


def test_bad_line_ends_a_stream_that_goes_on(server: Server, client: httpx2.Client) -> None:
    id = begin(client)
    with streaming(server, id) as stream:
        stream.send(lines(log("a")) + b"bad\n" + lines(log("b")))
        problem = stream.answer()
        assert (problem["status"], problem["line"], problem["taken"]) == (422, 2, 1)
        assert stream.head == (422, "close")
        assert stream.connection.socket.recv(1) == b""


@pytest.mark.parametrize("filling", [b" ", b"["])
def test_line_without_end(server: Server, client: httpx2.Client, filling: bytes) -> None:
    """It is refused before its end comes."""
    with streaming(server, begin(client)) as stream:
        stream.send(lines(log("a")) + filling * 140_000)
        problem = stream.answer()
        assert (problem["status"], problem["line"], problem["taken"]) == (413, 2, 1)


def test_stream_to_what_runs_here_is_refused_at_once(server: Server, client: httpx2.Client) -> None:
    with streaming(server, start(client, "wait")["id"]) as stream:
        problem = stream.answer()
        assert (problem["status"], problem["taken"]) == (409, 0)


def test_stream_that_has_ended_it_is_answered_although_it_goes_on(
    server: Server, client: httpx2.Client
) -> None:
    id = begin(client)
    with streaming(server, id) as stream, streaming(server, id) as other:
        other.send(lines(log("a")))
        eventually(lambda: logs(client, id) == ["a"])
        stream.send(lines({"type": "succeeded"}))
        assert stream.answer()["taken"] == 1
        assert stream.head == (200, "close")
        problem = other.answer()
        assert (problem["type"], problem["taken"]) == ("urn:progress:problem:ended", 1)
        assert "line" not in problem
        assert other.head == (409, "close")


def test_blank_lines_keep_it_and_silence_loses_it(server: Server, client: httpx2.Client) -> None:
    id = begin(client, lease=1)
    with streaming(server, id) as stream:
        for _ in range(30):
            stream.send(b"\n")
            readable, _, _ = select.select([stream.connection.socket], [], [], 0.05)
            assert not readable  # there is no answer yet
        assert client.get(f"/operations/{id}").json()["state"] == "running"
        problem = stream.answer()
        assert problem["type"] == "urn:progress:problem:ended"
        assert "lost" in problem["detail"]
    assert client.get(f"/operations/{id}").json()["state"] == "lost"


def test_drain_answers_streams() -> None:
    with (
        progress_serve("tests.support.web_app:app") as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{process.port}", timeout=8) as client,
    ):
        id = begin(client)
        stream = Stream(process.port, id)
        with stream.connection:
            stream.send(lines(log("a")))
            eventually(lambda: logs(client, id) == ["a"])
            process.send(signal.SIGTERM)
            problem = stream.answer()
            assert (problem["status"], problem["taken"]) == (409, 1)
            assert "lost" in problem["detail"]
        code, _ = process.wait(8)
        assert code == 0
        assert "Traceback" not in process.stderr


def test_expect_100_continue(server: Server, client: httpx2.Client) -> None:
    body = lines(log("a"))
    headers = {
        "Content-Type": "application/x-ndjson",
        "Content-Length": str(len(body)),
        "Expect": "100-continue",
    }
    path = f"/operations/{begin(client)}/events"
    with Connection(server.port, request(path, headers, method="POST")) as connection:
        assert connection.socket.recv(4_096).startswith(b"HTTP/1.1 100 ")
        connection.socket.sendall(body)
        assert json.loads(connection.read())["taken"] == 1
