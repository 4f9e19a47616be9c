"""Which operations and events somebody wants. It never knows whether they may have them."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakValueDictionary

from .event import TYPES
from .journal import Journal

__all__ = ["EVERYTHING", "Filter", "shared"]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a subscriber wants. OR within one name, AND between names; labels AND."""

    operations: Set[str] = frozenset()
    kinds: Set[str] = frozenset()
    labels: Set[tuple[str, str]] = frozenset()
    types: Set[str] = frozenset(TYPES)
    """Of events; `state` is always among them."""

    def __post_init__(self) -> None:
        if "state" not in self.types:
            object.__setattr__(self, "types", self.types | {"state"})

    @cached_property
    def wants_all(self) -> bool:
        """Whether it wants all operations."""
        return not (self.operations or self.kinds or self.labels)

    def matches(self, journal: Journal) -> bool:
        """Whether this operation is wanted; that never changes."""
        if self.wants_all:
            return True
        snapshot = journal.snapshot
        return (
            (not self.operations or snapshot.id in self.operations)
            and (not self.kinds or snapshot.kind in self.kinds)
            and self.labels <= snapshot.labels.items()
        )


_filters: WeakValueDictionary[tuple[Set[object], ...], Filter] = WeakValueDictionary()


def shared(filter: Filter) -> Filter:
    """The one in use that equals it: what it is shown is found out once for all who have it."""
    same = filter.operations, filter.kinds, filter.labels, filter.types
    return _filters.setdefault(same, filter)


EVERYTHING = shared(Filter())
