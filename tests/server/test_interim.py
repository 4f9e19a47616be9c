"""`progress.interim` on the wire: what RFC 9110 §15.2 and RFC 9112 say of interim responses."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psutil
import pytest

from tests.support.interim_app import LARGE
from tests.support.process import Process, eventually, progress_serve
from tests.support.wire import Connection, Response, ask, request

MEMORY = 10_000_000
"""Bytes that a process may grow by for some other reason."""


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with progress_serve("tests.support.interim_app:app", "--log-level", "warning") as process:
        yield process
        assert process.stderr.count("Traceback") == process.stderr.count("ValueError: on purpose")


def outcomes(connection: Connection) -> list[str]:
    """What the application says of its attempts."""
    found: list[str] = json.loads(connection.read())
    assert connection.response.status == 200
    return found


def test_they_come_before_the_response(server: Process) -> None:
    """Their fields, too; then the response as if there had been none."""
    with Connection(server.port, request("/many", method="POST", body=b'"a"')) as connection:
        assert outcomes(connection) == ['"a"']
        assert connection.response.interims == [(102 + n, {"number": str(n)}) for n in range(3)]


def test_the_status_line_has_its_space(server: Process) -> None:
    """RFC 9112 §4: also where there is no phrase."""
    with Connection(server.port, request("/many")) as connection:
        data = b""
        while b"HTTP/1.1 200" not in data:
            data += connection.socket.recv(65_536)
    lines = [line for line in data.split(b"\r\n") if line.startswith(b"HTTP/")]
    assert lines[:3] == [
        b"HTTP/1.1 102 Processing",
        b"HTTP/1.1 103 Early Hints",
        b"HTTP/1.1 104 ",
    ]


def test_the_connection_stays(server: Process) -> None:
    with Connection(server.port, request("/many")) as connection:
        for _ in range(3):
            connection.read()
            assert len(connection.response.interims) == 3
            connection.response = Response()
            connection.socket.sendall(request("/many"))
        connection.read()


def test_pipelined_requests_are_answered_in_order(server: Process) -> None:
    """Each with its own interims before it (RFC 9112 §9.3.2)."""
    data = b"".join(request("/many", method="POST", body=b"%d" % n) for n in range(3))
    with Connection(server.port, data) as connection:
        rest = b""
        for n in range(3):
            response = Response()
            content = response.feed(rest)
            while not response.complete:
                content += response.feed(connection.socket.recv(65_536))
            rest = response.rest
            assert json.loads(content) == [str(n)]
            assert len(response.interims) == 3


def test_continue_comes_first(server: Process) -> None:
    """RFC 9110 §10.1.1."""
    head = request("/many", {"Expect": "100-continue", "Content-Length": "3"}, method="POST")
    with Connection(server.port, head) as connection:
        assert connection.socket.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.socket.sendall(b"abc")
        assert outcomes(connection) == ["abc"]
        assert [status for status, _ in connection.response.interims] == [102, 103, 104]


def test_head(server: Process) -> None:
    with Connection(server.port, request("/many", method="HEAD")) as connection:
        assert connection.read() == b""
        assert connection.response.status == 200
        assert len(connection.response.interims) == 3


@pytest.mark.parametrize("version", ["0.9", "1.0", "2.0"])
def test_another_version_knows_none(server: Process, version: str) -> None:
    """Even if it comes with a head that looks like that of 1.1."""
    with Connection(server.port, request("/many", version=version)) as connection:
        assert outcomes(connection) == ["none"]
        assert not connection.response.interims


def test_before_the_body_is_complete(server: Process) -> None:
    with Connection(server.port, request("/early", method="POST", body=b"abc")[:-1]) as connection:
        assert outcomes(connection) == ["RuntimeError"]
        assert not connection.response.interims


def test_after_the_response_has_begun(server: Process) -> None:
    with Connection(server.port, request("/late")) as connection:
        assert outcomes(connection) == ["RuntimeError"]
        assert not connection.response.interims


def test_what_cannot_stand_in_one(server: Process) -> None:
    """What frames a message, what would be a second one, what is no field."""
    with Connection(server.port, request("/bad")) as connection:
        found = outcomes(connection)
        assert found
        assert set(found) == {"ValueError"}
        assert not connection.response.interims


def test_an_exception_after_them_is_a_500(server: Process) -> None:
    with Connection(server.port, request("/raises")) as connection:
        connection.read()
        assert connection.response.interims == [(102, {})]
        assert connection.response.status == 500


def test_they_wait_for_who_does_not_read(server: Process) -> None:
    """And end with who leaves."""
    memory = psutil.Process(server.pid).memory_info
    before = memory().rss
    with Connection(server.port, request("/endless"), receive_buffer=4_096) as connection:
        for _ in range(100):
            connection.socket.recv(len(LARGE))
        assert memory().rss - before < MEMORY
    eventually(lambda: ask(server.port, "/gone").json == ["ConnectionResetError"])
