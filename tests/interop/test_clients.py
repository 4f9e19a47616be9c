"""Clients that are no Python: the recipes of "How to wait", and who skips a 102 as it should."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.process import Process, progress_serve
from tests.support.recipes import FOLDER, fails, is_refused, succeeds
from tests.support.recorder import Recorder, recording

from . import programs

GO = "wait.go"

pytestmark = pytest.mark.slow("compilers, Java and a browser take seconds to begin")


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    """The demo and its page, as the page says to run it."""
    app = "examples.waiting.browser:app"
    with progress_serve(app, "--interim", "direct", "--log-level", "error") as server:
        yield server


@pytest.fixture
def recorder(server: Process) -> Iterator[Recorder]:
    """Where the clients go, to know what they were sent."""
    with recording(server.port) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for what is compiled."""
    folder = tmp_path_factory.mktemp("build")
    yield folder
    shutil.rmtree(folder)


def there(*programs: str) -> None:
    """Skip what needs a program that is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")


def compiled(source: Path, build: Path) -> str:
    """Build one file of Go."""
    program = build / source.stem
    if not program.exists():
        there("go")
        command = ["go", "build", "-o", str(program), str(source)]
        subprocess.run(command, check=True, capture_output=True, text=True)
    return str(program)


def recipe(name: str, build: Path) -> list[str]:
    """How to run `node.mjs hold`, `wait.go` …"""
    file, *way = name.split()
    if file == GO:
        return [compiled(FOLDER / file, build)]
    if file.endswith(".mjs"):
        there("node")
    if file.endswith(".java"):
        there("java")
    return [file, *way]


RECIPES = [
    *(
        f"{name} {way}"
        for name in ("wait_httpx2.py", "wait_aiohttp.py")
        for way in ("poll", "stream")
    ),
    *(f"{name} {way}" for name in ("curl.sh", "node.mjs") for way in ("hold", "stream")),
    "Main.java",
    GO,
]


@pytest.mark.parametrize("name", RECIPES)
def test_recipe(recorder: Recorder, build: Path, name: str) -> None:
    """The result, a failure and a refusal; who holds is sent 102s, nobody else is."""
    command = recipe(name, build)
    succeeds(command, recorder.url, to=25)
    assert (recorder.interims > 1) == ("hold" in name or "java" in name)
    fails(command, recorder.url)
    is_refused(command, recorder.url)


def test_node_is_told_of_each_interim(recorder: Recorder) -> None:
    there("node")
    done = succeeds(["node.mjs", "hold"], recorder.url, to=35)
    told = re.findall(r"information (\d+): 102 (\d+)/", done.stderr)
    assert [int(count) for count, _ in told] == [*range(1, recorder.interims + 1)]
    numbers = [int(number) for _, number in told]
    assert numbers == sorted(numbers)
    assert len({*numbers}) >= 3


def answers(command: Sequence[str], recorder: Recorder) -> list[str]:
    """What a client that runs three counts on one connection says it got."""
    given = [*command, f"{recorder.url}/legacy/count"]
    done = subprocess.run(given, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


RIGHT = ["200", '{"counted":15}', "200", '{"counted":1}', "200", '{"counted":2}']


@pytest.mark.parametrize("name", ["fetch", "httpx2", "aiohttp", "go"])
def test_who_skips_interims(recorder: Recorder, build: Path, name: str) -> None:
    """All three answers are right, though the first one comes after 102s."""
    match name:
        case "fetch":
            there("node")
            command = ["node", "--input-type=module", "-e", programs.FETCH]
        case "go":
            source = build / "hold.go"
            source.write_text(programs.GO, "utf-8")
            command = [compiled(source, build)]
        case _:
            command = [sys.executable, "-c", programs.PYTHON[name]]
    assert answers(command, recorder) == RIGHT
    assert recorder.interims >= 4
    assert recorder.connections <= 2  # fetch does not wait for its first one


def test_requests_without_the_preference(recorder: Recorder) -> None:
    """It is sent no 102, and gets its right answers, on one connection."""
    assert answers([sys.executable, "-c", programs.REQUESTS, ""], recorder) == RIGHT
    assert recorder.interims == 0
    assert recorder.connections == 1


def test_why_requests_must_not_ask(recorder: Recorder) -> None:
    """It takes a 102 for the answer; once this fails, the page is out of date."""
    got = answers([sys.executable, "-c", programs.REQUESTS, "processing"], recorder)
    assert got[0] == "102"
    assert got != RIGHT


def test_browser(server: Process, build: Path) -> None:
    """The page shows the result; what a headless Chromium prints is what it shows then."""
    there("chromium")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--disable-background-networking", f"--user-data-dir={build / 'profile'}"]
    command += ["--virtual-time-budget=20000", f"http://127.0.0.1:{server.port}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert '<progress value="1"></progress> <output>{"counted":8}</output>' in done.stdout
