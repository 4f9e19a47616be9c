"""A port that leads to another one and keeps what comes back: what a client was really sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread


class Recorder(ThreadingTCPServer):
    """Passes connections on, each in a thread."""

    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.target = target
        self.connections = 0
        self.heard = b""

    @property
    def interims(self) -> int:
        """How many 102s have passed."""
        return self.heard.count(b"HTTP/1.1 102 ")


class _Connection(BaseRequestHandler):
    server: Recorder

    def handle(self) -> None:
        client: socket.socket = self.request
        self.server.connections += 1
        with socket.create_connection(("127.0.0.1", self.server.target)) as target:
            up = Thread(target=_pass_on, args=(client, target))
            up.start()
            with suppress(OSError):  # whichever of the two has left
                while data := target.recv(65_536):
                    self.server.heard += data
                    client.sendall(data)
            for end in (client, target):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            up.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def recording(port: int) -> Iterator[Recorder]:
    """Record what that port of loopback answers, until the block is left."""
    with Recorder(port) as recorder:
        thread = Thread(target=recorder.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield recorder
        finally:
            recorder.shutdown()
            thread.join()
