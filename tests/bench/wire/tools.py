"""The C programs and the files that the servers read, made anew in `build/bench/`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.support.server import ROOT

from .errors import BenchError
from .payload import write_event

__all__ = ["BUILD", "make", "nginx", "versions"]

BUILD = ROOT / "build" / "bench"

_NCHAN = "usr/lib/nginx/modules/ngx_nchan_module.so"
_PROGRAMS = ("load", "floor", "post")
_OPTIONS = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror"]


def make() -> None:
    """Compile the programs and write the event.

    Raises:
        BenchError: there is no C compiler.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise BenchError("not installed: a C compiler; `make bench` does that")
    BUILD.mkdir(parents=True, exist_ok=True)
    write_event(BUILD)
    for name in _PROGRAMS:
        source = Path(__file__).with_name(f"{name}.c")
        subprocess.run([compiler, *_OPTIONS, "-o", BUILD / name, source], check=True)


def nginx() -> tuple[Path, Path] | None:
    """The program and its Nchan module: what `make bench` has unpacked, or the system's."""
    for root in (BUILD / "nginx", Path("/")):
        program, module = root / "usr/sbin/nginx", root / _NCHAN
        if program.exists() and module.exists():
            return program, module
    return None


def versions() -> str:
    """Of what our server is compared with, as far as it is there."""
    found = [f"{name} {version(name)}" for name in ("uvicorn", "starlette", "sse-starlette")]
    if (node := shutil.which("node")) is not None:
        found.append(f"Node {_output(node, '--version').removeprefix('v')}")
    for name in ("better-sse", "ws"):
        package = BUILD / "node" / "node_modules" / name / "package.json"
        if package.exists():
            found.append(f"{name} {json.loads(package.read_text())['version']}")
    if (server := nginx()) is not None:
        found.append(re.sub(r".*nginx/(\S+).*", r"nginx \1", _output(str(server[0]), "-v")))
    return ", ".join(found)


def _output(*command: str) -> str:
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    return run.stdout.decode().strip()
