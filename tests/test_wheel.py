"""The wheel, installed into a new environment, serves from there."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rules.source import ROOT

APP = """
from progress import Progress, Reporter

app = Progress()

@app.operation
async def hello(report: Reporter) -> None:
    report.log("hello")
"""

pytestmark = pytest.mark.slow("builds a wheel and installs it with all that it depends on")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel: Path) -> str:
    """Install the wheel and return the path of its `progress`.

    The pip of this environment installs into the new one, so that pip itself need not be
    installed first; the versions are those of the lock file.
    """
    folder = wheel.parent / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    lock = str(ROOT / "requirements-dev.lock")
    run(*pip, "install", "--quiet", "--no-compile", "--constraint", lock, str(wheel))
    return str(folder / "bin" / "progress")


@pytest.fixture
def server(command: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "hello.py").write_text(APP)
    arguments = [command, "serve", "hello:app", "--port", "0"]
    environment = clean_environment()
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_wheel_carries_what_is_not_python(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    static = [path for path in (ROOT / "static").rglob("*") if path.is_file()]
    assert static
    assert {f"progress/{path.relative_to(ROOT).as_posix()}" for path in static} <= names
    assert "progress/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "examples/"))]


def test_version(wheel: Path, command: str, tmp_path: Path) -> None:
    assert wheel.name.split("-")[1] in run(command, "--version", cwd=tmp_path)


def test_serves_and_stops(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    line = server.stdout.readline()
    found = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", line)
    assert found, line
    with urllib.request.urlopen(f"{found[1]}/healthz", timeout=5) as answer:
        assert answer.status == 200
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=15) == 0
    assert server.stdout.read() == ""


def run(*arguments: str, cwd: Path | None = None) -> str:
    """Run a command away from the checkout's own modules and return what it prints."""
    result = subprocess.run(
        arguments, cwd=cwd, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{arguments}\n{result.stdout}{result.stderr}"
    return result.stdout


def clean_environment() -> dict[str, str]:
    foreign = ("PYTHON", "PROGRESS_", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
