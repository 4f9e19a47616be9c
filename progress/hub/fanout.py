"""Writing one turn's events to those who are live. Whoever is behind is none of its business."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Set
from typing import NamedTuple, TypeAlias, TypeVar

from progress.core.counts import Counts, Sent
from progress.core.frames import Frame, Joined, joined
from progress.core.journal import Journal
from progress.core.snapshots import Snapshots
from progress.core.turn import Turn

from .counting import sent_by
from .interest import Interest
from .subscriber import Subscriber

__all__ = ["Fanout", "Turns"]

Turns: TypeAlias = Mapping[Journal, Turn]


class _Audience:
    """Whoever sees the same types of an operation's events, on the same wire."""

    __slots__ = ("sent", "types")

    def __init__(self, types: Set[str], sent: Sent) -> None:
        self.types = types
        self.sent = sent


_Group: TypeAlias = dict[Subscriber, _Audience]
"""The subscribers of one operation."""

_Written: TypeAlias = dict[Subscriber, Sent]
"""Subscribers, with where it is counted what they are sent."""

_Alike: TypeAlias = tuple[Set[int], Sent]
"""The key of an interest in operations that nobody named, and the wire."""

_Place = TypeVar("_Place", bound=Hashable)
_Entry = TypeVar("_Entry")

_Bundle: TypeAlias = Frame | Joined | None
"""What one subscriber gets of a turn."""


class Fanout:
    """Finds who is to be written to; the frames, and what joins them, are shared by all."""

    def __init__(self, snapshots: Snapshots, room: int, counts: Counts) -> None:
        """`room` is how many bytes are written to one subscriber at once."""
        self._snapshots = snapshots
        self._room = room
        self._counts = counts
        self._audiences: dict[tuple[Set[str], Sent], _Audience] = {}  # so that they are shared
        self._of_one: dict[Journal, _Group] = {}  # who sees nothing else
        self._of_some: dict[Journal, _Written] = {}  # who sees others, too
        self._of_many: dict[_Alike, _Written] = {}
        self._of_any: _Written = {}  # the same, of those who have nothing in common

    def add(self, subscriber: Subscriber) -> None:
        """Enter a subscriber under what it is interested in."""
        interest = subscriber.interest
        sent = sent_by(self._counts, subscriber.sink)
        if interest.is_broad and interest.key is not None:
            self._of_many.setdefault((interest.key, sent), {})[subscriber] = sent
        elif interest.is_broad:
            self._of_any[subscriber] = sent
        for journal in interest.journals:
            if interest.is_single:
                audience = self._audience(interest.shows(journal) or frozenset(), sent)
                self._of_one.setdefault(journal, {})[subscriber] = audience
            else:
                self._of_some.setdefault(journal, {})[subscriber] = sent

    def remove(self, subscriber: Subscriber) -> None:
        """Undo `add`, before the interest changes."""
        interest = subscriber.interest
        if interest.is_broad and interest.key is not None:
            sent = sent_by(self._counts, subscriber.sink)
            _leave(self._of_many, (interest.key, sent), subscriber)
        self._of_any.pop(subscriber, None)
        for journal in interest.journals:
            _leave(self._of_one, journal, subscriber)
            _leave(self._of_some, journal, subscriber)

    def concerns(self, journal: Journal) -> bool:
        """Whether anybody could be shown that operation."""
        if journal in self._of_one or self._of_many or self._of_any:
            return True
        return journal in self._of_some

    def of(self, journal: Journal) -> Collection[Subscriber]:
        """Who is subscribed to that operation by name."""
        return (*self._of_one.get(journal, ()), *self._of_some.get(journal, ()))

    def write(self, turns: Turns, head: int, now: float) -> Collection[Subscriber]:
        """Write to each who is live what it is to see: at most one write each.

        `head` is the n of the newest event of all. Returns those for whom it was too much: they
        have a position now, and room.
        """
        behind: list[Subscriber] = []
        lags = 0
        several = self._of_any
        for journal, turn in turns.items():
            if (group := self._of_one.get(journal)) is not None:
                if (frames := turn.frames) is None:
                    behind += _leave_behind(group, turn.before, now)
                else:
                    lags += _write(group, frames, now)
            if (some := self._of_some.get(journal)) is not None:
                several = several | some
        if several or self._of_many:
            gathered = _Gathered(turns, self._snapshots, self._room)
            for (_, sent), alike in self._of_many.items():
                behind += gathered.write_to_all(alike, sent, head, now)
            for subscriber, sent in several.items():
                if subscriber.reader is None and not gathered.write(subscriber, sent, head, now):
                    behind.append(subscriber)
            lags += gathered.lags
        if behind or lags:
            self._counts.catch_ups["burst"] += len(behind)
            self._counts.catch_ups["lag"] += lags
        return behind

    def _audience(self, types: Set[str], sent: Sent) -> _Audience:
        found = self._audiences.get((types, sent))
        if found is None:
            found = self._audiences[types, sent] = _Audience(types, sent)
        return found


def _leave(
    groups: dict[_Place, dict[Subscriber, _Entry]], place: _Place, subscriber: Subscriber
) -> None:
    group = groups.get(place)
    if group is not None and subscriber in group:
        del group[subscriber]
        if not group:
            del groups[place]


def _leave_behind(group: Iterable[Subscriber], position: int, now: float) -> Collection[Subscriber]:
    """It is too much for one write: who is live has that position from now on."""
    behind = [subscriber for subscriber in group if subscriber.reader is None]
    for subscriber in behind:
        subscriber.fall_behind(position, now)
    return behind


def _write(group: _Group, frames: list[Frame], now: float) -> int:
    """Write one operation's turn to those who see nothing else; say to how many it was too much."""
    last = frames[-1].n
    bundles: dict[_Audience, _Bundle] = {}
    bundle: _Bundle = None
    bundled: _Audience | None = None
    passed_over: list[_Audience] = []
    lags = 0
    for subscriber, audience in group.items():
        if audience is not bundled:  # nearly all of them are of the same
            bundled = audience
            if audience not in bundles:
                bundles[audience] = _bundle(frames, audience.types)
            bundle = bundles[audience]
        if bundle is not None and subscriber.reader is None:
            subscriber.silence = 0
            if not subscriber.sink.write(bundle):
                subscriber.fall_behind(last, now)
                lags += 1
        else:
            passed_over.append(audience)
    if len(bundles) > 1:
        _count(group, bundles, passed_over)
    elif bundled is not None and bundle is not None:
        bundled.sent.add(bundle, len(group) - len(passed_over))
    return lags


def _count(group: _Group, bundles: dict[_Audience, _Bundle], passed_over: list[_Audience]) -> None:
    """Count what was written to whom. In the loop that would cost more than all the rest of it."""
    readers = Counter(group.values())
    readers.subtract(passed_over)
    for audience, bundle in bundles.items():
        if bundle is not None:
            audience.sent.add(bundle, readers[audience])


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
        self.lags = 0
        """Sinks that had no more room."""

    def write_to_all(
        self, alike: Collection[Subscriber], sent: Sent, head: int, now: float
    ) -> Collection[Subscriber]:
        """Write to those with the same key, and on the same wire, the same share.

        Returns whom it was too much for one write.
        """
        share = self._found(next(iter(alike)).interest)
        if share.is_too_much:
            return _leave_behind(alike, self._before, now)
        if (bundle := share.bundle) is None:
            return ()
        passed_over = 0
        for subscriber in alike:
            if subscriber.reader is not None:
                passed_over += 1
                continue
            subscriber.silence = 0
            if not subscriber.sink.write(bundle):
                subscriber.fall_behind(head, now)
                self.lags += 1
        sent.add(bundle, len(alike) - passed_over)
        return ()

    def write(self, subscriber: Subscriber, sent: Sent, head: int, now: float) -> bool:
        """Write its share to a live one; False if that is too much for one write."""
        share = self._found(subscriber.interest)
        if share.is_too_much:
            subscriber.fall_behind(self._before, now)
            return False
        has_room = True
        if share.bundle is not None:
            subscriber.silence = 0
            has_room = subscriber.sink.write(share.bundle)
            sent.add(share.bundle, 1)
            self.lags += not has_room
        if share.until is not None:  # it waits there for a permit
            subscriber.fall_behind(share.until, now)
        elif not has_room:
            subscriber.fall_behind(head, now)
        return True

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
        return _Share(joined(shown) if shown else None, until)


def _bundle(frames: list[Frame], types: Set[str]) -> _Bundle:
    if len(frames) == 1:  # as nearly always
        return frames[0] if frames[0].type in types else None
    shown = [frame for frame in frames if frame.type in types]
    return joined(shown) if shown else None
