"""The SDK in Node; `make interop` has it in Deno and Bun, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.js.runtimes import check_following
from tests.support.server import Server, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("tests.support.app:app", "--log-level", "error") as server:
        yield server


@pytest.mark.parametrize("wire", ["sse", "poll"])  # a WebSocket from Node 22 on
def test_node(server: Server, wire: str) -> None:
    check_following(server, wire, "node")
