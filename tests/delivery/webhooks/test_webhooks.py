"""Deliveries from the first event to the last, over sockets: days pass in a moment."""

from __future__ import annotations

import random
from datetime import datetime

import anyio
import pytest
import standardwebhooks
from anyio.abc import ByteStream
from httpx2 import URL

from progress import Webhook, WebhookSettings
from progress.core.event import State
from progress.delivery.webhooks.deliveries import Ledger, MemoryStore
from progress.delivery.webhooks.lane import Lane
from progress.delivery.webhooks.places import Places
from progress.delivery.webhooks.schedule import LASTS
from progress.delivery.webhooks.target import EventName, Target
from progress.errors import Busy, Conflict, NotFound, SettingsError
from tests.support.events import progress, state
from tests.support.hooks import LOCAL, OLD, SECRET, Clock, Rig, rig
from tests.support.receiver import OK, Act, Received, Receiver, answer, hang, receiving, reset

RUNNING, SUCCEEDED = state("o", State.RUNNING), state("o", State.SUCCEEDED)
BOTH: tuple[EventName, ...] = ("state", "progress")


class Gate:
    """An act that waits for leave, and tells that it has begun."""

    def __init__(self, then: Act = OK) -> None:
        self.entered = anyio.Event()
        self.open = anyio.Event()
        self._then = then

    async def __call__(self, stream: ByteStream) -> None:
        self.entered.set()
        await self.open.wait()
        await self._then(stream)


def verify(request: Received, secret: str) -> object:
    """As a receiver does."""
    return standardwebhooks.Webhook(secret).verify(request.body, request.fields)


def seconds(world: Rig, delivery: int = 0) -> list[int]:
    """When its attempts were made, from the first one on."""
    found = list(reversed(world.webhooks.of("o")))[delivery]
    times = [datetime.fromisoformat(attempt.time).timestamp() for attempt in found.attempts]
    return [round(time - times[0]) for time in times]


async def test_what_is_sent() -> None:
    async with receiving() as receiver, rig() as world:
        journal = world.start(Webhook(receiver.url, SECRET))
        await receiver.has(1)
        await world.settles("o", "delivered")
        world.publish(RUNNING, SUCCEEDED)
        queued, succeeded = await world.settles("o", "delivered", "delivered")
        first, last = receiver.requests
        assert receiver.types == ["operation.queued", "operation.succeeded"]
        for request, delivery in ((first, queued), (last, succeeded)):
            assert request.id == delivery.id
            assert request.fields["content-type"] == "application/json"
            assert request.fields["user-agent"].startswith("progress/")
            assert verify(request, SECRET) == request.json
        shown = last.json["data"]["operation"]
        assert (shown["id"], shown["state"], shown["cursor"]) == ("o", "succeeded", "1000-3")
        assert last.json["timestamp"] == journal.snapshot.updated_at
        assert queued.url == f"http://127.0.0.1:{receiver.port}/hook"
        assert world.hub.subscribers == ()
        assert world.webhooks.counts == {
            "ok": 2, "failed": 0, "delivered": 2, "dead": 0, "gone": 0, "replaced": 0,
            "skipped": 0, "pending": 0,
        }  # fmt: skip


async def test_two_secrets_both_sign() -> None:
    async with receiving() as receiver, rig() as world:
        world.start(Webhook(receiver.url, [SECRET, OLD]))
        await receiver.has(1)
        [request] = receiver.requests
        verify(request, SECRET)
        verify(request, OLD)
        assert len(request.fields["webhook-signature"].split(" ")) == 2


async def test_without_a_secret_nothing_is_signed() -> None:
    """Not with the server's own: anybody could get its signature."""
    async with receiving() as receiver, receiving() as own:
        async with rig(WebhookSettings(
            url=own.url, secret=(SECRET,), http=True, private=LOCAL.private
        )) as world:  # fmt: skip
            world.start(Webhook(receiver.url))
            await receiver.has(1)
            await own.has(1)
            assert "webhook-signature" not in receiver.requests[0].fields
            verify(own.requests[0], SECRET)
            assert {one.url for one in world.webhooks.of("o")} == {
                None, f"http://127.0.0.1:{receiver.port}/hook"
            }  # fmt: skip


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (answer(500), "it answered 500"),
        (answer(301, "Location: http://127.0.0.1:1/"), "a redirect is not followed"),
        (answer(404), "it answered 404"),
        (reset, "the connection broke"),
    ],
)
async def test_the_whole_schedule_and_the_dead_letter(
    act: Act, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiving(*[act] * 10) as receiver, rig() as world:
        world.start(Webhook(receiver.url, SECRET))
        [dead] = await world.settles()
        assert dead.state == "dead"
        assert {attempt.error for attempt in dead.attempts} == {error}
        assert seconds(world) == [
            0, 5, 65, 365, 2_165, 9_365, 30_965, 74_165, 160_565, 257_765,
        ]  # fmt: skip
        assert {request.id for request in receiver.requests} == {dead.id}
        assert len({request.body for request in receiver.requests}) == 1
        stamps = [int(request.fields["webhook-timestamp"]) for request in receiver.requests]
        assert stamps[-1] - stamps[0] in (257_765, 257_766)
        assert len({request.fields["webhook-signature"] for request in receiver.requests}) == 10
        assert dead.next_attempt_at is None
    assert "is dead" in caplog.text
    assert "hidden" not in caplog.text
    assert "whsec" not in caplog.text


async def test_a_receiver_that_hangs() -> None:
    async with receiving(hang) as receiver, rig(seconds=0.1) as world:
        world.start(Webhook(receiver.url))
        [delivery] = await world.settles("o", "delivered")
        assert delivery.attempts[0].error == "no answer within 0.1 s"
        assert [request.id for request in receiver.requests] == [delivery.id] * 2


async def test_a_receiver_that_says_102_first() -> None:
    act = answer(200, before=b"HTTP/1.1 102 Processing\r\n\r\n")
    async with receiving(act) as receiver, rig() as world:
        world.start(Webhook(receiver.url))
        [delivery] = await world.settles("o", "delivered")
        assert [attempt.status for attempt in delivery.attempts] == [200]


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_heeded_also_by_the_next_state(status: int) -> None:
    clock = Clock(until=0.0)
    busy = answer(status, "Retry-After: 100")
    async with receiving(busy) as receiver, rig(clock=clock) as world:
        world.start(Webhook(receiver.url))
        await receiver.has(1)
        while not world.webhooks.counts["failed"]:
            await anyio.lowlevel.checkpoint()
        world.publish(RUNNING)
        await world.settles("o", "replaced", "pending")
        clock.go(99.0)
        await anyio.wait_all_tasks_blocked()
        assert len(receiver.requests) == 1
        clock.go(100.0)
        await world.settles("o", "replaced", "delivered")
        assert receiver.types == ["operation.queued", "operation.running"]


async def test_retry_after_is_heeded_for_three_days_at_most() -> None:
    async with receiving(answer(503, "Retry-After: 99999999999")) as receiver, rig() as world:
        world.start(Webhook(receiver.url))
        await world.settles("o", "delivered")
        assert seconds(world) == [0, LASTS]


async def test_gone_is_gone_for_that_operation() -> None:
    async with receiving(answer(410)) as receiver, rig() as world:
        world.start(Webhook(receiver.url))
        await world.settles("o", "gone")
        assert world.hub.subscribers == ()
        world.publish(RUNNING, SUCCEEDED)
        await anyio.wait_all_tasks_blocked()
        assert len(receiver.requests) == len(world.webhooks.of("o")) == 1
        world.start(Webhook(receiver.url), "another")
        await world.settles("another", "delivered")


async def test_the_servers_own_is_told_of_everything_until_it_is_gone() -> None:
    async with receiving(OK, answer(410)) as receiver:
        settings = WebhookSettings(url=receiver.url, http=True, private=LOCAL.private)
        async with rig(settings) as world:
            for id in ("a", "b", "c"):
                world.start(None, id)
                await receiver.has(min(len(receiver.requests) + 1, 2))
                if id != "c":
                    await world.settles(id)
            await anyio.wait_all_tasks_blocked()
            assert len(receiver.requests) == 2
            assert world.webhooks.of("c") == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (WebhookSettings(url="http://example.org/?x=hidden"), r"^webhooks\.url: .*https"),
        (WebhookSettings(url="https://127.0.0.1/hidden"), r"^webhooks\.url: .*address"),
        (WebhookSettings(url="https://a.example/", secret=("hidden",)), r"^webhooks\.secret: "),
        (WebhookSettings(url="https://a.example/", events=("progress",)), r"^webhooks\.events: "),
    ],
)
async def test_the_servers_own_follows_the_same_rules(
    settings: WebhookSettings, message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        async with rig(settings):
            pass
    assert "hidden" not in str(raised.value)


async def test_a_newer_state_replaces_one_that_was_not_sent() -> None:
    """And one at a time: while an attempt is under way nothing else is."""
    gate = Gate(answer(500))
    async with receiving(gate) as receiver, rig() as world:
        world.start(Webhook(receiver.url, events=BOTH))
        await gate.entered.wait()
        world.publish(RUNNING, progress("o", 1), progress("o", 2), SUCCEEDED)
        await anyio.wait_all_tasks_blocked()
        assert receiver.connections == 1
        gate.open.set()
        await world.settles("o", "replaced", "delivered")
        assert receiver.types == ["operation.queued", "operation.succeeded"]
        assert seconds(world, 1) == [0]


async def test_progress_once_a_second_and_never_in_place_of_a_state() -> None:
    clock = Clock(until=0.0)
    async with receiving() as receiver, rig(clock=clock) as world:
        world.start(Webhook(receiver.url, events=BOTH))
        world.publish(RUNNING, progress("o", 1))
        await world.settles("o", "delivered")
        world.publish(progress("o", 2))
        await world.settles("o", "delivered", "delivered")
        for n in range(3, 50):
            world.publish(progress("o", n))
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        assert len(receiver.requests) == 2
        clock.go(1.0)
        await world.settles("o", *["delivered"] * 3)
        assert receiver.types == ["operation.running", *["operation.progress"] * 2]
        progresses = [one.json["data"]["operation"]["progress"] for one in receiver.requests]
        assert [one["completed"] for one in progresses] == [1, 2, 49]
        world.publish(progress("o", 50), SUCCEEDED)
        await world.settles("o", *["delivered"] * 4)
        assert receiver.types[-1] == "operation.succeeded"


async def test_progress_that_is_not_asked_for() -> None:
    async with receiving() as receiver, rig() as world:
        journal = world.start(Webhook(receiver.url))
        [subscriber] = world.hub.subscribers
        assert subscriber.interest.shows(journal) == {"state"}
        world.publish(RUNNING)
        await world.settles("o", "delivered")
        world.publish(progress("o", 1))
        await anyio.wait_all_tasks_blocked()
        assert receiver.types == ["operation.running"]


async def test_newer_progress_takes_over_the_schedule() -> None:
    clock = Clock(until=0.0)
    async with receiving(OK, answer(500), answer(500)) as receiver, rig(clock=clock) as world:
        world.start(Webhook(receiver.url, events=BOTH))
        world.publish(RUNNING)
        await world.settles("o", "delivered")
        world.publish(progress("o", 1))
        await receiver.has(2)
        world.publish(progress("o", 2))
        clock.go(5.0)
        await world.settles("o", "delivered", "replaced", "pending")
        world.publish(progress("o", 3))
        clock.go(64.0)
        await anyio.wait_all_tasks_blocked()
        assert len(receiver.requests) == 3  # the second pause is 60 s, not 5
        clock.go(65.0)
        await world.settles("o", "delivered", "replaced", "replaced", "delivered")
        assert len({request.id for request in receiver.requests}) == 4


async def test_one_that_waits_is_sent_at_once_if_it_is_asked_for() -> None:
    clock = Clock(until=0.0)  # whose time does not come by itself
    async with (
        receiving(answer(503, "Retry-After: 86400")) as receiver,
        rig(clock=clock) as made,
    ):
        made.start(Webhook(receiver.url))
        await receiver.has(1)
        while not made.webhooks.counts["failed"]:
            await anyio.lowlevel.checkpoint()
        [waiting] = made.webhooks.of("o")
        assert waiting.state == "pending"
        assert made.webhooks.retry("o", waiting.id).state == "pending"
        [delivered] = await made.settles("o", "delivered")
        assert [one.id for one in receiver.requests] == [delivered.id] * 2
        with pytest.raises(Conflict):
            made.webhooks.retry("o", delivered.id)


async def test_a_dead_letter_is_sent_again() -> None:
    async with receiving(*[answer(500)] * 10, answer(500)) as receiver, rig() as world:
        world.start(Webhook(receiver.url, SECRET))
        [dead] = await world.settles("o", "dead")
        for _ in range(2):  # the second time it is on its way already
            assert world.webhooks.retry("o", dead.id).state == "pending"
        [delivered] = await world.settles("o", "delivered")
        assert seconds(world)[10:] == [257_765, 257_770]  # it has a schedule of its own
        assert delivered.id == dead.id
        assert len({(one.id, one.body) for one in receiver.requests}) == 1
        with pytest.raises(Conflict):
            world.webhooks.retry("o", dead.id)
        for operation, id in (("o", "msg_x"), ("x", dead.id)):
            with pytest.raises(NotFound):
                world.webhooks.retry(operation, id)


async def test_when_too_many_are_pending() -> None:
    gate = Gate()
    async with receiving(gate) as receiver, receiving() as own:
        settings = WebhookSettings(
            url=own.url, http=True, private=LOCAL.private, pending=2
        )  # fmt: skip
        async with rig(settings, clock=Clock(until=0.0)) as world:
            world.start(Webhook(receiver.url))
            with pytest.raises(Busy):
                world.start(Webhook(receiver.url), "another")
            world.start(None, "third")  # nobody asked for a webhook: it starts all the same
            await own.has(1)
            await world.settles("o", "pending", "delivered")
            assert world.webhooks.counts["skipped"] == 1
            assert world.webhooks.of("third") == []


async def test_a_few_at_once_for_each_host() -> None:
    gates = [Gate() for _ in range(6)]
    async with receiving(*gates) as receiver, receiving() as other, rig() as world:
        for n in range(6):
            world.start(Webhook(receiver.url), f"o{n}")
        world.start(Webhook(other.url), "o")
        await world.settles("o", "delivered")  # it waits for nobody
        await anyio.wait_all_tasks_blocked()
        assert receiver.connections == 4
        for gate in gates:
            gate.open.set()
        await receiver.has(6)


def test_hosts_have_their_turns_although_all_places_are_taken() -> None:
    """However many of them wait, and however often somebody asks meanwhile."""
    places = Places()
    ledger = Ledger(MemoryStore(9), lambda: 0.0)
    urls = [f"https://h{n}.example/" for n in range(40)]
    targets = [Target(Webhook(url), URL(url)) for url in urls]
    lanes = [Lane(target, ledger) for target in targets for _ in range(2)]
    for lane in lanes:
        places.wait(lane)
    begun: list[Lane] = []
    left = list(places.let_in())
    while left:
        assert list(places.let_in()) == []
        begun.append(left.pop(0))
        places.give_back(begun[-1])
        left += places.let_in()
    assert begun == lanes[:32] + lanes[32::2] + lanes[33::2]
    assert places.is_idle


async def test_at_the_end_what_is_due_is_tried_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(until=0.0)
    async with receiving(answer(500), OK, answer(500)) as receiver, rig(clock=clock) as world:
        world.start(Webhook(receiver.url), "a")
        await receiver.has(1)
        world.publish(state("a", State.CANCELLED))
        await world.webhooks.drain(5)
        assert receiver.types == ["operation.queued", "operation.cancelled"]
        assert "gives up" not in caplog.text
        world.start(Webhook(receiver.url), "b")
        world.publish(state("b", State.CANCELLED))
        await world.webhooks.drain(5)
        [given_up] = world.webhooks.of("b")
        assert (given_up.state, len(given_up.attempts)) == ("dead", 1)
        assert "gives up 1 webhook deliveries" in caplog.text


async def test_the_end_waits_for_nobody_longer_than_it_may() -> None:
    async with receiving(hang) as receiver, rig() as world:
        world.start(Webhook(receiver.url))
        await receiver.has(1)
        with anyio.fail_after(2):
            await world.webhooks.drain(0.05)
        assert [one.state for one in world.webhooks.of("o")] == ["dead"]
        assert world.webhooks.counts["pending"] == 0
        assert world.hub.subscribers == ()


async def test_the_end_waits_for_nothing_where_nothing_is_due() -> None:
    async with receiving() as receiver, rig() as world:
        world.start(Webhook(receiver.url))
        await world.settles("o", "delivered")
        with anyio.fail_after(2):
            await world.webhooks.drain(5.0)
        assert world.hub.subscribers == ()


async def test_what_is_given_up_before_it_was_tried_can_be_sent_again() -> None:
    async with receiving(*[hang] * 4) as receiver, rig() as world:
        for n in range(5):
            world.start(Webhook(receiver.url), f"o{n}")
        await receiver.has(4)
        await world.webhooks.drain(0.05)
        [untried] = world.webhooks.of("o4")
        assert (untried.state, untried.attempts) == ("dead", ())
        world.webhooks.retry("o4", untried.id)
        await receiver.has(5)
        last = receiver.requests[-1]
        assert (last.id, last.type) == (untried.id, "operation.queued")
        assert last.json["data"]["operation"]["id"] == "o4"


async def test_cut_off_without_a_drain_it_leaves_nothing_behind() -> None:
    async with receiving(hang) as receiver:
        async with rig() as world:
            world.start(Webhook(receiver.url))
            await receiver.has(1)
        assert [one.state for one in world.webhooks.of("o")] == ["dead"]
        assert (world.hub.subscribers, world.hub.insiders) == ((), 0)
        async with anyio.create_task_group() as tasks:  # it may run again
            tasks.start_soon(world.webhooks.run)
            world.start(Webhook(receiver.url), "next")
            await world.settles("next", "delivered")
            assert world.webhooks.counts["pending"] == 0
            tasks.cancel_scope.cancel()


async def test_nothing_is_left_in_the_hub_while_the_end_is_tried_again() -> None:
    async with receiving(answer(500)) as receiver, rig(clock=Clock(until=0.0)) as world:
        world.start(Webhook(receiver.url))
        world.publish(RUNNING, SUCCEEDED)
        await receiver.has(1)
        await world.settles("o", "pending")
        assert world.hub.subscribers == ()
        assert world.hub.insiders == 0


async def test_drained_by_the_hub_first() -> None:
    async with receiving() as receiver, rig() as world:
        world.start(Webhook(receiver.url))
        await world.settles("o", "delivered")
        with anyio.fail_after(2):
            await world.hub.drain(5.0)
        assert (world.hub.subscribers, world.hub.count, world.hub.insiders) == ((), 0, 0)


async def test_webhooks_are_no_clients_and_get_no_heartbeats() -> None:
    async with receiving() as receiver, rig() as world:
        world.start(Webhook(receiver.url))
        await world.settles("o", "delivered")
        assert len(world.hub.subscribers) == 1
        assert world.hub.count == 0
        for tick in range(100):
            world.hub.tick(float(tick))
        await anyio.wait_all_tasks_blocked()
        assert len(receiver.requests) == 1


@pytest.mark.parametrize("seed", range(4))
async def test_a_receiver_with_moods(seed: int) -> None:
    """Whatever it does: in order, each at least once, and nothing again that it has taken."""
    chance = random.Random(seed)
    busy = answer(429, f"Retry-After: {chance.randrange(20)}")
    acts = [OK, OK, answer(500), answer(302, "Location: /"), reset, hang, busy]
    chosen = [chance.choice(acts) for _ in range(60)]
    async with receiving(*chosen) as receiver, rig(seconds=0.05) as world:
        world.start(Webhook(receiver.url, SECRET, BOTH))
        for n in range(chance.randrange(5, 40)):
            world.publish(RUNNING if n == 3 else progress("o", n))
            for _ in range(chance.randrange(30)):
                await anyio.lowlevel.checkpoint()
        world.publish(SUCCEEDED)
        found = await world.settles()
        while found[-1].type != "operation.succeeded" or found[-1].state == "pending":
            found = await world.settles()
        check_law(receiver, world)


def check_law(receiver: Receiver, world: Rig) -> None:
    cursors = [request.cursor for request in receiver.requests]
    assert cursors == sorted(cursors)
    bodies = {(request.id, request.body) for request in receiver.requests}
    ids = [request.id for request in receiver.requests]
    assert len(bodies) == len(set(ids))
    states = {(one.id, one.type) for one in receiver.requests if "progress" not in one.type}
    assert len(states) == len({type for _, type in states})
    for delivery in world.webhooks.of("o"):
        assert ids.count(delivery.id) <= len(delivery.attempts)  # where time ran out before it came
        taken = [one.error for one in delivery.attempts].count(None)
        assert taken == (delivery.state == "delivered")
        assert taken <= ids.count(delivery.id)
    assert world.webhooks.of("o")[0].type == "operation.succeeded"
    assert world.webhooks.of("o")[0].state == "delivered"
