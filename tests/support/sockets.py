"""Both ends of a WebSocket in memory: a sink cut anywhere, and who reads what comes out of it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct

from progress.core.cursor import Cursor
from progress.core.frames import Frame, Joined, Message, Ping, decode, encode, text_frame

from .sinks import MemorySink
from .view import View
from .websocket import TEXT, Parser

__all__ = ["SocketReader", "SocketSink"]


class SocketSink(MemorySink):
    """Keeps the bytes of a WebSocket until somebody takes them."""

    def __init__(self, room: int, written: Callable[[Message], None]) -> None:
        """`written` is told of each message that the hub writes."""
        super().__init__(room)
        self._written = written

    def write(self, frame: Frame | Joined) -> bool:
        """Take a frame; say whether there is room for another."""
        for part in frame.parts:
            self._written(decode(part.json))
        return self._take(frame.websocket)

    def answer(self, name: str, head: Cursor) -> bool:
        """Take the answer to a subscription; say whether there is room for a frame."""
        result = {"subscription": name, "cursor": head}
        return self._take(text_frame(encode({"jsonrpc": "2.0", "result": result, "id": name})))

    def _take(self, data: bytes) -> bool:
        assert not self.closed
        self.data += data
        self.most = max(self.most, len(self.data))
        return self.has_room


class SocketReader:
    """A client's end of one connection: events for its view, answers to its subscriptions."""

    def __init__(self, view: View) -> None:
        self.highest: Cursor | None = None
        """The highest cursor of an event or bookmark so far."""
        self.waiting: set[str] = set()
        """Subscriptions that were not answered yet."""
        self._view = view
        self._parser = Parser()

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        for frame in self._parser.feed(data):
            assert frame.opcode == TEXT
            received = msgspec.json.decode(frame.payload, type=_Received)
            if received.method == "event":
                self._take(decode(bytes(received.params)))
            else:
                self._answered(received.result)

    def _take(self, message: Message) -> None:
        if (cursor := getattr(message, "cursor", None)) is not None:
            highest = self.highest
            if highest is not None and not self.waiting:
                again = cursor == highest and isinstance(message, Ping)
                assert cursor > highest or again, "dispatched twice, or out of order"
            self.highest = cursor if highest is None else max(highest, cursor)
        self._view.apply(message)

    def _answered(self, result: _Result) -> None:
        self.waiting.remove(result.subscription)
        assert Cursor.parse(result.cursor) == self.highest, "a bookmark comes before it"


class _Result(Struct, frozen=True):
    subscription: str = ""
    cursor: str = ""


class _Received(Struct):
    """A JSON-RPC message of the server."""

    method: str = ""
    params: Raw = Raw(b"")
    result: _Result = _Result()
