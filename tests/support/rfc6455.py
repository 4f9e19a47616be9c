"""What a client sends and what must come of it: the cases of `tests/server/test_rfc6455*.py`.

The server speaks JSON-RPC, so an echo is a call of an unknown method: the error has its id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psutil
import pytest

from .process import Process, eventually, progress_serve
from .websocket import CLOSE, PONG, TEXT, Frame, WebSocket, call, frame
from .wire import start

APP = "tests.support.app:app"

UNKNOWN_METHOD, PARSE_ERROR = -32601, -32700

NOT_SENT = (1006).to_bytes(2)
"""§7.1.5: what stands for a connection that ended without a Close frame."""

OTHER_UPGRADE = "WARNING:  Unsupported upgrade request."
"""uvicorn's word about a client that asks for another protocol."""

PATIENCE = timedelta(seconds=2)
"""From a line to the next, of 200 a second; a busy machine needs some of it."""


class Answer(NamedTuple):
    """The answer to a call, as far as it matters here."""

    id: str | None
    code: int = UNKNOWN_METHOD


Seen = Answer | Frame


class Case(NamedTuple):
    """What is sent on a new connection, and what comes back."""

    section: str
    """Of RFC 6455."""
    what: str
    sent: bytes
    seen: Sequence[Seen]
    codes: Sequence[int] = ()
    """Of the Close frame, of which any is right; without one, the next call is answered."""


def served(section: str, what: str, sent: bytes, *seen: Seen) -> Case:
    """It is answered so, and the connection lives on."""
    return Case(section, what, sent, seen)


def refused(section: str, what: str, sent: bytes, *seen: Seen) -> Case:
    """It is answered so, and ends the connection as a protocol error."""
    return Case(section, what, sent, seen, [1002])


def echo(id: str, size: int = 0) -> bytes:
    """The payload of a call that is answered with `Answer(id)`, of at least so many bytes."""
    return call("echo", id).ljust(size)


def text(id: str) -> bytes:
    """The frame of such a call."""
    return frame(TEXT, echo(id))


def pong(payload: bytes = b"") -> Frame:
    """The answer to a ping."""
    return Frame(PONG, payload)


def parameters(cases: Sequence[Case]) -> Sequence[object]:
    """The cases for `pytest.mark.parametrize`, named by their sections."""
    return [pytest.param(case, id=f"{case.section} {case.what}") for case in cases]


def check(port: int, case: Case, *, sliced: bool = False) -> None:
    """Do what the case says on a connection of its own, in TCP segments of one byte if sliced."""
    sent = case.sent if case.codes else case.sent + text("probe")
    with WebSocket(port) as client:
        with suppress(ConnectionError):  # it may have been ended before all was sent
            client.send(*([bytes([byte]) for byte in sent] if sliced else [sent]))
        if case.codes:
            *frames, last = client.finish() or [Frame(CLOSE, NOT_SENT)]
            assert [seen(one) for one in frames] == [*case.seen]
            assert last.opcode == CLOSE
            assert last.code in case.codes
        else:
            expected = [*case.seen, Answer("probe")]
            assert [seen(client.receive()) for _ in expected] == expected


def seen(found: Frame | None) -> Seen | None:
    """A frame of the server as it stands in a case; None is the end."""
    if found is None or found.opcode != TEXT:
        return found
    content = json.loads(found.payload)
    return Answer(content["id"], content["error"]["code"])


class Neighbour:
    """A subscriber beside the one that misbehaves: it gets each line of a log, at once."""

    def __init__(self, client: WebSocket, operation: str) -> None:
        self._client = client
        self._line: int | None = None
        self._time: datetime | None = None
        *_, answer = client.call("subscribe", operation=operation)
        assert "result" in answer, answer

    def check(self, later: timedelta = timedelta()) -> None:
        """Read until a line that is newer than now, or than so much later; none is missing."""
        until = datetime.now(UTC) + later
        while self._time is None or self._time <= until:
            self._take(self._client.message())

    def _take(self, message: Any) -> None:
        event = message["params"]
        if event["type"] == "log":
            line, time = int(event["message"].split()[1]), datetime.fromisoformat(event["time"])
            assert self._line in (None, line - 1)
            assert time - (self._time or time) < PATIENCE
            self._line, self._time = line, time
        assert event["type"] in ("log", "progress", "ping"), event


class Rig(NamedTuple):
    """A server and a healthy subscriber of it."""

    process: Process
    neighbour: Neighbour

    @property
    def port(self) -> int:
        """The server's."""
        return self.process.port


@contextmanager
def rig(*options: str) -> Iterator[Rig]:
    """Run `progress serve`; at the end nothing of the clients is left in it, or in its log."""
    arguments = ["--log-level", "warning", *options]
    with progress_serve(APP, *arguments) as process:
        operation = start(process.port, "count", to=1_000_000, interval=0.005)["id"]
        with WebSocket(process.port) as client:
            neighbour = Neighbour(client, operation)
            descriptors = psutil.Process(process.pid).num_fds
            before = descriptors()
            yield Rig(process, neighbour)
            eventually(lambda: descriptors() <= before)
        assert set(process.stderr.splitlines()) <= {OTHER_UPGRADE}
