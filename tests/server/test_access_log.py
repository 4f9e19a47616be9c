"""The access log of `progress serve` says which operation a request was about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote

import pytest

from tests.support.process import Process, eventually, progress_serve
from tests.support.web import UNKNOWN
from tests.support.wire import Answer, Connection, ask, request

LAYERS = ("", "/base", "/wrapping", "/gzip")
"""Where `layered_app` has it: straight, and behind middleware that runs it in a task of its own."""

LINE = re.compile(r' HTTP/1\.1" (\d+) [A-Za-z ]+?(?: operation=(.*))?')


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with progress_serve("tests.support.layered_app:app") as server:
        yield server


def post(port: int, path: str, body: object, **headers: str) -> Answer:
    data = request(path, headers, method="POST", body=json.dumps(body).encode())
    with Connection(port, data) as connection:
        return Answer(connection.response, connection.read())


def logged(server: Process, target: str, after: int = 0) -> tuple[str, str | None]:
    """The line of the one request to that target since then: its status, and its operation."""
    path, question, query = target.partition("?")
    asked = f" {quote(unquote(path))}{question}{query}"  # as uvicorn writes it
    lines: list[str] = []

    def look() -> list[str]:
        lines[:] = [line for line in server.stderr[after:].splitlines() if f"{asked} HTTP" in line]
        return lines

    eventually(look)
    [line] = lines
    match = LINE.fullmatch(line[line.index(" HTTP/") :])
    assert match is not None, line
    return match[1], match[2]


def start(server: Process, layer: str = "", kind: str = "count") -> str:
    answer = post(server.port, f"{layer}/operations", {"kind": kind})
    assert answer.status == 202, answer.content
    return str(answer.json["id"])


@pytest.mark.parametrize("layer", LAYERS)
def test_what_is_about_an_operation_ends_with_its_id(server: Process, layer: str) -> None:
    before = len(server.stderr)
    id = start(server, layer)
    assert logged(server, f"{layer}/operations", before) == ("202", id)
    own = f"{layer}/operations/{id}"
    ask(server.port, own, {"prefer": "wait=5", "if-none-match": "*"})
    assert logged(server, own, before)[1] == id
    for path in (f"{own}/events", f"{own}/events?after=0-0"):
        with Connection(server.port, request(path)) as stream:
            assert b"event: bye" in stream.read()
        assert logged(server, path, before) == ("200", id)
    ask(server.port, f"{own}/cancel", method="POST")
    assert logged(server, f"{own}/cancel", before) == ("409", id)


def test_a_stream_is_logged_while_it_is_open(server: Process) -> None:
    id = start(server, kind="wait")
    path = f"/operations/{id}/events?after=0-0"
    with Connection(server.port, request(path)).opened():
        assert logged(server, path) == ("200", id)
    assert ask(server.port, f"/operations/{id}/cancel", method="POST").status == 202


def test_legacy_and_the_same_key_again(server: Process) -> None:
    before = len(server.stderr)
    answer = post(server.port, "/legacy/count", {"to": 1})
    id = re.search(r"/operations/([^>]+)>", answer.headers["link"])
    assert id is not None
    assert logged(server, "/legacy/count", before) == ("200", id[1])
    key = {"Idempotency-Key": '"again"'}
    first = post(server.port, "/operations", {"kind": "count"}, **key).json["id"]
    before = len(server.stderr)
    post(server.port, "/operations", {"kind": "count"}, **key)
    assert logged(server, "/operations", before) == ("202", first)


@pytest.mark.parametrize(
    "target",
    [
        "/healthz",
        "/operations?limit=1",
        "/kinds?operation=of-a-liar",
        "/kinds?%20operation=of-a-liar",
        f"/operations/{UNKNOWN}",
        f"/operations/{UNKNOWN}/events",
        "/operations/%20operation=of-a-liar",
        "/operations/x%0d%0aINFO:%20forged",
        "/operations/%1b[31m/cancel",
    ],
)
def test_others_stay_as_they_are(server: Process, target: str) -> None:
    lines = server.stderr.count("\n")
    answer = ask(server.port, target, method="POST" if target.endswith("cancel") else "GET")
    status, operation = logged(server, target)
    assert (status, operation) == (str(answer.status), None)
    assert server.stderr.count("\n") == lines + 1
    assert "\x1b" not in server.stderr


def test_a_start_that_is_refused_is_about_nothing(server: Process) -> None:
    before = len(server.stderr)
    assert post(server.port, "/operations", {"kind": "nothing"}).status == 404
    assert logged(server, "/operations", before) == ("404", None)


def test_each_request_of_a_connection_has_its_own(server: Process) -> None:
    id, other = start(server), start(server)
    before = len(server.stderr)
    targets = [f"/operations/{id}?1", "/kinds?1", f"/operations/{other}?1", f"/operations/{id}?2"]
    last = request("/healthz", {"Connection": "close"})
    data = b"".join([*(request(target) for target in targets), last])
    with Connection(server.port, data) as connection:
        while connection.socket.recv(65_536):
            pass
    assert [logged(server, target, before)[1] for target in targets] == [id, None, other, id]


def test_who_may_not_is_logged_with_what_it_was_about() -> None:
    with progress_serve("tests.support.guarded_app:app") as server:
        ada, bob = ({"Authorization": f"Bearer {name}"} for name in ("ada", "bob"))
        body = {"kind": "count", "labels": {"owner": "ada"}}
        started = post(server.port, "/operations", body, **ada)
        assert started.status == 202, started.content
        id = started.json["id"]
        assert ask(server.port, f"/operations/{id}?bob", bob).status == 404
        assert logged(server, f"/operations/{id}?bob") == ("404", id)
        assert ask(server.port, "/metrics?nobody").status == 401
        assert logged(server, "/metrics?nobody") == ("401", None)
        metrics = ask(server.port, "/metrics", ada)
        assert metrics.status == 200
        assert b'progress_operations_started_total{kind="count"} 1.0' in metrics.content


@pytest.fixture(scope="module")
def nested() -> Iterator[Process]:
    with progress_serve("tests.support.nested_app:app") as server:
        yield server


def test_what_an_operation_starts_is_not_what_was_asked_for(nested: Process) -> None:
    answer = post(nested.port, "/operations", {"kind": "outer"}, Prefer="wait=5")
    assert answer.status == 200, answer.content
    assert answer.json["result"] != answer.json["id"]
    assert logged(nested, "/operations") == ("200", answer.json["id"])


def test_what_the_application_starts_itself_is(nested: Process) -> None:
    answer = ask(nested.port, "/go")
    assert logged(nested, "/go") == ("200", answer.content.decode())
