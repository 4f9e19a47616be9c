"""A shell script, a Node script, a Python process report into one server, and much goes wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.examples.client import User
from tests.support.process import eventually, free_port
from tests.support.reporters import REPORTERS, Reporting, files, reporting
from tests.support.server import Server, serving

pytestmark = [
    pytest.mark.slow("processes start, leases run out, a server is started again"),
    pytest.mark.skipif(shutil.which("node") is None, reason="no Node here; see tests/interop"),
]

APP = ("examples.01_hello:app", "--log-level", "error")
LEASE = 1.0


@contextmanager
def all_of_them(url: str, folder: Path) -> Iterator[Mapping[str, Reporting]]:
    """Run each, until the block is left."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(reporting(name, url, folder, LEASE)) for name in REPORTERS}


@contextmanager
def following(url: str) -> Iterator[Iterator[dict[str, Any]]]:
    """What `curl -N` sees of all of them, as it comes."""
    command = ["curl", "-sN", "--max-time", "60", f"{url}/events?kind=external"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        data = (line[6:] for line in curl.stdout if line.startswith(b"data: "))
        try:
            yield (json.loads(line) for line in data)
        finally:
            curl.kill()


def test_all_are_followed_live_and_lost_when_they_are_killed(tmp_path: Path) -> None:
    folder = files(tmp_path, 1_000)
    with serving(*APP) as server, User(server.url) as user, following(server.url) as events:
        with all_of_them(server.url, folder) as reporters:
            ids = {name: reporter.operation(user) for name, reporter in reporters.items()}
            seen = defaultdict(set)
            for event in events:
                if event["type"] == "progress":
                    seen[event["operation"]].add(event["progress"]["completed"])
                if all(len(seen[id]) >= 5 for id in ids.values()):
                    break
            killed = {}
            for name, reporter in reporters.items():
                reporter.popen.kill()
                killed[ids[name]] = time.monotonic()
            for event in events:
                if event["type"] == "state" and event["operation"] in killed:
                    assert event["state"] == "lost"
                    since = time.monotonic() - killed.pop(event["operation"])
                    assert LEASE / 2 < since < 2 * LEASE
                if not killed:
                    break
    assert not killed


def test_a_server_is_started_again_under_them(tmp_path: Path) -> None:
    """The work of all goes on to its end. The one in Python goes on as a new operation; the others
    say what was not taken."""
    port = free_port()
    with ExitStack() as stack:
        first = stack.enter_context(started(port))
        reporters = stack.enter_context(all_of_them(first.url, files(tmp_path, 100)))
        with User(first.url) as user:
            before = {reporter.operation(user) for reporter in reporters.values()}
        first.process.kill()
        first.process.wait(5)
        eventually(lambda: all("not taken" in reporters[name].stderr for name in ("curl", "Node")))
        eventually(lambda: "cannot be reported to" in reporters["Python"].stderr)
        again = stack.enter_context(started(port))
        with User(again.url) as user:
            id = reporters["Python"].operation(user)
            shown = user.end(id)
            for reporter in reporters.values():
                assert reporter.popen.wait(30) == 0
            assert len(user.all("external")) == 1
        assert id not in before
        assert shown["state"] == "succeeded"
        assert (shown["progress"]["completed"], shown["progress"]["total"]) == (100, 100)
        assert "is gone (HTTP 404" in reporters["Python"].stderr
        assert (
            f"it goes on as http://127.0.0.1:{port}/operations/{id}" in reporters["Python"].stderr
        )
        for name in ("curl", "Node"):
            assert reporters[name].stderr.count("404") > 1


@contextmanager
def started(port: int) -> Iterator[Server]:
    with serving(*APP, port=port) as server:
        yield server
