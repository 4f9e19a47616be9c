"""Programs of Node, as a test runs them: what they print is the message of its failure."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.rules.source import ROOT

__all__ = ["CLIENT", "FOLDER", "ROOT", "STATIC", "TOOLS", "run"]

FOLDER = ROOT / "tests" / "js"
STATIC = ROOT / "static"
CLIENT = STATIC / "client"
TOOLS = FOLDER / "node_modules" / ".bin"


def run(*command: str | Path, cwd: Path = ROOT, seconds: float = 60) -> str:
    """Run a command, which has to succeed; return what it prints."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}\n{done.stdout}"
    return done.stdout
