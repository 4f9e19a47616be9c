"""What tests of the HTTP face share: starting operations, checking problems, an app in-process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from starlette.types import ASGIApp

from progress import Progress

UNKNOWN = "01900000-0000-7000-8000-000000000000"
"""An id that no operation has: its time is long gone."""


def request_body(
    kind: str, params: Mapping[str, object] | None = None, labels: Mapping[str, str] | None = None
) -> dict[str, object]:
    """The body of `POST /operations`."""
    return {"kind": kind, "params": params or {}, "labels": labels or {}}


def start(
    client: httpx2.Client, kind: str, labels: Mapping[str, str] | None = None, /, **params: object
) -> Any:
    """Start an operation; return its snapshot."""
    answer = client.post("/operations", json=request_body(kind, params, labels))
    assert answer.status_code == 202, answer.text
    return answer.json()


def finish(
    client: httpx2.Client, kind: str, labels: Mapping[str, str] | None = None, /, **params: object
) -> Any:
    """Start an operation that ends by itself; return its final snapshot."""
    body = request_body(kind, params, labels)
    answer = client.post("/operations", json=body, headers={"prefer": "wait=5"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(client: httpx2.Client) -> list[str]:
    """All operations that are kept, the newest first."""
    found = []
    page: str | None = "/operations?limit=500"
    while page is not None:
        listed = client.get(page).json()
        found += [operation["id"] for operation in listed["operations"]]
        page = listed["next"]
    return found


def check_problem(answer: httpx2.Response, status: int, slug: str) -> Any:
    """Insist on a problem of this type that says what to do; return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:progress:problem:{slug}"
    assert problem["status"] == status
    assert problem["title"]
    assert len(problem["detail"]) >= 10
    return problem


def pointers(problem: Any) -> list[str]:
    """Where the errors of a problem are."""
    assert all(error["detail"] for error in problem["errors"])
    return [error["pointer"] for error in problem["errors"]]


@asynccontextmanager
async def in_process(
    app: Progress, outer: ASGIApp | None = None, root_path: str = ""
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the app's lifespan and talk to it, or to the application that mounts it.

    It is for answers that end: ASGITransport reads them whole. `root_path` is what a proxy in
    front takes off, and the server was told of.
    """
    transport = httpx2.ASGITransport(outer or app, root_path=root_path)
    async with app.lifespan(), httpx2.AsyncClient(transport=transport, base_url=LOCAL) as client:
        yield client


LOCAL = "http://localhost"
