"""A client that loses its connection all the time, and a reader of all that is retained."""

from __future__ import annotations

from collections.abc import Callable

from progress.core.frames import Message

from .view import View
from .wire import Connection, request


def connect_once(
    view: View,
    port: int,
    path: str,
    *,
    cut: int | None = None,
    done: Callable[[Message], bool] | None = None,
) -> int:
    """Go on where the view stands; return the status of the answer.

    Leave after `cut` bytes of the body, by a reset if `cut` is odd, or after the message that
    `done` knows. What was read is in the view, whose `bye` says whether it is to come back.
    """
    last = view.connect()
    headers = {} if last is None else {"Last-Event-ID": last}
    left = cut
    with Connection(port, request(path, headers)) as connection:
        for data in connection.body():
            found = [done(message) for message in view.feed(data[:left]) if done is not None]
            if any(found):
                break
            if left is not None:
                left -= min(len(data), left)
                if not left:
                    break
        if cut is not None and cut % 2:
            connection.reset()
    return connection.response.status


def retained(port: int, id: str) -> View:
    """All that the server still has of an operation that has ended."""
    view = View()
    connect_once(view, port, f"/operations/{id}/events?after=0-0")
    return view
