"""The demo's import of CSV files: what counts, what is said of the rest, and what stays apart."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.examples.client import User, is_at_work, problem, states


class Case(NamedTuple):
    """A file, what becomes of it, and the warnings or the error that tell so."""

    content: bytes
    imported: int = 0
    rejected: int = 0
    warnings: tuple[str, ...] = ()
    error: str | None = None


CASES = {
    "plain.csv": Case(b"name,age\nada,36\nbob,41\n", 2),
    "no end of line.csv": Case(b"name,age\nada,36", 1),
    "windows.csv": Case(b"\xef\xbb\xbfname,age\r\nada,36\r\n", 1),
    "quoted.csv": Case(
        b'name,age\n"ada\nlovelace, ""the""",36\nbob,41,?\n', 1, 1, ("4: 3 fields",)
    ),
    "header only.csv": Case(b"name,age\n"),
    "empty lines.csv": Case(b"name,age\n\nada,36\n\n\nbob\n\n", 1, 1, ("6: 1 fields",)),
    "fields.csv": Case(b"a,b\n1\n1,2\n1,2,3\n", 1, 2, ("2: 1 fields", "4: 3 fields")),
    "quotes.csv": Case(b'a,b\n1,2\n"1"x,2\n3,4\n', 2, 1, ("3: ',' expected",)),
    "open quote.csv": Case(b'a,b\n1,2\n"3,4\n5,6\n', 1, 1, ("3: unexpected end",)),
    "huge field.csv": Case(b"a,b\n" + b"x" * 200_000 + b",1\n1,2\n", 1, 1, ("2: field larger",)),
    "odd.csv": Case("näme,\u202eage\n\0,\U0001f4a5\n".encode(), 1),
    "forged.csv": Case(
        b'a,b\n"\r\n\r\nevent: bye\r\ndata: {}\r\n\r\n"\n1,2\n', 1, 1, ("2: 1 fields",)
    ),
    "empty.csv": Case(b"", error="first line"),
    "no names.csv": Case(b",,,\n1,2,3,4\n", error="first line"),
    "twice.csv": Case(b"a,b,a\n1,2,3\n", error="first line"),
    "bad header.csv": Case(b'"a"x,b\n1,2\n', error="first line"),
    "latin-1.csv": Case(b"name,age\nada,36\nren\xe9,41\n", error="line 3 is not UTF-8"),
    "picture.csv": Case(b"\x89PNG\r\n\x1a\n\0\0", error="line 1 is not UTF-8"),
    "long line.csv": Case(b"a,b\n" + b"x" * (2 << 20), error="line 2 is longer"),
}
BAD = sorted(name for name, case in CASES.items() if case.error)


@pytest.fixture(scope="module", autouse=True)
def files(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """All files of the table, some that are none, and one outside."""
    for name, case in CASES.items():
        (root / name).write_bytes(case.content)
    outside = tmp_path_factory.mktemp("outside") / "out.csv"
    outside.write_text("a,b\n1,2\n")
    (root / "out.csv").symlink_to(outside)
    (root / "in.csv").symlink_to("plain.csv")
    (root / "folder.csv").mkdir()
    os.mkfifo(root / "fifo.csv")  # to open it would hang


@pytest.mark.parametrize("name", CASES)
def test_file(user: User, name: str) -> None:
    case = CASES[name]
    id = user.start("import_csv", paths=["plain.csv", name] if case.error else [name])
    result = user.end(id)["result"]
    file = result["files"][-1]
    assert (file["path"], file["imported"], file["rejected"]) == (
        name,
        case.imported,
        case.rejected,
    )
    assert (case.error or "") in (file["error"] or "")
    assert bool(file["error"]) == bool(case.error)
    warnings = [message for level, message in user.logs(id) if level == "warning"]
    assert len(warnings) == len(case.warnings)
    for warning, expected in zip(warnings, case.warnings, strict=True):
        assert warning.startswith(f"{name}:{expected}")


def test_all_together(user: User) -> None:
    absent = ["missing.csv", "folder.csv", "fifo.csv"]
    paths = [name for pair in zip(CASES, [*absent, *CASES], strict=False) for name in pair]
    paths = list(dict.fromkeys([*paths, *CASES, "in.csv"]))
    id = user.start("import_csv", paths=[*paths, "plain.csv"])
    snapshot = user.end(id)

    result = snapshot["result"]
    assert [file["path"] for file in result["files"]] == paths, "each once, in order"
    assert result["imported"] == sum(case.imported for case in CASES.values()) + 2
    assert result["rejected"] == sum(case.rejected for case in CASES.values())
    assert sorted(failed(result)) == sorted([*absent, *BAD])
    steps = {step["id"]: step["state"] for step in snapshot["steps"]}
    assert steps == {path: "failed" if path in [*absent, *BAD] else "succeeded" for path in paths}
    errors = [message for level, message in user.logs(id) if level == "error"]
    assert sorted(message.partition(":")[0] for message in errors) == sorted([*absent, *BAD])


def failed(result: dict[str, Any]) -> list[str]:
    """The files with an error."""
    return [file["path"] for file in result["files"] if file["error"]]


@pytest.mark.parametrize(
    ("paths", "type"),
    [
        (["plain.csv", "/etc/passwd"], "outside-root"),
        (["plain.csv", "../plain.csv"], "outside-root"),
        (["plain.csv", "out.csv"], "outside-root"),
        (["missing.csv"], "missing"),
        (["folder.csv", "missing.csv"], "missing"),
        (["fifo.csv"], "missing"),
        ([""], "missing"),
        (["latin-1.csv"], "not-csv"),
    ],
)
def test_refused(user: User, paths: list[str], type: str) -> None:
    snapshot = user.run("import_csv", paths=paths)
    assert problem(snapshot) == type
    if type == "outside-root":
        assert snapshot["steps"] == [], "nothing was imported"


def test_leaves_no_file(user: User, root: Path) -> None:
    before = sorted(root.rglob("*"))
    assert user.run("import_csv", paths=["plain.csv"])["state"] == "succeeded"
    assert sorted(root.rglob("*")) == before


def test_larger_files_count_for_more(user: User, root: Path) -> None:
    rows = b"".join(b"%d,%d\n" % (n, n) for n in range(100_000))
    (root / "large.csv").write_bytes(b"a,b\n" + rows)
    snapshot = user.run("import_csv", paths=["plain.csv", "large.csv"])
    assert snapshot["result"]["imported"] == 100_002
    small, large = snapshot["steps"]
    assert large["completed"] == large["total"] == len(rows) + 4
    assert large["weight"] > 1000 * small["weight"]


def test_cancel_in_the_middle(user: User, root: Path) -> None:
    with open(root / "endless.csv", "wb") as file:
        file.write(b"a,b\n" + b"1,2\n" * 2_000_000)
    id = user.start("import_csv", paths=["endless.csv"])
    stream = user.watch(id)
    assert any(is_at_work(message, "endless.csv") for message in stream)
    user.cancel(id)
    assert states(list(stream)) == ["cancelling", "cancelled"]
