"""An app whose figures are looked at, and who talks to it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import anyio
import httpx2

from progress import Progress, Reporter
from progress.core.wires import SSE, Wire
from progress.hub import CloseReason
from progress.settings import Limits, Settings
from tests.support.scrape import Scrape
from tests.support.web import in_process, request_body
from tests.support.wire import ask
from tests.support.writes import WriteSink

__all__ = ["SETTINGS", "WAIT", "Client", "Slow", "make", "running", "scrape"]

SETTINGS = Settings(limits=Limits(journal=3, sink=4_096))
WAIT = {"prefer": "wait=5"}


class Slow(WriteSink):
    """A stream that is read when the test says so."""

    wire: ClassVar[Wire] = SSE
    is_aborted = False

    def close(self, reason: CloseReason) -> None:
        """Nothing is held."""

    def abort(self) -> None:
        """Note it."""
        self.is_aborted = True


def make(settings: Settings = SETTINGS) -> Progress:
    app = Progress(settings=settings)

    @app.operation
    async def copy(report: Reporter, files: int) -> int:
        for n in range(files):
            report.log(f"file {n}")
        return files

    @app.operation
    async def fail(report: Reporter) -> None:
        raise ValueError("no good")

    @app.operation
    async def wait(report: Reporter) -> None:
        await anyio.sleep_forever()

    @app.operation
    async def block(report: Reporter, seconds: float) -> None:
        threading.Event().wait(seconds)

    return app


@asynccontextmanager
async def running(settings: Settings = SETTINGS) -> AsyncIterator[tuple[Progress, Client]]:
    app = make(settings)
    async with in_process(app) as client:
        yield app, Client(client)


class Client:
    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def scrape(self) -> Scrape:
        answer = await self.http.get("/metrics")
        assert answer.status_code == 200, answer.text
        return Scrape(answer.text)

    async def start(self, kind: str, **params: object) -> str:
        answer = await self.http.post("/operations", json=request_body(kind, params))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def finish(self, kind: str, **params: object) -> str:
        body = request_body(kind, params)
        answer = await self.http.post("/operations", json=body, headers=WAIT)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def cancel(self, id: str) -> None:
        assert (await self.http.post(f"/operations/{id}/cancel")).status_code == 202
        headers = {
            **WAIT,
            "if-none-match": (await self.http.get(f"/operations/{id}")).headers["etag"],
        }
        while (await self.http.get(f"/operations/{id}", headers=headers)).json()[
            "state"
        ] != "cancelled":
            pass


def scrape(port: int) -> Scrape:
    return Scrape(ask(port, "/metrics").content.decode())
