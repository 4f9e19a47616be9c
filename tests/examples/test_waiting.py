"""The recipes of "How to wait" that need nothing but curl, Python and perhaps Node."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.process import eventually
from tests.support.proxy import PASS, Fault, proxy_to
from tests.support.recipes import FOLDER, fails, is_refused, run, succeeds
from tests.support.recorder import recording
from tests.support.server import Server, serving
from tests.support.wire import ask

APP = "examples.demo:app"

NODE = pytest.mark.skipif(shutil.which("node") is None, reason="no Node here; see tests/interop")
PYTHON = [
    (name, way) for name in ("wait_httpx2.py", "wait_aiohttp.py") for way in ("poll", "stream")
]
HOLDING = [("curl.sh", "hold"), pytest.param(("node.mjs", "hold"), marks=NODE)]
RECIPES = [
    *PYTHON,
    *HOLDING,
    ("curl.sh", "stream"),
    pytest.param(("node.mjs", "stream"), marks=NODE),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """As the page says to run it."""
    with serving(APP, "--interim", "direct", "--log-level", "error") as server:
        yield server


@pytest.mark.parametrize("recipe", RECIPES, ids=" ".join)
def test_result(server: Server, recipe: tuple[str, ...]) -> None:
    done = succeeds(recipe, server.url, to=5)
    assert re.search(r"\b(5/5|1(\.0)?)\b", done.stderr) or recipe[1] == "hold"


@pytest.mark.parametrize("recipe", RECIPES, ids=" ".join)
def test_failure(server: Server, recipe: tuple[str, ...]) -> None:
    fails(recipe, server.url)


@pytest.mark.parametrize("recipe", RECIPES, ids=" ".join)
def test_refusal(server: Server, recipe: tuple[str, ...]) -> None:
    is_refused(recipe, server.url)


@pytest.mark.parametrize("recipe", HOLDING, ids=" ".join)
def test_interims_are_shown(server: Server, recipe: tuple[str, ...]) -> None:
    """Every one that was sent, and their numbers rise."""
    with recording(server.port) as recorder:
        done = succeeds(recipe, recorder.url)
    shown = re.findall(r"(?:< HTTP/1\.1 102 .*\n(?:< .+\n)*?< progress:|: 102) (\d+)/", done.stderr)
    assert len(shown) == recorder.interims >= 2
    numbers = [int(number) for number in shown]
    assert numbers == sorted(numbers)
    assert numbers[0] == 0 < numbers[-1]


@pytest.mark.parametrize("recipe", HOLDING, ids=" ".join)
def test_what_is_held_too_long_is_followed(recipe: tuple[str, ...]) -> None:
    with serving(APP, "--interim", "direct", "--set", "timing.hold=1") as server:
        succeeds(recipe, server.url, to=15)


@pytest.mark.parametrize("recipe", PYTHON, ids=" ".join)
def test_a_lost_answer_starts_nothing_twice(recipe: tuple[str, ...]) -> None:
    with serving(APP) as server, proxy_to(server.port) as proxy, ThreadPoolExecutor() as pool:
        proxy.down = Fault(after=1, ending="reset")
        done = pool.submit(succeeds, recipe, f"http://127.0.0.1:{proxy.port}", to=5)
        eventually(lambda: bool(ask(server.port, "/operations").json["operations"]))
        proxy.down = PASS
        done.result()
        assert len(ask(server.port, "/operations").json["operations"]) == 1


@pytest.mark.parametrize("name", ["wait_httpx2.py", "wait_aiohttp.py"])
def test_a_lost_stream_is_taken_up(server: Server, name: str) -> None:
    with proxy_to(server.port) as proxy:
        proxy.down = Fault(after=5_000, ending="reset")
        done = run([name, "stream"], f"http://127.0.0.1:{proxy.port}", to=12, interval=0.1)
    assert (done.returncode, done.stdout) == (0, '{"counted": 12}\n'), done.stderr


def test_the_page_names_its_files() -> None:
    page = (FOLDER / "README.md").read_text("utf-8")
    named = set(re.findall(r"\]\(([\w.]+)\)", page))
    assert named == {path.name for path in FOLDER.iterdir() if path.is_file()} - {"README.md"}
