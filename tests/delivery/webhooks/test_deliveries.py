"""What is kept of deliveries, and what goes first."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from progress import Webhook
from progress.delivery.webhooks import deliveries
from progress.delivery.webhooks.addresses import Addresses
from progress.delivery.webhooks.deliveries import Delivery, DeliveryState, Ledger, MemoryStore
from progress.delivery.webhooks.target import Rules, Target
from tests.support.snapshots import snapshot

TARGET = Target.checked(Webhook("https://example.org/?token=hidden"), Rules(Addresses(()), False))


class Desk:
    """A store, and what is entered in it."""

    def __init__(self, most: int) -> None:
        self.store = MemoryStore(most)
        self.ledger = Ledger(self.store, lambda: 1_800_000_000.0)

    def open(self, operation: str, body: bytes = b"{}") -> Delivery:
        delivery = self.ledger.open(TARGET, "operation.running", snapshot(operation))
        self.ledger.fix(delivery, body, snapshot(operation))
        return delivery

    def close(self, operation: str, state: DeliveryState, body: bytes = b"{}") -> Delivery:
        delivery = self.open(operation, body)
        self.ledger.close(delivery, state)
        return delivery

    def ids(self, operation: str) -> list[str]:
        return [one.id for one in self.store.of(operation)]


def test_twenty_that_have_ended_for_each_operation() -> None:
    desk = Desk(1_000)
    pending = desk.open("a")
    ended = [desk.close("a", "delivered").id for _ in range(30)]
    assert desk.ids("a") == [pending.id, *ended[10:]]
    desk.close("b", "dead")
    assert len(desk.ids("b")) == 1


def test_what_goes_first() -> None:
    desk = Desk(4)
    dead, pending = desk.close("a", "dead"), desk.open("b")
    old, new = desk.close("c", "delivered"), desk.close("d", "replaced")
    assert desk.ids("c") == [old.id]
    third = desk.close("e", "gone")
    assert desk.ids("c") == []
    assert desk.store.snapshot("c") is None
    desk.open("f")
    assert desk.ids("d") == []
    desk.open("g")
    assert desk.ids("a") == []
    assert desk.ids("e") == [third.id]
    desk.open("h")
    assert [desk.ids("b"), desk.ids("e")] == [[pending.id], []]
    assert desk.store.is_full
    assert (dead.state, new.state, third.state) == ("dead", "replaced", "gone")


def test_what_is_pending_is_never_lost() -> None:
    desk = Desk(2)
    opened = [desk.open(f"{n}") for n in range(5)]
    assert [desk.ids(f"{n}") for n in range(5)] == [[one.id] for one in opened]
    desk.ledger.close(opened[0], "delivered")
    assert desk.ids("0") == []


def test_bodies_have_a_bound_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "_BYTES", 1_000)
    desk = Desk(1_000)
    desk.close("a", "dead", b"x" * 300)
    assert desk.store.bytes == 600  # the body, and the snapshot that is as large
    desk.close("b", "dead", b"x" * 300)
    assert desk.ids("a") == []
    desk.close("c", "delivered", b"x" * 100)
    assert [len(desk.ids(id)) for id in "abc"] == [0, 1, 1]  # what was taken needs no body
    pending = desk.open("d", b"x" * 600)
    assert [len(desk.ids(id)) for id in "abcd"] == [0, 0, 0, 1]
    assert desk.store.is_full
    desk.ledger.close(pending, "delivered")
    assert desk.store.bytes == 600
    assert not desk.store.is_full


def test_snapshots_count_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """They wait for a place, and are evicted everywhere else meanwhile."""
    monkeypatch.setattr(deliveries, "_BYTES", 10_000)
    desk = Desk(1_000)
    large = msgspec.structs.replace(snapshot("a"), params=Raw(b'"%s"' % (b"x" * 6_000)))
    first, second = (
        desk.ledger.open(TARGET, "operation.running", msgspec.structs.replace(large, id=id))
        for id in "ab"
    )
    assert 12_000 < desk.store.bytes < 14_000
    assert desk.store.is_full
    desk.ledger.close(first, "delivered")
    assert desk.ids("a") == []
    assert 6_000 < desk.store.bytes < 7_000
    desk.ledger.fix(second, b"{}", large)
    assert desk.store.bytes == 4


def test_attempts_of_one_that_is_sent_again_and_again_have_a_bound() -> None:
    desk = Desk(9)
    delivery = desk.open("a")
    for status in range(1_000, 1_250):
        desk.ledger.tried(delivery, status, "gone")
        desk.ledger.close(delivery, "gone")
        desk.ledger.reopen(delivery)
    assert [one.status for one in delivery.shown.attempts] == list(range(1_150, 1_250))


def test_a_dead_one_outlives_what_was_taken_and_goes_again() -> None:
    desk = Desk(3)
    dead = desk.close("a", "dead", b"body")
    for n in range(10):
        desk.close(f"o{n}", "delivered")
    assert desk.ids("a") == [dead.id]
    desk.ledger.reopen(dead)
    assert (dead.state, dead.body) == ("pending", b"body")
    assert desk.ledger.counts["pending"] == 1
    desk.ledger.close(dead, "delivered")
    assert dead.body == b""
    assert desk.ledger.counts == {
        "ok": 0, "failed": 0, "delivered": 11, "dead": 1, "gone": 0, "replaced": 0,
        "skipped": 0, "pending": 0,
    }  # fmt: skip


def test_one_that_was_let_go_while_it_was_sent_again_does_no_harm() -> None:
    desk = Desk(1)
    dead = desk.close("a", "dead")
    desk.close("b", "delivered")
    desk.close("c", "dead")
    assert desk.ids("a") == []
    desk.ledger.close(dead, "delivered")
    assert desk.ids("a") == []


def test_what_is_shown() -> None:
    desk = Desk(9)
    delivery = desk.open("a")
    desk.ledger.tried(delivery, None, "no connection")
    desk.ledger.delay(delivery, 60.0)
    shown = delivery.shown
    assert shown.url == "https://example.org/"
    assert shown.created_at == "2027-01-15T08:00:00.000Z"
    assert shown.next_attempt_at == "2027-01-15T08:01:00.000Z"
    assert [(one.status, one.error) for one in shown.attempts] == [(None, "no connection")]
    assert "hidden" not in repr(delivery) + repr(shown)
