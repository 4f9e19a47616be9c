"""A server with `page_app`, and the operations that do there what a test tells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx2

from .process import Process, progress_serve
from .web import request_body

__all__ = ["Puppet", "Site", "site"]

_names = count(1)

_LIMITS = httpx2.Limits(keepalive_expiry=2)
"""Seconds that a connection is kept: less than the five after which the server may close it."""


class Puppet:
    """An operation on a string. What it was told it has done when a method returns."""

    def __init__(self, client: httpx2.Client, snapshot: Mapping[str, Any], name: str) -> None:
        self.id: str = snapshot["id"]
        self._client = client
        self._name = name

    def plan(self, **weights: float) -> None:
        """Declare steps to come."""
        self._tell("plan", **weights)

    def step(self, name: str, **options: object) -> None:
        """Open a step in the innermost one: `total`, `unit`, `label`, `weight`."""
        self._tell("step", name=name, **options)

    def leave(self) -> None:
        """End the innermost step."""
        self._tell("leave")

    def advance(self, n: float = 1) -> None:
        """Count n more in the innermost step."""
        self._tell("advance", n=n)

    def update(self, **values: object) -> None:
        """Set `completed`, `total`, `message`, `unit` of the innermost step."""
        self._tell("update", **values)

    def log(self, *messages: str, level: str = "info") -> None:
        """Write log lines, all of them in one go."""
        orders = [{"do": "log", "given": {"message": m, "level": level}} for m in messages]
        self._post(orders)

    def output(self, data: object) -> None:
        """Send a partial result."""
        self._tell("output", data=data)

    def succeed(self, result: object = None) -> None:
        """End well."""
        self._tell("succeed", result=result)

    def fail(self, detail: str = "as it was told", type: str = "told") -> None:
        """End badly."""
        self._tell("fail", detail=detail, type=type)

    def _tell(self, do: str, **given: object) -> None:
        self._post([{"do": do, "given": given}])

    def _post(self, orders: object) -> None:
        self._client.post(f"/control/{self._name}", json=orders).raise_for_status()


class Site:
    """A server, as the test that drives it from outside sees it."""

    def __init__(self, process: Process, client: httpx2.Client) -> None:
        self.process = process
        self.port = process.port
        self.url = f"http://127.0.0.1:{process.port}/"
        self.client = client

    def puppet(self, name: str = "", kind: str = "told", **labels: str) -> Puppet:
        """Start an operation that does what it is told; `kind="queued"`: one at a time."""
        name = name or f"puppet-{next(_names)}"
        return Puppet(self.client, self.start(kind, {"name": name}, **labels), name)

    def started(self, id: str) -> Puppet:
        """The operation of such a kind that somebody else has started."""
        snapshot = self.snapshot(id)
        return Puppet(self.client, snapshot, snapshot["params"]["name"])

    def start(self, kind: str, params: Mapping[str, object] | None = None, **labels: str) -> Any:
        """Start an operation; return its snapshot."""
        answer = self.client.post("/operations", json=request_body(kind, params, labels))
        assert answer.status_code == 202, answer.text
        return answer.json()

    def snapshot(self, id: str) -> Any:
        """What the server says of it now."""
        return self.client.get(f"/operations/{id}").raise_for_status().json()

    def wait(self, id: str) -> Any:
        """Wait for its end; return the last snapshot."""
        snapshot = self.snapshot(id)
        while snapshot["finished_at"] is None:
            headers = {"prefer": "wait=5", "if-none-match": f'"{snapshot["cursor"]}"'}
            answer = self.client.get(f"/operations/{id}", headers=headers)
            snapshot = snapshot if answer.status_code == 304 else answer.json()
        return snapshot

    def subscribers(self) -> int:
        """How many streams are open, and subscriptions of WebSockets."""
        counted: int = self.client.get("/control").json()["subscribers"]
        return counted

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.popen.kill()
        self.process.wait(5)


@contextmanager
def site(port: int = 0, **settings: object) -> Iterator[Site]:
    """Run a server until the block is left; `timing_heartbeat=1` is PROGRESS_TIMING_HEARTBEAT."""
    environment = {f"PROGRESS_{name.upper()}": str(value) for name, value in settings.items()}
    options = ("--log-level", "error")
    app = "tests.support.page_app:app"
    with progress_serve(app, *options, port=port, environment=environment) as process:
        url = f"http://127.0.0.1:{process.port}"
        with httpx2.Client(base_url=url, timeout=8, limits=_LIMITS) as client:
            yield Site(process, client)
