"""Imports point one way, core/ is pure, and asyncio stays where it is needed."""

import ast
from pathlib import PurePosixPath

import pytest

from tests.rules.source import Checker, Finding, check_text, findings, imported_names, report

# Each may import only itself and what stands above it. `progress/__init__.py` is exempt: it
# re-exports, and nothing inside the package imports it.
LAYERS = (
    "errors",
    "settings",
    "core",
    "bus",
    "runner",
    "reporting",
    "hub",
    "delivery",
    "web",
    "server",
    "cli",
    "__main__",
)

# A clock, chance, a wire or a disk: what core/ must never know.
IMPURE = frozenset(
    "anyio asyncio datetime http io logging os pathlib random secrets select selectors socket ssl "
    "sse_starlette starlette subprocess tempfile threading time trio urllib uuid uvicorn "
    "uvloop websockets".split()
)
IMPURE_CALLS = frozenset({"open", "print", "input"})

ASYNCIO_ALLOWED = ("progress/server/", "progress/bus/redis.py")


def wrong_way_imports(path: PurePosixPath, source: str) -> list[Finding]:
    """Find imports of what stands below the file's own layer, or of the package's face."""
    if path == PurePosixPath("progress/__init__.py"):
        return []
    own = PurePosixPath(path.parts[1]).stem
    if own not in LAYERS:
        return [Finding(path, 1, f"{own} is not in the layout")]
    found = []
    for line, name in imported_names(path, ast.parse(source)):
        package, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if package != "progress":
            continue
        if target not in LAYERS:
            found.append(Finding(path, line, f"imports the package's face ({name})"))
        elif LAYERS.index(target) > LAYERS.index(own):
            found.append(Finding(path, line, f"{own} imports {target}, which stands below it"))
    return found


def impurities(path: PurePosixPath, source: str) -> list[Finding]:
    """Find in core/ what waits, knows the time, or reaches outside."""
    if path.parts[:2] != ("progress", "core"):
        return []
    tree = ast.parse(source)
    found = [
        Finding(path, line, f"core imports {name}")
        for line, name in imported_names(path, tree)
        if name.partition(".")[0] in IMPURE
    ]
    for node in ast.walk(tree):
        match node:
            case ast.AsyncFunctionDef() | ast.AsyncFor() | ast.AsyncWith() | ast.Await():
                found.append(Finding(path, node.lineno, "core waits"))
            case ast.comprehension(is_async=1):
                found.append(Finding(path, node.target.lineno, "core waits"))
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
                found.append(Finding(path, node.lineno, f"core calls {name}()"))
            case _:
                pass
    return found


def asyncio_imports(path: PurePosixPath, source: str) -> list[Finding]:
    """Find asyncio outside the places that need it: everything else runs on trio too."""
    if str(path).startswith(ASYNCIO_ALLOWED):
        return []
    return [
        Finding(path, line, f"imports {name}")
        for line, name in imported_names(path, ast.parse(source))
        if name.partition(".")[0] == "asyncio"
    ]


@pytest.mark.parametrize("checker", [wrong_way_imports, impurities, asyncio_imports])
def test_package(checker: Checker) -> None:
    found = findings(checker)
    assert not found, report(found)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("progress/errors.py", "from progress.settings import Limits"),
        ("progress/core/event.py", "from progress import hub"),
        ("progress/core/event.py", "from .. import hub"),
        ("progress/core/event.py", "from ..hub import Hub"),
        ("progress/bus/memory.py", "import progress.runner"),
        ("progress/bus/memory.py", "def late():\n    from progress.hub import Hub"),
        ("progress/hub.py", "from .web.app import Progress"),
        ("progress/web/app.py", "from progress import Progress"),
        ("progress/web/app.py", "import progress"),
        ("progress/helpers.py", ""),
    ],
)
def test_wrong_way_is_found(path: str, source: str) -> None:
    assert len(check_text(wrong_way_imports, path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("progress/__init__.py", "from progress.web.app import Progress"),
        ("progress/core/journal.py", "from .event import Event\nfrom progress import errors"),
        ("progress/core/journal.py", "import progressbar\nfrom collections import deque"),
        ("progress/__main__.py", "from progress.cli import main"),
        ("progress/web/app.py", "from ..hub import Hub\nfrom . import routes"),
    ],
)
def test_right_way_is_not(path: str, source: str) -> None:
    assert check_text(wrong_way_imports, path, source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from datetime import UTC",
        "import os.path",
        "from logging import getLogger",
        "async def f(): pass",
        "def f(a): return [b async for b in a]",
        "def f(): return open('x')",
    ],
)
def test_impurity_is_found(source: str) -> None:
    assert len(check_text(impurities, "progress/core/meter.py", source)) == 1
    assert check_text(impurities, "progress/hub.py", source) == []


def test_asyncio_is_found() -> None:
    for source in ("import asyncio", "from asyncio import Queue", "import asyncio.subprocess"):
        assert len(check_text(asyncio_imports, "progress/hub.py", source)) == 1
        assert len(check_text(asyncio_imports, "progress/bus/memory.py", source)) == 1
        assert check_text(asyncio_imports, "progress/server/http.py", source) == []
        assert check_text(asyncio_imports, "progress/bus/redis.py", source) == []
