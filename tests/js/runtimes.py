"""The SDK in a runtime that is no browser, against a real server."""

from __future__ import annotations

import json
from pathlib import Path

from tests.js.tools import FOLDER, run
from tests.support.server import Server

__all__ = ["check_following"]

RESULT = {"counted": 3}


def check_following(server: Server, wire: str, *runtime: str | Path) -> None:
    """Run follow.mjs; it has to see all there is, and to end by itself."""
    printed = run(*runtime, FOLDER / "follow.mjs", f"{server.url}/", wire, seconds=20)
    told = json.loads(printed)
    assert told["logs"] == ["line 0", "line 1", "line 2"]
    assert (told["state"], told["result"], told["fraction"]) == ("succeeded", RESULT, 1)
    assert told["types"][-1] == "state"
