"""What a subscriber is shown: one subscription, or all those of a WebSocket."""

from __future__ import annotations

from collections.abc import Collection, Set
from typing import Protocol

from progress.core.filter import Filter
from progress.core.journal import Journal

__all__ = ["Interest", "Interests", "Permits", "Subscription"]

_NOTHING: frozenset[str] = frozenset()


class Permits(Protocol):
    """Which operations a subscriber may see, where somebody has to be asked for each."""

    def get(self, journal: Journal) -> bool | None:
        """The answer, or None: then it is asked for, and `Hub.resume` follows."""


class Interest(Protocol):
    """What the hub asks of each subscriber."""

    @property
    def journals(self) -> Collection[Journal]:
        """Operations it is subscribed to by name: they stay until then, evicted or not."""

    @property
    def is_broad(self) -> bool:
        """Whether it could be shown any other operation."""

    @property
    def is_single(self) -> bool:
        """Whether it is one subscription."""

    def shows(self, journal: Journal) -> Set[str] | None:
        """The types of that operation's events it is shown, perhaps none.

        None until the permit for it is there.
        """


class Subscription:
    """One operation, held so that eviction cannot pull it away; or all that match a filter."""

    __slots__ = ("filter", "journal", "permits")

    def __init__(
        self, filter: Filter, journal: Journal | None = None, permits: Permits | None = None
    ) -> None:
        self.filter = filter
        self.journal = journal
        self.permits = permits

    @property
    def journals(self) -> Collection[Journal]:
        """The one, if it is of one."""
        return () if self.journal is None else (self.journal,)

    @property
    def is_broad(self) -> bool:
        """Whether it is of many."""
        return self.journal is None

    @property
    def is_single(self) -> bool:
        """It is."""
        return True

    def shows(self, journal: Journal) -> Set[str] | None:
        """The types of that operation's events; none, or None while nobody knows."""
        if self.journal is not None:
            return self.filter.types if journal is self.journal else _NOTHING
        if not self.filter.matches(journal):
            return _NOTHING
        if self.permits is not None:
            allowed = self.permits.get(journal)
            if not allowed:
                return None if allowed is None else _NOTHING
        return self.filter.types


class Interests:
    """All subscriptions of one connection: what matches several is shown once."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, Subscription] = {}

    @property
    def journals(self) -> Collection[Journal]:
        """Each once."""
        return {one.journal: None for one in self.subscriptions.values() if one.journal}.keys()

    @property
    def is_broad(self) -> bool:
        """Whether any of them is of many."""
        return any(one.journal is None for one in self.subscriptions.values())

    @property
    def is_single(self) -> bool:
        """Whether there is only one."""
        return len(self.subscriptions) == 1

    def shows(self, journal: Journal) -> Set[str] | None:
        """The types that any of them is shown."""
        types: Set[str] = _NOTHING
        for subscription in self.subscriptions.values():
            shown = subscription.shows(journal)
            if shown is None:
                return None
            types = types | shown if types else shown
        return types

    def joined(self, name: str, subscription: Subscription) -> Interests:
        """These and one more."""
        joined = Interests()
        joined.subscriptions = {**self.subscriptions, name: subscription}
        return joined

    def drop(self, journals: Collection[Journal]) -> None:
        """Forget the subscriptions to these operations."""
        self.subscriptions = {
            name: one for name, one in self.subscriptions.items() if one.journal not in journals
        }
