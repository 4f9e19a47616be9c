"""Which paths the demo's copy takes and which it refuses: with what type, and untouched."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.client import User, problem


@pytest.fixture(scope="module", autouse=True)
def tree(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the paths of the tables below lead to; return what lies outside of the root."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text("secret")
    for folder in ("folder/inner", "busy", "deep/er/source", "leak-file/a", "leak-folder"):
        (root / folder).mkdir(parents=True)
    (root / "folder/inner/file").write_text("content")
    (root / "busy/precious").write_text("precious")
    (root / "file").write_text("content")
    (root / "out").symlink_to(outside)
    (root / "dangling-out").symlink_to(outside / "new")
    (root / "dangling").symlink_to("nothing")
    (root / "loop").symlink_to("loop")
    (root / "in").symlink_to("folder")
    (root / "leak-file/a/link").symlink_to(outside / "secret")
    (root / "leak-folder/link").symlink_to(os.path.relpath(outside, root.resolve() / "leak-folder"))
    # Fine where it is; three levels further up it would lead out.
    (root / "deep/er/source/link").symlink_to("../../../file")
    yield outside
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (root / "busy/precious").read_text() == "precious"


REFUSED = {
    "absolute source": ("/etc", "new", "outside-root"),
    "absolute destination": ("folder", "/tmp/new", "outside-root"),
    "parent as source": ("..", "new", "outside-root"),
    "parent inside the source": ("folder/../folder", "new", "outside-root"),
    "parent as destination": ("folder", "../new", "outside-root"),
    "parent that stays inside": ("folder", "folder/../new", "outside-root"),
    "source is a link out": ("out", "new", "outside-root"),
    "source is behind a link out": ("out/folder", "new", "outside-root"),
    "destination is behind a link out": ("folder", "out/new", "outside-root"),
    "destination is a link to nothing out": ("folder", "dangling-out", "outside-root"),
    "link in the tree to a file out": ("leak-file", "new", "outside-root"),
    "link in the tree to a folder out": ("leak-folder", "new", "outside-root"),
    "link that would lead out of the copy": ("deep/er/source", "new", "outside-root"),
    "link out that would lead in from the copy": ("leak-folder", "deep/er/new", "outside-root"),
    "absolute source inside the root": ("{root}/folder", "new", "outside-root"),
    "absolute destination inside the root": ("folder", "{root}/new", "outside-root"),
    "no source": ("nothing", "new", "missing"),
    "source is a file": ("file", "new", "missing"),
    "source is a link in a circle": ("loop", "new", "missing"),
    "source is a link to nothing": ("dangling", "new", "missing"),
    "source is below a file": ("file/folder", "new", "missing"),
    "no folder for the destination": ("folder", "no/new", "missing"),
    "destination is below a file": ("folder", "file/new", "missing"),
    "destination is a folder": ("folder", "busy", "exists"),
    "destination is a file": ("folder", "file", "exists"),
    "destination is a link": ("folder", "in", "exists"),
    "destination is a link to nothing": ("folder", "dangling", "exists"),
    "destination is the source": ("folder", "folder", "exists"),
    "destination is the root": ("folder", ".", "exists"),
    "destination is empty": ("folder", "", "exists"),
    "destination inside the source": ("folder", "folder/inner/new", "inside-source"),
    "destination inside the source by a link": ("in", "folder/new", "inside-source"),
    "the root into itself": (".", "new", "inside-source"),
    "name that is too long": ("folder", "n" * 300, "file-error"),
    "odd source": ("\u202e\U0001f4a5\r\nevent: bye", "new", "missing"),
}


@pytest.mark.parametrize(("source", "destination", "type"), REFUSED.values(), ids=REFUSED)
def test_refused(user: User, root: Path, source: str, destination: str, type: str) -> None:
    before = sorted(root.rglob("*"))
    paths = {
        name: path.replace("{root}", str(root.resolve()))
        for name, path in {"source": source, "destination": destination}.items()
    }
    snapshot = user.run("copy", **paths)
    assert problem(snapshot) == type
    if "{root}" not in source + destination:
        assert str(root.resolve()) not in snapshot["error"]["detail"]
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("source", ["in", "folder", "./folder/", "folder//."])
def test_accepted(user: User, root: Path, source: str, request: pytest.FixtureRequest) -> None:
    name = f"copy {request.node.callspec.indices['source']}"
    snapshot = user.run("copy", source=source, destination=name)
    assert snapshot["result"] == {"files": 1, "bytes": 7}
    assert (root / name / "inner/file").read_text() == "content"
    assert not (root / name).is_symlink()


def test_bad_parameters_are_refused_before_anything_starts(user: User) -> None:
    for params in ({}, {"source": "a"}, {"source": "a\0", "destination": "b"}):
        assert user.post("copy", params).status_code == 422


def test_copies_an_empty_folder(user: User, root: Path) -> None:
    (root / "empty").mkdir()
    snapshot = user.run("copy", source="empty", destination="empty copy")
    assert snapshot["result"] == {"files": 0, "bytes": 0}
    assert snapshot["progress"]["fraction"] == 1
    assert list((root / "empty copy").iterdir()) == []


def test_keeps_links_times_and_permissions(user: User, root: Path) -> None:
    source = root / "kept"
    (source / "inner").mkdir(parents=True)
    (source / "script").write_text("#!")
    (source / "script").chmod(0o751)
    (source / "up").symlink_to("../file")
    (source / "inner/there").symlink_to("../script")
    (source / "inner/nothing").symlink_to("not there")
    (source / "absolute").symlink_to((root / "folder").resolve())
    (source / "inner").chmod(0o555)
    for path in ("script", "inner", ""):
        os.utime(source / path, ns=(1_000_000_000, 1_234_567_890_123_456_789))
    os.utime(source / "up", ns=(1_000_000_000, 2_000_000_000), follow_symlinks=False)

    snapshot = user.run("copy", source="kept", destination="kept copy")

    assert snapshot["result"] == {"files": 1, "bytes": 2}
    for path in ("", "script", "up", "inner", "inner/there", "inner/nothing", "absolute"):
        before, after = os.lstat(source / path), os.lstat(root / "kept copy" / path)
        assert stat.filemode(after.st_mode) == stat.filemode(before.st_mode)
        assert after.st_mtime_ns == before.st_mtime_ns, path
    for path in ("up", "inner/there", "inner/nothing", "absolute"):
        assert os.readlink(root / "kept copy" / path) == os.readlink(source / path)


def test_skips_what_is_no_file_and_says_so(user: User, root: Path) -> None:
    (root / "special").mkdir()
    os.mkfifo(root / "special/fifo")  # to open it would hang
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "special/socket"))  # absolute it may be too long
    (root / "special/file").write_text("x")
    id = user.start("copy", source="special", destination="special copy")
    assert user.end(id)["result"] == {"files": 1, "bytes": 1}
    warnings = [message for level, message in user.logs(id) if level == "warning"]
    assert [message.partition(":")[0] for message in warnings] == ["fifo", "socket"]
    assert [path.name for path in (root / "special copy").iterdir()] == ["file"]


def test_copies_names_that_are_no_text(user: User, root: Path) -> None:
    names = {os.fsdecode(b"\xff\xfe"), "\u202egnp.exe", "a\nevent: bye\ndata: {}", "é", "e\u0301"}
    (root / "odd").mkdir()
    for name in names:
        (root / "odd" / name).write_text(ascii(name))
    id = user.start("copy", source="odd", destination="odd copy")
    assert user.end(id)["state"] == "succeeded"
    assert list(user.watch(id))
    copied = {path.name: path.read_text() for path in (root / "odd copy").iterdir()}
    assert copied == {name: ascii(name) for name in names}
