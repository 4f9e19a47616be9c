"""Clients that stop reading: they cost a bounded buffer, and nobody else notices them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from statistics import median

import msgspec
import psutil
import pytest

from progress.core.event import LogEvent
from progress.core.frames import Bye, Gap, Message, SnapshotNotice, encode
from tests.support.client import connect_once
from tests.support.process import Process, eventually, progress_serve
from tests.support.sse import Parser
from tests.support.view import View
from tests.support.wire import Connection, request, snapshot, start

APP = "tests.support.inspect_app:app"
LINES = 100_000
"""Log lines of 200 bytes, with a report after each."""

SINK = 65_536
SLACK = 160 * 1024
"""Of a stalled subscriber beyond its sink: uvicorn's own write buffer (64 KiB and one frame), and
what a connection and its ASGI task take (some 46 KB). Measured are 96 KiB."""

HALF_A_SOCKET = 4_096
"""Of receive buffer, so that the kernel does not read in the client's stead."""


@pytest.fixture
def server() -> Iterator[Process]:
    with progress_serve(APP, "--log-level", "warning") as process:
        yield process
        assert process.stderr == ""


@pytest.fixture
def hasty() -> Iterator[Process]:
    """A server that soon gives up on who does not read."""
    options = ["--set", "timing.lag=0.5", "--set", "timing.heartbeat=0.75"]
    with progress_serve(APP, "--log-level", "warning", *options) as process:
        yield process
        assert process.stderr == ""


def stall(stack: ExitStack, port: int, id: str, count: int) -> list[Connection]:
    """Open so many streams of all of an operation, and read nothing of them."""
    data = request(f"/operations/{id}/events?after=0-0")
    return [
        stack.enter_context(Connection(port, data, receive_buffer=HALF_A_SOCKET))
        for _ in range(count)
    ]


def flood(port: int, stalled: int) -> tuple[str, list[Connection], ExitStack]:
    """Run a flood to its end beside so many clients that read nothing of it."""
    stack = ExitStack()
    id = start(port, "flood", lines=LINES)["id"]
    connections = stall(stack, port, id, stalled)
    eventually(lambda: snapshot(port, id)["state"] == "succeeded", within=60)
    return id, connections, stack


def check(view: View, port: int, id: str) -> None:
    """It holds the server's snapshot, and was told of what it has not got."""
    assert msgspec.json.decode(encode(view.snapshots[id])) == snapshot(port, id)
    lines = sum(isinstance(event, LogEvent) for event in view.lossless.values())
    told = sum(gap.missed.log for gap in view.gaps if gap.missed)
    assert lines < LINES <= lines + told
    assert {(gap.reason, gap.operation) for gap in view.gaps} == {("trimmed", id)}
    assert view.terminal == [id]


@pytest.mark.slow("four times 100,000 lines, once to 40 stalled readers")
def test_the_memory_of_a_stalled_subscriber_is_bounded(server: Process) -> None:
    """Measured as the resident memory of the server, beside 40 of them and beside none."""
    count = 40
    memory = psutil.Process(server.pid).memory_info
    flood(server.port, 0)
    flood(server.port, 0)
    before = memory().rss
    flood(server.port, 0)
    journal = memory().rss - before  # each flood leaves one
    before = memory().rss
    _, connections, stack = flood(server.port, count)
    with stack:
        assert len(connections) == count
        grown = memory().rss - before - max(journal, 0)
    assert grown / count < SINK + SLACK


@pytest.mark.slow("100,000 lines go through a socket that is not read")
def test_who_reads_again_in_time_converges_on_the_same_connection(server: Process) -> None:
    id, [connection], stack = flood(server.port, 1)
    view = View()
    view.connect()
    messages: list[Message] = []
    with stack:
        for data in connection.body():
            messages += view.feed(data)
    assert connection.response.complete
    assert view.bye == Bye(reason="complete", reconnect=False)
    check(view, server.port, id)
    assert len(view.gaps) == 1
    after = messages[messages.index(view.gaps[0]) :]
    assert sum(isinstance(message, Gap) for message in after) == 1
    assert sum(isinstance(message, SnapshotNotice) for message in after) == 1
    lines = [message for message in after if isinstance(message, LogEvent)]
    assert [line.message.split()[0] for line in lines] == [
        str(n) for n in range(LINES - len(lines), LINES)
    ]


def test_who_stalls_too_long_is_closed_and_converges_by_resuming(hasty: Process) -> None:
    """It costs nothing any more, although it never closed its connection."""
    descriptors = psutil.Process(hasty.pid).num_fds
    before = descriptors()
    id, connections, stack = flood(hasty.port, 5)
    view = View()
    view.connect()
    with stack:
        eventually(lambda: descriptors() <= before, within=5)
        try:
            for data in connections[0].body():
                view.feed(data)
        except ConnectionResetError:
            pass
        assert not connections[0].response.complete
    assert view.bye is None or view.bye.reason == "slow"
    assert view.last_event_id
    while view.bye is None or view.bye.reconnect:
        assert connect_once(view, hasty.port, f"/operations/{id}/events") == 200
    check(view, hasty.port, id)


@pytest.mark.slow("100,000 lines to a healthy reader, six times")
def test_a_stalled_subscriber_does_not_delay_others(server: Process) -> None:
    """Compared are the medians of the time from an event to its arrival, in one run.

    They take turns, and the better of three counts: a busy machine only ever adds to it.
    """
    rounds = [[median(latencies(server.port, stalled)) for stalled in (0, 3)] for _ in range(3)]
    alone, beside = map(min, zip(*rounds, strict=True))
    assert beside < 3 * alone + 0.005  # the clock of event times ticks in ms


def latencies(port: int, stalled: int) -> list[float]:
    """Seconds from each event of a flood to its arrival at a reader that keeps up."""
    received: list[tuple[float, bytes]] = []
    with ExitStack() as stack:
        id = start(port, "flood", lines=LINES)["id"]
        stall(stack, port, id, stalled)
        with Connection(port, request(f"/operations/{id}/events")) as reader:
            received.extend((time.time(), data) for data in reader.body())
    parser = Parser()
    arrivals = [
        (at, json.loads(event.data)) for at, data in received for event in parser.feed(data)
    ]
    found = [
        at - datetime.fromisoformat(message["time"]).timestamp()
        for at, message in arrivals
        if "time" in message
    ]
    assert len(found) > LINES / 10
    return found
