"""The closing handshake on the wire (RFC 6455 §5.5.1, §7)."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator

import pytest

from tests.support.process import progress_serve
from tests.support.rfc6455 import APP, Case, Rig, check, echo, parameters, refused, rig, text
from tests.support.websocket import (
    BINARY,
    CLOSE,
    NO_CODE,
    PING,
    TEXT,
    Frame,
    WebSocket,
    close,
    fragments,
    frame,
)
from tests.support.wire import start

NORMAL, PROTOCOL_ERROR = 1000, 1002

DEFINED = [*range(1000, 1004), *range(1007, 1012)]  # §7.4.1
REGISTERED = [1012, 1013, 1014]  # by IANA, after the RFC
FREE = [3000, 3999, 4000, 4999]  # §7.4.2
UNUSABLE = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]

BEGUN, REST = fragments(echo("a"), 10)
ACCENT = "é".encode()


def closed(section: str, what: str, sent: bytes, code: int = NORMAL) -> Case:
    """It is answered with a Close frame, of the same code or of 1000, and nothing else."""
    return Case(section, what, sent, (), [NORMAL, code])


CASES = [
    closed("5.5.1", "without a code", close(), NO_CODE),
    *(closed("7.4", f"code {code}", close(code), code) for code in (*DEFINED, *REGISTERED, *FREE)),
    closed("5.5.1", "with a reason", close(NORMAL, b"bye")),
    closed("5.5.1", "with a reason of 123 bytes", close(NORMAL, b"x" * 123)),
    closed("5.5.1", "with a reason of any letters", close(NORMAL, "κόσμε 😀".encode())),
    *(refused("7.4", f"code {code}", close(code)) for code in UNUSABLE),
    refused("5.5.1", "with half a code", frame(CLOSE, b"\x03")),
    *(
        Case("8.1", f"with the reason {bad.hex()}", close(NORMAL, bad), (), [1007])
        for bad in (b"\xff", b"bye \xc3", b"\xed\xa0\x80", b"\xc0\xaf")
    ),
    closed("1.4", "then a call", close(NORMAL) + text("a")),
    closed("1.4", "then a ping", close(NORMAL) + frame(PING, b"x")),
    closed("1.4", "then another", close(NORMAL) + close(4000)),
    closed("1.4", "then what is no frame", close(NORMAL) + b"\xff" * 100),
    closed("1.4", "then a frame without a mask", close(NORMAL) + frame(TEXT, b"{}", mask=None)),
    *(
        # An endpoint must handle it there; whether half a message is an error is not said.
        Case("5.4", what, sent, (), [NORMAL, PROTOCOL_ERROR])
        for what, sent in (
            ("between fragments", BEGUN + close(NORMAL) + REST),
            ("after an unfinished message", BEGUN + close(NORMAL)),
            ("within a character", fragments(ACCENT, 1)[0] + close(NORMAL)),
        )
    ),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Rig]:
    with rig() as found:
        yield found


@pytest.mark.parametrize("sliced", [False, True], ids=["one segment", "segments of one byte"])
@pytest.mark.parametrize("case", parameters(CASES))
def test_close(server: Rig, case: Case, sliced: bool) -> None:
    check(server.port, case, sliced=sliced)
    server.neighbour.check()


def test_close_of_a_subscriber(server: Rig) -> None:
    """§5.5.1: no event follows the Close frame; §7.1.1: the server ends the connection first."""
    id = start(server.port, "count", to=1_000_000, interval=0.001)["id"]
    with WebSocket(server.port) as client:
        *_, answer = client.call("subscribe", operation=id)
        assert "result" in answer
        client.send(close(NORMAL))
        frames = client.read()
    assert frames[-1] == Frame(CLOSE, NORMAL.to_bytes(2))
    server.neighbour.check()


def test_a_client_that_does_not_answer(server: Rig) -> None:
    """§7.1.1: the server ends the connection all the same."""
    with WebSocket(server.port) as client:
        client.send(frame(BINARY))
        [last] = client.read()
    assert (last.opcode, last.code) == (CLOSE, 1003)


def test_half_close_after_close(server: Rig) -> None:
    """The answer still comes."""
    with WebSocket(server.port) as client:
        client.send(close(NORMAL))
        client.socket.shutdown(socket.SHUT_WR)
        assert [found.opcode for found in client.read()] == [CLOSE]


@pytest.mark.parametrize(
    "sent",
    [b"", text("a")[:1], text("a")[:5], text("a")[:-1], BEGUN],
    ids=["nothing", "half a head", "half a mask", "half a frame", "half a message"],
)
def test_end_without_close(server: Rig, sent: bytes) -> None:
    """§7.1.4: the server ends its side; a Close frame of it would be a courtesy."""
    with WebSocket(server.port) as client:
        client.send(sent)
        client.socket.shutdown(socket.SHUT_WR)
        assert all(found.opcode == CLOSE for found in client.read())
    server.neighbour.check()


@pytest.mark.parametrize("answers", [True, False])
def test_drain(answers: bool) -> None:
    """1001: a subscriber is told in its own words first, and need not answer."""
    with progress_serve(APP, "--set", "timing.grace=4") as process:
        id = start(process.port, "wait")["id"]
        with WebSocket(process.port) as client:
            *_, answer = client.call("subscribe", operation=id)
            assert "result" in answer
            process.send(signal.SIGTERM)
            while (message := client.message())["params"]["type"] != "bye":
                pass
            assert message["params"] == {"type": "bye", "reason": "drain", "reconnect": True}
            last = client.receive()
            assert last is not None
            assert (last.opcode, last.code) == (CLOSE, 1001)
            if answers:
                client.send(close(1001))
            assert client.read() == []
        code, took = process.wait(6)
    assert code == 0
    assert took < 4
