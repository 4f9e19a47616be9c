"""Progress inside FastAPI and Starlette applications, as the examples show it."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from progress.core.event import ProgressEvent
from progress.core.frames import Bye, SnapshotNotice
from tests.examples.client import User, problem_slug, states
from tests.support.process import free_port, listening
from tests.support.server import serving

FASTAPI = "examples.02_embed_fastapi:app"
STARLETTE = "examples.03_embed_starlette:app"
ADA = {"authorization": "Bearer ada-secret"}
BOB = {"authorization": "Bearer bob-secret"}

Run = Callable[[str], AbstractContextManager[str]]


@contextmanager
def with_progress(app: str) -> Iterator[str]:
    """Run it as the example says first."""
    with serving(app) as server:
        yield server.url


@contextmanager
def with_uvicorn(app: str) -> Iterator[str]:
    """Run it under plain uvicorn."""
    port = free_port()
    with listening(["uvicorn", app, "--port", str(port)], port):
        yield f"http://127.0.0.1:{port}"


def load(path: str) -> ASGIApp:
    """The application, in this process."""
    module, _, attribute = path.partition(":")
    app: ASGIApp = getattr(importlib.import_module(module), attribute)
    return app


def client(path: str, root_path: str = "") -> TestClient:
    """Somebody who uses the application in this process; the Host is one that is served."""
    return TestClient(load(path), base_url="http://localhost", root_path=root_path)


@pytest.mark.parametrize("run", [with_progress, with_uvicorn])
def test_own_endpoint_starts_an_operation(run: Run) -> None:
    with run(FASTAPI) as url:
        response = httpx2.post(f"{url}/reports/2026")
        assert response.status_code == 202
        link = response.json()["operation"]
        assert response.json() == {"operation": link, "events": f"{link}/events"}
        assert response.headers["location"] == link
        with User(f"{url}/progress") as user:
            messages = list(user.watch(link.rpartition("/")[2]))
        snapshot = httpx2.get(url + link).json()
    assert isinstance(messages[0], SnapshotNotice)
    assert states(messages)[-1:] == ["succeeded"]
    assert messages[-1] == Bye(reason="complete", reconnect=False)
    done = [m.progress.completed for m in messages if isinstance(m, ProgressEvent)]
    assert done == sorted(done, key=lambda n: n or 0)
    assert snapshot["result"] == {"pages": 12}
    assert snapshot["labels"] == {"year": "2026"}
    assert snapshot["links"]["self"] == link


def test_links_follow_the_root_path() -> None:
    with client(FASTAPI, root_path="/behind/proxy") as http:
        link = http.post("/behind/proxy/reports/2026").json()["operation"]
        assert link.startswith("/behind/proxy/progress/operations/")
        assert http.get(link).json()["links"]["self"] == link
        assert http.post(f"{link}/cancel").status_code == 202


@pytest.mark.parametrize("path", [FASTAPI, STARLETTE])
def test_application_starts_again(path: str) -> None:
    for _ in range(2):
        with client(path) as http:
            assert http.get("/progress/readyz").status_code == 200


def nap(http: TestClient, headers: dict[str, str], owner: str) -> Any:
    """Ask for an operation that takes long."""
    body = {"kind": "nap", "params": {"seconds": 60}, "labels": {"owner": owner}}
    return http.post("/progress/operations", json=body, headers=headers)


@pytest.fixture
def http() -> Iterator[TestClient]:
    """The application with users."""
    with client(STARLETTE) as http:
        yield http


def test_owner_may_do_everything(http: TestClient) -> None:
    response = nap(http, ADA, "ada")
    assert response.status_code == 202
    link = response.headers["location"]
    assert http.get(link, headers=ADA).json()["state"] == "running"
    assert http.post(f"{link}/cancel", headers=ADA).status_code == 202
    with http.stream("GET", f"{link}/events", headers=ADA) as stream:
        assert '"reason":"complete"' in stream.read().decode()
    assert http.get(link, headers={"cookie": "token=ada-secret"}).json()["state"] == "cancelled"


def test_others_see_nothing_of_it(http: TestClient) -> None:
    link = nap(http, ADA, "ada").headers["location"]
    for method, path in [("GET", link), ("POST", f"{link}/cancel"), ("GET", f"{link}/events")]:
        for stranger, status in [(BOB, 404), ({}, 401), ({"cookie": "token=x"}, 401)]:
            assert http.request(method, path, headers=stranger).status_code == status
    nowhere = link.replace(link[-12:], "0" * 12)
    assert http.get(link, headers=BOB).json()["detail"].replace(link[-36:], "") == http.get(
        nowhere, headers=BOB
    ).json()["detail"].replace(nowhere[-36:], "")
    assert http.get(link, headers=ADA).json()["state"] == "running"


def test_lists_show_ones_own(http: TestClient) -> None:
    mine = nap(http, BOB, "bob").headers["location"]
    yours = nap(http, ADA, "ada").headers["location"]
    listed = http.get("/progress/operations", headers=BOB).json()["operations"]
    links = [operation["links"]["self"] for operation in listed]
    assert mine in links
    assert yours not in links
    assert {operation["labels"]["owner"] for operation in listed} == {"bob"}


@pytest.mark.parametrize(
    ("headers", "owner", "status", "slug"),
    [
        ({}, "ada", 401, "unauthorized"),
        ({"authorization": "Bearer wrong"}, "ada", 401, "unauthorized"),
        ({"authorization": "Basic ada-secret"}, "ada", 401, "unauthorized"),
        (BOB, "ada", 403, "forbidden"),
        (BOB, "", 403, "forbidden"),
    ],
)
def test_nobody_starts_for_others(
    http: TestClient, headers: dict[str, str], owner: str, status: int, slug: str
) -> None:
    response = nap(http, headers, owner)
    assert response.status_code == status
    assert problem_slug(response.json()) == slug


def test_stream_of_many_shows_ones_own() -> None:
    with serving(STARLETTE) as server:
        url = f"{server.url}/progress"
        with User(url, {"owner": "ada"}, **ADA) as ada, User(url, {"owner": "bob"}, **BOB) as bob:
            theirs = ada.start("nap")
            with closing(bob.watch_all()) as stream:
                own = bob.start("nap", seconds=1)
                seen = set()
                for message in stream:
                    seen.add(getattr(message, "operation", None))
                    if states([message]) == ["succeeded"]:
                        break
            assert ada.get(theirs)["state"] == "running"
    assert own in seen
    assert theirs not in seen
