"""How many attempts are made at once, in all and to one host. It knows no clock."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator

from .lane import Lane

__all__ = ["Places"]

_IN_ALL = 32
_OF_ONE_HOST = 4


class Places:
    """Lanes that are due wait here for a place, first come first served, host by host in turn."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Lane]] = OrderedDict()
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Attempts that are being made."""
        return self._taken.total()

    @property
    def is_idle(self) -> bool:
        """Whether none is being made, and nobody waits."""
        return not self._waiting and not self._taken

    def wait(self, lane: Lane) -> None:
        """Wait for a place."""
        self._waiting.setdefault(lane.target.host, deque()).append(lane)

    def let_in(self) -> Iterator[Lane]:
        """Those for whom there is a place now; each has it until it is given back."""
        for host in list(self._waiting):
            if self.taken >= _IN_ALL:  # there may be thousands
                break
            lanes = self._waiting[host]
            while lanes and self._taken[host] < _OF_ONE_HOST and self.taken < _IN_ALL:
                self._taken[host] += 1
                yield lanes.popleft()
            del self._waiting[host]
            if lanes:
                self._waiting[host] = lanes  # behind the others
        self._taken += Counter()  # of those that have none

    def give_back(self, lane: Lane) -> None:
        """Leave its place."""
        self._taken[lane.target.host] -= 1
        self._taken += Counter()
