"""The whole lifecycle of operations under random programs, on asyncio and on trio.

Real operations in the loop and in threads are started, queued, told to report, fail, finish, and
are cancelled; viewers come at any moment, take what they like, drop at any byte, and resume from
any earlier cursor. When all is quiet each of them has to hold the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import ClassVar, TypeVar

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from progress import Limits, Reporter, Retention, Settings, Snapshot, Timing
from progress.core.cursor import ZERO, Cursor
from progress.core.event import TYPES
from progress.core.filter import Filter
from progress.core.operation import fold
from progress.runner.kinds import Bounds

from . import actors
from .actors import Actor, Command, Manners
from .rig import ENDED, Rig, rig
from .viewers import Viewer

pytestmark = pytest.mark.slow(
    "a hundred random programs with a server each: 5 to 15 s, as the machine is"
)

R = TypeVar("R")

WHICH = st.integers(0, 99)
"""Picks one of however many there are: what is drawn must not depend on the time things take."""

NUMBERS = st.integers(0, 5) | st.floats(0, 5)

COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(actors.log, st.text(max_size=200)),
    st.builds(actors.output, st.dictionaries(st.text(max_size=3), st.integers())),
    st.just(actors.loop_and_back),
    st.builds(actors.advance, NUMBERS),
    st.builds(actors.update, NUMBERS, st.none() | NUMBERS, st.none() | st.text(max_size=5)),
    st.builds(actors.plan, st.sampled_from("abc"), st.integers(1, 9)),
    st.builds(actors.enter, st.sampled_from("abc")),
    st.just(actors.leave),
)

ENDINGS = st.sampled_from([actors.finish, actors.finish, actors.fail, actors.crash])

MANNERS: st.SearchStrategy[Manners] = st.sampled_from(["obey", "report", "return", "raise"])

ROOM = st.integers(1, 3000)


class Lifecycle(RuleBasedStateMachine):
    """Everything that touches the Runner, the bus and the hub happens on the loop's thread."""

    backend: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.portal = self.stack.enter_context(start_blocking_portal(self.backend))
        self.actors: list[Actor] = []
        self.viewers: list[Viewer] = []
        self.now = 0.0

    @initialize(
        journal=st.integers(2, 40),
        kept=st.integers(1, 40),
        report=st.sampled_from([0.0001, 0.1]),
        running=st.integers(1, 4),
    )
    def begin(self, journal: int, kept: int, report: float, running: int) -> None:
        given = Settings(
            limits=Limits(journal=journal, running=running),
            timing=Timing(report=report),
            retention=Retention(operations=kept),
        )
        wrapped = self.portal.wrap_async_context_manager(rig(given))
        self.made: Rig = self.stack.enter_context(wrapped)
        self.made.kind(self._in_loop, "loop")
        self.made.kind(self._in_thread, "thread")
        self.made.kind(self._in_thread, "narrow", Bounds(limit=1))

    async def _in_loop(self, report: Reporter, n: int) -> object:
        return await self.actors[n].play(report)

    def _in_thread(self, report: Reporter, n: int) -> object:
        return self.actors[n].play_in_thread(report)

    # Operations

    @rule(kind=st.sampled_from(["loop", "thread", "narrow"]), manners=MANNERS)
    def start(self, kind: str, manners: Manners) -> None:
        if sum(not actor.over for actor in self.actors) < 8:
            self._on_loop(self._start, kind, Actor(manners, kind != "loop"))

    def _start(self, kind: str, actor: Actor) -> None:
        self.actors.append(actor)
        actor.id = self.made.start(kind, n=len(self.actors) - 1)

    @rule(
        which=WHICH,
        commands=st.lists(COMMANDS, min_size=2, max_size=10),
        ending=st.one_of([st.none()] * 3 + [ENDINGS]),
    )
    def report(self, which: int, commands: list[Command], ending: Command | None) -> None:
        for command in commands:
            self._tell(which, command)
        if ending is not None:
            self._tell(which, ending)

    @rule(which=WHICH, lines=st.integers(1, 60), size=st.integers(0, 300))
    def chat(self, which: int, lines: int, size: int) -> None:
        """Write more than is kept."""
        self._tell(which, actors.chat(lines, size))

    def _tell(self, which: int, command: Command) -> None:
        playing = [actor for actor in self.actors if self._plays(actor)]
        if playing:
            actor = playing[which % len(playing)]
            self._on_loop(actor.give, command)
            actor.wait()
            self._wait_if_over(actor)

    def _plays(self, actor: Actor) -> bool:
        return not actor.over and self.made.states(actor.id)[-1] in ("running", "cancelling")

    def _wait_if_over(self, actor: Actor) -> None:
        """Its function is over: the terminal event follows without anybody's doing."""
        if actor.over:
            self.portal.call(self.made.until, lambda: self.made.states(actor.id)[-1] in ENDED)

    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        """A queued one is over at once, one in the loop soon, a thread with its next report."""
        alive = [actor for actor in self.actors if not actor.over]
        if not alive:
            return
        actor = alive[which % len(alive)]
        plays = self._plays(actor)
        self._on_loop(self.made.runner.cancel, actor.id)
        if not plays:
            actor.over = True
        elif not actor.in_thread:
            actor.wait()
        self._wait_if_over(actor)

    # Viewers

    @rule(
        types=st.sampled_from([TYPES, TYPES, ("log",), ()]),
        kinds=st.sampled_from([frozenset[str](), frozenset({"loop"})]),
        one=WHICH | st.none(),
        after=st.none() | st.floats(0, 1),
        room=ROOM,
    )
    def arrive(
        self,
        types: tuple[str, ...],
        kinds: frozenset[str],
        one: int | None,
        after: float | None,
        room: int,
    ) -> None:
        """A viewer comes: for the present, or with what it held at an earlier cursor."""
        operation = None
        if one is not None and self.actors:
            operation = self.actors[one % len(self.actors)].id
        viewer = Viewer(self.made, Filter(types=frozenset(types), kinds=kinds), operation)
        self.viewers.append(viewer)
        self._on_loop(self._arrive, viewer, after, room)

    def _arrive(self, viewer: Viewer, after: float | None, room: int) -> None:
        head = self.made.bus.head
        if after is None:
            viewer.arrive(None, {}, room)
        elif after == 0:
            viewer.arrive(ZERO, {}, room)
        else:
            n = int(after * head.n)
            viewer.arrive(Cursor(head.epoch, n), self._as_of(n), room)

    def _as_of(self, n: int) -> dict[str, Snapshot]:
        held: dict[str, Snapshot] = {}
        for _, event in self.made.heard[:n]:
            id = event.operation
            held[id] = fold(held.get(id, self.made.created[id]), event)
        return held

    @rule(which=WHICH, room=ROOM)
    def come_back(self, which: int, room: int) -> None:
        away = [viewer for viewer in self.viewers if viewer.subscriber is None]
        if away:
            self._on_loop(away[which % len(away)].come_back, room)

    @rule(which=WHICH, count=st.integers(1, 4000), drop=st.booleans())
    def drain(self, which: int, count: int, drop: bool) -> None:
        """Take some bytes, and perhaps lose the connection in the middle of an event."""
        connected = [viewer for viewer in self.viewers if viewer.subscriber is not None]
        if connected:
            viewer = connected[which % len(connected)]
            self._on_loop(viewer.take, count)
            if drop:
                self._on_loop(viewer.drop)

    @rule(seconds=st.sampled_from([1.0, 40.0]))
    def pass_time(self, seconds: float) -> None:
        """For the hub: heartbeats, and the end of who takes nothing."""
        self.now += seconds
        self._on_loop(self.made.hub.tick, self.now)

    def teardown(self) -> None:
        """Let it become quiet, and see. Leaving the rig checks the whole history."""
        try:
            while not all(actor.over for actor in self.actors):
                self._tell(0, actors.finish)
            for viewer in self.viewers:
                for step in (viewer.settle, viewer.check, viewer.drop):
                    self._on_loop(step)
            if self.actors:
                assert self.made.hub.count == 0
        finally:
            self.stack.close()

    def _on_loop(self, function: Callable[..., R], *args: object) -> R:
        return self.portal.call(function, *args)


class OnAsyncio(Lifecycle):
    backend = "asyncio"


class OnTrio(Lifecycle):
    backend = "trio"


MANY = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # an event loop and threads for each example
)

TestOnAsyncio = OnAsyncio.TestCase
TestOnAsyncio.settings = MANY

TestOnTrio = OnTrio.TestCase
TestOnTrio.settings = MANY

# Programs that once went wrong

BOTH = pytest.mark.parametrize("machine", [OnAsyncio, OnTrio])


@BOTH
def test_state_that_was_trimmed_before_a_reader_saw_it(machine: type[Lifecycle]) -> None:
    """The reader goes from `queued` to `cancelling`; a gap says why."""
    state = machine()
    state.begin(journal=2, kept=1, report=0.1, running=1)
    state.arrive(after=None, kinds=frozenset(), one=None, room=1, types=TYPES)
    state.start(kind="loop", manners="obey")
    state.cancel(which=0)
    (viewer,) = state.viewers
    state.teardown()
    assert [gap.reason for gap in viewer.view.gaps] == ["trimmed"]


@BOTH
def test_id_of_a_bookmark_is_not_taken_back(machine: type[Lifecycle]) -> None:
    """The bookmark came first on a connection; then a gap, which has no cursor of its own."""
    state = machine()
    state.begin(journal=2, kept=1, report=0.1, running=1)
    state.arrive(after=None, kinds=frozenset({"loop"}), one=None, room=1, types=TYPES)
    state.start(kind="thread", manners="obey")
    state.drain(which=0, count=70, drop=True)
    state.come_back(which=0, room=1)
    state.start(kind="loop", manners="obey")
    (viewer,) = state.viewers
    state.teardown()
    assert "expired" in [gap.reason for gap in viewer.view.gaps]
