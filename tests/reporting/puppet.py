"""A server that answers as it is told: a reporter has to live with anything."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from threading import Event, Thread
from typing import Any, ClassVar, NamedTuple

from tests.support.process import eventually

__all__ = ["Answer", "Puppet", "problem", "puppet"]


class Answer(NamedTuple):
    """Of the server, or of something before it."""

    status: int
    body: str = ""
    fields: Mapping[str, str] = {}
    does_take: bool = False
    """Whether the lines are taken first."""
    is_lost: bool = False
    """Whether the connection breaks instead."""


def problem(status: int, slug: str, **members: object) -> Answer:
    """An answer of this server that refuses something."""
    document = {"type": f"urn:progress:problem:{slug}", "status": status, "detail": slug}
    return Answer(status, json.dumps({**document, **members}))


class Puppet:
    """It starts operations and takes lines, except where it has another answer ready."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.to_start: deque[Answer] = deque()
        self.to_reports: deque[Answer] = deque()
        self.starts: list[dict[str, Any]] = []
        """Their bodies."""
        self.keys: list[str | None] = []
        self.posts: list[list[dict[str, Any]]] = []
        """The lines of each, whether they were taken or not."""
        self.lines: list[dict[str, Any]] = []
        """Those that were taken, of the operation that was started last."""
        self.tokens: set[str | None] = set()
        self.seq = 0
        self.cancel_requested = False
        self.go_on = Event()
        """While it is clear, nothing is answered."""
        self.go_on.set()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request."""
        self.tokens.add(headers.get("authorization"))
        if path == "/operations":
            self.starts.append(json.loads(body))
            self.keys.append(headers.get("idempotency-key"))
            ready = self.to_start.popleft() if self.to_start else Answer(202, does_take=True)
            return self._start(ready) if ready.does_take else ready
        lines = [json.loads(line) for line in body.split(b"\n") if line.strip()]
        self.posts.append(lines)
        ready = self.to_reports.popleft() if self.to_reports else Answer(200, does_take=True)
        return self._take(ready, lines) if ready.does_take else ready

    def wait_for(self, type: str, **members: object) -> dict[str, Any]:
        """The first such line, when it has been taken."""
        eventually(lambda: self.told(type, **members))
        return self.told(type, **members)[0]

    def told(self, type: str, **members: object) -> list[dict[str, Any]]:
        """The lines that were taken and have these members."""
        wanted = {"type": type, **members}.items()
        return [line for line in list(self.lines) if wanted <= _hashable(line).items()]

    def _start(self, ready: Answer) -> Answer:
        self.lines, self.seq = [], 0
        return ready._replace(body=json.dumps({"id": f"operation-{len(self.starts)}"}))

    def _take(self, ready: Answer, lines: list[dict[str, Any]]) -> Answer:
        for line in lines:
            if line.get("seq", self.seq + 1) > self.seq:
                self.seq = line.get("seq", self.seq)
                self.lines.append(line)
        taken = {"taken": len(lines), "cursor": "1-1", "cancel_requested": self.cancel_requested}
        return ready._replace(body=json.dumps(taken))


def _hashable(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if not isinstance(value, dict | list)}


@contextmanager
def puppet(port: int = 0) -> Iterator[Puppet]:
    """Run one until the block is left."""

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = told.answer(self.path, self.headers, body)  # type: ignore[arg-type]
            told.go_on.wait(8)
            if answer.is_lost:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.fields.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body.encode())))
            self.end_headers()
            self.wfile.write(answer.body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        connections: ClassVar[list[socket]] = []

        def process_request(self, request: Any, client_address: Any) -> None:
            self.connections.append(request)
            super().process_request(request, client_address)

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # who asked has given up

    with Server(("127.0.0.1", port), Requests) as server:
        told = Puppet(server.server_port)
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield told
        finally:
            told.go_on.set()
            server.shutdown()
            thread.join()
            for connection in server.connections:
                with suppress(OSError):  # that one has ended
                    connection.shutdown(SHUT_RDWR)
