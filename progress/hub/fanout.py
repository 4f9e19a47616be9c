"""Writing one turn's events to those who are live. Whoever is behind is none of its business."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from typing import NamedTuple, TypeAlias, TypeVar

from progress.core.frames import Frame, Joined, joined
from progress.core.journal import Journal
from progress.core.snapshots import Snapshots
from progress.core.turn import Turn

from .interest import Interest
from .subscriber import Subscriber

__all__ = ["Fanout", "Turns"]

Turns: TypeAlias = Mapping[Journal, Turn]

_Group: TypeAlias = dict[Subscriber, Set[str]]
"""The subscribers of one operation, with the types that they see."""

_Members = TypeVar("_Members", _Group, dict[Subscriber, None])

_Bundle: TypeAlias = Frame | Joined | None
"""What one subscriber gets of a turn."""


class Fanout:
    """Finds who is to be written to; the frames, and what joins them, are shared by all."""

    def __init__(self, snapshots: Snapshots, room: int) -> None:
        """`room` is how many bytes are written to one subscriber at once."""
        self._snapshots = snapshots
        self._room = room
        self._of_one: dict[Journal, _Group] = {}  # who sees nothing else
        self._of_some: dict[Journal, dict[Subscriber, None]] = {}  # who sees others, too
        self._of_many: dict[Subscriber, None] = {}

    def add(self, subscriber: Subscriber) -> None:
        """Enter a subscriber under what it is interested in."""
        interest = subscriber.interest
        if interest.is_broad:
            self._of_many[subscriber] = None
        for journal in interest.journals:
            if interest.is_single:
                types = interest.shows(journal) or frozenset()
                self._of_one.setdefault(journal, {})[subscriber] = types
            else:
                self._of_some.setdefault(journal, {})[subscriber] = None

    def remove(self, subscriber: Subscriber) -> None:
        """Undo `add`, before the interest changes."""
        self._of_many.pop(subscriber, None)
        for journal in subscriber.interest.journals:
            _leave(self._of_one, journal, subscriber)
            _leave(self._of_some, journal, subscriber)

    def concerns(self, journal: Journal) -> bool:
        """Whether anybody could be shown that operation."""
        return bool(self._of_many) or journal in self._of_one or journal in self._of_some

    def of(self, journal: Journal) -> Collection[Subscriber]:
        """Who is subscribed to that operation by name."""
        return (*self._of_one.get(journal, ()), *self._of_some.get(journal, ()))

    def write(self, turns: Turns, head: int, now: float) -> Collection[Subscriber]:
        """Write to each who is live what it is to see: at most one write each.

        `head` is the n of the newest event of all. Returns those for whom it was too much: they
        have a position now, and room.
        """
        behind: list[Subscriber] = []
        several = dict(self._of_many)
        for journal, turn in turns.items():
            behind += _write(self._of_one.get(journal, {}), turn, now)
            several |= self._of_some.get(journal, {})
        if several:
            gathered = _Gathered(turns, self._snapshots, self._room)
            for subscriber in several:
                if subscriber.reader is None and not gathered.write(subscriber, head, now):
                    behind.append(subscriber)
        return behind


def _leave(groups: dict[Journal, _Members], journal: Journal, subscriber: Subscriber) -> None:
    group = groups.get(journal)
    if group is not None and subscriber in group:
        del group[subscriber]
        if not group:
            del groups[journal]


def _write(group: _Group, turn: Turn, now: float) -> Collection[Subscriber]:
    """Write one operation's turn to those who see nothing else."""
    if (frames := turn.frames) is None:
        behind = [subscriber for subscriber in group if subscriber.reader is None]
        for subscriber in behind:
            subscriber.fall_behind(turn.before, now)
        return behind
    last = frames[-1].n
    bundles: dict[Set[str], _Bundle] = {}
    bundle: _Bundle = None
    bundled: Set[str] | None = None
    for subscriber, types in group.items():
        if types is not bundled:  # nearly all of them have the same
            bundled = types
            if types not in bundles:
                bundles[types] = _bundle([frame for frame in frames if frame.type in types])
            bundle = bundles[types]
        if bundle is not None and subscriber.reader is None:
            subscriber.silence = 0
            if not subscriber.sink.write(bundle):
                subscriber.fall_behind(last, now)
    return ()


class _Share(NamedTuple):
    """What an interest is shown of a turn; up to `until`, if that is not all."""

    bundle: _Bundle
    until: int | None
    is_too_much: bool = False


class _Gathered:
    """A turn's events of all operations in order, for those who may see several."""

    def __init__(self, turns: Turns, snapshots: Snapshots, room: int) -> None:
        self._snapshots = snapshots
        self._room = room
        self._before = min(turn.before for turn in turns.values())
        self._too_much = [journal for journal, turn in turns.items() if turn.frames is None]
        self._frames = [
            (frame, journal) for journal, turn in turns.items() for frame in turn.frames or ()
        ]
        self._frames.sort(key=lambda place: place[0].n)
        self._shares: dict[Set[int], _Share] = {}

    def write(self, subscriber: Subscriber, head: int, now: float) -> bool:
        """Write its share to a live one; False if that is too much for one write."""
        share = self._share(subscriber.interest)
        if share.is_too_much:
            subscriber.fall_behind(self._before, now)
            return False
        has_room = True
        if share.bundle is not None:
            subscriber.silence = 0
            has_room = subscriber.sink.write(share.bundle)
        if share.until is not None:  # it waits there for a permit
            subscriber.fall_behind(share.until, now)
        elif not has_room:
            subscriber.fall_behind(head, now)
        return True

    def _share(self, interest: Interest) -> _Share:
        key = interest.key
        if key is None:
            return self._found(interest)
        if key not in self._shares:
            self._shares[key] = self._found(interest)
        return self._shares[key]

    def _found(self, interest: Interest) -> _Share:
        shown_too_much = [interest.shows(journal) for journal in self._too_much]
        if any(types is None or types for types in shown_too_much):  # None: nobody knows yet
            return _Share(None, None, is_too_much=True)
        until = None
        left = self._room
        shown: list[Frame] = []
        for frame, journal in self._frames:
            types = interest.shows(journal)
            if types is None:
                until = frame.n - 1
                break
            if types and frame.n == journal.born:
                # An operation that is new to a stream of many is introduced by its snapshot.
                shown.append(self._snapshots.of(journal))
                left -= len(shown[-1].json)
            if frame.type in types:
                shown.append(frame)
                left -= len(frame.json)
            if left < 0:
                return _Share(None, None, is_too_much=True)
        return _Share(_bundle(shown), until)


def _bundle(frames: list[Frame]) -> _Bundle:
    return joined(frames) if frames else None
