"""The operations of `tests.support.inspect_app`, and one that weighs the server from inside."""

from __future__ import annotations

import gc
import sys

from progress import Reporter

from .inspect_app import app

__all__ = ["app"]


@app.operation
async def weight(report: Reporter) -> dict[str, int]:
    """Count the blocks of memory that Python's objects take, once the garbage is gone."""
    gc.collect()
    return {"blocks": sys.getallocatedblocks()}
