"""The examples that report from outside, as processes: in a shell, in Node, in Python."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.examples.client import User

from .process import eventually
from .server import ROOT

__all__ = ["REPORTERS", "Reporting", "files", "reporting"]

REPORTERS = {
    "curl": ["bash", "examples/05_report.sh"],
    "Node": ["node", "examples/06_report.mjs"],
    "Python": [sys.executable, "examples/07_report.py"],
}
"""By what their labels end with."""


class Reporting:
    """One that runs, or has run."""

    def __init__(self, label: str, popen: subprocess.Popen[bytes], err: IO[bytes]) -> None:
        self.popen = popen
        self.label = label
        """What it calls its operation."""
        self._err = err

    @property
    def stderr(self) -> str:
        """All it wrote there so far."""
        return os.pread(self._err.fileno(), 1 << 20, 0).decode()

    def operation(self, user: User) -> str:
        """The id of its newest operation, once it counts there."""
        found: list[str] = []

        def look() -> bool:
            shown = [one for one in user.all("external") if one["params"]["label"] == self.label]
            found[:] = [one["id"] for one in shown if one["progress"]["completed"]]
            return bool(found)

        eventually(look)
        return found[0]


def files(folder: Path, count: int) -> Path:
    """Make so many in a folder of their own; an example takes 50 ms for each, or longer."""
    made = folder / f'"{count}" files'
    made.mkdir()
    for number in range(count):
        (made / f"file {number:04}").write_text(str(number))
    return made


@contextmanager
def reporting(name: str, url: str, folder: Path, lease: float = 60) -> Iterator[Reporting]:
    """Run one until the block is left."""
    environment = {**os.environ, "LEASE": str(lease), "PYTHONPATH": str(ROOT)}
    command = [*REPORTERS[name], url, str(folder)]
    with (
        tempfile.TemporaryFile() as err,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=err
        ) as popen,
    ):
        try:
            yield Reporting(f"hashing {folder} with {name}", popen, err)
        finally:
            popen.kill()
