"""One running demo for a module's tests, and a root folder for its files."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.client import User
from tests.support.server import Server, serving


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that the demo may touch; a symlink leads to it, which is allowed."""
    folder = tmp_path_factory.mktemp("real")
    link = tmp_path_factory.mktemp("linked") / "root"
    link.symlink_to(folder)
    yield link
    shutil.rmtree(folder)  # pytest would keep it, and it may be large


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    """A real `progress serve examples.demo:app`."""
    with serving("examples.demo:app", environment={"PROGRESS_DEMO_ROOT": str(root)}) as server:
        yield server


@pytest.fixture(scope="module")
def user(server: Server) -> Iterator[User]:
    """Somebody who uses it."""
    with User(server.url) as user:
        yield user
