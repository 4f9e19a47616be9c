"""The recipes of examples/waiting, as somebody runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import TypeAlias

from .server import ROOT

__all__ = ["FOLDER", "Done", "fails", "is_refused", "run", "succeeds"]

FOLDER = ROOT / "examples" / "waiting"
SECONDS = 60
"""For any of them; a test has less."""

Done: TypeAlias = "subprocess.CompletedProcess[str]"


def run(recipe: Sequence[str], url: str, **params: object) -> Done:
    """Run one: the name of its file if need be after an interpreter's, and the way of waiting."""
    name, *rest = recipe
    match name.rpartition(".")[2]:
        case "py":
            command = [sys.executable, str(FOLDER / name)]
        case "sh":
            command = ["sh", str(FOLDER / name)]
        case "mjs":
            command = ["node", str(FOLDER / name)]
        case "java":
            command = ["java", str(FOLDER / name)]
        case _:
            command = [name]
    command += [*rest, url, json.dumps(params)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def succeeds(recipe: Sequence[str], url: str, to: int = 12) -> Done:
    """Count; the result is on standard output, and nothing else is."""
    done = run(recipe, url, to=to, interval=0.1)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"counted": to}
    return done


def fails(recipe: Sequence[str], url: str) -> None:
    """Count up to an exception; what that says is on standard error."""
    done = run(recipe, url, to=3, interval=0, fail_at=2)
    assert (done.returncode, done.stdout) == (1, "")
    assert "asked to fail at 2" in done.stderr


def is_refused(recipe: Sequence[str], url: str) -> None:
    """Ask for what cannot be; the problem is on standard error."""
    done = run(recipe, url, to=-1)
    assert (done.returncode, done.stdout) == (1, "")
    assert "urn:progress:problem:invalid-params" in done.stderr
