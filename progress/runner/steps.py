"""The steps of one operation: which there are, and what a name means. It publishes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from progress.core.event import STEP_RUNNING, StepState
from progress.errors import Failure

from .tally import StepOptions, Tally

__all__ = ["Steps"]


class Steps:
    """A tree of tallies: the operation's own at its root, the steps below it, by id."""

    def __init__(self, most: int) -> None:
        self.root = Tally("", "", None, 1.0)
        """The operation's own numbers."""
        self._most = most
        self._steps: dict[str, Tally] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Tally]:
        """The root, then all steps in the order in which they were planned or opened."""
        yield self.root
        yield from self._steps.values()

    def get(self, id: str) -> Tally | None:
        """The step of that id."""
        return self._steps.get(id)

    def add(self, name: str, label: str | None, parent: Tally, weight: float) -> Tally:
        """Add one that is pending. Its id is its name; a repeated name gets `-2`, `-3`.

        Raises:
            Failure: there are too many (`too-large`).
        """
        if len(self._steps) >= self._most:
            raise Failure("too-large", f"an operation has at most {self._most} steps")
        words = name.replace("_", " ").capitalize() if name.isidentifier() else name
        tally = Tally(name, label or words, parent, weight)
        tally.id = next(id for id in self._ids(name) if id not in self._steps)
        self._steps[tally.id] = tally
        return tally

    def open(self, name: str, parent: Tally, given: StepOptions) -> Tally:
        """The one planned under that name, or a new one, with what is given; not yet started."""
        tally = self._planned(name, parent) or self.add(name, given.label, parent, given.weight)
        tally.label = given.label or tally.label
        tally.total, tally.unit = given.total, given.unit
        return tally

    def running_from(self, tally: Tally) -> list[Tally]:
        """It and what runs below it, the innermost first."""
        below = {tally: None}  # in order
        for step in self._steps.values():  # a parent stands before its children
            if step.parent in below:
                below[step] = None
        return [step for step in reversed(below) if step.node.state is STEP_RUNNING]

    def _planned(self, name: str, parent: Tally) -> Tally | None:
        for id in self._ids(name):
            tally = self._steps.get(id)
            if tally is None:
                return None
            if tally.parent is parent and tally.node.state is StepState.PENDING:
                return tally
        return None

    def _ids(self, name: str) -> Iterator[str]:
        yield name
        for count in range(2, len(self._steps) + 3):
            yield f"{name}-{count}"
