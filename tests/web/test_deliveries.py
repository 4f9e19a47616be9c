"""`/operations/{id}/deliveries`: what became of them, sending one again, and who may."""

from __future__ import annotations

from typing import Any

import anyio
import httpx2
from starlette.requests import HTTPConnection

from progress import Forbidden, Progress, Reporter, Retention, Settings, Snapshot, Unauthorized
from tests.support.hooks import LOCAL
from tests.support.receiver import answer, receiving
from tests.support.web import UNKNOWN, check_problem, in_process, request_body


async def owners(connection: HTTPConnection, action: str, operation: Snapshot | None) -> None:
    """Everybody reads what is theirs; `reader` may do nothing else."""
    user = connection.headers.get("x-user")
    if user is None:
        raise Unauthorized
    if operation is not None and operation.labels.get("owner") not in (None, user):
        raise Forbidden
    if user == "reader" and action == "cancel":
        raise Forbidden


def an_app(guarded: bool = False, kept: int = 100) -> Progress:
    settings = Settings(webhooks=LOCAL, retention=Retention(operations=kept))
    app = Progress(settings=settings, authorize=owners if guarded else None)

    @app.operation
    async def nothing(report: Reporter) -> None:
        return None

    return app


async def deliveries(client: httpx2.AsyncClient, id: str, user: str = "") -> list[dict[str, Any]]:
    """Once none of them is pending."""
    headers = {"x-user": user} if user else {}
    with anyio.fail_after(8):
        while True:
            answered = await client.get(f"/operations/{id}/deliveries", headers=headers)
            assert answered.status_code == 200, answered.text
            found: list[dict[str, Any]] = answered.json()["deliveries"]
            if found and all(one["state"] != "pending" for one in found):
                return found
            await anyio.sleep(0.001)


async def start(client: httpx2.AsyncClient, url: str, owner: str = "ada") -> str:
    body = {**request_body("nothing", labels={"owner": owner}), "webhook": {"url": url}}
    answered = await client.post("/operations", json=body, headers={"x-user": owner})
    assert answered.status_code == 202, answered.text
    id: str = answered.json()["id"]
    return id


async def test_the_list() -> None:
    async with receiving(answer(410)) as receiver, in_process(an_app()) as client:
        id = await start(client, receiver.url)
        [gone] = await deliveries(client, id)
        [attempt] = gone.pop("attempts")
        assert (attempt["status"], attempt["error"]) == (410, "it answered 410")
        assert gone == {
            "id": receiver.requests[0].id,
            "operation": id,
            "url": f"http://127.0.0.1:{receiver.port}/hook",
            "type": receiver.types[0],
            "state": "gone",
            "created_at": gone["created_at"],
            "next_attempt_at": None,
        }
        assert str(gone["created_at"]).endswith("Z")


async def test_an_operation_without_a_webhook_and_none_at_all() -> None:
    app = an_app()
    async with in_process(app) as client:
        id = app.start("nothing").id
        answered = await client.get(f"/operations/{id}/deliveries")
        assert answered.json() == {"deliveries": []}
        assert answered.headers["cache-control"] == "no-store"
        check_problem(await client.get(f"/operations/{UNKNOWN}/deliveries"), 404, "not-found")


async def test_sending_again() -> None:
    async with receiving(answer(410)) as receiver, in_process(an_app()) as client:
        id = await start(client, receiver.url)
        [gone] = await deliveries(client, id)
        path = f"/operations/{id}/deliveries/{gone['id']}/retry"
        answered = await client.post(path)
        assert answered.status_code == 202
        assert (answered.json()["id"], answered.json()["state"]) == (gone["id"], "pending")
        [delivered] = await deliveries(client, id)
        assert delivered["state"] == "delivered"
        assert len({(one.id, one.body) for one in receiver.requests}) == 1
        assert len(receiver.requests) == 2
        check_problem(await client.post(path), 409, "conflict")
        other = f"/operations/{id}/deliveries/msg_x/retry"
        check_problem(await client.post(other), 404, "not-found")
        assert (await client.get(path)).status_code == 405


async def test_after_the_operation_is_evicted() -> None:
    app = an_app(kept=1)
    async with receiving(answer(410)) as receiver, in_process(app) as client:
        id = await start(client, receiver.url)
        [gone] = await deliveries(client, id)
        for _ in range(2):
            headers = {"prefer": "wait=5"}
            await client.post("/operations", json=request_body("nothing"), headers=headers)
        check_problem(await client.get(f"/operations/{id}"), 410, "expired")
        assert await deliveries(client, id) == [gone]
        path = f"/operations/{id}/deliveries/{gone['id']}/retry"
        assert (await client.post(path)).status_code == 202
        assert (await deliveries(client, id))[0]["state"] == "delivered"


async def test_who_may() -> None:
    app = an_app(guarded=True, kept=1)
    async with receiving(answer(410)) as receiver, in_process(app) as client:
        id = await start(client, receiver.url)
        [gone] = await deliveries(client, id, "ada")
        list_path = f"/operations/{id}/deliveries"
        path = f"{list_path}/{gone['id']}/retry"

        async def check_access() -> None:
            check_problem(await client.get(list_path), 401, "unauthorized")
            check_problem(await client.post(path), 401, "unauthorized")
            bob = {"x-user": "bob"}
            check_problem(await client.get(list_path, headers=bob), 404, "not-found")
            check_problem(await client.post(path, headers=bob), 404, "not-found")

        await check_access()
        for _ in range(2):  # it is evicted, and nobody sees more of it
            headers = {"prefer": "wait=5", "x-user": "bob"}
            await client.post("/operations", json=request_body("nothing"), headers=headers)
        await check_access()
        assert len(receiver.requests) == 1
        assert (await client.post(path, headers={"x-user": "ada"})).status_code == 202


async def test_reading_is_no_leave_to_send_again() -> None:
    app = an_app(guarded=True)
    async with receiving(answer(410)) as receiver, in_process(app) as client:
        id = await start(client, receiver.url, "reader")
        [gone] = await deliveries(client, id, "reader")
        path = f"/operations/{id}/deliveries/{gone['id']}/retry"
        answered = await client.post(path, headers={"x-user": "reader"})
        check_problem(answered, 404, "not-found")
        assert len(receiver.requests) == 1
