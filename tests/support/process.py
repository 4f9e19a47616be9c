"""ASGI servers as processes: signals, exit codes and what they wrote."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

from .server import ROOT

_PAUSE = 0.01  # seconds between two looks at something that tells nobody when it changes


class Process:
    """A server that runs, or has run."""

    def __init__(self, popen: subprocess.Popen[bytes], port: int, out: IO[bytes], err: IO[bytes]):
        self.popen = popen
        self.pid = popen.pid
        self.port = port
        self.name = ""
        """For whoever runs several kinds."""
        self._out = out
        self._err = err

    @property
    def stdout(self) -> str:
        """All it wrote there so far."""
        return _content(self._out)

    @property
    def stderr(self) -> str:
        """All it wrote there so far."""
        return _content(self._err)

    def send(self, signum: signal.Signals) -> None:
        """Send it a signal."""
        self.popen.send_signal(signum)

    def wait(self, seconds: float) -> tuple[int, float]:
        """Wait for its end; return its exit code and how long that took."""
        began = time.monotonic()
        code = self.popen.wait(seconds)
        return code, time.monotonic() - began


@contextmanager
def running(
    arguments: Sequence[str], *, port: int = 0, environment: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """Run `python -m ARGUMENTS`; kill it when the block is left."""
    given = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        command = [sys.executable, "-m", *arguments]
        with subprocess.Popen(command, cwd=ROOT, env=given, stdout=out, stderr=err) as popen:
            process = Process(popen, port, out, err)
            try:
                yield process
            except BaseException:
                sys.stderr.write(process.stderr)  # pytest shows it with the failure
                raise
            finally:
                popen.kill()


@contextmanager
def progress_serve(
    app: str, *options: str, port: int = 0, environment: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """Run `progress serve APP`, from its ready line until the block is left."""
    arguments = ["progress", "serve", app, "--port", str(port), *options]
    with running(arguments, environment=environment) as process:
        eventually(lambda: "\n" in process.stdout or process.popen.poll() is not None)
        assert process.stdout.startswith("listening on http://"), process.stderr
        process.port = int(process.stdout.strip().rpartition(":")[2])
        yield process


@contextmanager
def listening(
    arguments: Sequence[str], port: int, environment: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """Run another ASGI server, from when one can connect to it until the block is left."""
    with running(arguments, port=port, environment=environment) as process:
        eventually(lambda: _accepts(port) or process.popen.poll() is not None)
        assert process.popen.poll() is None, process.stderr
        yield process


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(holds: Callable[[], object], within: float = 8.0) -> None:
    """Return once it holds.

    Raises:
        AssertionError: it did not in so many seconds.
    """
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(_PAUSE)


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _content(file: IO[bytes]) -> str:
    return os.pread(file.fileno(), 1 << 24, 0).decode()
