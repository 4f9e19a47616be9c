"""The short version of `make soak`: whoever comes and goes, the server is as it was before."""

from __future__ import annotations

import pytest

from tests.soak.run import Load, server, soak
from tests.soak.visitors import WAYS

LOAD = Load(sse=240, websocket=60, seconds=20)


@pytest.mark.slow("20 seconds of coming and going")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_nothing_is_left_of_those_who_came_and_went() -> None:
    with server() as process:
        report = await soak(process, LOAD)
    assert report.misses == []
    assert report.subscribers > LOAD.visitors / 2
    assert report.told["connections"] > 1.5 * LOAD.visitors
    assert report.told.keys() >= {*WAYS, "finished"}
