"""What a pen writes into: an operation of this process, or one that a server elsewhere shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from msgspec import Raw

from progress.core.event import Level, StepState
from progress.settings import Settings

from .tally import StepOptions, Tally

__all__ = ["Recorder"]

_T = TypeVar("_T")


class Recorder(Protocol):
    """The pens count; it says it on. What they give is clean, and within the bounds."""

    @property
    def id(self) -> str:
        """The operation's id."""

    @property
    def root(self) -> Tally:
        """The operation's own numbers."""

    @property
    def settings(self) -> Settings:
        """Of these it is the limits that count."""

    @property
    def stopping(self) -> str | None:
        """Why it was told to stop, if it was."""

    def call(self, function: Callable[..., _T], *args: object) -> _T:
        """Call one of the functions below, from whatever thread.

        Raises:
            Cancelled: once, in a worker thread, when the operation is to stop.
            ReportError: the operation has ended.
        """

    def plan(self, parent: Tally, weights: dict[str, float]) -> None:
        """Declare steps to come."""

    def begin(self, parent: Tally, name: str, given: StepOptions) -> Tally:
        """Start a step: the one planned under that name, or a new one."""

    def emit(self, tally: Tally) -> None:
        """Say on the present progress of the operation and of this step, if there is news."""

    def finish(self, tally: Tally, state: StepState) -> None:
        """End a step, and what it left open below it."""

    def log(self, message: str, level: Level, step: str | None) -> None:
        """Say on a line."""

    def output(self, data: Raw) -> None:
        """Say on a partial result."""
