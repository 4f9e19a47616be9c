"""`/readyz` says whether more work would be taken, and if not why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest

from progress import Progress, Reporter
from progress.core.filter import Filter
from progress.hub import Subscription
from progress.settings import Limits, Retention, Settings
from tests.support.web import in_process, request_body
from tests.support.writes import WriteSink

TIGHT = Settings(
    limits=Limits(running=1, queued=2, subscribers=2), retention=Retention(bytes=20_000)
)


class Quiet(WriteSink):
    """It may be closed."""

    def close(self, reason: object) -> None:
        """Nothing is held."""


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Progress, httpx2.AsyncClient]]:
    app = Progress(settings=TIGHT)

    @app.operation
    async def wait(report: Reporter, padding: str = "") -> None:
        await anyio.sleep_forever()

    async with in_process(app) as client:
        yield app, client


async def check_ready(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert answer.headers["cache-control"] == "no-store"


async def check_overloaded(client: httpx2.AsyncClient, *says: str) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "overloaded"
    assert answer.json()["detail"] == "; ".join(says)
    assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_before_the_lifespan_and_after_it() -> None:
    app = Progress(settings=TIGHT)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for status in ("starting", "draining"):
            answer = await client.get("/readyz")
            assert answer.status_code == 503
            assert answer.json()["status"] == status
            assert answer.json()["detail"]
            async with app.lifespan():
                await check_ready(client)


async def test_the_queue_is_full_until_there_is_room() -> None:
    async with running() as (app, client):
        app.start("wait")
        app.start("wait")
        await check_ready(client)
        last = app.start("wait")
        await check_overloaded(client, "the queue is full: 2 operations wait")
        assert (await client.post("/operations", json=request_body("wait"))).status_code == 429
        app.cancel(last.id)
        await check_ready(client)


async def test_who_runs_is_not_who_waits() -> None:
    async with running() as (app, client):
        app.start("wait")
        for _ in range(3):
            answer = await client.post("/operations", json=request_body("external", {"label": "x"}))
            assert answer.status_code == 202
        await check_ready(client)


async def test_the_memory_is_full() -> None:
    async with running() as (app, client):
        app.start("wait", padding="x" * 30_000)
        await check_overloaded(client, "the operations that run fill the memory set aside for them")


@pytest.mark.parametrize("queue", [False, True])
async def test_there_are_as_many_subscribers_as_there_may_be(queue: bool) -> None:
    async with running() as (app, client):
        says = ["there are 2 subscribers, as many as there may be"]
        if queue:
            for _ in range(3):
                app.start("wait")
            says.insert(0, "the queue is full: 2 operations wait")
        everything = Subscription(Filter())
        with app.hub.subscribe(Quiet(), everything, None):
            if not queue:
                await check_ready(client)
            with app.hub.subscribe(Quiet(), everything, None):
                await check_overloaded(client, *says)
