"""What a browser has to load: bundled and minified as an application ships it, and gzipped.

Beside it stands the sum of the files as they are served here, comments and all.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.js.modules import imported, linked, loaded, preloaded, weight
from tests.js.tools import CLIENT, STATIC, TOOLS, run

KB = 1024

SDK = CLIENT / "index.js"
WORKER = CLIENT / "worker.js"
ELEMENT = STATIC / "element-define.js"
PAGE = STATIC / "index.html"

Sizes = tuple[int, int]
"""Bundled, and as they are served."""


def bundled(entry: Path, *options: str) -> int:
    """Bytes of a module or style with all that it imports, also later."""
    given = ("--bundle", "--minify", "--format=esm", "--log-level=warning", *options)
    return len(gzip.compress(run(TOOLS / "esbuild", entry, *given).encode(), 9, mtime=0))


def sdk() -> Sizes:
    """What runs anywhere. Only a page loads the part for pages."""
    return bundled(SDK, "--external:./page.js"), weight(imported(SDK))


def element() -> Sizes:
    """Without the SDK."""
    files = set(imported(ELEMENT)) - set(imported(SDK))
    return bundled(ELEMENT, f"--external:./{SDK.relative_to(STATIC)}"), weight(files)


def page() -> Sizes:
    """With the SDK, and with what it runs in a worker."""
    entries = [*linked(PAGE), WORKER]
    return weight([PAGE]) + sum(map(bundled, entries)), weight(loaded(PAGE))


@pytest.mark.parametrize(("what", "most"), [(sdk, 8 * KB), (element, 4 * KB), (page, 45 * KB)])
def test_size(what: Callable[[], Sizes], most: int, capsys: pytest.CaptureFixture[str]) -> None:
    size, served = what()
    with capsys.disabled():
        print(f"\n{what.__name__}: {size:,} of {most:,} bytes; as served here {served:,}")
    assert size <= most


def test_modules_are_loaded_side_by_side() -> None:
    """Else each is asked for only when the one that imports it is there: five round trips."""
    [entry] = [file for file in linked(PAGE) if file.suffix == ".js"]
    assert preloaded(PAGE) == [file for file in imported(entry) if file != entry]
