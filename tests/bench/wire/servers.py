"""How to talk to a server under test: what to ask for, and how to make it publish."""

from __future__ import annotations

import http.client
import subprocess
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from .client import Target, Wire
from .errors import BenchError

__all__ = ["Nchan", "Ours", "Plain", "Server"]

_PATIENCE = 60.0  # seconds for an answer


class Server(Protocol):
    """A contestant that runs, for one wire."""

    pid: int
    """The process whose cost counts."""
    port: int
    ready: str
    """What a connection has got when it is ready; empty: the head alone."""

    def targets(self, operations: int) -> list[Target]:
        """What to subscribe to, to follow so many operations, one with each connection."""

    def publish(self, operations: int, rate: float, events: int) -> None:
        """Begin to publish so many events to the operations in turn, `rate` a second in all."""


class Plain:
    """`GET /N` subscribes, `GET /publish/OPERATIONS/RATE/EVENTS` publishes."""

    ready = ""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port

    def targets(self, operations: int) -> list[Target]:
        """What to subscribe to."""
        return [Target(f"/{n}") for n in range(operations)]

    def publish(self, operations: int, rate: float, events: int) -> None:
        """Tell it to publish."""
        _answer(self.port, "GET", f"/publish/{operations}/{float(rate)}/{events}")


class Nchan:
    """Takes one POST for each event, from a process of its own that does not count."""

    ready = ""

    def __init__(self, pid: int, port: int, post: Path, event: Path) -> None:
        self.pid = pid
        self.port = port
        self._command = [str(post), str(port), str(event)]
        self._publisher: subprocess.Popen[bytes] | None = None

    def targets(self, operations: int) -> list[Target]:
        """What to subscribe to."""
        return [Target(f"/sub/{n}") for n in range(operations)]

    def publish(self, operations: int, rate: float, events: int) -> None:
        """Start the process that posts."""
        numbers = [str(operations), str(rate), str(events)]
        self._publisher = subprocess.Popen([*self._command, *numbers])

    def stop(self) -> None:
        """End the process that posts, if there is one."""
        if self._publisher is not None:
            self._publisher.kill()
            self._publisher.wait()


class _Snapshot(Struct):
    result: list[str] | None


class Ours:
    """The application of `app.py`, under whichever server."""

    def __init__(self, pid: int, port: int, wire: Wire) -> None:
        self.pid = pid
        self.port = port
        self._wire = wire
        self.ready = '"result"' if wire == "ws" else '"type":"ping"'

    def targets(self, operations: int) -> list[Target]:
        """Start so many operations, each to be followed by itself; 0: whatever there is."""
        if not operations:
            return [self._target("/events", {})]
        answer = self.start("prepare", operations=operations)
        ids = msgspec.json.decode(answer, type=_Snapshot).result
        if ids is None:
            raise BenchError("the operations did not start")
        return [self._target(f"/operations/{id}/events", {"operation": id}) for id in ids]

    def publish(self, operations: int, rate: float, events: int) -> None:
        """Start the operation that publishes."""
        self.start("publish", wait=0, rate=rate, events=events)

    def start(self, kind: str, wait: int = 30, **params: float | str) -> bytes:
        """Start an operation, and return its snapshot, when it has ended if that is soon."""
        headers = {"content-type": "application/json"}
        if wait:
            headers["prefer"] = f"wait={wait}"
        body = msgspec.json.encode({"kind": kind, "params": params})
        return _answer(self.port, "POST", "/operations", body, headers)

    def _target(self, path: str, params: dict[str, str]) -> Target:
        if self._wire == "sse":
            return Target(path)
        call = {"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": params}
        return Target("/ws", msgspec.json.encode(call).decode())


def _answer(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        content = response.read()
    except OSError as error:
        raise BenchError(f"{method} {path}: {error!r}") from error
    finally:
        connection.close()
    if response.status >= 300:
        raise BenchError(f"{method} {path}: {response.status} {content.decode(errors='replace')}")
    return content
