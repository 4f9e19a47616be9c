"""What a server that runs `tests.support.inspect_app` has at the moment."""

from __future__ import annotations

import json
from typing import NamedTuple

import psutil

from .process import Process, eventually
from .wire import Connection, request


class Census(NamedTuple):
    """What must not be left over when clients have gone."""

    subscribers: int
    tasks: int
    threads: int
    descriptors: int


def deserted(server: Process) -> Census:
    """Count, as soon as nobody is there and the server has what it keeps for everybody.

    A stream on the portable path, which HTTP/1.0 takes, leaves a task of sse-starlette's.
    """
    with Connection(server.port, request("/events", version="1.0")) as connection:
        connection.opened()
    eventually(lambda: not census(server).subscribers)
    return census(server)


def census(server: Process) -> Census:
    """Count, by an operation that does."""
    found = result(server.port, "census")
    descriptors = psutil.Process(server.pid).num_fds()
    subscribers = found["subscribers"] - 1  # we wait for the result as one
    return Census(subscribers, found["tasks"], found["threads"], descriptors)


def result(port: int, kind: str) -> dict[str, int]:
    """That of an operation, asked for over a connection that the server has closed by then."""
    fields = {"Prefer": "wait=5", "Connection": "close"}
    body = json.dumps({"kind": kind}).encode()
    with Connection(port, request("/operations", fields, method="POST", body=body)) as connection:
        operation = json.loads(connection.read())
        assert connection.socket.recv(1) == b""
    found: dict[str, int] = operation["result"]
    return found
