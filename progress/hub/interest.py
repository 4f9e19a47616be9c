"""What a subscriber is shown: one subscription, or all those of a WebSocket."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from typing import Protocol

from progress.core.filter import Filter, shared
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

    @property
    def key(self) -> Set[int] | None:
        """Those with the same are shown the same; None if it has nothing in common with others."""

    def shows(self, journal: Journal) -> Set[str] | None:
        """The types of that operation's events it is shown, perhaps none.

        None until the permit for it is there.
        """


class Subscription:
    """One operation, held so that eviction cannot pull it away; or all that match a filter."""

    __slots__ = ("filter", "journal", "key", "permits")

    def __init__(
        self, filter: Filter, journal: Journal | None = None, permits: Permits | None = None
    ) -> None:
        self.filter = shared(filter)
        self.journal = journal
        self.permits = permits
        is_common = journal is None and permits is None
        self.key: Set[int] | None = frozenset((id(self.filter),)) if is_common else None

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

    __slots__ = ("_subscriptions", "is_broad", "is_single", "journals", "key")

    def __init__(self, subscriptions: Mapping[str, Subscription] | None = None) -> None:
        self._set(subscriptions or {})

    def __len__(self) -> int:
        return len(self._subscriptions)

    def shows(self, journal: Journal) -> Set[str] | None:
        """The types that any of them is shown."""
        types: Set[str] = _NOTHING
        for subscription in self._subscriptions.values():
            shown = subscription.shows(journal)
            if shown is None:
                return None
            types = types | shown if types else shown
        return types

    def joined(self, name: str, subscription: Subscription) -> Interests:
        """These and one more."""
        return Interests({**self._subscriptions, name: subscription})

    def add(self, name: str, subscription: Subscription) -> None:
        """Have one more."""
        self._set({**self._subscriptions, name: subscription})

    def drop(self, name: str) -> None:
        """Forget one, if it is there."""
        self._set({own: one for own, one in self._subscriptions.items() if own != name})

    def drop_of(self, journals: Collection[Journal]) -> None:
        """Forget the subscriptions to these operations."""
        self._set(
            {name: one for name, one in self._subscriptions.items() if one.journal not in journals}
        )

    def _set(self, subscriptions: Mapping[str, Subscription]) -> None:
        self._subscriptions = subscriptions
        # Asked with each event, and changed seldom.
        journals = [one.journal for one in subscriptions.values() if one.journal is not None]
        self.journals: Collection[Journal] = tuple(dict.fromkeys(journals))
        self.is_broad = any(one.journal is None for one in subscriptions.values())
        self.is_single = len(subscriptions) == 1
        keys = [one.key for one in subscriptions.values() if one.key is not None]
        is_common = len(keys) == len(subscriptions)
        self.key: Set[int] | None = frozenset().union(*keys) if is_common else None
