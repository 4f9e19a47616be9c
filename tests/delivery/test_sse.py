"""Resuming over real HTTP: cut anywhere, again and again, a reader loses nothing untold."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest

from progress.core.cursor import ZERO, Cursor
from progress.core.event import LogEvent, OutputEvent, StateEvent
from progress.core.frames import Bye, Gap, Message, Ping, SnapshotNotice, encode
from tests.support.client import connect_once, retained
from tests.support.process import progress_serve
from tests.support.view import View
from tests.support.wire import Connection, ask, request, snapshot, start

APP = "tests.support.inspect_app:app"
JOURNAL = 60
"""Lossless events that the forgetful server keeps of an operation."""

GARBAGE = [
    "x", "1", "1-", "-1", "1-1-1", "01-1", "1-01", "+1-1", "1-+1", "1.0-1", "0x1-1", "1e3-1",
    "1_0-1", "null", "$", "*", "\u0661-\u0661", "\xff", "1-1,1-1", "1--1", "1-1\x00",
    "9" * 19 + "-1", "1-" + "9" * 19, "9" * 5_000, "1-1" + "0" * 10_000,
]  # fmt: skip


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with progress_serve(APP, "--log-level", "warning") as server:
        yield server.port
        assert server.stderr == ""


@pytest.fixture(scope="module")
def forgetful() -> Iterator[int]:
    options = ["--set", f"limits.journal={JOURNAL}", "--log-level", "warning"]
    with progress_serve(APP, *options) as server:
        yield server.port
        assert server.stderr == ""


def ended(port: int, kind: str = "count", **params: object) -> Any:
    """Start an operation and return its last snapshot."""
    id = start(port, kind, None, **params)["id"]
    connect_once(View(), port, f"/operations/{id}/events")
    return snapshot(port, id)


def lossless(view: View, id: str, after: Cursor = ZERO) -> list[Cursor]:
    """The cursors of an operation's lossless events, in the order in which they came."""
    return [
        event.cursor
        for event in view.lossless.values()
        if isinstance(event, StateEvent | LogEvent | OutputEvent)
        and event.operation == id
        and event.cursor > after
    ]


def check(view: View, port: int, id: str, after: Cursor | None = ZERO) -> None:
    """The view is the server's present state, and has each lossless event that is retained."""
    assert msgspec.json.decode(encode(view.snapshots[id])) == snapshot(port, id)
    assert view.terminal.count(id) <= 1
    if after is not None:
        seen = lossless(view, id)
        assert seen == sorted(seen)
        assert set(lossless(retained(port, id), id, after)) <= set(seen)


# Cuts


@pytest.mark.parametrize("seed", range(4))
def test_one_operation_cut_at_random_bytes_while_it_runs(port: int, seed: int) -> None:
    random = Random(seed)
    operation = start(port, "count", to=60, interval=0.005)
    path = f"/operations/{operation['id']}/events?after={operation['cursor']}"
    view, status, connections = View(), 200, 0
    while view.bye is None and status != 204:
        cut = random.randrange(1, random.choice([400, 1_500, 6_000]))
        status = connect_once(view, port, path, cut=cut)
        connections += 1
    assert connections > 5
    assert not view.gaps
    lines = [event.message for event in view.lossless.values() if isinstance(event, LogEvent)]
    assert lines == [f"line {n}" for n in range(60)]
    check(view, port, operation["id"], Cursor.parse(operation["cursor"]))


@pytest.mark.parametrize("seed", range(4))
def test_many_operations_cut_at_random_bytes_while_they_run(port: int, seed: int) -> None:
    random = Random(seed)
    head = ask(port, "/operations").json["cursor"]
    ids = {start(port, "count", to=40, interval=0.005 * n)["id"] for n in (1, 2, 3)}
    view, connections = View(), 0

    def all_ended(message: Message | None = None) -> bool:
        return ids == {*view.terminal}

    while not all_ended():
        cut = random.randrange(1, random.choice([800, 4_000, 12_000]))
        connect_once(view, port, f"/events?after={head}", cut=cut, done=all_ended)
        connections += 1
    assert connections > 5
    assert not view.gaps
    for id in ids:
        check(view, port, id)
        assert len(lossless(view, id)) == 40 + 3  # lines and states


def test_one_operation_cut_at_every_byte_of_its_stream(port: int) -> None:
    operation = ended(port, to=1)
    path = f"/operations/{operation['id']}/events?after=0-0"
    whole = retained(port, operation["id"])
    for cut in range(1, len(ask(port, path).content)):
        view = View()
        connect_once(view, port, path, cut=cut)
        seen_all = view.last_event_id == operation["cursor"]
        status = connect_once(view, port, path)
        assert status == (204 if seen_all else 200), cut
        assert view.snapshots == whole.snapshots, cut
        assert list(view.lossless) == list(whole.lossless), cut


@pytest.mark.parametrize("seed", range(3))
def test_what_was_trimmed_between_two_connections_is_counted(forgetful: int, seed: int) -> None:
    random = Random(seed)
    lines = 900
    operation = start(forgetful, "flood", lines=lines, every=JOURNAL + 10)
    path = f"/operations/{operation['id']}/events?after={operation['cursor']}"
    view, status = View(), 200
    while view.bye is None and status != 204:
        status = connect_once(view, forgetful, path, cut=random.randrange(1, 20_000))
    seen = sum(isinstance(event, LogEvent) for event in view.lossless.values())
    told = sum(gap.missed.log for gap in view.gaps if gap.missed)
    assert {gap.reason for gap in view.gaps} == {"trimmed"}
    assert seen < lines <= seen + told
    check(view, forgetful, operation["id"], Cursor.parse(operation["cursor"]))


# Cursors that mean something else, or nothing


def until_bookmark(view: View, port: int, path: str) -> list[Message]:
    """The messages of one connection, up to its bookmark."""
    messages: list[Message] = []

    def is_bookmark(message: Message) -> bool:
        messages.append(message)
        return isinstance(message, Ping)

    assert connect_once(view, port, path, done=is_bookmark) == 200
    return messages


@pytest.mark.parametrize("where", ["one", "many"])
@pytest.mark.parametrize("by", ["header", "query"])
@pytest.mark.parametrize("what", ["epoch before", "epoch after", "zeroth epoch", "future"])
def test_a_cursor_of_another_bus_gets_gap_and_snapshot(
    port: int, where: str, by: str, what: str
) -> None:
    operation = ended(port)
    here = Cursor.parse(operation["cursor"])
    cursor = {
        "epoch before": Cursor(here.epoch - 1, here.n),
        "epoch after": Cursor(999_999_999_999_999_999, 5),
        "zeroth epoch": Cursor(0, 1),
        "future": Cursor(here.epoch, here.n + 1_000_000),
    }[what]
    path = f"/operations/{operation['id']}/events" if where == "one" else "/events"
    view = View()
    if by == "header":
        view.last_event_id = str(cursor)
    else:
        path += f"?after={cursor}"
    messages = until_bookmark(view, port, path)
    reason = "future" if what == "future" else "epoch"
    assert [(gap.reason, gap.operation) for gap in view.gaps] == [(reason, None)]
    assert isinstance(messages[0], Gap)
    assert Cursor.parse(view.last_event_id).epoch == here.epoch
    check(view, port, operation["id"])


@pytest.mark.parametrize("where", ["one", "many"])
def test_the_first_event_of_a_resumed_connection_has_an_id(forgetful: int, where: str) -> None:
    """A parser by the letter of the text starts each connection with an empty last event id."""
    operation = ended(forgetful, to=JOURNAL + 20, interval=0.001)
    here = Cursor.parse(operation["cursor"])
    path = f"/operations/{operation['id']}/events" if where == "one" else "/events"
    trimmed = Cursor(here.epoch, here.n - JOURNAL - 10)
    last = Cursor(here.epoch, here.n - 1)
    zero = Cursor(here.epoch, 0)
    for sent, event, id in [
        (trimmed, "gap", trimmed),
        (Cursor(1, 1), "gap", zero),
        (Cursor(here.epoch, here.n + 10_000), "gap", zero),
        (last, "snapshot", last),
    ]:
        assert first_event(forgetful, path, sent)[:2] == [f"event: {event}", f"id: {id}"]


def first_event(port: int, path: str, last_event_id: Cursor) -> list[str]:
    """The lines of the first event that follows `retry:`."""
    received = b""
    with Connection(port, request(path, {"Last-Event-ID": str(last_event_id)})) as connection:
        for data in connection.body():
            received += data
            if received.count(b"\n\n") > 1:
                break
    return received.decode().split("\n\n")[1].splitlines()


@pytest.mark.parametrize("where", ["one", "many"])
def test_a_trimmed_cursor_gets_gap_and_snapshot(forgetful: int, where: str) -> None:
    lines = 3 * JOURNAL
    operation = ended(forgetful, to=lines, interval=0.001)
    end = Cursor.parse(operation["cursor"])
    view = View()
    view.last_event_id = str(Cursor(end.epoch, end.n - 2 * JOURNAL))
    path = {
        "one": f"/operations/{operation['id']}/events",
        "many": f"/events?operation={operation['id']}",
    }[where]
    messages = until_bookmark(view, forgetful, path)
    assert isinstance(messages[0], Gap)
    [gap] = view.gaps
    assert (gap.reason, gap.operation) == ("trimmed", operation["id"])
    assert gap.missed is not None
    assert gap.missed.state == 0
    assert gap.missed.log >= JOURNAL - 10  # some of those 2 × JOURNAL were progress
    assert sum(isinstance(message, SnapshotNotice) for message in messages) == 1
    check(view, forgetful, operation["id"])


@pytest.mark.parametrize("path", ["/events", "/operations/{}/events"])
def test_garbage_and_oversized_cursors_are_400(port: int, path: str) -> None:
    path = path.format(ended(port)["id"])
    for cursor in GARBAGE:
        quoted = "".join(f"%{byte:02x}" for byte in cursor.encode())
        answers = [ask(port, f"{path}?after={quoted}")]
        if all("\0" != character < "\u0100" for character in cursor):
            answers.append(ask(port, path, {"Last-Event-ID": cursor}))
        for answer in answers:
            assert answer.status == 400, cursor
            assert answer.json["type"] == "urn:progress:problem:bad-cursor"
            assert answer.headers["content-type"] == "application/problem+json"


def test_a_header_wins_over_the_query_unless_it_is_empty(port: int) -> None:
    path = f"/operations/{ended(port)['id']}/events?after="
    assert ask(port, path + "x", {"Last-Event-ID": "0-0"}).status == 200
    assert ask(port, path + "0-0", {"Last-Event-ID": "x"}).status == 400
    assert ask(port, path + "0-0", {"Last-Event-ID": ""}).status == 200


# After the end


def test_who_has_seen_the_end_gets_204_by_the_header_only(port: int) -> None:
    operation = ended(port)
    later = ended(port)
    path = f"/operations/{operation['id']}/events"
    for seen in (operation["cursor"], later["cursor"]):
        assert ask(port, path, {"Last-Event-ID": seen}).status == 204
        view = View()
        assert connect_once(view, port, f"{path}?after={seen}") == 200
        assert view.bye == Bye(reason="complete", reconnect=False)
        check(view, port, operation["id"], after=None)


def test_who_has_not_seen_the_end_gets_it_again(port: int) -> None:
    operation = ended(port)
    end = Cursor.parse(operation["cursor"])
    for cursor in (Cursor(end.epoch, end.n - 1), Cursor(end.epoch - 1, end.n), ZERO):
        view = View()
        view.last_event_id = str(cursor)
        assert connect_once(view, port, f"/operations/{operation['id']}/events") == 200
        assert view.bye == Bye(reason="complete", reconnect=False)
        check(view, port, operation["id"], after=None)


def test_many_with_the_head_as_cursor_get_a_bookmark_and_no_past(port: int) -> None:
    operation = ended(port)
    view = View()
    view.last_event_id = operation["cursor"]
    [bookmark] = until_bookmark(view, port, "/events")
    assert bookmark == Ping(cursor=Cursor.parse(operation["cursor"]))
