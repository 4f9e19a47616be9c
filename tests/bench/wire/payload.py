"""The one event that all contestants send, as it stands on each wire."""

from __future__ import annotations

from pathlib import Path

from progress.core.cursor import Cursor
from progress.core.event import OperationProgress, ProgressEvent, StepProgress, StepState
from progress.core.frames import encode

__all__ = ["write_event"]

_PLACE = f"|{0:019}|"
"""Where the time of publishing goes."""


def write_event(folder: Path) -> None:
    """Write `event.json`, `event.sse` and `event.ws`: what our own server would send."""
    json = encode(_event())
    head = f"event: progress\nid: {_event().cursor}\ndata: ".encode()
    chunk = head + json + b"\n\n"
    (folder / "event.json").write_bytes(json)
    (folder / "event.sse").write_bytes(b"%x\r\n%b\r\n" % (len(chunk), chunk))
    (folder / "event.ws").write_bytes(b"\x81\x7e" + len(json).to_bytes(2) + json)


def _event() -> ProgressEvent:
    step = StepProgress(
        id="part 0",
        parent=None,
        label="part 0",
        weight=1.0,
        state=StepState.RUNNING,
        completed=0,
        total=None,
        unit="files",
        fraction=None,
        message=f"photos/1.jpg {_PLACE}",
        rate=0.0,
        eta=None,
    )
    return ProgressEvent(
        cursor=Cursor(1_766_150_400_123_456, 12_345),
        operation="01a20430-615c-7df6-93e0-6cbc89dc8777",
        time="2026-01-01T12:00:00.000Z",
        progress=OperationProgress(elapsed=2.6),
        step=step,
    )
