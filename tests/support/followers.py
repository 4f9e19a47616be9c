"""Clients that follow what a query names over any number of connections. They know no socket.

`connect` and `feed` return the bytes to send, so that whoever drives them may wait as they like,
and cut wherever they like.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol
from urllib.parse import urlencode

import msgspec
from msgspec import Raw, Struct

from progress.core.cursor import ZERO
from progress.core.frames import Ping

from .sse import Dispatched
from .view import View
from .websocket import CLOSE, PONG, TEXT, Frame, Parser, call, close, frame, handshake
from .wire import TIMEOUT, Response, request

Query = Mapping[str, str]
"""What to follow: `{"operation": id}`, or of many `{"label": "name:value"}`."""

GONE = (404, 410)
"""The status of the problem that what was asked for is not kept, or not even remembered."""

_BEGINNING = str(ZERO)


class Follower(Protocol):
    """Follows from the beginning of what is retained."""

    view: View

    def connect(self) -> bytes:
        """Begin a connection where the last one ended."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they come; return what to answer."""

    def leave(self) -> bytes:
        """End the connection as politely as this wire knows."""

    @property
    def gone(self) -> bool:
        """Whether what it followed is not kept any more."""

    @property
    def finished(self) -> bool:
        """Whether there is nothing to come back for."""


class SseFollower:
    """Follows over Server-Sent Events."""

    def __init__(self, query: Query) -> None:
        self.view = View()
        self.response = Response()
        self._operation = query.get("operation")
        self._caught_up = False
        path = f"/operations/{self._operation}/events" if self._operation else "/events"
        self._path = f"{path}?{urlencode({**query, 'after': _BEGINNING})}"

    def connect(self) -> bytes:
        last = self.view.connect(_BEGINNING)
        self.response = Response()
        self._caught_up = False
        return request(self._path, {} if last is None else {"Last-Event-ID": last})

    def feed(self, data: bytes) -> bytes:
        body = self.response.feed(data)
        if self.response.status not in (0, 200, 204):
            assert self.gone
            return b""
        messages = self.view.feed(body)
        self._caught_up = self._caught_up or any(isinstance(message, Ping) for message in messages)
        return b""

    def leave(self) -> bytes:
        return b""

    @property
    def gone(self) -> bool:
        return self.response.status in GONE

    @property
    def finished(self) -> bool:
        if self._operation is None:
            return self._caught_up and _all_ended(self.view)
        bye = self.view.bye
        is_over = bye is not None and not bye.reconnect
        return is_over or self.gone or self.response.status == 204


class SocketFollower:
    """Follows over a WebSocket, with one subscription."""

    def __init__(self, query: Query) -> None:
        self.view = View()
        self._query = query
        self._response = Response()
        self._parser = Parser()
        self._subscribed = False
        self._gone = False
        self._highest = ""

    def connect(self) -> bytes:
        self.view.connect(_BEGINNING)
        self._response = Response()
        self._parser = Parser()
        self._subscribed = False
        self._highest = ""
        return handshake()

    def feed(self, data: bytes) -> bytes:
        opening = not self._response.status
        frames = self._parser.feed(self._response.feed(data) if opening else data)
        answers = b"".join(map(self._answer, frames))
        if opening and self._response.status:
            assert self._response.status == 101
            after = self.view.last_event_id or _BEGINNING
            return frame(TEXT, call("subscribe", "subscribe", **self._query, after=after)) + answers
        return answers

    def leave(self) -> bytes:
        return close(1000)

    @property
    def gone(self) -> bool:
        return self._gone

    @property
    def finished(self) -> bool:
        return self._gone or (self._subscribed and _all_ended(self.view))

    def _answer(self, found: Frame) -> bytes:
        """Take a frame; return what it wants for an answer."""
        if found.opcode != TEXT:
            return frame(CLOSE if found.opcode == CLOSE else PONG, found.payload)
        message = msgspec.json.decode(found.payload, type=_Received)
        if message.error is not None:
            assert message.error.data.status in GONE, found.payload
            self._gone = True
        elif message.method == "event":
            self._event(bytes(message.params))
        elif message.id == "subscribe":
            self._subscribed = True
            self.view.last_event_id = self._highest
        return b""

    def _event(self, data: bytes) -> None:
        event = msgspec.json.decode(data, type=_Event)
        if event.cursor:
            self._highest = event.cursor
        # Until its catch-up is complete, a subscription that is lost begins where it began.
        last_event_id = self._highest if self._subscribed else self.view.last_event_id
        self.view.take(Dispatched(event.type, data.decode(), last_event_id))


def follow(follower: Follower, port: int, until: Callable[[], object] = lambda: False) -> None:
    """Follow over one connection, until it ends, nothing is left to come, or that holds."""
    with (
        socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection,
        suppress(ConnectionError),
    ):
        connection.sendall(follower.connect())
        while not (until() or follower.finished):
            data = connection.recv(65_536)
            if not data:
                break
            if answer := follower.feed(data):
                connection.sendall(answer)


def _all_ended(view: View) -> bool:
    return all(snapshot.ended for snapshot in view.snapshots.values())


class _Received(Struct):
    """A JSON-RPC message of the server."""

    method: str = ""
    id: str | None = None
    params: Raw = Raw(b"")
    error: _Error | None = None


class _Error(Struct):
    """With the problem as its data."""

    data: _Problem


class _Problem(Struct):
    """Why something cannot be."""

    status: int


class _Event(Struct):
    """What of an event says where it stands."""

    type: str
    cursor: str | None = None
