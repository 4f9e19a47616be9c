"""Every public module says what it exports, and the face of the package only re-exports."""

import ast
import inspect
from pathlib import PurePosixPath

import pytest

import progress
from tests.rules.source import Checker, Finding, check_text, findings, report

FACE = PurePosixPath("progress/__init__.py")
FACE_NAMES = frozenset({"__all__", "__version__"})


def missing_exports(path: PurePosixPath, source: str) -> list[Finding]:
    """Find public modules without `__all__`, and names in it that the module does not have.

    `__main__.py`, modules named `_x.py`, and an `__init__.py` of a docstring alone need none.
    """
    body = ast.parse(source).body
    if path.name != "__init__.py" and path.name.startswith("_"):
        return []
    if path.name == "__init__.py" and all(is_docstring(statement) for statement in body):
        return []
    exported = declared_exports(body)
    if exported is None:
        return [Finding(path, 1, "no __all__, a literal list of names")]
    absent = sorted(set(exported) - top_level_names(body))
    return [Finding(path, 1, f"__all__ names {name}, which is not there") for name in absent]


def logic_in_face(path: PurePosixPath, source: str) -> list[Finding]:
    """Find in `progress/__init__.py` what is not an import, `__all__`, `__version__` or prose."""
    if path != FACE:
        return []
    return [
        Finding(path, statement.lineno, f"logic: {ast.unparse(statement).splitlines()[0]}")
        for statement in ast.parse(source).body
        if not isinstance(statement, ast.Import | ast.ImportFrom)
        and not is_docstring(statement)
        and not (isinstance(statement, ast.Assign) and assigned_names(statement) <= FACE_NAMES)
    ]


def is_docstring(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case _:
            return False


def assigned_names(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.Assign(targets=targets):
            return {node.id for t in targets for node in ast.walk(t) if isinstance(node, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case _:
            return set()


def declared_exports(body: list[ast.stmt]) -> list[str] | None:
    for statement in body:
        if isinstance(statement, ast.Assign) and assigned_names(statement) == {"__all__"}:
            try:
                return list(ast.literal_eval(statement.value))
            except ValueError:
                return None
    return None


def top_level_names(body: list[ast.stmt]) -> set[str]:
    """Return the names a module binds, also those below `if` and `try`."""
    names = set()
    for statement in body:
        names |= assigned_names(statement)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in statement.names}
        elif isinstance(statement, ast.If | ast.Try):
            nested = [n for n in ast.iter_child_nodes(statement) if isinstance(n, ast.stmt)]
            names |= top_level_names(nested)
    return names


def undocumented(exported: object) -> bool:
    """Tell whether a class or function lacks a docstring of its own; constants need none."""
    if inspect.isclass(exported):
        return not exported.__dict__.get("__doc__")
    return inspect.isroutine(exported) and not inspect.getdoc(exported)


@pytest.mark.parametrize("checker", [missing_exports, logic_in_face])
def test_package(checker: Checker) -> None:
    found = findings(checker)
    assert not found, report(found)


def test_face_is_importable_and_documented() -> None:
    assert len(set(progress.__all__)) == len(progress.__all__)
    exported = {name: getattr(progress, name) for name in progress.__all__}
    assert [name for name, value in exported.items() if undocumented(value)] == []


@pytest.mark.parametrize(
    ("checker", "path", "source"),
    [
        (missing_exports, "progress/hub.py", "x = 1"),
        (missing_exports, "progress/bus/__init__.py", "from progress.bus.memory import MemoryBus"),
        (missing_exports, "progress/hub.py", "__all__ = ['x', 'y']\nx = 1"),
        (missing_exports, "progress/hub.py", "__all__ = [name for name in dir()]"),
        (logic_in_face, "progress/__init__.py", "if True: import progress.hub"),
        (logic_in_face, "progress/__init__.py", "def track(): ..."),
        (logic_in_face, "progress/__init__.py", "__all__ = []\ncache = {}"),
    ],
)
def test_fault_is_found(checker: Checker, path: str, source: str) -> None:
    assert len(check_text(checker, path, source)) == 1


@pytest.mark.parametrize(
    ("checker", "path", "source"),
    [
        (missing_exports, "progress/hub.py", "import a\n__all__ = ['x', 'a']\nclass x: ..."),
        (missing_exports, "progress/__main__.py", "main()"),
        (missing_exports, "progress/core/__init__.py", '"""Pure."""'),
        (logic_in_face, "progress/__init__.py", "'''A.'''\nimport a\n__all__ = ['a']"),
        (logic_in_face, "progress/__init__.py", "__version__ = version('progress-server')"),
    ],
)
def test_right_code_is_not(checker: Checker, path: str, source: str) -> None:
    assert check_text(checker, path, source) == []


def test_missing_docstring_is_found() -> None:
    class Base:
        """Is documented."""

    class Derived(Base):
        pass

    def function() -> None:
        pass

    assert undocumented(Derived)
    assert undocumented(function)
    assert not undocumented(Base)
    assert not undocumented("0.1.0")
