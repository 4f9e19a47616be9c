"""What is known of each delivery, and where that is kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from secrets import token_hex
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from progress.core.frames import encode
from progress.core.operation import Snapshot
from progress.runner.operation import rfc3339

from .target import Target, shown

__all__ = [
    "Attempt",
    "Delivered",
    "Delivery",
    "DeliveryState",
    "Ledger",
    "MemoryStore",
    "Store",
]

DeliveryState: TypeAlias = Literal["pending", "delivered", "dead", "gone", "replaced"]

_FINISHED = 20
"""Finished deliveries kept for each operation."""

_ATTEMPTS = 100
"""Kept of one delivery: it can be sent again as often as somebody likes."""

_BYTES = 67_108_864
"""Of bodies and snapshots, 64 MiB: 6 KB for each of 10,000."""


class Attempt(Struct, frozen=True):
    """One attempt: the status that was answered, or why there was none."""

    time: str
    status: int | None
    error: str | None
    """Null if it was taken."""


class Delivered(Struct, frozen=True, kw_only=True):
    """A delivery as it is shown: the URL without its query, and no secret."""

    id: str
    """The `webhook-id`, the same for each attempt."""
    operation: str
    url: str | None
    """Null: the server's own webhook."""
    type: str
    state: DeliveryState
    attempts: tuple[Attempt, ...]
    created_at: str
    next_attempt_at: str | None


class Delivery(Struct, kw_only=True, eq=False):
    """One message to one target. Times are seconds since 1970."""

    id: str
    operation: str
    target: Target
    type: str
    created: float
    next_attempt: float | None
    """While it is pending: when it is tried, unless there is no room just then."""
    state: DeliveryState = "pending"
    attempts: tuple[Attempt, ...] = ()
    body: bytes = b""
    """Fixed at the first attempt, and let go once it cannot be sent again."""

    def __repr__(self) -> str:
        return f"Delivery({self.id}, {self.state}, {self.target.webhook!r})"

    @property
    def shown(self) -> Delivered:
        """What others may see of it."""
        at = self.next_attempt
        return Delivered(
            id=self.id,
            operation=self.operation,
            url=None if self.target.is_own else shown(self.target.webhook.url),
            type=self.type,
            state=self.state,
            attempts=self.attempts,
            created_at=_shown(self.created),
            next_attempt_at=None if at is None else _shown(at),
        )


class Store(Protocol):
    """Keeps deliveries. Those that are pending or can be sent again keep their bodies.

    Nothing here waits. A store that keeps them on a disk writes what it is given later.
    """

    @property
    def is_full(self) -> bool:
        """Whether what is pending takes all the room."""

    def put(self, delivery: Delivery, snapshot: Snapshot | None = None) -> None:
        """Keep a delivery as it is now, and its operation as that was when it was made."""

    def of(self, operation: str) -> Sequence[Delivery]:
        """Those of one operation, the oldest first."""

    def snapshot(self, operation: str) -> Snapshot | None:
        """An operation that has deliveries; it may be evicted everywhere else."""


class _Kept:
    """The deliveries of one operation."""

    __slots__ = ("bytes", "deliveries", "finished", "sizes", "snapshot")

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.bytes = 0
        """Of the snapshot as JSON. It may be evicted everywhere else while it waits here."""
        self.deliveries: OrderedDict[str, Delivery] = OrderedDict()
        self.sizes: dict[str, int] = {}
        self.finished: OrderedDict[str, None] = OrderedDict()


class MemoryStore:
    """Keeps the promises of `Store` for one process, up to bounds; what is pending is never lost.

    What goes first is what was taken or replaced, then what can be sent again; the oldest of each.
    """

    def __init__(self, most: int) -> None:
        """`most` is how many deliveries are kept."""
        self.bytes = 0
        self._most = most
        self._count = 0
        self._operations: dict[str, _Kept] = {}
        self._done: OrderedDict[str, str] = OrderedDict()  # id and operation
        self._dead: OrderedDict[str, str] = OrderedDict()

    @property
    def is_full(self) -> bool:
        """Whether what is pending takes all the room."""
        finished = len(self._done) + len(self._dead)
        return not finished and (self._count >= self._most or self.bytes >= _BYTES)

    def put(self, delivery: Delivery, snapshot: Snapshot | None = None) -> None:
        """Keep a delivery as it is now."""
        kept = self._operations.get(delivery.operation)
        if kept is None:
            if snapshot is None:
                return  # it was let go of meanwhile
            kept = self._operations[delivery.operation] = _Kept(snapshot)
        kept.snapshot = snapshot or kept.snapshot
        id = delivery.id
        if id not in kept.deliveries:
            self._count += 1
        kept.deliveries[id] = delivery
        self._done.pop(id, None)
        self._dead.pop(id, None)
        kept.finished.pop(id, None)
        size = len(delivery.body)
        self.bytes += size - kept.sizes.get(id, 0)
        kept.sizes[id] = size
        if snapshot is not None:
            whole = size or len(encode(snapshot))
            self.bytes += whole - kept.bytes
            kept.bytes = whole
        if delivery.state != "pending":
            kept.finished[id] = None
            ended = self._dead if delivery.state in ("dead", "gone") else self._done
            ended[id] = delivery.operation
        self._evict(kept)

    def of(self, operation: str) -> Sequence[Delivery]:
        """Those of one operation, the oldest first."""
        kept = self._operations.get(operation)
        return () if kept is None else tuple(kept.deliveries.values())

    def snapshot(self, operation: str) -> Snapshot | None:
        """An operation that has deliveries."""
        kept = self._operations.get(operation)
        return None if kept is None else kept.snapshot

    def _evict(self, kept: _Kept) -> None:
        while len(kept.finished) > _FINISHED:
            self._drop(next(iter(kept.finished)))
        while self._count > self._most or self.bytes > _BYTES:
            oldest: Iterable[str] = self._done or self._dead
            if (id := next(iter(oldest), None)) is None:
                return
            self._drop(id)

    def _drop(self, id: str) -> None:
        operation = self._done.pop(id, None) or self._dead.pop(id)
        kept = self._operations[operation]
        del kept.deliveries[id], kept.finished[id]
        self.bytes -= kept.sizes.pop(id)
        self._count -= 1
        if not kept.deliveries:
            self.bytes -= kept.bytes
            del self._operations[operation]


class Ledger:
    """Writes down what becomes of deliveries, and counts it."""

    def __init__(self, store: Store, utc: Callable[[], float]) -> None:
        self.store = store
        self.counts = dict.fromkeys(
            ("ok", "failed", "delivered", "dead", "gone", "replaced", "skipped", "pending"), 0
        )
        """Attempts that were taken (`ok`) and that `failed`; deliveries by how they ended;
        operations that were `skipped` for want of room; deliveries that are `pending` now."""
        self._utc = utc

    def open(self, target: Target, type: str, snapshot: Snapshot) -> Delivery:
        """Begin a delivery."""
        now = self._utc()
        delivery = Delivery(
            id=f"msg_{token_hex(16)}",
            operation=snapshot.id,
            target=target,
            type=type,
            created=now,
            next_attempt=now,
        )
        self.counts["pending"] += 1
        self.store.put(delivery, snapshot)
        return delivery

    def reopen(self, delivery: Delivery) -> None:
        """Send one again that was given up."""
        delivery.state = "pending"
        delivery.next_attempt = self._utc()
        self.counts["pending"] += 1
        self.store.put(delivery)

    def fix(self, delivery: Delivery, body: bytes, snapshot: Snapshot) -> None:
        """Say what is sent, from now on at each attempt."""
        delivery.body = body
        self.store.put(delivery, snapshot)

    def tried(self, delivery: Delivery, status: int | None, error: str | None) -> None:
        """Note an attempt."""
        self.counts["ok" if error is None else "failed"] += 1
        attempt = Attempt(_shown(self._utc()), status, error)
        delivery.attempts = (*delivery.attempts, attempt)[-_ATTEMPTS:]

    def delay(self, delivery: Delivery, seconds: float) -> None:
        """Note when it is tried."""
        delivery.next_attempt = self._utc() + seconds
        self.store.put(delivery)

    def close(self, delivery: Delivery, state: DeliveryState) -> None:
        """End it."""
        delivery.state = state
        delivery.next_attempt = None
        if state in ("delivered", "replaced"):
            delivery.body = b""
        self.counts["pending"] -= 1
        self.counts[state] += 1
        self.store.put(delivery)


def _shown(seconds: float) -> str:
    return rfc3339(int(seconds * 1000))
