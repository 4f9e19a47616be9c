"""Mounted in another application: links start with the mount path, and the lifespan is run."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from progress import Progress, Reporter
from progress.errors import NotRunning
from progress.web import requests
from tests.support.web import LOCAL, check_problem, in_process, request_body

Host = Callable[[str, Progress], ASGIApp]


def starlette(path: str, app: Progress) -> ASGIApp:
    return Starlette(routes=[Mount(path, app)], lifespan=app.lifespan)


def nested(path: str, app: Progress) -> ASGIApp:
    """One mount inside the other, one for each part of the path."""
    routes = [Mount("/" + path.rpartition("/")[2], app)]
    for part in reversed(path.split("/")[1:-1]):
        routes = [Mount(f"/{part}", routes=routes)]
    return Starlette(routes=routes, lifespan=app.lifespan)


def fastapi(path: str, app: Progress) -> ASGIApp:
    host = FastAPI(lifespan=app.lifespan)
    host.mount(path, app)
    return host


HOSTS: list[tuple[Host, str, str]] = [
    (host, path, root)
    for host in (starlette, nested, fastapi)
    for path in ("/x", "/x/y")
    for root in ("", "/outside")
]
hosts = pytest.mark.parametrize(
    ("host", "path", "root"),
    HOSTS,
    ids=[f"{host.__name__}-{root}{path}" for host, path, root in HOSTS],
)


def counting_app() -> Progress:
    app = Progress()

    @app.operation
    async def count(report: Reporter, to: int = 1) -> int:
        report.log("a line")
        return to

    return app


@hosts
async def test_links_start_with_the_mount_path(host: Host, path: str, root: str) -> None:
    app, prefix = counting_app(), root + path
    async with in_process(app, host(path, app), root) as client:
        headers = {"prefer": "wait=5"}
        await client.post(f"{prefix}/operations", json=request_body("count"))
        answer = await client.post(
            f"{prefix}/operations", json=request_body("count"), headers=headers
        )
        assert answer.status_code == 200
        shown = answer.json()
        own = f"{prefix}/operations/{shown['id']}"
        assert answer.headers["location"] == own
        assert shown["links"] == {
            "self": own,
            "events": f"{own}/events?after={shown['cursor']}",
            "cancel": f"{own}/cancel",
        }
        listed = (await client.get(f"{prefix}/operations?limit=1&kind=count")).json()
        assert listed["operations"] == [shown]
        assert listed["next"].startswith(f"{prefix}/operations?")
        followed = await client.get(listed["next"])
        assert len(followed.json()["operations"]) == 1
        assert followed.json()["operations"] != [shown]
        document = (await client.get(f"{prefix}/openapi.json")).json()
        assert document["servers"] == [{"url": prefix}]


@hosts
async def test_links_work(host: Host, path: str, root: str) -> None:
    app, prefix = counting_app(), root + path
    async with in_process(app, host(path, app), root) as client:
        headers = {"prefer": "wait=5"}
        answer = await client.post(
            f"{prefix}/operations", json=request_body("count"), headers=headers
        )
        links = answer.json()["links"]
        shown = await client.get(links["self"])
        assert shown.json() == answer.json()
        events = await client.get(links["events"])
        assert events.status_code == 200
        assert events.headers["content-type"].startswith("text/event-stream")
        names = [line for line in events.text.splitlines() if line.startswith("event: ")]
        assert names == ["event: snapshot", "event: ping", "event: bye"]
        assert "links" not in json.loads(data_lines(events.text)[0])["snapshot"]
        cancel = await client.post(links["cancel"])
        check_problem(cancel, 409, "ended")


def data_lines(text: str) -> list[str]:
    return [line[6:] for line in text.splitlines() if line.startswith("data: ")]


@hosts
async def test_unknown_path_below_the_mount(host: Host, path: str, root: str) -> None:
    app, prefix = counting_app(), root + path
    async with in_process(app, host(path, app), root) as client:
        problem = check_problem(await client.get(f"{prefix}/nowhere"), 404, "not-found")
        assert f"{prefix}/openapi.json" in problem["detail"]
        assert (await client.get(f"{prefix}/healthz")).status_code == 200


async def test_alone_there_is_no_prefix() -> None:
    app = counting_app()
    async with in_process(app) as client:
        answer = await client.post("/operations", json=request_body("count"))
        assert answer.headers["location"] == f"/operations/{answer.json()['id']}"


@pytest.mark.parametrize("host", [Starlette, FastAPI])
async def test_forgotten_lifespan_is_told_of(
    host: type[Starlette], caplog: pytest.LogCaptureFixture
) -> None:
    """The client learns that it is not its fault, the log names the line to add."""
    app = counting_app()
    outer = host(routes=[Mount("/x", app)])
    transport = httpx2.ASGITransport(outer)
    async with httpx2.AsyncClient(transport=transport, base_url=LOCAL) as client:
        with caplog.at_level(logging.ERROR, "progress"):
            answer = await client.post("/x/operations", json=request_body("count"))
        problem = check_problem(answer, 500, "not-running")
        assert "lifespan=app.lifespan" in problem["detail"]
        assert "lifespan=app.lifespan" in caplog.text
        assert (await client.get("/x/operations")).json()["operations"] == []
        ready = await client.get("/x/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "starting")
        assert "lifespan=app.lifespan" in ready.json()["detail"]
        assert (await client.get("/x/healthz")).status_code == 200
    with pytest.raises(NotRunning, match=r"lifespan=app\.lifespan"):
        app.start("count")


async def test_lifespan_can_be_run_again() -> None:
    """Each test of somebody's own suite runs it."""
    app = counting_app()
    for _ in range(3):
        async with in_process(app) as client:
            assert (await client.get("/readyz")).status_code == 200
            answer = await client.post("/operations", json=request_body("count"))
            assert answer.status_code == 202
    assert len(list(app.bus.journals())) == 3


async def test_lifespan_combines_with_the_hosts_own() -> None:
    app = counting_app()
    outer = Starlette(routes=[Mount("/x", app)], lifespan=app.lifespan)
    async with (
        outer.router.lifespan_context(outer),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(outer), base_url=LOCAL) as client,
    ):
        answer = await client.post("/x/operations", json=request_body("count"))
        assert answer.status_code == 202


@pytest.mark.parametrize(
    ("root_path", "prefix"),
    [
        ("/\u65e5\u672c", "/%E6%97%A5%E6%9C%AC"),
        ('/t/a b"', "/t/a%20b%22"),
        ("/t/a\r\nset-cookie: x=1", "/t/a%0D%0Aset-cookie:%20x=1"),
        ("//evil.example", "/evil.example"),
        ("/", ""),
    ],
)
def test_prefix_is_safe_in_a_link(root_path: str, prefix: str) -> None:
    assert requests.prefix({"root_path": root_path}) == prefix
