"""Operations that others start: `progress serve tests.support.nested_app:app`."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from progress import Progress, Reporter

progress = Progress()


@progress.operation
async def outer(report: Reporter) -> str:
    """Start one more, and return its id."""
    return progress.start("inner").id


@progress.operation
async def inner(report: Reporter) -> None:
    """Do nothing."""


def go(request: Request) -> Response:
    """Start one, in a worker thread."""
    return PlainTextResponse(progress.start("inner").id)


app = Starlette(routes=[Route("/go", go), Mount("/", progress)], lifespan=progress.lifespan)
