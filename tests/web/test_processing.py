"""`ProcessingMiddleware`: interims in front of an application that knows nothing of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.support.process import Process, progress_serve
from tests.support.wire import Connection, ask, request

WISH = {"Prefer": "processing; interval=1; max=10"}
CADAVER = {"User-Agent": "cadaver/0.24 neon/0.32"}


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    app = "tests.support.slow_app:app"
    with progress_serve(app, "--interim", "direct", "--log-level", "error") as process:
        yield process


def exchange(server: Process, data: bytes) -> tuple[Connection, bytes]:
    """Send one request; return the connection with its response, and the body."""
    with Connection(server.port, data) as connection:
        body = connection.read()
        assert connection.response.complete
        return connection, body


def test_a_beat_until_the_response_begins(server: Process) -> None:
    connection, body = exchange(server, request("/slow", WISH))
    assert body == b"done"
    assert connection.response.interims == [(102, {})] * 2
    assert connection.response.headers["preference-applied"] == "processing"
    assert {*connection.response.headers["vary"].split(", ")} == {"Accept", "Prefer"}


@pytest.mark.parametrize("headers", [{}, {"Prefer": "wait=5"}, {**WISH, "Via": "1.1 proxy"}])
def test_who_is_sent_none(server: Process, headers: Mapping[str, str]) -> None:
    connection, body = exchange(server, request("/slow?seconds=1.3", headers))
    assert (body, connection.response.interims) == (b"done", [])
    assert connection.response.headers["vary"] == "Accept"


def test_a_quick_answer_needs_none(server: Process) -> None:
    connection, body = exchange(server, request("/slow?seconds=0", WISH))
    assert (body, connection.response.interims) == (b"done", [])
    assert "preference-applied" not in connection.response.headers


def test_who_is_known_need_not_ask(server: Process) -> None:
    connection, _ = exchange(server, request("/slow", CADAVER))
    assert connection.response.interims == [(102, {})]  # the next would be after 15 s


def test_an_operation_is_told_of(server: Process) -> None:
    connection, body = exchange(server, request("/copy", WISH))
    assert (connection.response.status, body) == (201, b"copied")
    (_, first), *others = connection.response.interims
    assert others
    assert ask(server.port, first["location"]).json["kind"] == "copy"
    interims = connection.response.interims
    numbers = [int(fields["progress"].partition("/")[0]) for _, fields in interims]
    assert numbers == sorted(numbers)
    assert numbers[0] > 0
    assert connection.response.headers["progress"] == "8/8"


def test_an_operation_that_is_held_inside_is_told_of_once(server: Process) -> None:
    """By the middleware; `/legacy` behind it sends no interims of its own."""
    body = b'{"to": 6, "interval": 0.5}'
    data = request("/progress/legacy/count", WISH, method="POST", body=body)
    connection, result = exchange(server, data)
    assert result == b'{"counted":6}'
    first, *others = connection.response.interims
    assert first[1]["location"].startswith("/progress/operations/")
    assert 1 <= len(others) <= 2
    assert connection.response.headers["preference-applied"] == "processing"


def test_an_exception_is_the_applications(server: Process) -> None:
    connection, _ = exchange(server, request("/fail", WISH))
    assert connection.response.status == 500
    assert len(connection.response.interims) == 1


def test_not_before_the_body_is_complete(server: Process) -> None:
    data = request("/slow?seconds=0", WISH, method="POST", body=b"abc")
    with Connection(server.port, data[:-1]) as connection:
        connection.socket.settimeout(1.6)
        with pytest.raises(TimeoutError):
            connection.socket.recv(1)
        connection.socket.sendall(data[-1:])
        assert connection.read() == b"done"
    assert connection.response.status == 200
