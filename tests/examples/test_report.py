"""The examples that report from outside: they say what they do, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.client import User, problem
from tests.support.reporters import REPORTERS, files, reporting
from tests.support.server import ROOT, Server, serving

EACH = list(REPORTERS)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Any server takes reports."""
    with serving("examples.01_hello:app", "--log-level", "error") as started:
        yield started


@pytest.mark.parametrize("name", EACH)
def test_success(server: Server, user: User, tmp_path: Path, name: str) -> None:
    with reporting(name, server.url, files(tmp_path, 4)) as reporter:
        id = reporter.operation(user)
        shown = user.end(id)
        assert reporter.popen.wait(8) == 0
    assert shown["state"] == "succeeded"
    assert shown["result"]
    done = shown["progress"]
    assert (done["completed"], done["total"], done["unit"]) == (4, 4, "files")
    assert done["message"].endswith("file 0003")


@pytest.mark.parametrize("name", EACH)
def test_cancel(server: Server, user: User, tmp_path: Path, name: str) -> None:
    with reporting(name, server.url, files(tmp_path, 400)) as reporter:
        id = reporter.operation(user)
        user.cancel(id)
        assert user.end(id)["state"] == "cancelled"
        reporter.popen.wait(8)


@pytest.mark.parametrize("name", [each for each in EACH if each != "Python"])
def test_failure(server: Server, user: User, tmp_path: Path, name: str) -> None:
    with reporting(name, server.url, tmp_path / "nowhere") as reporter:
        assert reporter.popen.wait(8) == 1
    (shown, *_) = user.all("external")
    assert problem(shown) == "failed"
    assert shown["params"]["label"] == reporter.label


@pytest.mark.parametrize("command", REPORTERS.values(), ids=REPORTERS)
def test_is_short(command: list[str]) -> None:
    source = (ROOT / command[1]).read_text()
    assert len([line for line in source.splitlines() if line.strip()]) <= 50
