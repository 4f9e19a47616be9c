"""Both backends, and trio with a mock clock for tests that ask for it with `@mocked`."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("trio", {}), id="trio"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Name a backend and its options; a mock clock is made anew for each test."""
    return request.param() if callable(request.param) else request.param


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """An event that stuck threads wait for; set at the end, so that none outlives its test."""
    event = threading.Event()
    yield event
    event.set()
