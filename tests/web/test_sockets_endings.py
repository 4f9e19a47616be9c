"""How a connection to `/ws` ends: idle, over a bound, by the client, or with the server."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.support.process import Process, eventually, progress_serve
from tests.support.rpc import DOMAIN_ERROR, SERVERS, Caller, caller, served
from tests.support.web import UNKNOWN
from tests.support.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    call,
    close,
    frame,
    handshake,
)
from tests.support.wire import Connection, ask, snapshot, start

APP = "tests.support.inspect_app:app"
SETTINGS = {
    "PROGRESS_TIMING_IDLE": "0.4",
    "PROGRESS_TIMING_HEARTBEAT": "0.2",
    "PROGRESS_LIMITS_MESSAGE": "1024",
    "PROGRESS_LIMITS_MESSAGES": "50",
}

ONE_AT_A_TIME = ["--set", "limits.running=1", "--set", "timing.grace=2"]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Process]:
    with served(request.param, APP, SETTINGS) as process:
        yield process
        assert "Traceback" not in process.stderr


@pytest.fixture
def client(server: Process) -> Iterator[Caller]:
    with caller(server.port) as client:
        yield client


def subscribers(port: int) -> int:
    """How many the server has."""
    id = start(port, "census")["id"]
    eventually(lambda: snapshot(port, id)["state"] == "succeeded")
    found: int = snapshot(port, id)["result"]["subscribers"]
    return found


def check_idle(client: Caller) -> None:
    """It hears heartbeats, and then that it is not wanted."""
    events, code = client.closed()
    assert {event["type"] for event in events} <= {"ping"}
    assert code == 1008


def test_who_does_nothing_is_idle(server: Process, client: Caller) -> None:
    check_idle(client)


def test_whose_operation_has_ended_is_idle(server: Process, client: Caller) -> None:
    id = client.start("count")
    client.subscribe(operation=id)
    client.events_until("state", state="succeeded")
    check_idle(client)


def test_who_has_unsubscribed_is_idle(server: Process, client: Caller) -> None:
    client.ask("unsubscribe", subscription=client.subscribe(kind="count"))
    check_idle(client)


def test_who_is_subscribed_is_not(server: Process, client: Caller) -> None:
    """Heartbeats come on both wires: three of them take longer than an idle one has."""
    client.subscribe(label="of:nobody")
    assert [client.events_until("ping")[-1]["type"] for _ in range(3)] == ["ping"] * 3
    assert client.ask("unsubscribe", subscription="9").answer.value == {"subscription": "9"}


def test_who_calls_is_not(server: Process, client: Caller) -> None:
    """Beside one that is, and one whose heartbeats are the clock."""
    with caller(server.port) as idle, caller(server.port) as clock:
        clock.subscribe(label="of:nobody")
        for _ in range(3):
            client.ask("cancel", operation=UNKNOWN)
            clock.events_until("ping")
        check_idle(idle)
    assert client.ask("cancel", operation=UNKNOWN).answer.failure.code == DOMAIN_ERROR


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (close(1000), 1000),
        (close(), 1005),
        (frame(BINARY, b"x"), 1003),
        (frame(TEXT, b"x" * 1_025), 1009),
        (frame(TEXT, "é".encode() * 513), 1009),
        (frame(TEXT, b"x" * 600, 0) + frame(CONTINUATION, b"x" * 600), 1009),
        (frame(TEXT, b"{}") * 60, 1008),
    ],
)
def test_what_a_client_does(server: Process, client: Caller, sent: bytes, code: int) -> None:
    """It ends with that code, and leaves nothing behind."""
    client.subscribe(kind="wait")
    before = subscribers(server.port)
    assert before
    client.socket.send(sent)
    found = client.socket.finish()
    assert (found[-1].opcode, found[-1].code) == (CLOSE, code)
    client.socket.socket.close()
    eventually(lambda: subscribers(server.port) < before)


def test_the_largest_message(server: Process, client: Caller) -> None:
    sent = call("nothing", "largest").ljust(1_024)
    client.send(sent)
    assert client.answer().answer.id == '"largest"'
    client.socket.send(frame(TEXT, sent[:600], 0), frame(CONTINUATION, sent[600:]))
    assert client.answer().answer.id == '"largest"'


def test_who_leaves_without_a_word(server: Process, client: Caller) -> None:
    client.subscribe(kind="wait")
    before = subscribers(server.port)
    client.socket.socket.close()
    eventually(lambda: subscribers(server.port) < before)


def start_stuck(server: Process, client: Caller) -> str:
    """Until it has reported it is not deaf: it would end at once, and all else with it."""
    id = client.start("stuck")
    eventually(lambda: snapshot(server.port, id)["progress"]["message"] == "stuck")
    return id


def test_draining() -> None:
    """Operations end, everybody is told, and nobody is let in any more."""
    with progress_serve(APP, *ONE_AT_A_TIME) as server:
        with caller(server.port) as client, caller(server.port) as idle:
            stuck = start_stuck(server, client)
            client.subscribe(operation=stuck)
            queued = client.start("wait")
            client.subscribe(operation=queued)
            server.send(signal.SIGTERM)
            events = client.events_until("state", operation=queued, state="failed")
            assert events[-1]["error"]["type"] == "urn:progress:problem:shutdown"
            eventually(lambda: ask(server.port, "/readyz").status == 503)
            refused = idle.ask("start", kind="count").answer.failure
            assert (refused.slug, refused.problem["status"]) == ("busy", 503)
            for one in client, idle:
                events, code = one.closed()
                assert events[-1] == {"type": "bye", "reason": "drain", "reconnect": True}
                assert code == 1001
        assert server.wait(9)[0] == 0
        assert "Traceback" not in server.stderr


def test_nobody_is_let_in_while_draining() -> None:
    with progress_serve(APP) as server, caller(server.port) as client:
        start_stuck(server, client)
        server.send(signal.SIGTERM)
        eventually(lambda: ask(server.port, "/readyz").status == 503)
        refused = client.ask("start", kind="count").answer.failure
        assert refused.slug == "busy"
        eventually(lambda: _status(server.port) == 503)


def _status(port: int) -> int:
    with Connection(port, handshake()) as connection:
        while not connection.response.status:
            connection.response.feed(connection.socket.recv(65_536))
        return connection.response.status


def test_pings_are_answered_and_are_no_calls(server: Process, client: Caller) -> None:
    """Who only pings is idle."""
    client.socket.send(frame(PING, b"a"))
    assert client.socket.receive().payload == b"a"  # type: ignore[union-attr] # it is there
    check_idle(client)
