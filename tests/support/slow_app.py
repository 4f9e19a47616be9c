"""Slow applications behind `ProcessingMiddleware`: `tests.support.slow_app:app`."""

from __future__ import annotations

import anyio
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import Scope

from progress import ProcessingMiddleware, Progress, Reporter

progress = Progress()
_copied = anyio.Event()


@progress.operation
async def copy(report: Reporter) -> None:
    """Take two seconds."""
    for _ in report.track(range(8)):
        await anyio.sleep(0.3)
    _copied.set()


@progress.operation
async def count(report: Reporter, to: int, interval: float) -> dict[str, int]:
    """Count."""
    for _ in report.track(range(to)):
        await anyio.sleep(interval)
    return {"counted": to}


async def _slow(request: Request) -> PlainTextResponse:
    await request.body()
    await anyio.sleep(float(request.query_params.get("seconds", "2.5")))
    return PlainTextResponse("done", headers={"vary": "Accept"})


async def _copy(request: Request) -> PlainTextResponse:
    progress.start("copy")
    await _copied.wait()
    return PlainTextResponse("copied", 201)


async def _fail(request: Request) -> PlainTextResponse:
    await anyio.sleep(1.5)
    raise ValueError("on purpose")


def _is_known(scope: Scope) -> bool:
    return Headers(scope=scope).get("user-agent", "").startswith("cadaver")


slow = Starlette(
    routes=[
        Route("/slow", _slow, methods=["GET", "POST"]),
        Route("/copy", _copy),
        Route("/fail", _fail),
        Mount("/progress", progress),
    ],
    lifespan=progress.lifespan,
)
app = ProcessingMiddleware(slow, when=_is_known, mounted="/progress")
