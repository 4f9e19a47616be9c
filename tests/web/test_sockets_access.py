"""Who may call what over `/ws`: the `authorize` hook is asked for each call, and each operation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest

from tests.support.moody_app import BUG
from tests.support.process import Process, eventually
from tests.support.rpc import DOMAIN_ERROR, INTERNAL_ERROR, SERVERS, Caller, caller, served
from tests.support.web import UNKNOWN
from tests.support.websocket import call, handshake
from tests.support.wire import ask

APP = "tests.support.moody_app:app"
ADA = {"Authorization": "Bearer ada"}
OWN = {"owner": "ada"}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Process]:
    with served(request.param, APP, {"PROGRESS_LIMITS_MESSAGES": "5000"}) as process:
        yield process


def user(server: Process, name: str = "") -> AbstractContextManager[Caller]:
    """A connection of that user's; without a name of nobody's."""
    return caller(server.port, handshake({"Authorization": f"Bearer {name}"} if name else {}))


@pytest.fixture
def ada(server: Process) -> Iterator[Caller]:
    with user(server, "ada") as ada:
        yield ada


@pytest.fixture
def bob(server: Process) -> Iterator[Caller]:
    with user(server, "bob") as bob:
        yield bob


@pytest.fixture
def gate(bob: Caller) -> Iterator[str]:
    """A gate that is open at the end."""
    gate = uuid4().hex
    yield gate
    bob.start("release", {"owner": "bob"}, gate=gate)


def census(client: Caller) -> tuple[int, int]:
    """Tasks and subscribers that the server has, counted by an operation of bob's."""
    name = client.subscribe(label="owner:bob", kind="census")
    id = client.start("census", {"owner": "bob"})
    events = client.events_until("state", operation=id, state="succeeded")
    client.ask("unsubscribe", subscription=name)
    result = events[-1]["result"]
    return result["tasks"], result["subscribers"]


def refusal(client: Caller, method: str, **params: object) -> dict[str, Any]:
    """The problem that a call is answered with, without the id that was asked for."""
    failure = client.ask(method, **params).answer.failure
    assert failure.code == DOMAIN_ERROR
    problem: dict[str, Any] = failure.problem
    return {**problem, "detail": problem["detail"].replace(str(params.get("operation")), "ID")}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("subscribe", {}),
        ("subscribe", {"kind": "count"}),
        ("subscribe", {"operation": UNKNOWN}),
        ("start", {"kind": "count"}),
        ("start", {"kind": "nothing"}),
        ("cancel", {"operation": UNKNOWN}),
    ],
)
def test_nobody_does_nothing(server: Process, method: str, params: dict[str, str]) -> None:
    """The handshake is anybody's, so that a browser learns why."""
    with user(server) as nobody:
        problem = refusal(nobody, method, **params)
    assert problem["type"] == "urn:progress:problem:unauthorized"
    assert problem["status"] == 401


def test_who_is_banned(server: Process) -> None:
    with user(server, "banned") as client:
        for method, params in ("subscribe", {}), ("start", {"kind": "count"}):
            assert refusal(client, method, **params)["status"] == 403
        for method in ("subscribe", "cancel"):
            assert refusal(client, method, operation=UNKNOWN)["status"] == 404


@pytest.mark.parametrize("method", ["subscribe", "cancel"])
def test_what_is_not_yours_looks_like_what_is_not_there(
    server: Process, ada: Caller, bob: Caller, method: str
) -> None:
    id = bob.start("wait", {"owner": "bob"})
    assert refusal(ada, method, operation=id) == refusal(ada, method, operation=UNKNOWN)
    with user(server) as nobody:
        assert refusal(nobody, method, operation=id) == refusal(nobody, method, operation=UNKNOWN)
    assert bob.ask("cancel", operation=id).answer.value["state"] in ("cancelling", "cancelled")


def test_a_start_for_somebody_else(ada: Caller) -> None:
    assert refusal(ada, "start", kind="count", labels={"owner": "bob"})["status"] == 403


def test_a_stream_of_many_shows_ones_own(ada: Caller, bob: Caller) -> None:
    before = bob.start("wait", {"owner": "bob"})
    own = ada.start("count", OWN)
    ada.subscribe(after="0-0")
    ada.subscribe(kind="count")
    bob.start("count", {"owner": "bob"})
    bob.ask("cancel", operation=before)
    last = ada.start("count", OWN, to=1)
    events = ada.events_until("state", operation=last, state="succeeded")
    assert {event["operation"] for event in events if "operation" in event} <= {own, last}


def test_a_slow_hook_holds_up_nobody_else(server: Process, ada: Caller, gate: str) -> None:
    """The calls behind it wait; events, and other connections of the same user, do not."""
    id = ada.start("count", {**OWN, "gate": gate})
    ada.subscribe(kind="wait")
    ada.send(call("subscribe", "slow", operation=id), call("unsubscribe", "next", subscription="9"))
    with user(server, "ada") as other:
        waiting = other.start("wait", OWN)
        assert ada.events_until("snapshot")[-1]["operation"] == waiting
    with user(server, "bob") as bob:
        bob.start("release", {"owner": "bob"}, gate=gate)
    assert ada.answer().answer.id == '"slow"'
    assert ada.answer().answer.id == '"next"'


def test_a_stream_of_many_waits_for_the_hook(server: Process, ada: Caller, gate: str) -> None:
    """At the operation that is asked for, and answers calls meanwhile."""
    held = ada.start("wait", {**OWN, "gate": gate})
    ada.send(call("subscribe", "slow", label=f"gate:{gate}"))
    assert ada.ask("unsubscribe", subscription="9").answer.value == {"subscription": "9"}
    with user(server, "bob") as bob:
        bob.start("release", {"owner": "bob"}, gate=gate)
    exchange = ada.answer()
    assert exchange.answer.id == '"slow"'
    assert exchange.types[-2:] == ["snapshot", "ping"]
    assert exchange.events[-2]["operation"] == held


def test_one_that_waits_can_be_ended(server: Process, ada: Caller, gate: str) -> None:
    """It is answered like any other, and shows nothing from then on."""
    held = ada.start("wait", {**OWN, "gate": gate})
    ada.send(call("subscribe", "slow", label=f"gate:{gate}"))
    ada.ask("unsubscribe", subscription="1")
    with user(server, "bob") as bob:
        bob.start("release", {"owner": "bob"}, gate=gate)
    assert ada.answer().answer.id == '"slow"'
    cancelled = ada.ask("cancel", operation=held)
    assert cancelled.events == []
    assert ada.ask("subscribe", operation=held).types[0] == "snapshot"


@pytest.mark.parametrize("many", [False, True])
def test_who_leaves_while_the_hook_is_asked(
    server: Process, bob: Caller, gate: str, *, many: bool
) -> None:
    before = census(bob)
    with user(server, "ada") as ada:
        id = ada.start("wait", {**OWN, "gate": gate})
        ada.send(
            call("subscribe", "slow", **{"label": f"gate:{gate}"} if many else {"operation": id})
        )
        with user(server, "ada") as other:
            other.ask("cancel", operation=id)
    eventually(lambda: census(bob) <= before)


@pytest.mark.parametrize("action", ["read", "cancel", "start"])
def test_a_hook_that_breaks(server: Process, ada: Caller, action: str) -> None:
    """It is told as an internal error, without the bug; the log has that, and all goes on."""
    labels = {**OWN, "breaks": action}
    if action == "start":
        failure = ada.ask("start", kind="count", labels=labels).answer.failure
    else:
        method = {"read": "subscribe"}.get(action, action)
        failure = ada.ask(method, operation=ada.start("wait", labels)).answer.failure
    assert failure.code == INTERNAL_ERROR
    assert BUG not in failure.message
    assert bytes(failure.data) == b"null"
    assert BUG in server.stderr
    assert ada.ask("unsubscribe", subscription="1").answer.value == {"subscription": "1"}


def test_a_hook_that_breaks_in_a_stream_of_many(server: Process, ada: Caller, bob: Caller) -> None:
    """What nobody can say it may see it is not shown: the connection ends."""
    before = census(bob)
    broken = ada.start("wait", {**OWN, "breaks": "read"})
    ada.send(call("subscribe", "many", kind="wait"))
    for frame in ada.socket.finish():
        assert broken.encode() not in frame.payload
    eventually(lambda: census(bob) < before)
    assert BUG in server.stderr
    assert ask(server.port, "/healthz").status == 200
