"""What a client does through a proxy, over HTTP/1.1 by hand and over HTTP/2 by curl."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from tests.interop.proxies import Front
from tests.support.sse import Parser
from tests.support.wire import Answer, Connection, Response, request

__all__ = ["LIVE", "Held", "asked", "events", "fetched", "get", "held", "lag", "streamed"]

LIVE = 0.75
"""Seconds after which an event is late; it takes milliseconds, but the machine may be busy."""

Event = dict[str, Any]


class Held:
    """An answer that was waited for."""

    def __init__(self, answer: Answer, interims: list[dict[str, str]], seconds: float) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.json = json.loads(answer.content)
        self.interims = interims
        self.seconds = seconds

    @property
    def applied(self) -> str:
        """The preferences that it says were heeded."""
        return self.headers.get("preference-applied", "")


def get(front: Front, path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a request as a browser sends it."""
    return request(path, {"Host": f"localhost:{front.port}", **(headers or {})})


def asked(
    front: Front,
    kind: str,
    headers: Mapping[str, str],
    /,
    *,
    version: str = "1.1",
    **params: object,
) -> bytes:
    """The bytes of a request that runs a kind and waits for it."""
    given = {"Host": f"localhost:{front.port}", **headers}
    body = json.dumps(params).encode()
    return request(f"/legacy/{kind}", given, method="POST", version=version, body=body)


def held(
    front: Front,
    kind: str,
    headers: Mapping[str, str],
    /,
    *,
    version: str = "1.1",
    **params: object,
) -> Held:
    """Run a kind; then ask for something else on the same connection, which gets its own answer."""
    began = time.monotonic()
    with Connection(front.port, asked(front, kind, headers, version=version, **params)) as stay:
        answer = Answer(stay.response, stay.read())
        seconds = time.monotonic() - began
        assert stay.response.complete
        assert not stay.response.rest
        interims = _fields(stay.response)
        if version == "1.1":
            stay.socket.sendall(get(front, "/kinds"))
            stay.response = Response()
            assert json.loads(stay.read())["kinds"]
    return Held(answer, interims, seconds)


def fetched(front: Front, path: str, *options: str) -> Held:
    """Ask with curl, over HTTP/2."""
    began = time.monotonic()
    done = subprocess.run(_curl(front, path, *options), check=True, capture_output=True, timeout=20)
    seconds = time.monotonic() - began
    response = Response()
    content = response.feed(done.stdout)
    assert response.version == "HTTP/2"
    return Held(Answer(response, content), _fields(response), seconds)


@contextmanager
def streamed(front: Front, path: str) -> Iterator[Iterator[Event]]:
    """The events of a stream as they come, with curl, over HTTP/2."""
    with subprocess.Popen(_curl(front, path, "--no-buffer"), stdout=subprocess.PIPE) as process:
        response = Response()
        assert process.stdout is not None
        pieces = iter(partial(os.read, process.stdout.fileno(), 65_536), b"")
        yield events(map(response.feed, pieces))
        assert response.version == "HTTP/2"
        assert process.wait(5) == 0


def events(pieces: Iterable[bytes]) -> Iterator[Event]:
    """The events of a stream, from its body as it comes."""
    parser = Parser()
    for piece in pieces:
        for event in parser.feed(piece):
            yield json.loads(event.data)


def lag(event: Event) -> float:
    """The seconds since it happened."""
    return time.time() - datetime.fromisoformat(event["time"]).timestamp()


def _curl(front: Front, path: str, *options: str) -> list[str]:
    url = f"https://localhost:{front.secure_port}{path}"
    fixed = ["--silent", "--show-error", "--include", "--ipv4", "--http2", "--max-time", "15"]
    return ["curl", "--disable", *fixed, "--cacert", str(front.authority), *options, url]


def _fields(response: Response) -> list[dict[str, str]]:
    assert {status for status, _ in response.interims} <= {102}
    return [fields for _, fields in response.interims]
