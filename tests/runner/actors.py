"""Operations that do as they are told, one command at a time, in the loop or in a thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Literal, TypeAlias

import anyio
from anyio import CancelScope, from_thread

from progress import Cancelled, Failure, Reporter, Step

Command: TypeAlias = Callable[["Actor"], object]

Manners: TypeAlias = Literal["obey", "report", "return", "raise"]
"""What it does when it is cancelled."""

PATIENCE = 5
"""Seconds to wait for an operation to do as it was told."""


class Finish(Exception):
    """Ends the script with a result."""


@dataclass
class Actor:
    """The script of one operation, and whether it has come to its end."""

    manners: Manners
    in_thread: bool
    id: str = ""
    over: bool = False
    steps: list[Step] = field(default_factory=list)
    _commands: deque[Command] = field(default_factory=deque)
    _given: anyio.Event = field(default_factory=anyio.Event)
    _to_thread: SimpleQueue[Command] = field(default_factory=SimpleQueue)
    _done: SimpleQueue[bool] = field(default_factory=SimpleQueue)

    # From the test's thread, or from the loop

    def give(self, command: Command) -> None:
        """Tell it what to do next. On the loop's thread."""
        self._to_thread.put(command)
        self._commands.append(command)
        self._given.set()

    def wait(self) -> None:
        """Wait until it has done that, or is over."""
        self.over = self._done.get(timeout=PATIENCE) or self.over

    # As the operation

    @property
    def pen(self) -> Step:
        """The innermost open step."""
        return self.steps[-1]

    async def play(self, report: Reporter) -> object:
        self.steps = [report]
        try:
            while True:
                while not self._commands:
                    self._given = anyio.Event()
                    await self._given.wait()
                self._commands.popleft()(self)
                self._done.put(False)
        except Finish:
            return "finished"
        except anyio.get_cancelled_exc_class():
            with CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                if self._was_cancelled(report) == "return":
                    return "cancelled, but done"
            raise
        finally:
            self._done.put(True)

    def play_in_thread(self, report: Reporter) -> object:
        self.steps = [report]
        try:
            while True:
                self._to_thread.get(timeout=60)(self)
                self._done.put(False)
        except Finish:
            return "finished"
        except Cancelled:
            if self._was_cancelled(report) == "return":
                return "cancelled, but done"
            raise
        finally:
            self._done.put(True)

    def _was_cancelled(self, report: Reporter) -> Manners:
        if self.manners == "report":
            report.log("cleaning up")
            with report.step("clean up", total=2) as step:
                list(step.track(range(2)))
        if self.manners == "raise":
            raise ValueError("cleaning up failed")
        return self.manners


# Commands


def advance(n: float) -> Command:
    return lambda actor: actor.pen.advance(n)


def update(completed: float, total: float | None, message: str | None) -> Command:
    return lambda actor: actor.pen.update(completed, total, message)


def log(text: str) -> Command:
    return lambda actor: actor.pen.log(text)


def chat(lines: int, size: int) -> Command:
    def write(actor: Actor) -> None:
        for n in range(lines):
            actor.pen.log(f"{n} ".ljust(size, "x"))
            actor.pen.advance()
            if n % 9 == 8:
                actor.pen.output(n)

    return write


def output(data: object) -> Command:
    return lambda actor: actor.pen.output(data)


def plan(name: str, weight: float) -> Command:
    return lambda actor: actor.pen.plan({name: weight})


def enter(name: str) -> Command:
    return lambda actor: actor.steps.append(actor.pen.step(name).__enter__())


def leave(actor: Actor) -> None:
    if len(actor.steps) > 1:
        actor.steps.pop().__exit__(None, None, None)


def loop_and_back(actor: Actor) -> None:
    """Report from the other side: an operation in a thread, through the loop."""
    if actor.in_thread:
        from_thread.run_sync(actor.steps[0].log, "from the loop")
    else:
        actor.steps[0].log("from the loop")


def finish(actor: Actor) -> None:
    raise Finish


def fail(actor: Actor) -> None:
    raise Failure("as-told", "it was told to fail")


def crash(actor: Actor) -> None:
    raise SystemExit(1)
