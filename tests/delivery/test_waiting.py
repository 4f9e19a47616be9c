"""Waiting inside the process: the event, the bound or the drain ends it, on both backends."""

from __future__ import annotations

import anyio
import httpx2

from progress import Progress
from progress.settings import Settings, Timing
from tests.support.web import in_process, request_body

FOREVER = 30
"""Seconds that a wait may take; no test here waits for them to pass."""


def waiting_app(timing: Timing | None = None) -> Progress:
    """An app whose operation `wait` ends when it is cancelled."""
    app = Progress(settings=Settings(timing=timing or Timing()))

    @app.operation
    async def wait(report: object) -> None:
        await anyio.sleep_forever()

    return app


async def waits(app: Progress) -> None:
    """Return once somebody waits."""
    while not app.hub.count:
        await anyio.lowlevel.checkpoint()


async def test_long_poll_returns_at_the_event() -> None:
    app = waiting_app()

    async with in_process(app) as client:
        id = app.start("wait").id
        path = f"/operations/{id}"
        etag = (await client.get(path)).headers["etag"]
        answers: list[httpx2.Response] = []

        async def poll() -> None:
            headers = {"prefer": f"wait={FOREVER}", "if-none-match": etag}
            answers.append(await client.get(path, headers=headers))

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(poll)
                await waits(app)
                app.cancel(id)
        [answer] = answers
        assert answer.status_code == 200
        assert answer.headers["preference-applied"] == f"wait={FOREVER}"
        assert answer.json()["state"] in ("cancelling", "cancelled")
        assert app.hub.count == 0


async def test_wait_is_bounded_by_the_setting() -> None:
    app = waiting_app(Timing(wait=0.05))

    async with in_process(app) as client:
        id = app.start("wait").id
        headers = {"prefer": f"wait={FOREVER}", "if-none-match": "*"}
        with anyio.fail_after(5):
            answer = await client.get(f"/operations/{id}", headers=headers)
            assert answer.status_code == 304
            body = request_body("wait")
            answer = await client.post("/operations", json=body, headers=headers)
            assert answer.status_code == 202
        app.cancel(id)


async def test_drain_ends_waits() -> None:
    app = waiting_app(Timing(grace=0.2))

    async with in_process(app) as client:
        answers: list[httpx2.Response] = []

        async def ask() -> None:
            headers = {"prefer": f"wait={FOREVER}"}
            body = request_body("wait")
            answers.append(await client.post("/operations", json=body, headers=headers))

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                await waits(app)
                await app.drain(0.2)
        assert answers[0].status_code == 200
        assert answers[0].json()["error"]["type"] == "urn:progress:problem:shutdown"
        assert app.hub.count == 0
