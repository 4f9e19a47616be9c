"""An application that is still starting, until it is told to stop."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.applications import Starlette


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    sys.stderr.write("starting\n")
    await anyio.sleep_forever()
    yield


app = Starlette(lifespan=_lifespan)
