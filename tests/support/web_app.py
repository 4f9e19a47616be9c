"""The operations of `tests.support.app`, and some with bounds and with richer parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import anyio
import msgspec

from progress import Reporter

from .app import app

__all__ = ["app"]


class Crop(msgspec.Struct, frozen=True):
    """Nested parameters."""

    width: Annotated[int, msgspec.Meta(ge=1)]
    height: int = 1


@app.operation(timeout=0.1)
async def endless(report: Reporter) -> None:
    """Take longer than it may."""
    while True:
        report.update(message="still here")
        await anyio.sleep(0.01)


@app.operation(stall=0.1)
async def silent(report: Reporter) -> None:
    """Report nothing for longer than it may."""
    await anyio.sleep_forever()


@app.operation
async def resize(
    report: Reporter,
    files: list[Path],
    crop: Crop,
    mode: Literal["fast", "fine"] = "fast",
    options: dict[str, int] | None = None,
) -> int:
    """Take parameters of many types."""
    return len(files)
