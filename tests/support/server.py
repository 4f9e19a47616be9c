"""A real server in a process of its own, on a free port of loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Server:
    """A running `progress serve`."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self.port = int(url.rpartition(":")[2])


@contextmanager
def serving(
    app: str, *options: str, port: int = 0, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run `progress serve APP`, from its ready line until the block is left."""
    arguments = [sys.executable, "-m", "progress", "serve", app, "--port", str(port), *options]
    given = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
    with subprocess.Popen(
        arguments, cwd=ROOT, env=given, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on "), line
            yield Server(process, line.removeprefix("listening on ").strip())
        finally:
            process.kill()
