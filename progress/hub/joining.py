"""Letting new subscriptions into a connection, each once it is caught up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from progress.core.cursor import Cursor
from progress.core.reader import CatchUp, Reader

from .fanout import Fanout
from .interest import Interest
from .subscriber import Connection, Subscriber

__all__ = ["let_in"]

_Missing: TypeAlias = Callable[[Interest, Reader], CatchUp]
_Write: TypeAlias = Callable[[Subscriber, Reader, CatchUp], bool]


def let_in(
    connection: Connection, missing: _Missing, write: _Write, fanout: Fanout, head: Cursor
) -> bool:
    """Catch up with what it has newly subscribed to; say whether that is done.

    `missing` tells what a reader lacks, and `write` writes it, up to `head`.
    """
    while connection.joins:
        join, *others = connection.joins
        if join.is_whole:
            connection.has_forgotten = True
        elif connection.has_forgotten:
            join.start_over()
        lacks = missing(join.interest(connection.interests), join.reader)
        if lacks.expired and not join.is_whole:
            join.is_whole = True  # and from the beginning, with all that the connection has
            continue
        if not write(connection, join.reader, lacks):
            return False
        connection.joins = tuple(others)
        if not join.is_parted:
            fanout.remove(connection)
            connection.interests.add(join.name, join.subscription)
            fanout.add(connection)
        if not join.done(head):
            return False
    return True
