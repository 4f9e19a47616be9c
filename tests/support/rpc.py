"""JSON-RPC over `/ws`, at arm's length: under each kind of server, and strict about answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from .process import Process, free_port, listening
from .websocket import CLOSE, TEXT, WebSocket, call, frame

SERVERS = {
    "direct": "progress serve APP --port PORT --log-level warning",
    "portable": "uvicorn APP --port PORT --log-level warning",
    "trio": "hypercorn APP --bind 127.0.0.1:PORT --log-level warning -k trio",
}
"""Our own, whose connections are detached, and two that have only heard of ASGI."""

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
INVALID_PARAMS, INTERNAL_ERROR, DOMAIN_ERROR = -32602, -32603, -32000

Event = dict[str, Any]


class Error(Struct, forbid_unknown_fields=True):
    """Of an answer that is one."""

    code: int
    message: str
    data: Raw = Raw(b"null")

    @property
    def problem(self) -> Any:
        """The problem (RFC 9457) that came with it."""
        return json.loads(bytes(self.data))

    @property
    def slug(self) -> str:
        """The last part of the type of its problem."""
        return str(self.problem["type"]).removeprefix("urn:progress:problem:")


class Answer(Struct, forbid_unknown_fields=True):
    """One, by the letter of JSON-RPC 2.0 §5."""

    jsonrpc: Literal["2.0"]
    json_id: Raw = field(name="id")
    result: Raw | UnsetType = UNSET
    error: Error | UnsetType = UNSET

    @property
    def id(self) -> str:
        """As it was written."""
        return bytes(self.json_id).decode()

    @property
    def failed(self) -> bool:
        """Whether it is an error."""
        return not isinstance(self.error, UnsetType)

    @property
    def failure(self) -> Error:
        """What went wrong."""
        assert not isinstance(self.error, UnsetType)
        assert isinstance(self.result, UnsetType)
        return self.error

    @property
    def value(self) -> Any:
        """What was asked for."""
        assert not isinstance(self.result, UnsetType), self.error
        assert isinstance(self.error, UnsetType)
        return json.loads(bytes(self.result))


class Notice(Struct, forbid_unknown_fields=True):
    """What nobody has asked for: an event."""

    jsonrpc: Literal["2.0"]
    method: Literal["event"]
    params: Event


class Exchange(NamedTuple):
    """A call's answer, and what came before it."""

    events: list[Event]
    answer: Answer

    @property
    def types(self) -> list[str]:
        """Of the events."""
        return [event["type"] for event in self.events]


@contextmanager
def served(kind: str, app: str, environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    """Run one of `SERVERS`, with settings from the environment."""
    port = free_port()
    command = SERVERS[kind].replace("APP", app).replace("PORT", str(port)).split()
    with listening(command, port, environment) as process:
        process.name = kind
        yield process


class Caller:
    """A client that makes calls, and reads what comes."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket

    def send(self, *texts: str | bytes) -> None:
        """Send messages, all at once."""
        frames = [frame(TEXT, text.encode() if isinstance(text, str) else text) for text in texts]
        self.socket.send(b"".join(frames))

    def read(self) -> Answer | Event:
        """The next answer, or the next event."""
        found = self.socket.receive()
        assert found is not None, "the connection ended"
        assert found.opcode == TEXT, found
        if b'"method":"event"' in found.payload[:40]:
            return msgspec.json.decode(found.payload, type=Notice).params
        return msgspec.json.decode(found.payload, type=Answer)

    def answer(self) -> Exchange:
        """Read up to the next answer."""
        events = []
        while isinstance(found := self.read(), dict):
            events.append(found)
        return Exchange(events, found)

    def ask(self, method: str, **params: object) -> Exchange:
        """Make a call, and read up to its answer."""
        self.send(call(method, method, **params))
        exchange = self.answer()
        assert exchange.answer.id == f'"{method}"'
        return exchange

    def subscribe(self, **params: object) -> str:
        """Subscribe, and read up to the answer; return the subscription."""
        name: str = self.ask("subscribe", **params).answer.value["subscription"]
        return name

    def start(self, kind: str, labels: Mapping[str, str] | None = None, **params: object) -> str:
        """Start an operation, and read up to the answer; return its id."""
        answer = self.ask("start", kind=kind, params=params, labels=labels or {}).answer
        id: str = answer.value["id"]
        return id

    def events_until(self, type: str, **members: object) -> list[Event]:
        """Read events up to one of that type with those members."""
        events = []
        while True:
            found = self.read()
            assert isinstance(found, dict), found
            events.append(found)
            if found["type"] == type and members.items() <= found.items():
                return events

    def closed(self) -> tuple[list[Event], int]:
        """Read events up to the server's Close; return them and its code."""
        *texts, last = self.socket.finish()
        assert last.opcode == CLOSE, last
        notices = [msgspec.json.decode(text.payload, type=Notice) for text in texts]
        return [notice.params for notice in notices], last.code


@contextmanager
def caller(port: int, opening: bytes | None = None) -> Iterator[Caller]:
    """Open a connection."""
    with WebSocket(port, opening) as socket:
        yield Caller(socket)
