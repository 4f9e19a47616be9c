"""Catching one reader up: what it may lack is asked of the bus, and goes to its sink."""

from __future__ import annotations

from collections.abc import Iterator

from progress.bus import Bus
from progress.core.counts import Counts, Sent
from progress.core.frames import Frame, joined
from progress.core.journal import Journal
from progress.core.reader import CatchUp, Reader, Shown, catch_up
from progress.core.snapshots import Snapshots

from .interest import Interest
from .subscriber import Sink

__all__ = ["catch_up_to", "missing"]

_BATCHES = 4
"""Writes of a sinkful: a reader that takes everything at once gives the others their turn then."""


def missing(
    bus: Bus, snapshots: Snapshots, counts: Counts, interest: Interest, reader: Reader
) -> CatchUp:
    """Collect the operations to be shown that have something after the reader's position.

    If one that could have been shown was evicted since, the reader starts over.
    """
    losses = bus.losses
    expired = interest.is_broad and losses.evicted_since(reader.floor, reader.forgot)
    if expired:
        reader.start_over()
    named = set(interest.journals)
    shown = []
    until: int | None = None
    for journal in _changed(bus, interest, reader):
        if journal not in named and journal.snapshot.ended and journal.newest <= reader.past:
            continue
        types = interest.shows(journal)
        if types is None:  # nobody knows yet: nothing from its first event on
            born = max(journal.born, reader.position + 1)
            until = born if until is None else min(until, born)
        elif types:
            shown.append(Shown(journal, types))
    return CatchUp(shown, snapshots, expired, losses.count, until, counts.gaps)


def catch_up_to(
    bookmark: Frame, sink: Sink, sent: Sent, reader: Reader, lacks: CatchUp, room: int
) -> bool:
    """Write what is missing, about `room` bytes of it, and the bookmark.

    Says whether that was all, and the sink has room.
    """
    frames = catch_up(reader, lacks)
    for _ in range(_BATCHES):
        batch, is_last = _batch(frames, room // _BATCHES)
        is_done = is_last and lacks.until is None
        if is_done and reader.bookmark != bookmark.n:
            reader.position = reader.bookmark = bookmark.n
            reader.first_id = None
            batch.append(bookmark)
        has_room = True
        if batch:
            written = joined(batch)
            has_room = sink.write(written)
            sent.add(written, 1)
        if is_done or not has_room:
            return is_done and has_room
    return False


def _batch(frames: Iterator[Frame], size: int) -> tuple[list[Frame], bool]:
    """The next frames, about so many bytes of them, and whether those are the last."""
    batch: list[Frame] = []
    for frame in frames:
        batch.append(frame)
        size -= len(frame.json)
        if size <= 0:
            return batch, False
    return batch, True


def _changed(bus: Bus, interest: Interest, reader: Reader) -> Iterator[Journal]:
    """What may be shown, ascending by its newest event."""
    named = [one for one in interest.journals if reader.opening or one.newest > reader.position]
    if not interest.is_broad:
        yield from sorted(named, key=_newest)
        return
    changed = list(bus.changed(reader.position))
    if named and (evicted := set(named).difference(changed)):
        changed = sorted([*changed, *evicted], key=_newest)
    yield from changed


def _newest(journal: Journal) -> int:
    return journal.newest
