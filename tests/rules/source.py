"""The source files that the rules read, and what a rule says about one of them."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "progress"


class Finding(NamedTuple):
    """One place that breaks a rule; `str()` is the line a failing test prints."""

    path: PurePosixPath
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


Checker = Callable[[PurePosixPath, str], list[Finding]]


def package_files() -> Iterator[tuple[PurePosixPath, str]]:
    """Yield each module of the package as its path in the repository and its source."""
    for file in sorted(PACKAGE.rglob("*.py")):
        yield PurePosixPath(file.relative_to(ROOT).as_posix()), file.read_text("utf-8")


def findings(checker: Checker) -> list[Finding]:
    """Run a checker over the whole package, which must not be empty."""
    files = list(package_files())
    assert files, f"no source under {PACKAGE}"
    return [finding for path, source in files for finding in checker(path, source)]


def report(found: list[Finding]) -> str:
    """Return the findings one a line, as the message of an assertion."""
    return "\n" + "\n".join(map(str, found))


def check_text(checker: Checker, path: str, source: str) -> list[str]:
    """Run a checker over an example and return what it says, without the places."""
    return [finding.text for finding in checker(PurePosixPath(path), source)]


def imported_names(path: PurePosixPath, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each import of a module as its line and its absolute dotted name.

    `from a import b` is `a.b`, whether b is a module or a name in one;
    `from . import b` is resolved against the path.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            package = path.parts[:-1][: len(path.parts) - node.level] if node.level else ()
            base = ".".join([*package, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"
