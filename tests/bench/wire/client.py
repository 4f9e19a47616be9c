"""The load client, `load.c`, from this side."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from .errors import BenchError

__all__ = ["Load", "Seen", "Target", "Wire", "loading"]

Wire: TypeAlias = Literal["sse", "ws"]


class Target(NamedTuple):
    """What a connection asks for: a path, and on a WebSocket a first message, if there is one."""

    path: str
    message: str = ""


class Seen(Struct, frozen=True):
    """What has come in while the client waited."""

    deliveries: int
    """Stamped messages."""
    complete: int
    """Connections that have all that was waited for."""
    least: int
    most: int
    seconds: float
    busy: float
    """Seconds in which there was something to read."""
    p50: float
    p99: float
    """Seconds from publishing to reading."""


class Load:
    """A running load client. Its connections last until the block of `loading` is left."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    def connect(self, connections: int) -> None:
        """Open more connections; return once all are ready."""
        self._do(f"connect {connections}")

    def stall(self, connections: int) -> None:
        """Open more connections that are never read once they are ready."""
        self._do(f"stall {connections}")

    def read(self) -> None:
        """Read the stalled ones, too, from here on."""
        self._do("read")

    def expect(self, deliveries: int, within: float) -> None:
        """Begin to wait until each that is read has so many deliveries more; then `seen`."""
        self._tell(f"deliveries {deliveries} {within}")

    def expect_marks(self, marks: int, within: float) -> None:
        """Begin to wait until each that is read has seen the mark so often in all; then `seen`."""
        self._tell(f"marks {marks} {within}")

    def seen(self) -> Seen:
        """What came while it waited."""
        return msgspec.json.decode(self._hear(), type=Seen)

    def _do(self, command: str) -> None:
        self._tell(command)
        self._hear()

    def _tell(self, command: str) -> None:
        stdin = self._process.stdin
        if stdin is not None and self._process.poll() is None:
            stdin.write(f"{command}\n".encode())
            stdin.flush()

    def _hear(self) -> bytes:
        stdout = self._process.stdout
        line = stdout.readline() if stdout is not None else b""
        if not line:
            raise BenchError("the load client has ended")
        return line


@contextmanager
def loading(
    program: Path, port: int, wire: Wire, ready: str, mark: str, targets: list[Target]
) -> Iterator[Load]:
    """Run a load client, which opens nothing yet. It counts a mark besides deliveries."""
    with tempfile.NamedTemporaryFile("w") as file, tempfile.TemporaryFile() as err:
        file.writelines(f"{target.path}\t{target.message}\n" for target in targets)
        file.flush()
        command = [str(program), str(port), wire, ready, mark, file.name]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=err) as process:
            try:
                yield Load(process)
            except BenchError as error:
                err.seek(0)
                text = err.read().decode(errors="replace").strip()
                raise BenchError(text or str(error)) from error
            finally:
                process.kill()
