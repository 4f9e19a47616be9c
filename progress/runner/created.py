"""What an operation returns that has made something with an address of its own."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct, field

__all__ = ["Created", "created"]


class Created(Struct, frozen=True, forbid_unknown_fields=True):
    """Return it, and whoever holds a connection for the result is answered `201 Created`.

    As JSON, and thus for everybody else: `{"created": "/files/copy", "result": …}`.
    """

    location: str = field(name="created")
    """A URI reference (RFC 9110 §10.2.2)."""
    result: object = None
    """Anything that has a JSON form."""


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
