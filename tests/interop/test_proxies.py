"""Behind each proxy, as examples/proxies sets it up, everything works that works without one."""

from __future__ import annotations

import ssl
import subprocess
import time
from contextlib import ExitStack
from uuid import uuid4

import pytest
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.interop.client import LIVE, asked, events, fetched, get, held, lag, streamed
from tests.interop.conftest import Fronts
from tests.interop.proxies import PROXIES, Front
from tests.support.rpc import caller
from tests.support.websocket import call, handshake
from tests.support.wire import Connection, start

WISH = {"Prefer": "processing; max=20; interval=1"}

FORWARDED = {"nginx": 0, "haproxy": 4, "caddy": 4, "apache": 4}
"""Interims that reach a client who wishes for twenty: the server sends four through a proxy."""

SILENCE = 65
"""Seconds: proxies as they are shipped wait for 60, at most."""


def test_events_come_as_they_happen(front: Front) -> None:
    label = uuid4().hex
    began = time.monotonic()
    with Connection(front.port, get(front, f"/events?label=of:{label}")) as connection:
        stream = events(connection.body())
        assert next(stream)["type"] == "ping"
        assert time.monotonic() - began < 1
        assert connection.response.headers["content-type"].startswith("text/event-stream")
        start(front.port, "count", {"of": label}, to=15, interval=0.1)
        lines = []
        for event in stream:
            if event["type"] in ("log", "state"):
                assert lag(event) < LIVE
            if event["type"] == "log":
                lines.append(event["message"])
            if event.get("state") == "succeeded":
                break
    assert lines == [f"line {n}" for n in range(15)]


def test_a_stream_that_ends(front: Front) -> None:
    """Its end is seen as one, and not as a connection that broke."""
    id = start(front.port, "count", to=3)["id"]
    with Connection(front.port, get(front, f"/operations/{id}/events")) as connection:
        *_, last = events(connection.body())
        assert connection.response.complete
    assert (last["type"], last["reason"]) == ("bye", "complete")


def test_events_over_http_2(front: Front) -> None:
    id = start(front.port, "count", to=15, interval=0.1)["id"]
    began = time.monotonic()
    with streamed(front, f"/operations/{id}/events") as stream:
        assert next(stream)["type"] == "snapshot"
        assert time.monotonic() - began < 1
        types = []
        for event in stream:
            assert "time" not in event or lag(event) < LIVE
            types.append(event["type"])
    assert types[-1] == "bye"
    assert types.count("log") >= 10  # but for those before it came


def test_websocket(front: Front) -> None:
    origin = f"localhost:{front.port}"
    headers = {
        "Host": origin,
        "Origin": f"http://{origin}",
        "Sec-WebSocket-Protocol": "progress.v1",
    }
    label = uuid4().hex
    with caller(front.port, handshake(headers)) as user:
        assert user.socket.headers["sec-websocket-protocol"] == "progress.v1"
        user.subscribe(label=f"of:{label}")
        user.start("count", {"of": label}, to=3, interval=0.1)
        found = user.events_until("state", state="succeeded")
        assert lag(found[-1]) < LIVE
    assert [event["message"] for event in found if event["type"] == "log"] == [
        "line 0",
        "line 1",
        "line 2",
    ]


def test_websocket_over_tls(front: Front) -> None:
    place = f"localhost:{front.secure_port}"
    with connect(
        f"wss://{place}/ws",
        ssl=ssl.create_default_context(cafile=front.authority),
        subprotocols=[Subprotocol("progress.v1")],
        origin=Origin(f"https://{place}"),
    ) as socket:
        socket.send(call("start", "1", kind="count", params={"to": 2}).decode())
        assert '"state"' in socket.recv(5, decode=True)


@pytest.mark.parametrize("version", ["1.1", "1.0", "2"])
def test_interims(front: Front, interim: str, version: str) -> None:
    """They come or they do not; the answer comes in time, and says what was done."""
    expected = FORWARDED[front.proxy] if interim == "proxied" and version != "1.0" else 0
    seconds = 4.5 if expected else 0.5
    params = {"to": 10, "interval": seconds / 10}
    if version == "2":
        body = f'{{"to": 10, "interval": {seconds / 10}}}'
        options = ["--json", body, "--header", f"Prefer: {WISH['Prefer']}"]
        found = fetched(front, "/legacy/count", *options)
    else:
        found = held(front, "count", WISH, version=version, **params)
    assert (found.status, found.json) == (200, {"counted": 10})
    assert found.headers["progress"] == "10/10"
    assert seconds <= found.seconds < seconds + 1
    assert len(found.interims) == expected
    assert found.applied == ("processing" if expected else "")
    if expected:
        assert found.interims[0]["location"].startswith("/operations/")
        numbers = [int(fields["progress"].partition("/")[0]) for fields in found.interims]
        assert numbers == sorted(set(numbers))


def test_the_first_interim_comes_at_once(fronts: Fronts, proxy: str) -> None:
    if not FORWARDED[proxy]:
        return
    front = fronts("proxied", proxy)
    with Connection(front.port, asked(front, "count", WISH, to=10, interval=0.1)) as connection:
        connection.response.feed(connection.socket.recv(65_536))
        [(_, fields)] = connection.response.interims
    assert fields["progress"].startswith(("0/", "1/"))


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("PROCESSING", "processing"),
        ("wait=7, processing; max=3", "wait=7, processing"),
        ("processing;max=3 , wait=7", "wait=7, processing"),
        ("processing, processing; max=9", "processing"),
        ('x="a, b", processing', "processing"),
        ("wait=7\r\nPrefer: processing", "wait=7, processing"),
        ("processing\r\nPrefer: processing", "processing"),
    ],
)
def test_no_wish_makes_it_hang(fronts: Fronts, proxy: str, prefer: str, applied: str) -> None:
    """What else is preferred gets through."""
    found = held(fronts("proxied", proxy), "count", {"Prefer": prefer}, to=3, interval=0.05)
    assert found.json == {"counted": 3}
    assert found.seconds < LIVE
    assert len(found.interims) == min(FORWARDED[proxy], 1)
    if not FORWARDED[proxy]:
        applied = applied.removesuffix("processing").removesuffix(", ")
    assert found.applied == applied


def test_who_does_not_wish_for_them(fronts: Fronts, proxy: str) -> None:
    found = held(fronts("proxied", proxy), "count", {}, to=3)
    assert (found.json, found.interims, found.applied) == ({"counted": 3}, [], "")


def test_an_offer_of_h2c(fronts: Fronts, proxy: str) -> None:
    """As `curl --http2` makes it without TLS: whoever takes it, the body gets there."""
    front = fronts("proxied", proxy)
    url = f"http://localhost:{front.port}/legacy/count"
    command = ["curl", "--disable", "--silent", "--ipv4", "--http2", "--max-time", "8"]
    command += ["--json", '{"to": 2}', url]
    done = subprocess.run(command, check=True, capture_output=True)
    assert done.stdout == b'{"counted":2}'


def test_a_server_that_wants_no_proxy_sees_it(fronts: Fronts, proxy: str) -> None:
    found = held(fronts("direct", proxy), "count", WISH, to=3)
    assert (found.json, found.interims, found.applied) == ({"counted": 3}, [], "")


@pytest.mark.slow("proxies wait for a minute")
def test_nothing_is_cut_off_that_is_silent(fronts: Fronts) -> None:
    """Neither an answer that takes long, nor a stream or a WebSocket without events."""
    with ExitStack() as stack:
        answers, streams, sockets = [], [], []
        for front in [fronts("off", proxy) for proxy in PROXIES]:
            data = asked(front, "wait", {"Prefer": f"wait={SILENCE}"})
            answers.append(stack.enter_context(Connection(front.port, data)))
            answers[-1].socket.settimeout(SILENCE + 5)
            data = get(front, "/events?label=of:nobody")
            streams.append(stack.enter_context(Connection(front.port, data)))
            sockets.append(stack.enter_context(caller(front.port)))
            sockets[-1].subscribe(label="of:nobody")
        for answer in answers:
            answer.read()
            assert (answer.response.status, answer.response.complete) == (202, True)
        for stream, socket in zip(streams, sockets, strict=True):
            pings = events(stream.body())
            assert [next(pings)["type"] for _ in range(5)] == ["ping"] * 5
            socket.start("count", {"of": "nobody"}, to=1)
            socket.events_until("state", state="succeeded")
