"""The JavaScript SDK in other runtimes than Node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.js.runtimes import check_following
from tests.rules.source import ROOT
from tests.support.server import Server, serving

RUNTIMES: dict[str, tuple[str | Path, ...]] = {
    "deno": (ROOT / "build/interop/js/node_modules/.bin/deno", "run", "--allow-net"),
    "bun": (ROOT / "build/interop/js/node_modules/.bin/bun", "run"),
}

pytestmark = pytest.mark.slow("a runtime of 100 MB starts slowly where it has never run")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("tests.support.app:app", "--log-level", "error") as server:
        yield server


@pytest.mark.parametrize("wire", ["sse", "ws", "poll"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_following(server: Server, runtime: str, wire: str) -> None:
    check_following(server, wire, *RUNTIMES[runtime])
