"""`Prefer: wait` on streams: the same events, in an answer that ends once it has had news."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import anyio
import httpx2
import pytest
from msgspec.structs import replace
from starlette.requests import HTTPConnection

from progress import Forbidden, Progress, Reporter
from progress.core.cursor import Cursor
from progress.core.event import LogEvent
from progress.core.frames import Bye, Frame, Joined, Ping, joined
from progress.core.operation import Snapshot
from progress.delivery.polling import Poll, Question
from progress.settings import Limits, Retention, Settings, Timing
from progress.web.access import Authorize
from tests.support.events import log
from tests.support.sinks import PollSink
from tests.support.sse import Dispatched, Parser
from tests.support.view import View
from tests.support.web import in_process

FOREVER = 50
"""Seconds that a poll may take; no test here waits for them to pass."""

ONE, MANY, NOTHING = "/operations/{id}/events", "/events", "/events?kind=none"


async def owned(connection: HTTPConnection, action: str, operation: Snapshot | None) -> None:
    """A hook that takes a moment, and lets nobody see what is `secret`."""
    await anyio.sleep(0.01)
    if operation is not None and "secret" in operation.labels:
        raise Forbidden("that is secret")


class Desk:
    """Polls an app, and reports to its operation `talk`."""

    def __init__(self, app: Progress, client: httpx2.AsyncClient) -> None:
        self.app = app
        self.client = client
        self.id = app.start("talk").id
        self.reporters: list[Reporter] = []

    async def get(self, path: str, wait: int, after: str | None = None) -> httpx2.Response:
        """Ask once."""
        headers = {"prefer": f"wait={wait}"}
        if after is not None:
            headers["last-event-id"] = after
        with anyio.fail_after(8):
            return await self.client.get(path.format(id=self.id), headers=headers)

    async def poll(self, path: str, wait: int, after: str | None = None) -> list[Dispatched]:
        """Insist on an answer that a stream would begin with."""
        answer = await self.get(path, wait, after)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store, no-transform"
        assert answer.headers["preference-applied"] == "wait"
        assert answer.headers["vary"] == "Prefer"
        assert answer.content.startswith(b"retry: ")
        assert self.app.hub.count == 0
        return Parser().feed(answer.content)

    async def poll_meanwhile(
        self, path: str, after: str | None, act: Callable[[], object]
    ) -> list[Dispatched]:
        """Poll, and do something once it has nothing more to tell."""
        found: list[Dispatched] = []

        async def poll() -> None:
            found.extend(await self.poll(path, FOREVER, after))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poll)
            with anyio.fail_after(8):
                while not any(one.live for one in self.app.hub.subscribers):
                    await anyio.lowlevel.checkpoint()
            act()
        return found

    @property
    def head(self) -> str:
        """Where everything is known."""
        return str(self.app.bus.head)


@asynccontextmanager
async def desk(
    settings: Settings | None = None, authorize: Authorize | None = None
) -> AsyncIterator[Desk]:
    app = Progress(settings=settings, authorize=authorize)
    reporters: list[Reporter] = []

    @app.operation
    async def talk(report: Reporter) -> None:
        reporters.append(report)
        await anyio.sleep_forever()

    @app.operation
    async def count(report: Reporter, to: int = 3) -> int:
        for n in range(to):
            report.log(f"line {n}: {'x' * 900}")
            await anyio.lowlevel.checkpoint()
        return to

    async with in_process(app) as client:
        desk = Desk(app, client)
        desk.reporters = reporters
        while not reporters:
            await anyio.lowlevel.checkpoint()
        yield desk


async def ended(own: Desk, to: int = 3) -> Snapshot:
    """An operation that has ended."""
    id = own.app.start("count", to=to).id
    while not own.app.snapshot(id).ended:
        await anyio.lowlevel.checkpoint()
    return own.app.snapshot(id)


def types(events: list[Dispatched]) -> list[str]:
    return [event.type for event in events]


both = pytest.mark.parametrize("path", [ONE, MANY])
opening = {ONE: ["snapshot", "ping"], MANY: ["ping"]}
"""What there is to say to who knows everything."""


@both
@pytest.mark.parametrize("wait", [0, FOREVER])
async def test_without_a_cursor_the_present_is_news(path: str, wait: int) -> None:
    async with desk() as own:
        events = await own.poll(path, wait)
        assert types(events) == ["snapshot", "ping"]
        assert events[-1].last_event_id == own.head


@both
async def test_waiting_for_nothing(path: str) -> None:
    async with desk() as own:
        events = await own.poll(path, 0, own.head)
        assert types(events) == opening[path]
        assert {event.last_event_id for event in events} == {own.head}


@both
async def test_no_news_in_time(path: str) -> None:
    """The setting bounds what is asked for."""
    async with desk(Settings(timing=Timing(wait=0.05))) as own:
        assert types(await own.poll(path, FOREVER, own.head)) == opening[path]


@both
async def test_an_event_is_news(path: str) -> None:
    async with desk() as own:
        events = await own.poll_meanwhile(path, own.head, lambda: own.reporters[0].log("news"))
        assert types(events) == [*opening[path], "log"]
        assert events[-1].last_event_id == own.head


@both
async def test_what_comes_in_one_turn_comes_together(path: str) -> None:
    def say() -> None:
        for n in range(5):
            own.reporters[0].log(f"{n}")

    async with desk() as own:
        events = await own.poll_meanwhile(path, own.head, say)
        assert types(events) == [*opening[path], *["log"] * 5]
        assert events[-1].last_event_id == own.head


@both
async def test_what_was_missed_is_news(path: str) -> None:
    async with desk() as own:
        before = own.head
        own.reporters[0].log("missed")
        events = await own.poll(path, FOREVER, before)
        assert types(events)[-1] == "ping"
        assert "log" in types(events)
        assert events[-1].last_event_id == own.head


@both
async def test_a_snapshot_that_the_cursor_does_not_cover_is_news(path: str) -> None:
    """A progress event is not kept, only what it has changed."""
    async with desk() as own:
        before = own.head
        own.reporters[0].update(message="moved on")
        assert own.head != before
        events = await own.poll(path, FOREVER, before)
        assert types(events) == ["snapshot", "ping"]
        assert "moved on" in events[0].data


@both
async def test_what_was_not_asked_for_is_no_news(path: str) -> None:
    def say() -> None:
        own.reporters[0].update(message="moved on")
        own.app.hub.flush()
        own.reporters[0].log("news")

    async with desk() as own:
        events = await own.poll_meanwhile(f"{path}?types=log", own.head, say)
        assert types(events) == [*opening[path], "log"]


async def test_a_new_operation_is_news() -> None:
    async with desk() as own:
        events = await own.poll_meanwhile(MANY, own.head, lambda: own.app.start("talk"))
        assert types(events) == ["ping", "snapshot", "state", "state"]
        assert '"running"' in events[-1].data


async def test_from_the_beginning_of_nothing() -> None:
    async with desk(Settings(timing=Timing(wait=0.05))) as own:
        assert types(await own.poll(NOTHING, FOREVER, "0-0")) == ["ping"]


@pytest.mark.parametrize("after", ["1-1", "9999999999999999-1"])
async def test_a_gap_is_news(after: str) -> None:
    async with desk() as own:
        events = await own.poll(NOTHING, FOREVER, after)
        assert types(events) == ["gap", "ping"]
        assert events[-1].last_event_id == own.head


async def test_an_operation_that_has_ended() -> None:
    async with desk() as own:
        operation = await ended(own)
        path = f"/operations/{operation.id}/events"
        end = str(operation.cursor)
        for wait in (0, FOREVER):
            assert types(await own.poll(path, wait)) == ["snapshot", "ping", "bye"]
            assert types(await own.poll(f"{path}?after={end}", wait)) == ["snapshot", "ping", "bye"]
            whole = types(await own.poll(f"{path}?after=0-0", wait))
            assert [type for type in whole if type in ("log", "ping", "bye")] == [
                *["log"] * 3,
                "ping",
                "bye",
            ]
            answer = await own.get(path, wait, end)
            assert (answer.status_code, answer.content) == (204, b"")


async def test_an_operation_that_ends_meanwhile() -> None:
    """Goodbye comes with the end, or the next poll is told that it has seen it."""
    async with desk() as own:
        path = f"/operations/{own.id}/events"
        events = await own.poll_meanwhile(ONE, own.head, lambda: own.app.cancel(own.id))
        found = types(events)
        while found[-1] != "bye":
            events = await own.poll(path, FOREVER, events[-1].last_event_id)
            found += types(events)
        assert found[:3] == ["snapshot", "ping", "state"]
        assert found[-3:] == ["state", "ping", "bye"]
        assert (await own.get(path, FOREVER, own.head)).status_code == 204


async def test_catching_up_with_more_than_the_buffer_takes() -> None:
    """With the goodbye, wherever the buffer is full."""
    for room in (1024, 1500, 4096, 20_000):
        async with desk(Settings(limits=Limits(sink=room))) as own:
            operation = await ended(own, to=60)
            for wait in (0, FOREVER):
                found = types(await own.poll(f"/operations/{operation.id}/events?after=0-0", wait))
                assert found.count("log") == 60
                assert found[-2:] == ["ping", "bye"]


async def test_many_under_a_hook() -> None:
    """It ends when the hook has been asked for everything, and shows nothing else."""
    async with desk(authorize=owned) as own:
        before = own.head
        secret = own.app.start("talk", labels={"secret": "yes"}).id
        public = own.app.start("talk").id
        events = await own.poll(MANY, FOREVER, before)
        assert types(events)[-1] == "ping"
        assert events[-1].last_event_id == own.head
        text = "".join(event.data for event in events)
        assert public in text
        assert secret not in text
        own.app.cancel(secret)
        with anyio.fail_after(5):
            while not own.app.snapshot(secret).ended:
                await anyio.lowlevel.checkpoint()
        assert types(await own.poll(MANY, 0, own.head)) == ["ping"]


async def test_drain() -> None:
    async with desk(Settings(timing=Timing(grace=0.2))) as own:
        events: list[Dispatched] = []

        async def poll() -> None:
            events.extend(await own.poll(NOTHING, FOREVER))
            events.extend(await own.poll(NOTHING, FOREVER, events[-1].last_event_id))

        with anyio.fail_after(8):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(poll)
                while not any(one.live for one in own.app.hub.subscribers):
                    await anyio.lowlevel.checkpoint()
                await own.app.drain(0.2)
        assert types(events) == ["ping", "ping", "bye"]
        assert '"drain"' in events[-1].data
        answer = await own.get(MANY, FOREVER)
        assert answer.status_code == 200
        assert types(Parser().feed(answer.content)) == ["bye"]


async def test_over_the_cap() -> None:
    async with desk(Settings(limits=Limits(subscribers=1))) as own:
        found: list[httpx2.Response] = []

        async def refused() -> None:
            found.append(await own.get(MANY, FOREVER))
            own.reporters[0].log("enough")

        async with anyio.create_task_group() as tasks:
            await own.poll_meanwhile(MANY, own.head, lambda: tasks.start_soon(refused))
        assert found[0].status_code == 200
        assert "preference-applied" not in found[0].headers
        [bye] = Parser().feed(found[0].content)
        assert (bye.type, '"busy"' in bye.data) == ("bye", True)


@pytest.mark.parametrize("prefer", ["wait", "wait=x", "wait=-1", "respond-async", "waits=1"])
async def test_other_preferences_make_no_poll(prefer: str) -> None:
    async with desk() as own:
        path = f"/operations/{(await ended(own)).id}/events"
        answer = await own.client.get(path, headers={"prefer": prefer})
        assert answer.status_code == 200
        assert "preference-applied" not in answer.headers
        assert "vary" not in answer.headers


@pytest.mark.parametrize("seed", range(3))
@both
async def test_only_ever_polling(path: str, seed: int) -> None:
    """Who comes back with the last id each time sees everything, or is told how much he missed."""
    random = Random(seed)
    lines = 150
    settings = Settings(
        limits=Limits(journal=20, sink=2048), retention=Retention(operations=1, age=1000)
    )
    async with desk(settings) as own:
        view, told = View(), own.app.start("count", to=lines).id
        if path == MANY:
            own.app.start("count", to=lines)  # evicts the other one, or is evicted
        target = path.format(id=told)
        after = "?after=0-0"
        with anyio.fail_after(8):
            while True:
                for _ in range(random.randrange(40)):
                    await anyio.lowlevel.checkpoint()
                last = view.connect("0-0")
                answer = await own.get(target + after, random.choice([0, FOREVER]), last)
                if answer.status_code == 204:
                    break
                view.feed(answer.content)
                if view.bye is not None:
                    break
                held = [one for id, one in view.snapshots.items() if id != own.id]
                if path == MANY and held and all(one.ended for one in held):
                    break
        kept = {journal.snapshot.id: journal.snapshot for journal in own.app.bus.journals()}
        for id, shown in view.snapshots.items():
            assert shown.state == kept[id].state
        seen = sum(isinstance(one, LogEvent) for one in view.lossless.values())
        missed = sum(gap.missed.log for gap in view.gaps if gap.missed)
        if all(gap.reason == "trimmed" for gap in view.gaps):
            assert seen + missed >= lines


# The sink by itself


def event(n: int) -> Frame:
    return Frame(replace(log("a", "x" * 50), cursor=Cursor(1, n)))


def ping(n: int) -> Frame:
    return Frame(Ping(cursor=Cursor(1, n)))


BYE = Frame(Bye(reason="complete", reconnect=False))


@pytest.mark.parametrize(
    ("frames", "taken"),
    [
        ([ping(1), event(2)], 2),
        ([ping(1), event(2), event(3)], 2),
        ([ping(1), event(2), ping(2), BYE], 4),
        ([ping(1), event(2), BYE, ping(3)], 3),
        ([ping(1), event(2), ping(2), ping(2)], 3),
        ([ping(1), event(2), ping(2), event(3), ping(3), BYE], 3),
        ([ping(1), event(2), event(3), ping(3), BYE], 2),  # that would be a lie
        ([event(2), event(3), ping(3)], 3),
        ([event(2), ping(2), ping(2), BYE], 2),
        ([event(2), ping(2), BYE], 3),
        ([ping(1), ping(1), joined([event(2), event(3)]), event(4)], 3),
    ],
)
def test_where_it_ends(frames: list[Frame | Joined], taken: int) -> None:
    """After what made it news nothing is taken but a bookmark and a goodbye, at once."""
    sink = PollSink(100_000, Question(None, Cursor(1, 1), 0.0))
    for n, frame in enumerate(frames, 1):
        before = bytes(sink.data)
        has_room = sink.write(frame)
        assert (sink.data == before) == (n > taken)
        if n > taken:
            assert not has_room
            assert not sink.has_room
    assert sink.closed


def test_there_is_room_for_the_goodbye() -> None:
    """However full it is; else nothing would come to fetch it."""
    room = len(event(2).sse) // 2
    sink = Poll(room, lambda frame: (frame.sse,), fail, fail, Question(None, Cursor(1, 1), 0.0))
    assert sink.write(ping(1)) == sink.has_room
    assert sink.write(event(2))
    assert sink.has_room
    assert sink.write(ping(2))
    assert sink.has_room
    assert not sink.write(BYE)
    assert not sink.has_room


def fail() -> None:
    """Nothing is called back."""
    raise AssertionError
