"""Subscriptions over `/ws`: what they show, how many there may be, and when they end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from progress.core.cursor import Cursor
from tests.support.process import Process, eventually
from tests.support.rpc import DOMAIN_ERROR, SERVERS, Caller, Event, caller, served
from tests.support.websocket import call
from tests.support.wire import ask, snapshot, start

APP = "tests.support.app:app"
MOST = 128


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Process]:
    environment = {"PROGRESS_RETENTION_OPERATIONS": "200", "PROGRESS_LIMITS_MESSAGES": "5000"}
    with served(request.param, APP, environment) as process:
        yield process
        assert "Traceback" not in process.stderr


@pytest.fixture
def client(server: Process) -> Iterator[Caller]:
    with caller(server.port) as client:
        yield client


def finish(port: int, kind: str = "count", to: int = 3) -> str:
    """Start an operation and wait for its end; return its id."""
    id: str = start(port, kind, to=to)["id"]
    eventually(lambda: snapshot(port, id)["finished_at"] is not None)
    return id


def logs(events: list[Event]) -> list[str]:
    return [event["message"] for event in events if event["type"] == "log"]


def check_order(events: list[Event]) -> None:
    """Cursors never go back, and none comes twice."""
    cursors = [Cursor.parse(event["cursor"]) for event in events if "operation" in event]
    assert cursors == sorted(set(cursors))


def live(events: list[Event]) -> list[Event]:
    """What is neither a snapshot nor a bookmark."""
    return [event for event in events if event["type"] not in ("snapshot", "ping")]


def test_the_answer_follows_the_catch_up(server: Process, client: Caller) -> None:
    """It ends with a bookmark, and the cursor is the same."""
    id = finish(server.port, to=3)
    events, answer = client.ask("subscribe", operation=id, after="0-0")
    assert answer.value.keys() == {"subscription", "cursor"}
    assert events[-1] == {"type": "ping", "cursor": answer.value["cursor"]}
    assert [event["type"] for event in events].count("ping") == 1
    assert events[0]["type"] == "snapshot"
    assert logs(events) == ["line 0", "line 1", "line 2"]
    assert events[-2]["state"] == "succeeded"
    check_order(live(events))


def test_without_a_cursor_there_is_no_history(server: Process, client: Caller) -> None:
    id = finish(server.port)
    exchange = client.ask("subscribe", operation=id)
    assert exchange.types == ["snapshot", "ping"]
    assert exchange.events[0]["snapshot"] == snapshot(server.port, id)


def test_after_a_cursor_comes_what_followed_it(server: Process, client: Caller) -> None:
    id = finish(server.port, to=5)
    everything = client.ask("subscribe", operation=id, after="0-0").events
    [at] = [event["cursor"] for event in everything if event.get("message") == "line 2"]
    rest = client.ask("subscribe", operation=id, after=at).events
    assert logs(rest) == ["line 3", "line 4"]
    assert client.ask("subscribe", operation=id, after=rest[-1]["cursor"]).types == [
        "snapshot",
        "ping",
    ]


@pytest.mark.parametrize(("after", "reason"), [("1-5", "epoch"), ("{epoch}-999999999", "future")])
def test_a_cursor_of_somewhere_else(
    server: Process, client: Caller, after: str, reason: str
) -> None:
    id = finish(server.port)
    epoch = str(snapshot(server.port, id)["cursor"]).partition("-")[0]
    exchange = client.ask("subscribe", operation=id, after=after.format(epoch=epoch))
    assert exchange.events[0]["type"] == "gap"
    assert exchange.events[0]["reason"] == reason
    assert exchange.events[-1]["type"] == "ping"
    assert "snapshot" in exchange.types


def test_an_operation_is_followed_to_its_end(server: Process, client: Caller) -> None:
    """Over the same connection: no event between the start and the subscription is missing."""
    started = client.ask("start", kind="count", params={"to": 20}).answer.value
    exchange = client.ask("subscribe", operation=started["id"], after=started["cursor"])
    events = [*exchange.events, *client.events_until("state", state="succeeded")]
    assert logs(events) == [f"line {n}" for n in range(20)]
    assert client.events_until("ping")[-1]["cursor"] >= events[-1]["cursor"]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"kind": "count"}, {"count"}),
        ({"kind": ["count", "thread"]}, {"count", "thread"}),
        ({"label": "by:{}"}, {"count", "thread", "flood"}),
        ({"label": ["by:{}", "of:count"]}, {"count"}),
        ({"kind": ["flood", "thread"], "label": "of:flood"}, {"flood"}),
        ({"kind": "wait"}, set()),
        ({"label": "by:nobody"}, set()),
    ],
)
def test_filters(server: Process, client: Caller, query: dict[str, Any], shown: set[str]) -> None:
    """OR within one name, AND between names; labels AND."""
    by = f"{server.name} {query}".replace(":", " ")
    client.subscribe(**{name: _filled(value, by) for name, value in query.items()})
    kinds: dict[str, dict[str, int]] = {"count": {}, "thread": {}, "flood": {"lines": 3}}
    ids = {
        start(server.port, kind, {"by": by, "of": kind}, **params)["id"]: kind
        for kind, params in kinds.items()
    }
    eventually(lambda: all(snapshot(server.port, id)["finished_at"] for id in ids))
    events = client.ask("unsubscribe", subscription="none").events
    assert {ids[event["operation"]] for event in events} == shown
    assert {ids[e["operation"]] for e in events if e.get("state") == "succeeded"} == shown


def _filled(value: str | list[str], by: str) -> str | list[str]:
    return value.format(by) if isinstance(value, str) else [text.format(by) for text in value]


@pytest.mark.parametrize("types", ["log", "output", ["log", "progress"]])
def test_types(server: Process, client: Caller, types: str | list[str]) -> None:
    """They never leave out a state, a snapshot or a bookmark."""
    client.subscribe(kind="count", label="typed:yes", types=types)
    client.start("count", {"typed": "yes"})
    shown = {event["type"] for event in client.events_until("state", state="succeeded")}
    asked = {"log", "progress"}.intersection([types] if isinstance(types, str) else types)
    assert shown == {"snapshot", "state", *asked}


def test_what_several_subscriptions_match_comes_once(server: Process, client: Caller) -> None:
    client.subscribe(label="overlap:yes")
    client.subscribe(kind="count", types="log")
    client.subscribe()
    id = client.start("count", {"overlap": "yes"}, to=20)
    events = client.ask("subscribe", operation=id).events
    events += client.events_until("state", operation=id, state="succeeded")
    events = [event for event in events if event.get("operation") == id]
    assert logs(events) == [f"line {n}" for n in range(20)]
    check_order(live(events))


def test_types_of_overlapping_subscriptions_add_up(server: Process, client: Caller) -> None:
    client.subscribe(label="types:both", types="log")
    client.subscribe(label="types:both", types="progress")
    client.start("count", {"types": "both"})
    events = client.events_until("state", state="succeeded")
    assert {event["type"] for event in events} == {"snapshot", "state", "log", "progress"}


def test_unsubscribe(server: Process, client: Caller) -> None:
    """Nothing of it comes after the answer; the others go on."""
    gone = client.subscribe(kind="count")
    client.subscribe(kind="thread")
    for _ in range(2):
        answer = client.ask("unsubscribe", subscription=gone).answer
        assert answer.value == {"subscription": gone}
    quiet = finish(server.port)
    loud = finish(server.port, "thread")
    events = client.ask("unsubscribe", subscription="999").events
    assert {event["operation"] for event in events} == {loud}
    assert quiet != loud


def test_a_subscription_may_come_again(server: Process, client: Caller) -> None:
    id = start(server.port, "wait")["id"]
    names = set()
    for _ in range(3):
        names.add(name := client.subscribe(operation=id))
        client.ask("unsubscribe", subscription=name)
    assert len(names) == 3


def test_there_may_be_so_many(server: Process, client: Caller) -> None:
    names = [client.subscribe(kind=f"kind {n}") for n in range(MOST)]
    assert len(set(names)) == MOST
    failure = client.ask("subscribe", kind="one more").answer.failure
    assert failure.code == DOMAIN_ERROR
    assert failure.slug == "busy"
    assert failure.problem["status"] == 429
    assert str(MOST) in failure.message
    client.ask("unsubscribe", subscription=names[7])
    client.subscribe(kind="one more")
    assert client.ask("subscribe", kind="too many").answer.failure.slug == "busy"


def test_so_many_at_once(server: Process, client: Caller) -> None:
    """Those that are still being caught up count, too."""
    client.send(*(call("subscribe", str(n), kind=f"kind {n}") for n in range(MOST + 2)))
    answers = [client.answer().answer for _ in range(MOST + 2)]
    assert {answer.id for answer in answers} == {f'"{n}"' for n in range(MOST + 2)}
    assert [answer.id for answer in answers if answer.failed] == [f'"{MOST}"', f'"{MOST + 1}"']


def test_it_ends_with_its_operation(server: Process, client: Caller) -> None:
    """It is no longer counted, and the connection is told nothing but a bookmark."""
    ended = finish(server.port)
    for _ in range(MOST):
        client.subscribe(operation=ended)
    id = client.start("count")
    name = client.subscribe(operation=id)
    client.events_until("state", operation=id, state="succeeded")
    assert client.read()["type"] == "ping"  # type: ignore[index] # no answer is due
    for _ in range(MOST):
        client.subscribe(kind="nothing")
    assert client.ask("unsubscribe", subscription=name).answer.value == {"subscription": name}
    assert client.ask("subscribe", kind="nothing").answer.failure.slug == "busy"


def test_an_evicted_operation(server: Process, client: Caller) -> None:
    """Who follows it by name keeps it; who comes later is told that it is gone."""
    id = finish(server.port)
    for _ in range(201):
        start(server.port, "count", to=0)
    eventually(lambda: ask(server.port, f"/operations/{id}").status == 410)
    failure = client.ask("subscribe", operation=id).answer.failure
    assert failure.slug == "expired"
    assert failure.problem["status"] == 410
