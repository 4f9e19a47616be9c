"""How often somebody may do something. It knows no clock."""

from __future__ import annotations

__all__ = ["Rate"]


class Rate:
    """A token bucket: so many a second, and as many at once."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._at = 0.0
        self._left = 0.0

    def allows(self, now: float, most: int) -> bool:
        """Take one, if there is one. `now` is in seconds and never goes back."""
        self._left = min(self._left + (now - self._at) * most, most)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
