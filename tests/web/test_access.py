"""The `authorize` hook: who is asked for what; what is not yours looks like what is not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
from starlette.requests import HTTPConnection

from progress import Forbidden, Progress, Reporter, Unauthorized
from progress.core.operation import Snapshot
from progress.settings import Retention, Settings
from progress.web.access import Access
from tests.support.web import UNKNOWN, check_problem, in_process, request_body

Asked = tuple[str, Snapshot | None]


class Desk:
    """An `authorize` that notes what it is asked, and refuses what it is told to."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.refused: dict[str, Exception] = {}
        """What to raise, by action."""

    async def __call__(
        self, connection: HTTPConnection, action: str, operation: Snapshot | None
    ) -> None:
        await anyio.lowlevel.checkpoint()
        self.asked.append((action, operation))
        if action in self.refused:
            raise self.refused[action]

    def take(self) -> list[Asked]:
        asked, self.asked = self.asked, []
        return asked


def guarded(desk: Desk, retention: Retention | None = None) -> Progress:
    """An app with two kinds of operation: one ends, one does not."""
    app = Progress(authorize=desk, settings=Settings(retention=retention or Retention()))

    @app.operation
    async def count(report: Reporter, to: int = 3) -> int:
        return to

    @app.operation
    async def wait(report: Reporter) -> None:
        await anyio.sleep_forever()

    return app


@asynccontextmanager
async def desk_and_client() -> AsyncIterator[tuple[Desk, httpx2.AsyncClient]]:
    desk = Desk()
    async with in_process(guarded(desk)) as client:
        yield desk, client


async def finished(client: httpx2.AsyncClient) -> str:
    """Run an operation to its end; return its id."""
    headers = {"prefer": "wait=5"}
    answer = await client.post("/operations", json=request_body("count"), headers=headers)
    assert answer.status_code == 200, answer.text
    id: str = answer.json()["id"]
    return id


async def test_start_is_asked_before_there_is_anything() -> None:
    async with desk_and_client() as (desk, client):
        desk.refused["start"] = Forbidden("not you, not today")
        body = request_body("count", {"to": 7}, {"owner": "ada"})
        check_problem(await client.post("/operations", json=body), 403, "forbidden")
        [(action, draft)] = desk.take()
        assert action == "start"
        assert draft is not None
        assert (draft.kind, draft.state, draft.cursor.n) == ("count", "queued", 0)
        assert (draft.labels, bytes(draft.params)) == ({"owner": "ada"}, b'{"to":7}')
        assert (await client.get("/operations")).json()["operations"] == []
        assert (await client.get(f"/operations/{draft.id}")).status_code == 404

        del desk.refused["start"]
        desk.take()
        started = (await client.post("/operations", json=body)).json()
        [(action, draft)] = desk.take()
        assert draft is not None
        assert (action, draft.id, draft.created_at) == (
            "start",
            started["id"],
            started["created_at"],
        )


@pytest.mark.parametrize(
    ("method", "path", "actions"),
    [
        ("GET", "/operations/{id}", ["read"]),
        ("HEAD", "/operations/{id}", ["read"]),
        ("GET", "/operations/{id}/events", ["read"]),
        ("POST", "/operations/{id}/cancel", ["cancel"]),
        ("GET", "/operations", ["list", "read"]),
        ("HEAD", "/operations", ["list", "read"]),
        ("GET", "/kinds", ["list"]),
        ("GET", "/openapi.json", ["list"]),
        ("GET", "/metrics", ["list"]),
        ("GET", "/healthz", []),
        ("GET", "/readyz", []),
        ("OPTIONS", "/operations/{id}", []),
    ],
)
async def test_each_action_is_asked(method: str, path: str, actions: list[str]) -> None:
    async with desk_and_client() as (desk, client):
        id = await finished(client)
        desk.take()
        await client.request(method, path.replace("{id}", id))
        asked = desk.take()
        assert [action for action, _ in asked] == actions
        for action, operation in asked:
            if action == "list":
                assert operation is None
            else:
                assert operation is not None
                assert (operation.id, operation.state) == (id, "succeeded")


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/operations/{id}", "read"),
        ("HEAD", "/operations/{id}", "read"),
        ("GET", "/operations/{id}/events", "read"),
        ("GET", "/operations/{id}/events?types=nonsense", "read"),
        ("POST", "/operations/{id}/cancel", "cancel"),
    ],
)
@pytest.mark.parametrize("state", ["running", "ended", "expired"])
async def test_forbidden_looks_like_missing(
    method: str, path: str, action: str, state: str
) -> None:
    desk = Desk()
    async with in_process(guarded(desk, Retention(operations=1))) as client:
        if state == "running":
            answer = await client.post("/operations", json=request_body("wait"))
            id = answer.json()["id"]
        else:
            id = await finished(client)
        if state == "expired":
            await finished(client)
        desk.take()
        desk.refused[action] = Forbidden("not yours")
        forbidden = await client.request(method, path.replace("{id}", id))
        missing = await client.request(method, path.replace("{id}", UNKNOWN))
        assert forbidden.status_code == missing.status_code == 404
        assert forbidden.headers == missing.headers
        assert forbidden.content.replace(id.encode(), UNKNOWN.encode()) == missing.content
        assert [asked for asked, _ in desk.take()] == [action, action]
        if method != "HEAD":
            check_problem(forbidden, 404, "not-found")


async def test_expired_is_missing_where_there_is_a_hook() -> None:
    """Nobody can say any more whose it was."""
    async with in_process(guarded(Desk(), Retention(operations=1))) as client:
        id = await finished(client)
        await finished(client)
        check_problem(await client.get(f"/operations/{id}"), 404, "not-found")


@pytest.mark.parametrize("path", ["/operations/{id}", "/operations/{id}/events"])
@pytest.mark.parametrize("there", [True, False])
async def test_unauthorized_is_told_of_both(path: str, there: bool) -> None:
    async with desk_and_client() as (desk, client):
        id = await finished(client) if there else UNKNOWN
        desk.refused["read"] = Unauthorized("who are you?", 'Basic realm="x"')
        answer = await client.get(path.replace("{id}", id))
        check_problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == 'Basic realm="x"'


@pytest.mark.parametrize("path", ["/operations", "/events", "/kinds", "/openapi.json"])
async def test_list_is_refused(path: str) -> None:
    async with desk_and_client() as (desk, client):
        desk.refused["list"] = Forbidden("no lists here")
        check_problem(await client.get(path), 403, "forbidden")


@pytest.mark.parametrize("refusal", [Forbidden(), Unauthorized()])
async def test_list_leaves_out_what_may_not_be_read(refusal: Exception) -> None:
    """Also when pages are counted: a page is as long as was asked for."""

    async def authorize(
        connection: HTTPConnection, action: str, operation: Snapshot | None
    ) -> None:
        if action == "read" and operation is not None and operation.labels.get("owner") == "bob":
            raise refusal

    app = Progress(authorize=authorize)

    @app.operation
    async def count(report: Reporter) -> None:
        """End at once."""

    async with in_process(app) as client:
        owners = "ada bob ada bob bob ada ada bob".split()
        made = [app.start("count", {"owner": owner}).id for owner in owners]
        own = [id for id, owner in zip(made, owners, strict=True) if owner == "ada"]
        found: list[str] = []
        sizes: list[int] = []
        url: str | None = "/operations?limit=3"
        while url is not None:
            page = (await client.get(url)).json()
            sizes.append(len(page["operations"]))
            found += [operation["id"] for operation in page["operations"]]
            url = page["next"]
        assert found == own[::-1]
        assert sizes == [3, 1]


async def test_what_is_wrong_with_a_request_is_told_to_those_who_may_list() -> None:
    """It tells what kinds there are, and what they take."""
    async with desk_and_client() as (desk, client):
        for body in (request_body("nope"), request_body("count", {"to": "x"})):
            assert (await client.post("/operations", json=body)).status_code in (404, 422)
            assert desk.take() == [("list", None)]
        desk.refused["list"] = Unauthorized()
        assert (await client.post("/operations", json=request_body("nope"))).status_code == 401


async def test_python_is_not_asked() -> None:
    desk = Desk()
    app = guarded(desk)
    async with in_process(app):
        id = app.start("wait").id
        assert app.snapshot(id).state == "running"
        assert app.cancel(id).state in ("cancelling", "cancelled")
        assert desk.take() == []
    assert app.is_guarded
    assert not Progress().is_guarded


async def test_a_stream_asks_once_for_each_operation() -> None:
    """Also while the answers come one by one, and each lets the stream go on."""
    asked = []

    async def authorize(
        connection: HTTPConnection, action: str, operation: Snapshot | None
    ) -> None:
        await anyio.lowlevel.checkpoint()
        if operation is not None:
            asked.append(operation.id)

    app = Progress(authorize=authorize)
    app.operation(wait)
    async with app.lifespan():
        ids = [app.start("wait").id for _ in range(5)]
        permissions = Access(app.bus, authorize).permissions(HTTPConnection({"type": "http"}))
        assert permissions is not None
        done = anyio.Event()

        def resume() -> None:
            answers = [permissions.get(journal) for journal in app.bus.journals()]
            if all(answers):
                done.set()

        resume()
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(permissions.ask, resume)
                await done.wait()
                tasks.cancel_scope.cancel()
    assert asked == ids


async def wait(report: Reporter) -> None:
    await anyio.sleep_forever()
