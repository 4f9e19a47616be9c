"""Webhooks from the start request on: by HTTP, by WebSocket, by `Progress.start`, at the end."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
import standardwebhooks
from anyio import to_thread
from starlette.testclient import TestClient

from progress import Progress, Reporter, Settings, Timing, Webhook, WebhookSettings
from progress.errors import InvalidParams
from tests.support.hooks import LOCAL, SECRET
from tests.support.process import eventually, free_port
from tests.support.receiver import Receiver, answer, hang, receiving
from tests.support.web import check_problem, in_process, pointers, request_body

ENDS = ("operation.succeeded", "operation.failed")


def an_app(webhooks: WebhookSettings = LOCAL, grace: float = 10.0) -> Progress:
    """One whose operations succeed, or wait."""
    app = Progress(settings=Settings(webhooks=webhooks, timing=Timing(grace=grace)))

    @app.operation
    async def add(report: Reporter, a: int = 1) -> int:
        return a + 1

    @app.operation
    async def wait(report: Reporter) -> None:
        await anyio.sleep_forever()

    return app


def with_webhook(kind: str, **webhook: object) -> dict[str, object]:
    return {**request_body(kind), "webhook": webhook}


async def ends(receiver: Receiver) -> Any:
    """Return the body that tells of the end."""
    while not set(ENDS) & set(receiver.types):
        await receiver.has(len(receiver.requests) + 1)
    return receiver.requests[-1].json


async def test_started_by_http() -> None:
    app = an_app()
    async with receiving() as receiver, in_process(app) as client:
        body = with_webhook("add", url=receiver.url, secret=SECRET, events=["state", "progress"])
        answered = await client.post("/operations", json=body)
        assert answered.status_code == 202
        told = await ends(receiver)
        operation = told["data"]["operation"]
        assert (operation["id"], operation["result"]) == (answered.json()["id"], 2)
        standardwebhooks.Webhook(SECRET).verify(
            receiver.requests[-1].body, receiver.requests[-1].fields
        )
        shown = await client.get(f"/operations/{operation['id']}")
        listed = await client.get(f"/operations/{operation['id']}/deliveries")
        for text in (answered.text, shown.text, listed.text, *map(str, receiver.requests)):
            assert SECRET not in text
        assert "webhook" not in answered.json()
        assert "webhook" not in shown.json()
        assert "hidden" not in answered.text + shown.text + listed.text


async def test_started_by_the_host_application_from_any_thread() -> None:
    app = an_app()
    async with receiving() as receiver, in_process(app):
        app.start("add", webhook=Webhook(receiver.url))
        await ends(receiver)
        count = len(receiver.requests)
        await to_thread.run_sync(lambda: app.start("add", webhook=Webhook(receiver.url), a=7))
        await receiver.has(count + 1)
        with pytest.raises(InvalidParams):
            app.start("add", webhook=Webhook("https://10.0.0.1/"))


async def test_the_servers_own_hears_of_every_start() -> None:
    async with receiving() as receiver:
        own = WebhookSettings(url=receiver.url, http=True, private=LOCAL.private)
        async with in_process(an_app(own)) as client:
            answered = await client.post("/legacy/add", json={"a": 4})
            assert answered.json() == 5
            assert (await ends(receiver))["data"]["operation"]["kind"] == "add"


@pytest.mark.parametrize(
    ("webhook", "pointer"),
    [
        ({}, "#/webhook"),
        ({"url": 5}, "#/webhook/url"),
        ({"url": "https://10.0.0.1/"}, "#/webhook/url"),
        ({"url": "ftp://example.org/"}, "#/webhook/url"),
        ({"url": "https://example.org/", "secret": "hidden"}, "#/webhook/secret"),
        ({"url": "https://example.org/", "secret": 5}, "#/webhook/secret"),
        ({"url": "https://example.org/", "secret": []}, "#/webhook/secret"),
        ({"url": "https://example.org/", "events": ["progress"]}, "#/webhook/events"),
        ({"url": "https://example.org/", "events": ["log"]}, "#/webhook/events/0"),
        ({"url": "https://example.org/", "retries": 3}, "#/webhook"),
        ("https://example.org/", "#/webhook"),
    ],
)
async def test_what_is_no_webhook_starts_nothing(webhook: object, pointer: str) -> None:
    app = an_app()
    async with in_process(app) as client:
        body = {**request_body("add"), "webhook": webhook}
        answered = await client.post("/operations", json=body)
        problem = check_problem(answered, 422, "invalid-params")
        assert [where[: len(pointer)] for where in pointers(problem)] == [pointer]
        assert "hidden" not in answered.text
        assert list(app.bus.journals()) == []


async def test_too_many_pending_start_nothing() -> None:
    few = WebhookSettings(http=True, private=LOCAL.private, pending=1)
    app = an_app(few)
    async with receiving(hang) as receiver, in_process(app) as client:
        body = with_webhook("wait", url=receiver.url)
        assert (await client.post("/operations", json=body)).status_code == 202
        answered = await client.post("/operations", json=body)
        check_problem(answered, 429, "busy")
        assert int(answered.headers["retry-after"]) > 0
        assert len(list(app.bus.journals())) == 1
        assert (await client.post("/operations", json=request_body("add"))).status_code == 202
        await app.drain(0.05)


async def test_the_same_start_again_is_told_of_once() -> None:
    app = an_app()
    async with receiving() as receiver, in_process(app) as client:
        headers = {"idempotency-key": '"k"'}
        body = with_webhook("add", url=receiver.url)
        first = await client.post("/operations", json=body, headers=headers)
        await ends(receiver)
        again = await client.post("/operations", json=body, headers=headers)
        assert first.json()["id"] == again.json()["id"]
        other = with_webhook("add", url=f"{receiver.url}x")
        answered = await client.post("/operations", json=other, headers=headers)
        check_problem(answered, 422, "key-reused")
        await anyio.wait_all_tasks_blocked()
        assert receiver.types.count("operation.succeeded") == 1


async def test_the_end_of_the_server_is_told() -> None:
    """What runs is cancelled, and that goes out before the process does."""
    app = an_app(grace=5.0)
    async with receiving() as receiver:
        async with in_process(app) as client:
            body = with_webhook("wait", url=receiver.url)
            await client.post("/operations", json=body)
            await receiver.has(1)
        assert receiver.types[-1] == "operation.failed"
        error = receiver.requests[-1].json["data"]["operation"]["error"]
        assert error["type"] == "urn:progress:problem:shutdown"


async def test_a_receiver_that_hangs_does_not_hold_the_end_up_for_long() -> None:
    app = an_app(grace=0.3)
    async with receiving(hang, hang) as receiver:
        with anyio.fail_after(3):
            async with in_process(app) as client:
                body = with_webhook("wait", url=receiver.url)
                await client.post("/operations", json=body)
                await receiver.has(1)


async def test_webhooks_are_no_subscribers() -> None:
    app = an_app()
    async with receiving(answer(500)) as receiver, in_process(app) as client:
        await client.post("/operations", json=with_webhook("wait", url=receiver.url))
        await receiver.has(1)
        assert app.hub.count == 0


def test_started_over_a_websocket() -> None:
    app = an_app()
    url = f"http://127.0.0.1:{free_port()}/"
    with (
        TestClient(app, base_url="http://localhost") as client,
        client.websocket_connect("ws://localhost/ws") as socket,
    ):

        def call(webhook: object) -> Any:
            params = {"kind": "add", "webhook": webhook}
            call = {"jsonrpc": "2.0", "id": 1, "method": "start", "params": params}
            socket.send_json(call)
            return socket.receive_json()

        for webhook in ({"url": "https://10.0.0.1/"}, {"url": 5}):
            problem = call(webhook)["error"]["data"]
            assert pointers(problem) == ["#/params/webhook/url"]
        assert list(app.bus.journals()) == []
        id = call({"url": url})["result"]["id"]
        eventually(lambda: app.webhooks.of(id))
        assert app.webhooks.of(id)[0].url == url
