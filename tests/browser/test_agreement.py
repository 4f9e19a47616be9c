"""Whoever watches an operation to its end knows the same of it, field by field."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple, Protocol

import pytest

from progress.core.event import LogEvent, OutputEvent
from progress.core.frames import encode
from tests.browser.follower import Follower
from tests.browser.visitor import Visitor
from tests.support.puppets import Puppet, Site
from tests.support.view import View


class Known(NamedTuple):
    """What somebody knows in the end."""

    snapshot: Any
    logs: list[str]
    outputs: list[Any]


class Watcher(Protocol):
    """Somebody who watches."""

    def sees(self, completed: int) -> None:
        """Wait until it has got so far."""

    def known(self) -> Known:
        """Wait until there is no more to come."""


class Sdk:
    """The SDK, over one transport."""

    def __init__(self, visitor: Visitor, port: int, id: str, transport: str) -> None:
        self._id = id
        self._follower = Follower(visitor.tab(), port, id, transports=[transport], shared=False)

    def sees(self, completed: int) -> None:
        self._follower.until(f"following.snapshot.progress.completed >= {completed}")

    def known(self) -> Known:
        self._follower.until("following.isClosed")
        outputs = self._follower.page.evaluate("() => following.outputs.map(({ data }) => data)")
        return Known(self._follower.snapshot(self._id), self._follower.logs(self._id), outputs)


class Plain:
    """What a browser has by itself, and the `fold` of the SDK."""

    def __init__(self, visitor: Visitor, port: int, id: str, wire: str) -> None:
        self._page = visitor.tab(f"http://127.0.0.1:{port}/empty")
        self._page.evaluate(f"async (id) => (await import('/tests/plain.js')).{wire}(id)", id)

    def sees(self, completed: int) -> None:
        self._page.wait_for_function(f"() => known.snapshot?.progress.completed >= {completed}")

    def known(self) -> Known:
        self._page.wait_for_function("() => known.isOver")
        known = self._page.evaluate("() => known")
        return Known(known["snapshot"], known["logs"], known["outputs"])


class Curl:
    """The command of README, and the fold of our tests."""

    def __init__(self, output: IO[bytes], id: str) -> None:
        self._id = id
        self._view = View()
        self._output = output

    def sees(self, completed: int) -> None:
        while self._completed() < completed:
            assert self._read(), "curl has ended"

    def known(self) -> Known:
        while self._read():
            pass
        facts = self._view.lossless.values()
        return Known(
            json.loads(encode(self._view.snapshots[self._id])),
            [fact.message for fact in facts if isinstance(fact, LogEvent)],
            [json.loads(encode(fact.data)) for fact in facts if isinstance(fact, OutputEvent)],
        )

    def _completed(self) -> float:
        snapshot = self._view.snapshots.get(self._id)
        return (snapshot.progress.completed if snapshot else None) or 0

    def _read(self) -> bytes:
        read = os.read(self._output.fileno(), 65_536)
        self._view.feed(read)
        return read


@contextmanager
def curl(port: int, id: str) -> Iterator[Curl]:
    """Let it run, until the block is left at the latest."""
    path = shutil.which("curl")
    assert path, "there is no curl"
    url = f"http://localhost:{port}/operations/{id}/events"
    with subprocess.Popen([path, "-sN", url], stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            yield Curl(process.stdout, id)
        finally:
            process.kill()


def half(puppet: Puppet) -> None:
    """Steps in steps, totals that grow, lines and outputs; three are completed in the end."""
    puppet.plan(look=1, copy=3)
    puppet.step("look", unit="files")
    puppet.advance(2)
    puppet.log("looking", "still looking", level="debug")
    puppet.leave()
    puppet.step("copy", total=4, unit="files", label="Copying “photos”")
    puppet.update(completed=1, message="one.jpg")
    puppet.output({"copied": ["one.jpg", None, 1.5]})
    puppet.update(total=9)
    puppet.step("check", total=1_000, unit="bytes")
    puppet.advance(999)
    puppet.leave()
    puppet.leave()
    puppet.update(total=5, completed=3, unit="files")


def rest(puppet: Puppet) -> None:
    """It grows once more, and nobody says that it has been completed."""
    puppet.step("more", total=2)
    puppet.advance()
    puppet.log("an odd one", level="warning")
    puppet.output(None)
    puppet.update(total=7, message="nearly")
    puppet.leave()
    puppet.update(total=8, completed=6, message="the last one")


@contextmanager
def watching(visitor: Visitor, port: int, id: str) -> Iterator[dict[str, Watcher]]:
    """All who can."""
    with curl(port, id) as one:
        watchers: dict[str, Watcher] = {"curl": one}
        for transport in ("sse", "ws", "poll"):
            watchers[f"SDK, {transport}"] = Sdk(visitor, port, id, transport)
        for wire in ("eventSource", "webSocket"):
            watchers[wire] = Plain(visitor, port, id, wire)
        yield watchers


@pytest.mark.parametrize("ends_well", [True, False], ids=["succeeds", "fails"])
@pytest.mark.slow("five tabs are opened one by one")
def test_agreement(visitor: Visitor, server: Site, ends_well: bool) -> None:
    puppet = server.puppet(owner="ada")
    with watching(visitor, server.port, puppet.id) as watchers:
        half(puppet)
        for watcher in watchers.values():
            watcher.sees(3)
        rest(puppet)
        if ends_well:
            puppet.succeed({"files": [1, 2.5, None, "é"]})
        else:
            puppet.fail("the disk is full", "no-space")
        truth = server.wait(puppet.id)
        del truth["links"]
        assert truth["state"] == ("succeeded" if ends_well else "failed")
        logs = ["looking", "still looking", "an odd one"]
        outputs = [{"copied": ["one.jpg", None, 1.5]}, None]
        for name, watcher in watchers.items():
            assert watcher.known() == Known(truth, logs, outputs), name
