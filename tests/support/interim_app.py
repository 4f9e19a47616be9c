"""Sends interim responses in every way there is: `tests.support.interim_app:app`.

What went wrong is the body of the response, as JSON: the names of the exceptions.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.types import Message, Receive, Scope, Send

__all__ = ["LARGE", "app"]

LARGE = b"x" * 60_000

_Interim = Callable[[int, Iterable[tuple[bytes, bytes]]], Awaitable[None]]

_BAD: list[tuple[int, list[tuple[bytes, bytes]]]] = [
    (100, []),
    (101, []),
    (200, []),
    *(
        (102, [(name, b"1")])
        for name in b"Content-Length transfer-encoding Connection Trailer upgrade".split()
    ),
    *((102, [(name, b"1")]) for name in (b"", b"a b", b"a:", b"a\r\nb", b"\xff")),
    *((102, [(b"a", value)]) for value in (b"1\r\nb: 2", b"\n", b"\0", b"1\r")),
]

gone: list[str] = []
"""How it was when a client left."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Do what the path says."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    interim: _Interim | None = scope["extensions"].get("progress.interim")
    if interim is None:
        await _answer(send, ["none"])
        return
    await _PATHS[scope["path"]](interim, receive, send)


async def _many(interim: _Interim, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    for n in range(3):
        await interim(102 + n, [(b"number", b"%d" % n)])
    await _answer(send, [body.decode()])


async def _early(interim: _Interim, receive: Receive, send: Send) -> None:
    await _answer(send, [await _try(interim, 102, [])])


async def _late(interim: _Interim, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    outcome = await _try(interim, 102, [])
    body = json.dumps([outcome]).encode()
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _bad(interim: _Interim, receive: Receive, send: Send) -> None:
    await receive()
    await _answer(send, [await _try(interim, *one) for one in _BAD])


async def _raises(interim: _Interim, receive: Receive, send: Send) -> None:
    await receive()
    await interim(102, [])
    raise ValueError("on purpose")


async def _endless(interim: _Interim, receive: Receive, send: Send) -> None:
    await receive()
    outcome = ""
    while not outcome:
        outcome = await _try(interim, 102, [(b"large", LARGE)])
    gone.append(outcome)


async def _gone(interim: _Interim, receive: Receive, send: Send) -> None:
    await receive()
    await _answer(send, gone)


_PATHS: dict[str, Callable[[_Interim, Receive, Send], Awaitable[None]]] = {
    "/many": _many,
    "/early": _early,
    "/late": _late,
    "/bad": _bad,
    "/raises": _raises,
    "/endless": _endless,
    "/gone": _gone,
}


async def _try(interim: _Interim, status: int, headers: list[tuple[bytes, bytes]]) -> str:
    try:
        await interim(status, headers)
    except (RuntimeError, ValueError, OSError) as error:
        return type(error).__name__
    return ""


async def _answer(send: Send, content: list[Any]) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    message: Message = {}
    while message.get("type") != "lifespan.shutdown":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
