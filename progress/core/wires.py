"""The wires that subscribers are reached by, by name. They never know who is at the other end."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Final, NamedTuple

from .frames import Frame, Joined

__all__ = [
    "INSIDE",
    "POLL",
    "SSE",
    "SSE_DIRECT",
    "WAIT",
    "WEBHOOK",
    "WEBSOCKET",
    "Wire",
]


class Wire(NamedTuple):
    """How frames are written to a subscriber."""

    name: str
    form: Callable[[Frame | Joined], bytes]
    """What a frame is there, in the form in which it is written: none is made for being counted."""


def _nothing(frame: Frame | Joined) -> bytes:
    """It is told that there is something new, and what that is it does not read."""
    return b""


SSE: Final = Wire("sse", attrgetter("sse"))
SSE_DIRECT: Final = Wire("sse", attrgetter("chunk"))
WEBSOCKET: Final = Wire("websocket", attrgetter("websocket"))
POLL: Final = Wire("poll", attrgetter("sse"))
WAIT: Final = Wire("wait", _nothing)
WEBHOOK: Final = Wire("webhook", _nothing)
INSIDE: Final = Wire("inside", _nothing)
"""Of a sink that does not say which it is."""
