"""Everything with the access hook in place: each principal has its own operations, and no others.

A hook gives an operation to whoever starts it. Principals come in at random, by random routes; what
they get is compared with what is theirs, and with what somebody gets who names nothing that is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeAlias

import anyio
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from progress import Forbidden, Progress, Settings, Unauthorized
from progress.core.operation import Snapshot
from tests.support.hooks import LOCAL
from tests.support.receiver import Receiver, receiving
from tests.support.web import UNKNOWN, in_process, request_body

NAMES = ("ada", "bob", "cyd")

LINES = b'{"type":"progress","completed":1}\n{"type":"log","message":"here"}\n'
NDJSON = {"content-type": "application/x-ndjson"}


async def owners_only(connection: HTTPConnection, action: str, operation: Snapshot | None) -> None:
    """Let a principal do everything with what it has started, and nothing with the rest."""
    name = connection.headers.get("authorization", "").removeprefix("Bearer ")
    if name not in NAMES:
        raise Unauthorized
    if operation is not None and operation.labels.get("owner") != name:
        raise Forbidden


class World:
    """A guarded server with external operations, and a receiver for each principal."""

    def __init__(self, client: httpx2.AsyncClient, receivers: dict[str, Receiver]) -> None:
        self.client = client
        self.receivers = receivers
        self.owned: defaultdict[str, list[str]] = defaultdict(list)

    async def start(self, name: str) -> str:
        """Start one, with a webhook."""
        body = {
            **request_body("external", {"label": name}, {"owner": name}),
            "webhook": {"url": self.receivers[name].url},
        }
        answer = await self.ask(name, "POST", "/operations", json=body)
        assert answer.status_code == 202, answer.text
        id: str = answer.json()["id"]
        self.owned[name].append(id)
        return id

    async def ask(self, name: str, method: str, path: str, **more: Any) -> httpx2.Response:
        """Make a request as somebody."""
        headers = {"authorization": f"Bearer {name}", **more.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **more)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    app = Progress(authorize=owners_only, settings=Settings(webhooks=LOCAL))
    async with (
        receiving() as ada,
        receiving() as bob,
        receiving() as cyd,
        in_process(app) as client,
    ):
        yield World(client, dict(zip(NAMES, (ada, bob, cyd), strict=True)))


def ids_in(text: str) -> set[str]:
    """All operations that an answer speaks of."""
    return set(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", text))


Attempt: TypeAlias = Callable[[World, str, str], Awaitable[httpx2.Response]]

ABOUT_ONE: dict[str, Attempt] = {
    "GET /operations/{id}": lambda world, name, id: world.ask(name, "GET", f"/operations/{id}"),
    "GET /operations/{id}/events": lambda world, name, id: world.ask(
        name, "GET", f"/operations/{id}/events?after=0-0", headers={"prefer": "wait=0"}
    ),
    "POST /operations/{id}/events": lambda world, name, id: world.ask(
        name, "POST", f"/operations/{id}/events", content=LINES, headers=NDJSON
    ),
    "POST /operations/{id}/cancel": lambda world, name, id: world.ask(
        name, "POST", f"/operations/{id}/cancel"
    ),
    "GET /operations/{id}/deliveries": lambda world, name, id: world.ask(
        name, "GET", f"/operations/{id}/deliveries"
    ),
    "POST /operations/{id}/deliveries/{delivery}/retry": lambda world, name, id: world.ask(
        name, "POST", f"/operations/{id}/deliveries/msg_1/retry"
    ),
}
OF_MANY: dict[str, Attempt] = {
    "GET /operations": lambda world, name, id: world.ask(name, "GET", "/operations?limit=500"),
    "GET /events": lambda world, name, id: world.ask(
        name, "GET", "/events?after=0-0", headers={"prefer": "wait=0"}
    ),
    "GET /events of one": lambda world, name, id: world.ask(
        name, "GET", f"/events?after=0-0&operation={id}", headers={"prefer": "wait=0"}
    ),
}


def test_no_route_is_left_out() -> None:
    routes = {
        f"{method} {path}"
        for route in Progress().routes
        for method in sorted(getattr(getattr(route, "app", None), "_endpoints", {}))
        if "{id}" in (path := str(getattr(route, "path", "")))
    }
    assert routes == set(ABOUT_ONE)


@pytest.mark.parametrize("route", ABOUT_ONE)
async def test_what_is_not_theirs_is_as_if_it_were_not_there(route: str) -> None:
    async with world() as w:
        id = await w.start("ada")
        theirs = await ABOUT_ONE[route](w, "bob", id)
        nothing = await ABOUT_ONE[route](w, "bob", UNKNOWN)
        assert theirs.status_code == nothing.status_code == 404
        assert theirs.text.replace(id, UNKNOWN) == nothing.text
        assert (await ABOUT_ONE[route](w, "eve", id)).status_code == 401
        shown = (await w.ask("ada", "GET", f"/operations/{id}")).json()
        assert (shown["state"], shown["progress"]["completed"]) == ("running", None)


@given(seed=st.integers(0, 2**32), steps=st.integers(5, 40))
@settings(max_examples=15)
def test_random_principals_by_random_routes(seed: int, steps: int) -> None:
    anyio.run(play, Random(seed), steps)


async def play(random: Random, steps: int) -> None:
    async with world() as w:
        for _ in range(steps):
            name = random.choice(NAMES)
            everything = [id for ids in w.owned.values() for id in ids]
            if not everything or random.random() < 0.2:
                await w.start(name)
                continue
            await attempt(random, w, name, random.choice(everything))
        for name in NAMES:
            await check_notified(w, name)


async def attempt(random: Random, w: World, name: str, id: str) -> None:
    """Do one thing, and compare what comes of it with whose it is."""
    mine = set(w.owned[name])
    route = random.choice([*ABOUT_ONE, *OF_MANY])
    if route in OF_MANY:
        answer = await OF_MANY[route](w, name, id)
        assert answer.status_code == 200
        assert ids_in(answer.text) <= mine
        if route == "GET /operations":
            assert ids_in(answer.text) == mine
        return
    before = (await w.ask(owner(w, id), "GET", f"/operations/{id}")).json()
    answer = await ABOUT_ONE[route](w, name, id)
    if id in mine:
        # A delivery that there is not, and an end that has come, are theirs to be told of.
        assert answer.status_code < 300 or "msg_1" in answer.text or answer.status_code == 409
    else:
        assert answer.status_code == 404
        assert (await w.ask(owner(w, id), "GET", f"/operations/{id}")).json() == before


def owner(w: World, id: str) -> str:
    (name,) = [name for name, ids in w.owned.items() if id in ids]
    return name


async def check_notified(w: World, name: str) -> None:
    """End all of one principal's operations: it is told of each, and of no other."""
    for id in w.owned[name]:
        line = b'{"type":"cancelled"}'
        ended = await w.ask(name, "POST", f"/operations/{id}/events", content=line, headers=NDJSON)
        assert ended.status_code == 200
    receiver = w.receivers[name]
    while told(w, name, "operation.cancelled") != set(w.owned[name]):
        await receiver.has(len(receiver.requests) + 1)
    assert told(w, name) == set(w.owned[name])


def told(w: World, name: str, type: str = "") -> set[str]:
    """The operations that a principal's receiver was told of."""
    return {
        request.json["data"]["operation"]["id"]
        for request in w.receivers[name].requests
        if request.type.startswith(type)
    }
