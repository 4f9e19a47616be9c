"""What a reader that is behind gets: the heart of the project.

A reader has no queue: it has a position, and `catch_up` is what lies between that and now. A
reconnect, a late joiner, a long poll and a slow consumer are this same code. It never knows who
the reader is.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from heapq import merge
from typing import NamedTuple, TypeAlias

from .cursor import ZERO, Cursor
from .frames import Frame, Gap, GapReason, Missed
from .journal import Journal
from .snapshots import Snapshots

__all__ = ["CatchUp", "Reader", "Shown", "catch_up"]

_BATCH = 64
"""Journals merged at a time: a sink takes a hundred frames at once, and there may be 10,000."""


class Reader:
    """How far somebody has got: everything up to `position` has been written to them."""

    __slots__ = (
        "bookmark",
        "first_id",
        "foreign",
        "forgot",
        "opening",
        "owed_after",
        "past",
        "position",
        "shown",
        "told",
    )

    def __init__(self, position: int = 0, shown: int = 0) -> None:
        self.position = position
        self.owed_after = 0
        """Lossless events up to here are not owed, whatever the position."""
        self.past = 0
        """Nor are operations whose last event is not after this one."""
        self.shown = shown
        """The n of the newest snapshot it got: the event of that n may still be to come."""
        self.opening = False
        """It opens with the snapshot of its one operation, whatever comes after that."""
        self.bookmark = -1
        """The n of the last bookmark it got."""
        self.told = 0
        """The bus's count of losses when this reader was last told of what was trimmed."""
        self.forgot = 0
        """The same, of what was evicted."""
        self.foreign: GapReason | None = None
        """Why the cursor it came with means nothing here, until it has been told."""
        self.first_id: Cursor | None = None
        """The id of its first frame, where that has none: a parser by the letter of the WHATWG
        text starts each connection with an empty last event id."""

    @classmethod
    def opened(cls, after: Cursor | None, head: Cursor, opening: bool) -> Reader:
        """A reader that has just come, with or without a cursor."""
        reader = cls()
        reader.opening = opening
        reader.first_id = after
        if after is None:  # it wants the present, and no history
            reader.owed_after = reader.past = head.n
        elif after == ZERO:
            pass
        elif after.epoch == head.epoch and after.n <= head.n:
            reader.position = after.n
        else:
            reader.foreign = "future" if after.epoch == head.epoch else "epoch"
            reader.first_id = Cursor(head.epoch, 0)
        return reader

    def start_over(self) -> None:
        """Owe it all snapshots again: it is to forget what is not shown to it now."""
        self.owed_after = self.floor
        self.position = self.shown = 0

    @property
    def floor(self) -> int:
        """Lossless events after this are owed."""
        return max(self.position, self.owed_after)


class Shown(NamedTuple):
    """An operation that a reader may see, and the types of its events that it asked for."""

    journal: Journal
    types: Set[str]


class CatchUp(NamedTuple):
    """What a bus knows that a reader at its position may lack."""

    journals: list[Shown]
    """Those that match and have something after the position, ascending by their newest."""
    snapshots: Snapshots
    expired: bool
    """An operation that it could have shown was evicted, it has not been told, and it has
    started over."""
    losses: int
    """The bus's count of losses so far."""
    until: int | None
    """Nothing from this n on may be shown yet."""
    gaps: dict[GapReason, int]
    """How often a gap was told, by why."""


def catch_up(reader: Reader, lacks: CatchUp) -> Iterator[Frame]:
    """Yield what the reader has not got, ascending by cursor, and move it along.

    A gap first, if one has to be told; the snapshot, if it opens with one, or is so far behind
    that events of its one operation are gone: it may never reach the newest. Then the retained
    lossless events, and the snapshot of each journal, placed at its newest cursor and just before
    the event of that cursor: the other way round, a drop between the two would move the reader's
    id past a snapshot that was never sent. A frame that was yielded has to be written. Take them
    all, or stop after any and call again later: nothing is kept in between but the reader.
    """
    notice = _gap(reader, lacks)
    if lacks.until is None:  # else there may be journals whose losses it is not told of yet
        reader.told = lacks.losses
    reader.forgot = lacks.losses
    reader.foreign = None
    if notice is not None:
        lacks.gaps[notice.reason] += 1
        yield _numbered(Frame(notice), reader)
    is_trimmed = notice is not None and notice.reason == "trimmed"
    if reader.opening or (is_trimmed and len(lacks.journals) == 1):
        reader.opening = False
        [(journal, _)] = lacks.journals
        reader.shown = journal.newest
        yield _numbered(lacks.snapshots.of(journal), reader)
    for n, _, position, item in _in_order(lacks.journals, reader):
        if lacks.until is not None and position >= lacks.until:
            return
        reader.position = max(reader.position, position)
        if isinstance(item, Journal):
            reader.shown = n
            yield _numbered(lacks.snapshots.of(item), reader)
        else:
            reader.first_id = None
            yield item


_Place: TypeAlias = "tuple[int, int, int, Journal | Frame]"
"""n, rank, the reader's position after it, and the event, or the journal for its snapshot. An n
belongs to one journal, so n and rank order any two places."""


def _gap(reader: Reader, lacks: CatchUp) -> Gap | None:
    if reader.foreign is not None:
        return Gap(operation=None, reason=reader.foreign, missed=None)
    if lacks.expired:
        return Gap(operation=None, reason="expired", missed=None)
    missed: dict[str, int] = {}
    operations = []
    for journal, types in lacks.journals:
        if journal.loss > reader.told and (counts := journal.missed(reader.floor, types)):
            operations.append(journal.snapshot.id)
            for type, count in counts.items():
                missed[type] = missed.get(type, 0) + count
    if not missed:
        return None
    only = operations[0] if len(operations) == 1 else None
    return Gap(operation=only, reason="trimmed", missed=Missed(**missed))


def _in_order(journals: list[Shown], reader: Reader) -> Iterator[_Place]:
    """Merge what all journals have for the reader, ascending."""
    if len(journals) == 1:
        yield from _run(journals[0], reader)
        return
    for start in range(0, len(journals), _BATCH):
        batch = journals[start : start + _BATCH]
        through = batch[-1].journal.newest
        # Of the later journals, those with something to say before that.
        batch += (later for later in journals[start + _BATCH :] if later.journal.born <= through)
        for place in merge(*(_run(shown, reader) for shown in batch)):
            if place[0] > through:
                break
            yield place


def _run(shown: Shown, reader: Reader) -> Iterator[_Place]:
    journal, types = shown
    frames = journal.since(reader.floor, types)
    newest = journal.newest
    last = frames.pop() if frames and frames[-1].n == newest else None
    for frame in frames:
        yield frame.n, 0, frame.n, frame
    if reader.shown != newest:
        yield newest, 0, newest if last is None else newest - 1, journal
    if last is not None:
        yield newest, 1, newest, last


def _numbered(frame: Frame, reader: Reader) -> Frame:
    id, reader.first_id = reader.first_id, None
    return frame if id is None else frame.numbered(id)
