"""`/metrics`: the figures of who reads agree with what came over the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from progress import ProcessingMiddleware, Progress
from progress.core.event import Event
from progress.core.filter import Filter
from progress.core.frames import text_frame
from progress.core.journal import Journal
from progress.delivery.extensions import INTERIM
from progress.hub import Subscription
from progress.settings import Limits, Settings, Timing
from tests.support.events import log, progress
from tests.support.measured import Client, Slow, make, running, scrape
from tests.support.process import eventually
from tests.support.scrape import Scrape
from tests.support.server import serving
from tests.support.web import in_process
from tests.support.websocket import TEXT, WebSocket, call, frame, handshake
from tests.support.wire import Connection, request, start


async def test_what_a_stream_brings_is_what_is_counted() -> None:
    async with running() as (_, client):
        id = await client.finish("copy", files=2)
        before = await client.scrape()
        assert before.all("delivered_bytes_total") == {}  # to wait is not to read
        body = (await client.http.get(f"/operations/{id}/events?after=0-0")).content
        _, _, events = body.partition(b"\n\n")
        seen = await client.scrape()
        assert seen.all("delivered_bytes_total") == {("sse",): len(events)}
        assert seen.all("delivered_events_total") == {("sse",): events.count(b"event: ")}
        assert (
            seen("catch_ups_total", cause="connect")
            == before("catch_ups_total", cause="connect") + 1
        )


async def test_what_a_poll_brings_is_what_is_counted() -> None:
    async with running() as (_, client):
        id = await client.start("wait")
        path = f"/operations/{id}/events?after=0-0"
        body = (await client.http.get(path, headers={"prefer": "wait=0"})).content
        _, _, events = body.partition(b"\n\n")
        seen = await client.scrape()
        assert seen.all("delivered_bytes_total") == {("poll",): len(events)}
        assert seen.all("delivered_events_total") == {("poll",): events.count(b"event: ")}


async def test_a_slow_reader_lags_is_caught_up_and_told_of_a_gap() -> None:
    async with running() as (app, client):
        id = await client.start("wait")
        sink, quick = Slow(), Slow()
        here = Subscription(Filter(), app.bus.journal(id)), app.bus.head
        with app.hub.subscribe(sink, *here) as slow, app.hub.subscribe(quick, *here):
            seen = await client.scrape()
            assert seen.all("subscribers") == {("sse",): 2}
            assert seen.all("catch_ups_total") == {("connect",): 2}
            assert seen("subscribers_lagging") == 0

            sink.room = 1
            publish(app, *(log(id, f"line {n}") for n in range(6)))  # one fills it, 3 are kept
            seen = await client.scrape()
            assert seen("subscribers_lagging") == 1
            assert seen.all("catch_ups_total") == {("connect",): 2, ("lag",): 1}
            assert seen.all("gaps_total") == {}

            sink.room = 1_000_000
            app.hub.resume(slow)
            seen = await client.scrape()
            assert seen("subscribers_lagging") == 0
            assert seen.all("gaps_total") == {("trimmed",): 1}

            for _ in range(4):  # in one turn
                app.bus.publish(log(id, "x" * 2_000))
            app.hub.flush()
            seen = await client.scrape()
            assert seen.all("catch_ups_total") == {("connect",): 2, ("lag",): 1, ("burst",): 2}
            check_written(seen, sink, quick)


async def test_however_many_see_what_it_is_counted() -> None:
    async with running() as (app, client), AsyncExitStack() as streams:
        id = await client.start("wait")
        logs, everything = Filter(types=frozenset({"log"})), Filter()
        journal = app.bus.journal(id)
        subscriptions = [
            *(Subscription(everything) for _ in range(5)),
            Subscription(logs),
            *(Subscription(everything, journal) for _ in range(3)),
            *(Subscription(logs, journal) for _ in range(2)),
        ]
        subscriptions.append(Subscription(logs, permits=_Permits(True)))
        sinks = [Slow() for _ in subscriptions]
        for sink, subscription in zip(sinks, subscriptions, strict=True):
            streams.enter_context(app.hub.subscribe(sink, subscription, None))
        both = Slow()
        connection = app.hub.connect(both)
        streams.callback(app.hub.remove, connection)
        app.hub.join(connection, "1", Subscription(logs, journal), None, lambda head: True)
        app.hub.join(connection, "2", Subscription(everything), None, lambda head: True)
        sinks[0].room = sinks[7].room = sinks[10].room = sinks[11].room = 1
        for n in range(3):
            publish(app, log(id, f"line {n}"), progress(id, n))
        seen = await client.scrape()
        check_written(seen, *sinks, both)
        assert seen.all("catch_ups_total") == {("connect",): 14, ("lag",): 4}
        assert seen("subscribers_lagging") == 4


async def test_who_waits_for_a_permit_does_not_lag() -> None:
    async with running() as (app, client):
        await client.start("wait")
        waiting = Subscription(Filter(), permits=_Permits(None))
        with app.hub.subscribe(Slow(), waiting, None) as subscriber:
            assert not subscriber.live
            assert (await client.scrape())("subscribers_lagging") == 0


class _Permits:
    """The same answer for everything."""

    def __init__(self, answer: bool | None) -> None:
        self._answer = answer

    def get(self, journal: Journal) -> bool | None:
        return self._answer


def publish(app: Progress, *events: Event) -> None:
    """Each in a turn of its own."""
    for event in events:
        app.bus.publish(event)
        app.hub.flush()


def check_written(seen: Scrape, *sinks: Slow) -> None:
    """What they were given is what is counted."""
    writes = [write for sink in sinks for write in sink.writes]
    assert writes
    assert seen("delivered_events_total", wire="sse") == sum(len(one.parts) for one in writes)
    assert seen("delivered_bytes_total", wire="sse") == sum(len(one.sse) for one in writes)


async def test_a_cursor_of_another_history_is_a_gap() -> None:
    async with running() as (app, client):
        id = await client.finish("copy", files=1)
        await client.http.get(f"/operations/{id}/events?after=7-1")
        await client.http.get(f"/operations/{id}/events?after={app.bus.epoch}-999")
        seen = await client.scrape()
        assert seen.all("gaps_total") == {("epoch",): 1, ("future",): 1}


async def test_who_is_closed_is_counted_by_reason() -> None:
    tight = Settings(limits=Limits(subscribers=1), timing=Timing(lag=5))
    async with running(tight) as (app, client):
        id = await client.finish("copy", files=1)
        finished = (await client.scrape()).all("subscribers_closed_total")
        await client.http.get(f"/operations/{id}/events")
        waiting = await client.start("wait")
        sink = Slow()
        with app.hub.subscribe(sink, Subscription(Filter(), app.bus.journal(waiting)), None):
            refused = await client.http.get("/events")
            assert b'"busy"' in refused.content
            sink.room = 0
            publish(app, log(waiting, "too much"))
            app.hub.tick(anyio.current_time() + 10)
            assert sink.is_aborted
            seen = (await client.scrape()).all("subscribers_closed_total")
            assert seen == {("busy",): 1, ("slow",): 1, ("complete",): finished["complete",] + 1}


async def test_interims_are_counted() -> None:
    sent: list[int] = []

    async def send(status: int, headers: object) -> None:
        sent.append(status)

    app = make(Settings(interim="direct"))

    async def outer(scope: Scope, receive: Receive, answer: Send) -> None:
        """Offer what `progress serve` does, also to what is behind the middleware."""
        scope["extensions"] = {INTERIM: send}
        behind = Starlette(routes=[Route("/start", _start(app), methods=["POST"])])
        middleware = ProcessingMiddleware(behind, settings=app.settings)
        target = middleware if scope["path"] == "/start" else app
        await target(scope, receive, answer)

    headers = {"prefer": "processing; interval=1; max=1"}
    async with in_process(app, outer) as http:
        client = Client(http)
        assert (await http.post("/legacy/copy", json={"files": 1}, headers=headers)).is_success
        assert sent == [102]
        assert (await client.scrape())("interims_total") == 1
        assert (await http.post("/start", headers=headers)).is_success
        assert sent == [102, 102]
        assert (await client.scrape())("interims_total") == 2


def _start(app: Progress) -> Callable[[Request], Awaitable[Response]]:
    """Start an operation, and answer once an interim was due."""

    async def start(request: Request) -> Response:
        app.start("copy", files=1)
        await anyio.sleep(1.2)
        return Response()

    return start


async def test_an_idle_websocket_is_counted() -> None:
    async with running() as (app, client):
        connection = app.hub.connect(Slow())
        app.hub.tick(anyio.current_time() + 100)
        assert (await client.scrape()).all("subscribers_closed_total") == {("idle",): 1}
        app.hub.remove(connection)


def test_who_is_not_taken_is_counted_on_each_wire() -> None:
    with serving("tests.support.app:app", "--set", "limits.subscribers=1") as server:
        with Connection(server.port, request("/events")).opened():
            with Connection(server.port, handshake()) as refused:
                refused.read()
                assert refused.response.status == 429
            with Connection(server.port, request("/events")) as told:
                assert b'"busy"' in told.read()
            assert scrape(server.port).all("subscribers_closed_total") == {("busy",): 2}
        eventually(lambda: not scrape(server.port).all("subscribers"))


def test_over_sockets_too_each_byte_is_counted() -> None:
    """The streams whose connection the server has let go of, and a WebSocket."""
    with serving("tests.support.app:app") as server:
        id = start(server.port, "count", to=5)["id"]
        with Connection(server.port, request(f"/operations/{id}/events")) as stream:
            received = b""
            while data := stream.socket.recv(65_536):
                received += data
        seen = scrape(server.port)
        _, _, body = received.partition(b"\r\n\r\n")
        _, _, events = body.partition(b"\n\n\r\n")
        events = events.removesuffix(b"0\r\n\r\n")
        assert seen.all("delivered_bytes_total") == {("sse",): len(events)}
        assert seen.all("delivered_events_total") == {("sse",): events.count(b"event: ")}

        with WebSocket(server.port) as socket:
            socket.send(frame(TEXT, call("subscribe", "1", operation=id)))
            payloads = []
            while (found := socket.receive()) is not None and b'"event"' in found.payload:
                payloads.append(found.payload)
            seen = scrape(server.port)
            assert seen.all("subscribers") == {("websocket",): 1}
            assert seen("delivered_events_total", wire="websocket") == len(payloads) > 1
            size = sum(len(text_frame(payload)) for payload in payloads)
            assert seen("delivered_bytes_total", wire="websocket") == size
        eventually(lambda: not scrape(server.port).all("subscribers"))
