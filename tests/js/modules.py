"""What a browser loads: the files that a page or a module refers to, and what they weigh."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["imported", "linked", "loaded", "preloaded", "weight"]

_COMMENT = re.compile(r"/\*\*.*?\*/", re.DOTALL)
"""It may import types."""

_IMPORT = re.compile(
    r"""^\s*(?:(?:import|export)\b[^"';]*\bfrom|import)\s*["'](\.[^"']+)["']""", re.MULTILINE
)

_LATER = re.compile(r"""\b(?:import|new\s+URL)\(\s*["'](\.[^"']+\.js)["']""")
"""`import("./x.js")`, and a worker: `new URL("./x.js", import.meta.url)`."""

_STYLE_IMPORT = re.compile(r"""@import\s+(?:url\()?["']([^"']+)["']""")

_LINK = re.compile(
    r"""<(?:script|link)\b(?![^>]*modulepreload)[^>]*?\b(?:src|href)=["'](?:\./)?(static/[^"']+)["']"""
)

_PRELOAD = re.compile(r"""<link rel="modulepreload" href="(static/[^"]+)">""")


def imported(*entries: Path, later: bool = False) -> list[Path]:
    """These modules and all that they import, and theirs; `later`: those they may load, too."""
    found: set[Path] = set()
    left = [entry.resolve() for entry in entries]
    while left:
        module = left.pop()
        if module not in found:
            found.add(module)
            left += _referred(module, later)
    return sorted(found)


def linked(page: Path) -> list[Path]:
    """The scripts, styles and icons that stand in a page, which is served above static/."""
    return [page.parents[1] / name for name in _LINK.findall(page.read_text("utf-8"))]


def preloaded(page: Path) -> list[Path]:
    """The modules that a page says it will need."""
    return [page.parents[1] / name for name in _PRELOAD.findall(page.read_text("utf-8"))]


def loaded(page: Path) -> list[Path]:
    """All that a page loads, itself included."""
    return [page.resolve(), *imported(*linked(page), later=True)]


def weight(files: Iterable[Path]) -> int:
    """Bytes on the wire, with each file compressed by itself as it is served."""
    return sum(len(gzip.compress(file.read_bytes(), 9, mtime=0)) for file in files)


def _referred(module: Path, later: bool) -> Iterator[Path]:
    text = _COMMENT.sub("", module.read_text("utf-8"))
    if module.suffix == ".css":
        names = _STYLE_IMPORT.findall(text)
    else:
        names = _IMPORT.findall(text) + (_LATER.findall(text) if later else [])
    for name in names:
        yield (module.parent / name).resolve()
