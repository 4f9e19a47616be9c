"""A place in the bus's order. It never knows which events stand there."""

from __future__ import annotations

import re
from functools import total_ordering
from typing import Final

from progress.errors import BadCursor

__all__ = ["ZERO", "Cursor"]

# Canonical decimals that fit in 63 bits: SQL, Redis and JavaScript's BigInt all hold them.
_FORM = re.compile(r"(0|[1-9][0-9]{0,17})-(0|[1-9][0-9]{0,17})")


@total_ordering
class Cursor:
    """`<epoch>-<n>`: when this bus's history began, in µs, and a count over all its events.

    Two cursors are ordered only within one epoch; another epoch is neither older nor newer, it
    is foreign. Compared as two integers, never as text. Neither a tuple nor a struct, because
    the JSON of it is its text.
    """

    __slots__ = ("epoch", "n")

    def __init__(self, epoch: int, n: int) -> None:
        self.epoch: Final = epoch
        self.n: Final = n

    def __str__(self) -> str:
        return f"{self.epoch}-{self.n}"

    def __repr__(self) -> str:
        return f"Cursor({self.epoch}, {self.n})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cursor) and (self.epoch, self.n) == (other.epoch, other.n)

    def __lt__(self, other: Cursor) -> bool:
        return (self.epoch, self.n) < (other.epoch, other.n)

    def __hash__(self) -> int:
        return hash((self.epoch, self.n))

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read what `str()` wrote.

        Raises:
            BadCursor: anything else, leading zeros, signs and oversized numbers included.
        """
        match = _FORM.fullmatch(text) if len(text) <= 40 else None
        if match is None:
            raise BadCursor(
                f"{text[:40]!r} is not a cursor; send one that this server gave you "
                "(an event's id), or 0-0 for all that is kept"
            )
        return cls(int(match[1]), int(match[2]))


ZERO = Cursor(0, 0)
"""From the beginning of what is retained; never foreign."""
