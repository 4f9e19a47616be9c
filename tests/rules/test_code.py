"""Sizes, signatures, failures and privacy: the rules of style that a machine can see."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.rules.source import Checker, Finding, check_text, findings, report

FILE_LINES = 320
FUNCTION_LINES = 45

# Where a broad `except` may stand, and how often: an operation's failure becomes its error here.
BROAD_EXCEPTS = {
    "progress/runner/": 2,  # the function's errors, and our own with one operation
    "progress/delivery/webhooks/": 1,  # an attempt's, which is tried again
    "progress/web/sockets.py": 1,  # a call's, where over HTTP the server answers 500
}
BROAD = frozenset({"Exception", "BaseException"})

# Underscored, but public: namedtuples' own methods, and the exit that does not wait for threads.
PUBLIC_UNDERSCORED = frozenset({"_replace", "_asdict", "_fields", "_make", "_exit"})


def oversized(path: PurePosixPath, source: str) -> list[Finding]:
    """Find files and functions too long to be read at once."""
    found = []
    lines = len(source.splitlines())
    if lines > FILE_LINES:
        found.append(Finding(path, lines, f"file of {lines} lines, at most {FILE_LINES}"))
    for node in functions(ast.parse(source)):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES:
            text = f"{node.name} has {lines} lines, at most {FUNCTION_LINES}"
            found.append(Finding(path, node.lineno, text))
    return found


def asserts(path: PurePosixPath, source: str) -> list[Finding]:
    """Find assert statements, which `python -O` drops; `assert_never` is a call and fine."""
    return [
        Finding(path, node.lineno, "assert guards nothing: raise an error of errors.py")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assert)
    ]


def any_in_signatures(path: PurePosixPath, source: str) -> list[Finding]:
    """Find functions that take or return `Any`."""
    found = []
    for node in functions(ast.parse(source)):
        arguments = ast.walk(node.args)
        annotations = [a.annotation for a in arguments if isinstance(a, ast.arg)] + [node.returns]
        if any(annotation and names_any(annotation) for annotation in annotations):
            found.append(Finding(path, node.lineno, f"Any in the signature of {node.name}"))
    return found


def broad_excepts(path: PurePosixPath, source: str) -> list[Finding]:
    """Find handlers that catch everything, bare ones and `suppress(Exception)` included."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ExceptHandler(type=None):
                found.append(Finding(path, node.lineno, "bare except"))
            case ast.ExceptHandler(type=ast.expr() as caught) if named(caught) & BROAD:
                found.append(Finding(path, node.lineno, f"except {ast.unparse(caught)}"))
            case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress")) if any(
                named(argument) & BROAD for argument in node.args
            ):
                found.append(Finding(path, node.lineno, ast.unparse(node)))
            case _:
                pass
    return found


def foreign_privates(path: PurePosixPath, source: str) -> list[Finding]:
    """Find uses of `_x` on anything but `self`, `cls`, `super()` or the class being written."""
    found = []
    for node, owner in attributes(ast.parse(source), None):
        name = node.attr
        if not name.startswith("_") or name.startswith("__") or name in PUBLIC_UNDERSCORED:
            continue
        if ast.unparse(node.value) not in {"self", "cls", "super()", owner}:
            found.append(Finding(path, node.lineno, f"{ast.unparse(node)} is private"))
    for statement in ast.walk(ast.parse(source)):
        if isinstance(statement, ast.ImportFrom):
            found.extend(
                Finding(path, statement.lineno, f"imports {alias.name}, which is private")
                for alias in statement.names
                if alias.name.startswith("_") and not alias.name.startswith("__")
            )
    return found


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def named(expression: ast.expr) -> set[str]:
    """Return the last names in an expression: Exception for `(builtins.Exception, OSError)`."""
    nodes = list(ast.walk(expression))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def names_any(annotation: ast.expr) -> bool:
    return re.search(r"\bAny\b", ast.unparse(annotation)) is not None


def attributes(node: ast.AST, owner: str | None) -> Iterator[tuple[ast.Attribute, str | None]]:
    """Yield every attribute access with the name of the class it stands in."""
    if isinstance(node, ast.ClassDef):
        owner = node.name
    if isinstance(node, ast.Attribute):
        yield node, owner
    for child in ast.iter_child_nodes(node):
        yield from attributes(child, owner)


@pytest.mark.parametrize("checker", [oversized, asserts, any_in_signatures, foreign_privates])
def test_package(checker: Checker) -> None:
    found = findings(checker)
    assert not found, report(found)


def test_broad_excepts_stand_where_they_may() -> None:
    found = findings(broad_excepts)
    places = Counter(
        next((place for place in BROAD_EXCEPTS if str(finding.path).startswith(place)), "elsewhere")
        for finding in found
    )
    for place, count in places.items():
        assert count <= BROAD_EXCEPTS.get(place, 0), f"{place}:{report(found)}"


BODY = "\n    pass"


@pytest.mark.parametrize(
    ("checker", "source"),
    [
        (oversized, "\n" * (FILE_LINES + 1)),
        (oversized, "def f():" + BODY * FUNCTION_LINES),
        (oversized, "class A:\n  async def f():" + BODY * FUNCTION_LINES),
        (asserts, "def f(x):\n    assert x"),
        (any_in_signatures, "def f(x: Any): ..."),
        (any_in_signatures, "def f(*rest: dict[str, Any]): ..."),
        (any_in_signatures, "async def f() -> 'list[typing.Any] | None': ..."),
        (broad_excepts, "try: ...\nexcept: ..."),
        (broad_excepts, "try: ...\nexcept (OSError, Exception): ..."),
        (broad_excepts, "try: ...\nexcept* BaseException as e: ..."),
        (broad_excepts, "with contextlib.suppress(Exception): ..."),
        (foreign_privates, "def f(hub): return hub._streams"),
        (foreign_privates, "def f(hub): hub._streams = 1"),
        (foreign_privates, "class A:\n  def f(self): return self.other._x"),
        (foreign_privates, "class A:\n  def __eq__(self, other): return self._x == other._x"),
        (foreign_privates, "from progress.hub import _fan_out"),
    ],
)
def test_fault_is_found(checker: Checker, source: str) -> None:
    assert len(check_text(checker, "progress/hub.py", source)) == 1


@pytest.mark.parametrize(
    ("checker", "source"),
    [
        (oversized, "\n" * FILE_LINES),
        (oversized, "def f():" + BODY * (FUNCTION_LINES - 1)),
        (asserts, "assert_never(x)"),
        (any_in_signatures, "def f(x: object, y: 'Anything') -> None:\n    z: Any = x"),
        (any_in_signatures, "def f(x: Literal['any', 'Anything']): ..."),
        (broad_excepts, "try: ...\nexcept ExceptionGroup: ..."),
        (broad_excepts, "with suppress(OSError): ..."),
        (foreign_privates, "class A:\n  _n = 0\n  def f(self): self._x = A._n + super()._y"),
        (foreign_privates, "_x = 1\ndef _f(): return _x\n_f()"),
        (foreign_privates, "os._exit(0)\npair._replace(a=1)\ntype(x).__name__"),
    ],
)
def test_right_code_is_not(checker: Checker, source: str) -> None:
    assert check_text(checker, "progress/hub.py", source) == []
