"""The WebDAV example copies and moves as RFC 4918 has it: what is there then, and the statuses."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.examples.test_copy import assert_identical
from tests.support.process import Process
from tests.support.server import ROOT, Server
from tests.support.webdav import APP, OPTIONS, WISH, dav, few, operations, sharing
from tests.support.wire import Connection, request


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is served."""
    return tmp_path_factory.mktemp("share")


@pytest.fixture(scope="module")
def server(share: Path) -> Iterator[Process]:
    with sharing(share) as process:
        yield process


def test_what_is_there_is_overwritten(server: Process, share: Path) -> None:
    """With nothing left of it, although names are files there and folders here."""
    source, target = few(share / "new"), few(share / "old", 5)
    (source / "turned").write_text("file")
    (target / "turned").mkdir()
    (target / "turned/inner").touch()
    (source / "about").mkdir()
    (source / "about/inner").touch()
    (target / "about").write_text("file")
    for path in ("new/", "new"):
        answer, _ = dav(server, "COPY", path, "/dav/old")
        assert (answer.status, answer.content) == (204, b"")
        assert "location" not in answer.headers
        assert_identical(source, target)
    assert operations(server)[0]["result"] is None


def test_a_folder_is_moved(server: Process, share: Path) -> None:
    """Over another one, and back to where nothing is now."""
    few(share / "from", 4)
    few(share / "to")
    answer, _ = dav(server, "MOVE", "from/", "/dav/to/")
    assert (answer.status, "location" in answer.headers) == (204, False)
    answer, _ = dav(server, "MOVE", "to/", "http://localhost/dav/from/")
    assert (answer.status, answer.headers["location"]) == (201, "/dav/from/")
    assert len([*(share / "from/inner").iterdir()]) == 4
    assert not (share / "to").exists()
    newest = operations(server)[0]
    assert (newest["kind"], newest["state"]) == ("move", "succeeded")
    assert newest["progress"]["completed"] == newest["progress"]["total"] == 4


def test_a_file_is_no_operation(server: Process, share: Path) -> None:
    before = len(operations(server))
    (share / "one").write_text("one")
    for method, status in [("COPY", 201), ("COPY", 204), ("MOVE", 204)]:
        answer, _ = dav(server, method, "one", "/dav/sch%C3%B6n")
        assert answer.status == status
        assert answer.headers.get("location") == ("/dav/sch%C3%B6n" if status == 201 else None)
    assert (share / "schön").read_text() == "one"
    assert not (share / "one").exists()
    assert len(operations(server)) == before


def test_depth_0_copies_the_folder_alone(server: Process, share: Path) -> None:
    few(share / "deep")
    few(share / "shallow")
    answer, _ = dav(server, "COPY", "deep/", "/dav/shallow/", {"Depth": "0"})
    assert answer.status == 204
    assert [*(share / "shallow").iterdir()] == []


@pytest.mark.parametrize(
    ("method", "destination", "headers", "status"),
    [
        ("COPY", "/dav/here/", {}, 403),
        ("MOVE", "/dav/here", {}, 403),
        ("COPY", "/dav/here/inner/below/", {}, 403),
        ("MOVE", "/dav/here/inner/below/", {}, 403),
        ("COPY", "/dav/nowhere/there/", {}, 409),
        ("MOVE", "/dav/nowhere/there/", {}, 409),
        ("COPY", "/dav/there/", {"Overwrite": "F"}, 412),
        ("MOVE", "/dav/there/", {"Overwrite": "F"}, 412),
        ("COPY", "http://example.com/dav/new/", {}, 502),
        ("MOVE", "https://localhost/dav/new/", {}, 502),
        ("COPY", "/elsewhere/new/", {}, 502),
        ("COPY", "/dav/../new/", {}, 502),
        ("COPY", "", {}, 400),
        ("COPY", "/dav/new/", {"Overwrite": "maybe"}, 400),
        ("COPY", "/dav/new/", {"Depth": "1"}, 400),
        ("MOVE", "/dav/new/", {"Depth": "0"}, 400),
        ("COPY", "/dav/new/", {"Host": "rebound.example"}, 400),
    ],
)
def test_what_cannot_be(
    server: Process,
    share: Path,
    method: str,
    destination: str,
    headers: Mapping[str, str],
    status: int,
) -> None:
    """RFC 4918 §9.8.5 and §9.9.4. Nothing is copied, and no operation is started."""
    for name in ("here", "there"):
        if not (share / name).exists():
            few(share / name)
    before = len(operations(server)), sorted(share.rglob("*"))
    answer, interims = dav(server, method, "here/", destination, {**WISH, **headers})
    assert (answer.status, interims) == (status, [])
    assert "location" not in answer.headers
    assert (len(operations(server)), sorted(share.rglob("*"))) == before


def test_what_is_not_there_or_is_locked(server: Process, share: Path) -> None:
    assert dav(server, "COPY", "nothing/", "/dav/new/")[0].status == 404
    few(share / "unlocked")
    few(share / "locked")
    info = (
        b'<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>'
        b"<locktype><write/></locktype></lockinfo>"
    )
    lock = request("/dav/locked/", {"Timeout": "Second-60"}, method="LOCK", body=info)
    with Connection(server.port, lock) as connection:
        connection.read()
    assert connection.response.status == 200
    assert dav(server, "COPY", "unlocked/", "/dav/locked/")[0].status == 423
    assert dav(server, "MOVE", "locked/", "/dav/new/")[0].status == 423


def test_no_room(share: Path) -> None:
    """507 for what did not fit; for a folder the other files are there (RFC 4918 §9.8.5)."""
    few(share / "large")
    with open(share / "large/file", "wb") as file:
        file.truncate(1 << 20)
    with sharing(share) as server:
        limit = 1 << 19  # bytes of any file that it writes; as good as a full disk
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (limit, limit))
        assert dav(server, "COPY", "large/file", "/dav/squeezed")[0].status == 507
        answer, _ = dav(server, "COPY", "large/", "/dav/larger/")
        [operation] = operations(server)
    assert answer.status == 207
    assert answer.content.count(b"HTTP/1.1 507 ") == answer.content.count(b"<ns0:status>") == 1
    assert (share / "larger/inner/1").exists()
    assert (operation["state"], operation["progress"]["completed"]) == ("failed", 3)


def test_a_move_to_another_disk_is_counted(share: Path) -> None:
    """A file system of the server's own stands for the disk: elsewhere that folder is empty."""
    private = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*private, "mount", "-t", "tmpfs", "none", "/mnt"]).returncode:
        pytest.skip("this user may not mount")
    few(share / "moving", 9)
    (share / "disk").mkdir()
    mount = 'mount -t tmpfs none "$0" && exec "$@"'
    command = [*private, "sh", "-c", mount, str(share / "disk")]
    command += [sys.executable, "-m", "progress", "serve", APP, "--port", "0", *OPTIONS]
    given = {**os.environ, "PROGRESS_DEMO_ROOT": str(share)}
    with subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.PIPE, text=True) as popen:
        try:
            assert popen.stdout is not None
            server = Server(popen, popen.stdout.readline().removeprefix("listening on ").strip())
            answer, _ = dav(server, "MOVE", "moving/", "/dav/disk/moved/")
            assert (answer.status, answer.headers["location"]) == (201, "/dav/disk/moved/")
            assert dav(server, "GET", "disk/moved/inner/8")[0].content == b"moving 8"
            [operation] = operations(server)
        finally:
            popen.kill()
    assert operation["progress"]["completed"] == operation["progress"]["total"] == 9
    assert not (share / "moving").exists()
