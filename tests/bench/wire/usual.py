"""The usual way: a queue per subscriber, and each encodes for itself."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from .pace import at_rate, stamp

__all__ = ["app"]

_Event: TypeAlias = dict[str, object]

_event: _Event = json.loads(Path(os.environ["BENCH_EVENT"]).read_text())
_step = dict(_event["step"])  # type: ignore[call-overload] # an object, as JSON has it
_words = re.sub(r"\|.*\|", "", _step["message"])
_queues: defaultdict[str, set[asyncio.Queue[_Event]]] = defaultdict(set)


@contextmanager
def _subscribed(operation: str) -> Iterator[asyncio.Queue[_Event]]:
    queue: asyncio.Queue[_Event] = asyncio.Queue()
    _queues[operation].add(queue)
    try:
        yield queue
    finally:
        _queues[operation].discard(queue)


async def _events(request: Request) -> EventSourceResponse:
    return EventSourceResponse(_stream(request.path_params["operation"]))


async def _stream(operation: str) -> AsyncIterator[ServerSentEvent]:
    with _subscribed(operation) as queue:
        while True:
            event = await queue.get()
            yield ServerSentEvent(json.dumps(event), event="progress", id=str(event["cursor"]))


async def _websocket(websocket: WebSocket) -> None:
    await websocket.accept()
    with _subscribed(websocket.path_params["operation"]) as queue:
        while True:
            await websocket.send_text(json.dumps(await queue.get()))


async def _publish(request: Request) -> Response:
    operations, events = (request.path_params[name] for name in ("operations", "events"))

    def publish(n: int) -> None:
        step = {**_step, "message": f"{_words}{stamp()}"}
        event = {**_event, "cursor": f"1766150400123456-{n}", "step": step}
        for queue in _queues[str(n % operations)]:
            queue.put_nowait(event)

    return Response(
        status_code=202,
        background=BackgroundTask(at_rate, request.path_params["rate"], events, publish),
    )


app = Starlette(
    routes=[
        Route("/publish/{operations:int}/{rate:float}/{events:int}", _publish),
        Route("/{operation}", _events),
        WebSocketRoute("/{operation}", _websocket),
    ]
)
