"""What the page shows in its tests: `tests.support.page_app:app`.

Operations of the kinds `told` and `queued` do nothing by themselves. `POST /control/{name}` tells
the one with that name what to do, and has done it when it answers: `puppets.py` is the other end.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import anyio
import msgspec
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from progress import Failure, Progress, Reporter, Step

from .server import ROOT

__all__ = ["app"]

HOSTILE = (
    "<img src=x onerror='document.hacked=1'>",
    "<script>document.hacked=1</script>",
    "javascript:document.hacked=1//",
    "\"'><svg onload=document.hacked=1>&lt;b&gt;&amp;",
    "\u202etxt.exe\u2066 right to left \u05d0\u05d1\u05d2",
    "\x1b[31mred\x1b[0m\x07\x00\r\n\ttab",
    "a" + "\u0301" * 60,
    "w" * 1_000_000,
)
"""Text that is something else to who takes it for more than text."""

_EXAMPLES = ROOT / "examples"

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; worker-src 'self'"
)
_EMPTY = (
    "<!doctype html><html lang=en><title>Empty</title><link rel=icon href='data:,'>"
    "<main><h1>Empty</h1></main>"
)


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to do."""

    do: Literal["plan", "step", "leave", "advance", "update", "log", "output", "succeed", "fail"]
    given: dict[str, object] = {}


class Puppet:
    """An operation that does what it is told."""

    def __init__(self) -> None:
        self.ready = anyio.Event()
        self._ended = anyio.Event()
        self._steps: list[Step] = []
        self._result: object = None
        self._failure: Failure | None = None

    async def play(self, report: Reporter) -> object:
        """Be there until the end is told."""
        self._steps = [report]
        self.ready.set()
        await self._ended.wait()
        if self._failure is not None:
            raise self._failure
        return self._result

    def obey(self, order: Order) -> None:
        """Do it to the innermost step."""
        pen, given = self._steps[-1], order.given
        match order.do:
            case "step":
                self._steps.append(pen.step(**given))  # type: ignore[arg-type]
            case "leave":
                self._steps.pop().__exit__(None, None, None)
            case "succeed":
                self._result = given.get("result")
                self._ended.set()
            case "fail":
                self._failure = Failure(str(given["type"]), str(given["detail"]))
                self._ended.set()
            case method:
                getattr(pen, method)(**given)


class Crop(Struct, frozen=True):
    """A part of a picture."""

    width: Annotated[int, Meta(ge=1, description="In pixels.")]
    height: int = 100


class Colour(Enum):
    """One of three."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"


progress = Progress()
puppets: defaultdict[str, Puppet] = defaultdict(Puppet)


@progress.operation
async def told(report: Reporter, name: str) -> object:
    """Do what the test tells it."""
    return await puppets[name].play(report)


@progress.operation(limit=1)
async def queued(report: Reporter, name: str) -> object:
    """Do what the test tells it, one after the other."""
    return await puppets[name].play(report)


@progress.operation
async def tick(report: Reporter, ticks: int = 100, interval: float = 0.1) -> None:
    """Make a report ten times a second."""
    report.update(total=ticks, unit="ticks")
    for n in range(ticks):
        await anyio.sleep(interval)
        report.update(completed=n + 1, message=f"tick {n + 1}")


@progress.operation
async def hostile(report: Reporter, text: str = HOSTILE[0], fails: bool = False) -> object:
    """Put <b onclick=alert(1)>hostile</b> text into everything that is shown."""
    for n, each in enumerate(HOSTILE):
        with report.step(each, label=each, total=len(HOSTILE), unit=each) as step:
            step.update(completed=n, message=each)
            for level in ("debug", "info", "warning", "error"):
                step.log(each, level)
            step.output({each[:100]: [each[:60_000]]})
    report.update(message=HOSTILE[n % 2], unit=HOSTILE[0])
    if fails:
        raise Failure("hostile", text)
    return {text: [text]}


@progress.operation
async def shapes(
    report: Reporter,
    text: Annotated[str, Meta(description="Any text.", min_length=1, max_length=40)],
    count: Annotated[int, Meta(ge=1, le=10, description="From 1 to 10.")],
    ratio: Annotated[float, Meta(gt=0, lt=1)],
    flag: bool,
    mode: Literal["fast", "fine"],
    colour: Colour,
    code: Annotated[str, Meta(pattern="^[A-Z]{3}$", description="Three capitals.")],
    when: datetime,
    nothing: int | None,
    tags: list[str],
    crop: Crop,
    times: int = 3,
    title: str = "Untitled",
    folder: Path = Path("photos"),
    maybe: float | None = None,
    options: dict[str, int] | None = None,
) -> object:
    """Take parameters of every type, and return them."""
    given = {name: value for name, value in locals().items() if name != "report"}
    return msgspec.to_builtins(given, enc_hook=str)


async def _control(request: Request) -> Response:
    puppet = puppets[request.path_params["name"]]
    orders = msgspec.json.decode(await request.body(), type=list[Order])
    with anyio.fail_after(5):
        await puppet.ready.wait()
    for order in orders:
        puppet.obey(order)
    return Response(status_code=204)


async def _census(request: Request) -> JSONResponse:
    return JSONResponse({"subscribers": progress.hub.count})


async def _empty(request: Request) -> HTMLResponse:
    return HTMLResponse(_EMPTY, headers={"content-security-policy": _CSP})


async def _example(request: Request) -> HTMLResponse:
    return HTMLResponse((_EXAMPLES / f"{request.path_params['name']}.html").read_text("utf-8"))


app = Starlette(
    routes=[
        Route("/control", _census),
        Route("/control/{name}", _control, methods=["POST"]),
        Route("/empty", _empty),
        Route("/examples/{name}.html", _example),
        Mount("/tests", StaticFiles(directory=ROOT / "tests" / "browser")),
        Mount("/build", StaticFiles(directory=ROOT / "build" / "browser", check_dir=False)),
        Mount("/below", progress),
        Mount("/", progress),
    ],
    lifespan=progress.lifespan,
)
