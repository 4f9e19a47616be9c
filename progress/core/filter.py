"""Which operations and events somebody wants. It never knows whether they may have them."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from functools import cached_property

from .event import TYPES
from .journal import Journal

__all__ = ["Filter"]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a subscriber wants. OR within one name, AND between names; labels AND."""

    operations: Set[str] = frozenset()
    kinds: Set[str] = frozenset()
    labels: Set[tuple[str, str]] = frozenset()
    types: Set[str] = field(default=frozenset(TYPES))
    """Of events; a state event always passes."""

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
