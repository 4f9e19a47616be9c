"""Reports from outside: the lines of `POST /operations/{id}/events`, as they are on the wire.

What is left out stays as it is; null makes a total, unit or message unknown again.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from .cursor import Cursor
from .event import Level, StepState

__all__ = [
    "CancelledLine",
    "FailedLine",
    "Line",
    "LogLine",
    "OutputLine",
    "ProgressLine",
    "Reason",
    "StepLine",
    "SucceededLine",
    "Taken",
]

Amount: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)] | Annotated[float, Meta(ge=0, le=2**53)]
"""Up to where JavaScript counts by one (RFC 8259 §6)."""


class _Line(Struct, kw_only=True, tag_field="type", forbid_unknown_fields=True, omit_defaults=True):
    seq: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    """The reporter's own count, 1, 2, 3 …: a line whose number was taken before is passed over, so
    that a post whose answer was lost can be sent again."""


class ProgressLine(_Line, tag="progress"):
    """How far the operation is, or one of its steps."""

    step: str | None = None
    """The id of a step that runs; null for the operation itself."""
    completed: Amount | UnsetType = UNSET
    total: Amount | UnsetType | None = UNSET
    unit: str | UnsetType | None = UNSET
    message: str | UnsetType | None = UNSET


class StepLine(_Line, tag="step"):
    """A step: declared as `pending`, started as `running`, and ended as one of the others."""

    id: Annotated[str, Meta(min_length=1)]
    parent: str | UnsetType | None = UNSET
    """The id of a step; null for a step of the operation itself. It stays what it was at first."""
    label: str | UnsetType = UNSET
    weight: Annotated[float, Meta(gt=0, le=2**53)] | UnsetType = UNSET
    """It counts in the line that declares the step."""
    state: StepState = StepState.RUNNING


class LogLine(_Line, tag="log"):
    """One line for people."""

    message: str
    level: Level = "info"
    step: str | None = None


class OutputLine(_Line, tag="output"):
    """A partial result: any JSON."""

    data: Raw


class SucceededLine(_Line, tag="succeeded"):
    """The end: it has done what it was to do."""

    result: Raw = field(default_factory=lambda: Raw(b"null"))


class Reason(Struct, kw_only=True):
    """Why it failed: what of an RFC 9457 problem object counts here."""

    detail: str
    type: Annotated[str, Meta(min_length=1)] = "failed"
    """A URI, or a word, which becomes `urn:progress:problem:<word>`."""
    title: str | None = None


class FailedLine(_Line, tag="failed"):
    """The end: why, in words or as a problem object."""

    error: str | Reason


class CancelledLine(_Line, tag="cancelled"):
    """The end, after it was asked to stop."""


Line: TypeAlias = (
    ProgressLine | StepLine | LogLine | OutputLine | SucceededLine | FailedLine | CancelledLine
)


class Taken(Struct, frozen=True):
    """The answer to a post."""

    taken: int
    """Lines of this post that stand, those that had been taken before among them."""
    cursor: Cursor
    """Of the operation's newest event: a stream from here on misses nothing."""
    cancel_requested: bool
    """Stop, clean up, and send `cancelled`, or whatever end it comes to."""
