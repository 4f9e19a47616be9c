"""An SSE parser by the letter of the WHATWG text (HTML §9.2.6), for bytes cut anywhere."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

_LINE_END = re.compile("\r\n?|\n")


class Dispatched(NamedTuple):
    """An event as a page's script gets it."""

    type: str
    data: str
    last_event_id: str


class Parser:
    """One connection: feed it bytes, get the events that are complete by then."""

    def __init__(self) -> None:
        self.last_event_id = ""
        self.retry: int | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._rest = ""
        self._after_return = False
        self._type = ""
        self._data: list[str] = []
        self._id = ""

    def feed(self, data: bytes) -> list[Dispatched]:
        """Read more. What has no empty line after it yet is kept, and lost with the connection."""
        text = self._decoder.decode(data)
        if not text:
            return []
        if self._after_return:  # the LF of a CRLF that was cut
            text = text.removeprefix("\n")
        *lines, self._rest = _LINE_END.split(self._rest + text)
        self._after_return = text.endswith("\r")
        events = (self._line(line) for line in lines)
        return [event for event in events if event is not None]

    def _line(self, line: str) -> Dispatched | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry = int(value)
            case _:
                pass
        return None

    def _dispatch(self) -> Dispatched | None:
        self.last_event_id = self._id
        type, data, self._type, self._data = self._type, self._data, "", []
        if not data:
            return None
        return Dispatched(type or "message", "\n".join(data), self.last_event_id)
