"""What a network does to connections: whoever comes back knows it all, and nothing stays behind."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count, cycle
from random import Random
from threading import Thread
from uuid import uuid4

import msgspec
import pytest

from progress.core.event import LogEvent
from progress.core.frames import encode
from tests.support.bystander import bystander
from tests.support.census import Census, census, deserted
from tests.support.followers import Follower, Query, SocketFollower, SseFollower, follow
from tests.support.process import Process, eventually, progress_serve
from tests.support.proxy import PASS, Ending, Fault, Proxy, proxy_to
from tests.support.view import View
from tests.support.wire import Connection, ask, request, snapshot, start

APP = "tests.support.inspect_app:app"
LINES = 30
ENDINGS: Sequence[Ending] = ("close", "half-close", "reset")
STRIDE = 23
"""Bytes from one cut to the next: prime, so that they fall everywhere."""

FLOOD = 8_000
"""Lines of 2,000 bytes: more than a journal, a sink and the kernel's buffers hold together."""

Following = Callable[[Query], Follower]


@pytest.fixture(params=[SseFollower, SocketFollower], ids=["sse", "websocket"])
def following(request: pytest.FixtureRequest) -> Following:
    """A client for each wire."""
    made: Following = request.param
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    settings = [f"limits.journal={FLOOD + LINES}", "limits.journal_bytes=100000000"]
    with progress_serve(APP, "--log-level", "warning", *options_for(settings)) as process:
        yield process
        assert set(process.stderr.splitlines()) <= {"WARNING:  Invalid HTTP request received."}


@pytest.fixture(scope="module")
def baseline(server: Process) -> Census:
    """What there is when nobody is there."""
    return deserted(server)


@pytest.fixture
def proxy(server: Process, baseline: Census) -> Iterator[Proxy]:
    """A way to the server, which is left as it was, whatever happened on the way."""
    with proxy_to(server.port) as way, bystander(server.port):
        yield way
    eventually(lambda: census(server) == baseline)


def misfortune(random: Random) -> Fault:
    """A fault that is as likely to strike within 10 bytes as between 1,000 and 10,000."""
    return Fault(
        slice=random.choice([1, 50, 65_536]),
        after=int(10 ** random.uniform(0, 4.7)),
        ending=random.choice(ENDINGS),
    )


def lines(view: View) -> dict[str, list[str]]:
    """The log of each operation, as far as it is known."""
    found = defaultdict(list)
    for event in view.lossless.values():
        if isinstance(event, LogEvent):
            found[event.operation].append(event.message)
    return found


def check(view: View, port: int, ids: Sequence[str]) -> None:
    """It holds the server's snapshots, and each line once."""
    assert view.snapshots.keys() == set(ids)
    for id, held in view.snapshots.items():
        assert msgspec.json.decode(encode(held)) == snapshot(port, id)
    assert lines(view) == {id: [f"line {n}" for n in range(LINES)] for id in ids}
    assert not view.gaps


def check_flood(view: View, port: int, id: str) -> None:
    """It holds the server's snapshot, and was told how many lines it has not got."""
    assert msgspec.json.decode(encode(view.snapshots[id])) == snapshot(port, id)
    got = numbers(view, id)
    told = sum(gap.missed.log for gap in view.gaps if gap.missed)
    assert len(got) < FLOOD <= len(got) + told
    assert got == sorted(got)
    assert got[-1] == FLOOD - 1


def numbers(view: View, id: str) -> list[int]:
    """Those of a flood's lines."""
    return [int(line.split()[0]) for line in lines(view)[id]]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("operations", [1, 3])
def test_who_comes_back_after_each_misfortune_converges(
    proxy: Proxy, server: Process, following: Following, operations: int, seed: int
) -> None:
    random = Random(seed)
    labels = {"test": uuid4().hex}
    ids = [
        start(server.port, "count", labels, to=LINES, interval=0.02)["id"]
        for _ in range(operations)
    ]
    query = {"operation": ids[0]} if operations == 1 else {"label": f"test:{labels['test']}"}
    follower = following(query)
    connections = 0
    while not follower.finished:
        proxy.down = misfortune(random)
        proxy.up = misfortune(random) if random.random() < 0.5 else PASS
        follow(follower, proxy.port)
        connections += 1
    assert connections > 3
    check(follower.view, server.port, ids)


@pytest.fixture(scope="module")
def ended(server: Process) -> str:
    """An operation that has ended, with its log."""
    id: str = start(server.port, "count", to=LINES)["id"]
    eventually(lambda: snapshot(server.port, id)["state"] == "succeeded")
    return id


@pytest.mark.parametrize("direction", ["up", "down"])
def test_who_is_cut_at_any_byte_converges(
    proxy: Proxy, server: Process, following: Following, ended: str, direction: str
) -> None:
    cuts = 0
    for after, ending in zip(count(0, STRIDE), cycle(ENDINGS), strict=False):
        setattr(proxy, direction, Fault(after=after, ending=ending))
        follower = following({"operation": ended})
        follow(follower, proxy.port)
        if follower.finished:  # there was nothing left to cut
            break
        cuts += 1
        setattr(proxy, direction, PASS)
        follow(follower, proxy.port)
        check(follower.view, server.port, [ended])
    assert cuts > 5


def test_a_byte_at_a_time(proxy: Proxy, server: Process, following: Following, ended: str) -> None:
    proxy.up = proxy.down = Fault(slice=1)
    follower = following({"operation": ended})
    follow(follower, proxy.port)
    check(follower.view, server.port, [ended])


def test_a_slow_link(proxy: Proxy, server: Process, following: Following) -> None:
    """All comes late, on the same connection."""
    proxy.up = proxy.down = Fault(slice=500, delay=0.02)
    id = start(server.port, "count", to=LINES, interval=0.02)["id"]
    follower = following({"operation": id})
    follow(follower, proxy.port)
    check(follower.view, server.port, [id])


def test_who_stops_reading_and_begins_again(
    proxy: Proxy, server: Process, following: Following
) -> None:
    """It falls behind for long, and is told all that was kept meanwhile, on the same connection."""
    proxy.down = Fault(after=5_000, ending="stall")
    id = start_flood(server.port)
    follower = following({"operation": id})
    reader = Thread(target=follow, args=(follower, proxy.port))
    reader.start()
    eventually(lambda: snapshot(server.port, id)["state"] == "succeeded")
    proxy.release()
    reader.join()
    assert msgspec.json.decode(encode(follower.view.snapshots[id])) == snapshot(server.port, id)
    assert numbers(follower.view, id) == list(range(FLOOD))
    assert not follower.view.gaps


@pytest.fixture(scope="module")
def hasty() -> Iterator[Process]:
    """A server that soon gives up on who does not read."""
    settings = ["timing.lag=0.5", "timing.idle=0.5", "timing.heartbeat=0.75"]
    with progress_serve(APP, "--log-level", "warning", *options_for(settings)) as process:
        yield process
        assert process.stderr == ""


@pytest.mark.parametrize("moment", ["while it runs", "at its end"])
def test_who_never_reads_again_is_let_go(hasty: Process, following: Following, moment: str) -> None:
    before = deserted(hasty)
    id = start_flood(hasty.port)
    follower = following({"operation": id})
    with proxy_to(hasty.port) as proxy, bystander(hasty.port):
        if moment == "at its end":
            eventually(lambda: snapshot(hasty.port, id)["state"] == "succeeded")
        proxy.down = Fault(after=5_000, ending="stall")
        reader = Thread(target=follow, args=(follower, proxy.port))
        reader.start()
        eventually(lambda: len(follower.view.lossless))
        eventually(lambda: census(hasty).subscribers == before.subscribers + 1, 3)
    reader.join()
    eventually(lambda: census(hasty) == before)
    while not follower.finished:
        follow(follower, hasty.port)
    check_flood(follower.view, hasty.port, id)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_request_cut_anywhere_starts_no_operation(
    proxy: Proxy, server: Process, ending: Ending
) -> None:
    label = uuid4().hex
    body = json.dumps({"kind": "count", "params": {}, "labels": {"test": label}}).encode()
    data = request("/operations", method="POST", body=body)
    for after in range(len(data)):
        proxy.up = Fault(after=after, ending=ending)
        converse(proxy.port, data)
    assert ask(server.port, f"/operations?label=test:{label}").json["operations"] == []
    proxy.up = PASS
    converse(proxy.port, data)
    assert len(ask(server.port, f"/operations?label=test:{label}").json["operations"]) == 1


def start_flood(port: int) -> str:
    """Start an operation that writes more than anybody is kept waiting for."""
    id: str = start(port, "flood", lines=FLOOD, size=2_000, every=10)["id"]
    return id


def options_for(settings: Sequence[str]) -> Iterator[str]:
    """The options for them."""
    for one in settings:
        yield from ("--set", one)


def converse(port: int, data: bytes) -> None:
    """Send a request, and read its answer as far as it comes."""
    with suppress(ConnectionError), Connection(port, b"") as connection:  # reset while connecting
        connection.socket.sendall(data)
        connection.read()
