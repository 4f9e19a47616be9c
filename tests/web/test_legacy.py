"""`/legacy/{kind}`: one connection, interims for who asks for them, and one final answer."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Mapping

import pytest

from tests.support.process import Process, eventually, progress_serve
from tests.support.wire import Answer, Connection, ask, request, snapshot, start

APP = "tests.support.app:app"
WISH = {"Prefer": "processing; max=20; interval=1"}
PROCESSING = {"Prefer": "processing"}
H2C = {"Upgrade": "h2c", "Connection": "Upgrade"}
CHUNKED = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with progress_serve(APP, "--interim", "direct", "--log-level", "error") as process:
        yield process


def asked(
    kind: str,
    headers: Mapping[str, str] | None = None,
    /,
    *,
    method: str = "POST",
    version: str = "1.1",
    **params: object,
) -> bytes:
    """The bytes of a request that runs a kind."""
    body = json.dumps(params).encode()
    return request(f"/legacy/{kind}", headers, method=method, version=version, body=body)


def held(
    server: Process,
    kind: str,
    headers: Mapping[str, str] | None = None,
    /,
    *,
    method: str = "POST",
    version: str = "1.1",
    **params: object,
) -> tuple[Answer, list[dict[str, str]]]:
    """Run a kind; return the final answer and the fields of the interims."""
    data = asked(kind, headers, method=method, version=version, **params)
    with Connection(server.port, data) as connection:
        content = connection.read()
        response = connection.response
        assert response.complete
        assert not response.rest
    assert {status for status, _ in response.interims} <= {102}
    return Answer(response, content), [fields for _, fields in response.interims]


def done(value: str) -> int:
    """The first number of a `Progress` field."""
    return int(value.partition("/")[0])


@pytest.mark.parametrize("method", ["POST", "COPY", "MOVE"])
def test_interims_and_the_answer(server: Process, method: str) -> None:
    """The first says where; the numbers rise; the last one is the whole."""
    answer, interims = held(server, "count", WISH, method=method, to=25, interval=0.1)
    assert answer.status == 200
    assert answer.json == {"counted": 25}
    assert answer.headers["progress"] == "25/25"
    assert answer.headers["preference-applied"] == "processing"
    assert answer.headers["vary"] == "Prefer"
    first, *others = interims
    assert len(others) in (2, 3)
    assert ["location" in fields for fields in others] == [False] * len(others)
    numbers = [done(fields["progress"]) for fields in interims]
    assert numbers == sorted(numbers)
    assert numbers[-1] > 0
    found = snapshot(server.port, first["location"].removeprefix("/operations/"))
    assert found["result"] == answer.json


def test_the_usual_marks(server: Process) -> None:
    """At once, then by quarters, at least a second apart."""
    answer, interims = held(server, "until", PROCESSING, total=8, step=0.5)
    assert answer.status == 204
    assert [fields["progress"] for fields in interims][1:] == [
        '2/8 "at it"',
        '4/8 "at it"',
        '6/8 "at it"',
    ]
    assert answer.headers["progress"] == '8/8 "at it"'


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({}, "1.1"),
        (PROCESSING, "1.0"),
        ({"Prefer": 'handling=processing, x="processing"'}, "1.1"),
        ({**PROCESSING, "Via": "1.1 a"}, "1.1"),
        ({**PROCESSING, "Via": "1.1 a, 1.0 b"}, "1.1"),
        ({**PROCESSING, "X-Forwarded-For": "192.0.2.1"}, "1.1"),
        ({**PROCESSING, "X-Forwarded-Port": "80"}, "1.1"),
        ({**PROCESSING, "X-Real-IP": "192.0.2.1"}, "1.1"),
        ({**PROCESSING, "Forwarded": "for=192.0.2.1"}, "1.1"),
    ],
)
def test_who_is_sent_none(server: Process, headers: Mapping[str, str], version: str) -> None:
    """The answer is the same, and does not say that the preference was heeded."""
    answer, interims = held(server, "count", headers, version=version, to=3)
    assert (answer.status, answer.json, interims) == (200, {"counted": 3}, [])
    assert "processing" not in answer.headers.get("preference-applied", "")


def test_off_unless_the_operator_says_so() -> None:
    with progress_serve(APP) as server:
        answer, interims = held(server, "count", PROCESSING, to=3)
        assert (answer.status, interims) == (200, [])
        assert "preference-applied" not in answer.headers


def test_through_proxies() -> None:
    """Never more than four, and none where one of them speaks HTTP/1.0 (RFC 9110 §15.2)."""
    with progress_serve(APP, "--interim", "proxied") as server:
        via = {**WISH, "Via": "1.1 a, HTTP/1.1 b"}
        answer, interims = held(server, "count", via, to=55, interval=0.1)
        assert (answer.status, len(interims)) == (200, 4)
        for old in ("1.0 a", "1.1 a, HTTP/1.0 b", "1.1 a,1.0 b (c)"):
            assert held(server, "count", {**PROCESSING, "Via": old}, to=3)[1] == []


def test_something_was_made(server: Process) -> None:
    """201 with its place (RFC 9110 §15.3.2), as a URI reference whatever the author wrote."""
    answer, _ = held(server, "make", location="/files/a b\r\nX: ü", result=5)
    assert (answer.status, answer.json) == (201, 5)
    assert answer.headers["location"] == "/files/a%20b%0D%0AX:%20%C3%BC"
    answer, _ = held(server, "make", location="../b%20c?d#e")
    assert (answer.status, answer.content) == (201, b"")
    assert answer.headers["location"] == "../b%20c?d#e"


def test_everybody_else_sees_what_was_made(server: Process) -> None:
    id = start(server.port, "make", location="/a", result=1)["id"]
    eventually(lambda: snapshot(server.port, id)["finished_at"] is not None)
    assert snapshot(server.port, id)["result"] == {"created": "/a", "result": 1}


@pytest.mark.parametrize(
    ("kind", "status", "slug"), [("exception", 500, "exception"), ("no-disk", 500, "no-disk")]
)
def test_a_failure_is_its_problem(server: Process, kind: str, status: int, slug: str) -> None:
    answer, _ = held(server, "fail", PROCESSING, kind=kind)
    assert answer.status == answer.json["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["type"] == f"urn:progress:problem:{slug}"
    assert answer.json["detail"]


def test_a_cancelled_one(server: Process) -> None:
    with Connection(server.port, asked("wait", PROCESSING)) as connection:
        while not connection.response.interims:
            connection.response.feed(connection.socket.recv(65_536))
        [(_, fields)] = connection.response.interims
        ask(server.port, f"{fields['location']}/cancel", method="POST")
        problem = json.loads(connection.read())
    assert connection.response.status == problem["status"] == 409
    assert problem["type"] == "urn:progress:problem:cancelled"


@pytest.mark.parametrize("prefer", ["wait=1", "wait=1, respond-async", "respond-async, wait=1"])
def test_when_the_time_is_over(server: Process, prefer: str) -> None:
    """202, and where the rest can be followed: the same place that the interim told."""
    began = time.monotonic()
    answer, [first] = held(server, "wait", {"Prefer": f"processing, {prefer}"})
    assert 1 <= time.monotonic() - began < 5
    assert answer.status == 202
    assert answer.headers["location"] == first["location"] == answer.json["links"]["self"]
    heeded = {"processing", "wait=1"} | ({"respond-async"} if "respond" in prefer else set())
    assert set(answer.headers["preference-applied"].split(", ")) == heeded
    assert answer.headers["retry-after"]
    assert '/events>; rel="urn:progress:rel:events"' in answer.headers["link"]


def test_respond_async(server: Process) -> None:
    """RFC 7240 §4.1: at once."""
    answer, interims = held(server, "wait", {"Prefer": "respond-async, processing"})
    assert (answer.status, interims) == (202, [])
    assert answer.headers["preference-applied"] == "respond-async"


def test_who_leaves_does_not_stop_it(server: Process) -> None:
    with Connection(server.port, asked("count", PROCESSING, to=20, interval=0.05)) as connection:
        while not connection.response.interims:
            connection.response.feed(connection.socket.recv(65_536))
        [(_, fields)] = connection.response.interims
    id = fields["location"].removeprefix("/operations/")
    eventually(lambda: snapshot(server.port, id)["state"] == "succeeded")


@pytest.mark.parametrize("kind", ["wait", "tidy"])
def test_a_server_that_stops_answers(kind: str) -> None:
    """Once, with the operation's end, also if that takes a moment."""
    with progress_serve(APP, "--interim", "direct", "--set", "timing.grace=4") as server:
        with Connection(server.port, asked(kind, PROCESSING)) as connection:
            while not connection.response.interims:
                connection.response.feed(connection.socket.recv(65_536))
            server.popen.send_signal(signal.SIGTERM)
            problem = json.loads(connection.read())
            assert connection.response.status == 503
            assert problem["type"] == "urn:progress:problem:shutdown"
            assert connection.response.rest + connection.socket.recv(1) == b""
        assert server.popen.wait(10) == 0


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("/legacy/count", method="PUT", body=b"{}"), 405),
        (request("/legacy/count"), 405),
        (asked("nothing"), 404),
        (asked("count", to="many"), 422),
        (request("/legacy/count", method="POST", body=b"{"), 400),
        (request("/legacy/count", {"Content-Type": "text/plain"}, method="POST"), 415),
        (request("/legacy/count", H2C, method="POST", body=b'{"to": 1}'), 400),
        (
            request("/legacy/count", {**H2C, **CHUNKED}, method="POST") + b"2\r\n{}\r\n0\r\n\r\n",
            400,
        ),
    ],
)
def test_bad_requests(server: Process, data: bytes, status: int) -> None:
    before = len(ask(server.port, "/operations").json["operations"])
    with Connection(server.port, data) as connection:
        problem = json.loads(connection.read())
    assert connection.response.status == problem["status"] == status
    assert not connection.response.interims
    assert len(ask(server.port, "/operations").json["operations"]) == before
    for error in problem.get("errors", ()):
        assert error["pointer"] == "#/to"  # the body is the parameters


def test_the_same_key_is_the_same_operation(server: Process) -> None:
    """Also while the first is still held."""
    headers = {"Idempotency-Key": '"one"', **PROCESSING}
    data = asked("count", headers, to=10, interval=0.1)
    with Connection(server.port, data) as first, Connection(server.port, data) as second:
        results = [first.read(), second.read()]
        places = {c.response.interims[0][1]["location"] for c in (first, second)}
    assert results == [b'{"counted":10}'] * 2
    assert len(places) == 1


def test_all_ways_of_waiting_end_alike(server: Process) -> None:
    """Holding, polling, long polling: the same snapshot, and the same progress."""
    answer, [first, *_] = held(server, "count", PROCESSING, to=15, interval=0.1)
    path = first["location"]
    polled = ask(server.port, path)
    tag = polled.headers["etag"]
    assert ask(server.port, path, {"If-None-Match": tag, "Prefer": "wait=1"}).status == 304
    assert polled.json["result"] == answer.json
    assert polled.headers["progress"] == answer.headers["progress"]
    with Connection(server.port, request(f"{path}/events")) as connection:
        events = connection.read().decode().split("\n\n")
    [shown] = [event for event in events if event.startswith("event: snapshot")]
    streamed = json.loads(shown.partition("data: ")[2])["snapshot"]
    links = polled.json.pop("links")
    assert links["self"] == path
    assert streamed == snapshot(server.port, path.removeprefix("/operations/"))
