"""static/client as a package for npm: what it contains, and what its linters say."""

from __future__ import annotations

import json
import re
import tarfile
import tomllib
from pathlib import Path

import pytest

from tests.js.modules import imported
from tests.js.tools import CLIENT, ROOT, TOOLS, run

pytestmark = pytest.mark.timeout(60)  # npm takes seconds to start


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    run("npm", "pack", "--silent", "--pack-destination", folder, cwd=CLIENT)
    [packed] = folder.glob("*.tgz")
    return packed


def test_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    package = json.loads((CLIENT / "package.json").read_text("utf-8"))
    assert package["version"] == project["version"]
    assert package["license"] == project["license"]
    assert "dependencies" not in package


def test_it_is_complete(archive: Path) -> None:
    with tarfile.open(archive) as packed:
        names = set(packed.getnames())
    modules = imported(CLIENT / "index.js", later=True)
    assert {f"package/{module.relative_to(CLIENT)}" for module in modules} <= names
    assert {"package/worker.js", "package/index.d.ts", "package/package.json"} <= names


def test_imports_stay_inside() -> None:
    for module in CLIENT.glob("*.js"):
        outside = re.findall(r"""\bfrom\s+["'](?!\./)([^"']+)""", module.read_text("utf-8"))
        assert not outside, f"{module.name} imports {outside}"


def test_publint(archive: Path) -> None:
    run(TOOLS / "publint", "run", archive, "--strict")


def test_are_the_types_wrong(archive: Path) -> None:
    """It is an ES module alone: `require` is no way to it."""
    run(TOOLS / "attw", archive, "--profile", "esm-only", "--no-emoji", "--no-color")
