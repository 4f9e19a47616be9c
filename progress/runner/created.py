"""What an operation returns that has made something with an address of its own."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct, field

from progress.errors import ReportError

__all__ = ["Created", "created"]


_LOCATION = 2_000
"""Characters: it becomes a field of a head, and many take no more than 8 KB of that."""


class Created(Struct, frozen=True, forbid_unknown_fields=True):
    """Return it, and whoever holds a connection for the result is answered `201 Created`.

    As JSON, and thus for everybody else: `{"created": "/files/copy", "result": …}`.
    """

    location: str = field(name="created")
    """A URI reference (RFC 9110 §10.2.2)."""
    result: object = None
    """Anything that has a JSON form."""

    def __post_init__(self) -> None:
        if len(self.location) > _LOCATION:
            raise ReportError(f"a location has at most {_LOCATION} characters")


class _Found(Struct, forbid_unknown_fields=True):
    created: str
    result: Raw


def created(result: Raw) -> tuple[str, Raw] | None:
    """Find in an operation's result where it has made something, and what it has to say of it."""
    try:
        found = msgspec.json.decode(result, type=_Found)
    except msgspec.DecodeError:
        return None
    return found.created, found.result
