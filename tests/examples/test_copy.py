"""The demo's copy at work: identical trees, honest progress, and nothing left when it stops."""

import filecmp
import os
import random
import resource
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.demo import app
from progress.core.event import ProgressEvent, StepProgress
from progress.core.frames import Bye, Message, SnapshotNotice
from tests.examples.client import User, ended, is_at_work, problem, states
from tests.support.process import Process, progress_serve
from tests.support.server import serving

FILES = 520
BYTES = 210_000_000
NOBODY = 65534
HUGE = 4 << 30
"""Of a sparse file, whose copy takes as long as anybody could wish."""


@pytest.fixture(scope="module", autouse=True)
def huge(root: Path) -> None:
    """A folder whose copy is still at work when it is told to stop."""
    (root / "huge/inner").mkdir(parents=True)
    (root / "huge/first").write_text("first")
    with open(root / "huge/inner/second", "wb") as file:
        file.truncate(HUGE)


def make_tree(top: Path) -> None:
    """Write 520 files of 0 bytes to some 100 MB, no two alike."""
    source = random.Random(1)
    block = source.randbytes(1 << 20)
    sizes = [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1]
    sizes += [source.randrange(100, 400_000) for _ in range(FILES - 1 - len(sizes))]
    sizes.append(BYTES - sum(sizes))
    assert sizes[-1] > 0
    for number, size in enumerate(sizes):
        folder = top / f"folder {number % 7}" / f"{number % 5}"
        folder.mkdir(parents=True, exist_ok=True)
        head = f"{number}\n".encode()[:size]
        content = head + block * (size // len(block) + 1)
        (folder / f"file {number}").write_bytes(content[:size])


def assert_identical(one: Path, other: Path) -> None:
    """Compare two trees byte by byte."""
    paths = sorted(path.relative_to(one) for path in one.rglob("*"))
    assert paths == sorted(path.relative_to(other) for path in other.rglob("*"))
    files = [str(path) for path in paths if (one / path).is_file()]
    _, mismatch, errors = filecmp.cmpfiles(one, other, files, shallow=False)
    assert (mismatch, errors) == ([], [])


def steps(messages: list[Message], id: str) -> list[StepProgress]:
    """All that was said of one step."""
    found = [message.step for message in messages if isinstance(message, ProgressEvent)]
    return [step for step in found if step is not None and step.id == id]


@pytest.mark.slow("writes, copies and compares 210 MB of real data")
def test_tree_is_identical_and_progress_rises(root: Path) -> None:
    make_tree(root / "tree")
    # A fast disk is done in 0.3 s: too soon to see much at the usual pace of ten a second.
    environment = {"PROGRESS_DEMO_ROOT": str(root), "PROGRESS_TIMING_REPORT": "0.01"}
    with (
        serving("examples.demo:app", environment=environment) as server,
        User(server.url) as user,
    ):
        id = user.start("copy", source="tree", destination="copy of the tree")
        messages = list(user.watch(id))  # up to the stream's own end
        snapshot = user.get(id)

    assert_identical(root / "tree", root / "copy of the tree")
    assert snapshot["result"] == {"files": FILES, "bytes": BYTES}
    assert [step["completed"] for step in snapshot["steps"]] == [FILES, BYTES]
    assert isinstance(messages[0], SnapshotNotice)
    assert states(messages)[-1] == "succeeded"
    assert messages[-1] == Bye(reason="complete", reconnect=False)

    copied = [step.completed for step in steps(messages, "copy")]
    assert copied == sorted(copied)
    assert len(set(copied) - {0, BYTES}) >= 2, "it is seen on its way"
    assert copied[-1] == BYTES
    fractions = [m.progress.fraction for m in messages if isinstance(m, ProgressEvent)]
    known = [fraction for fraction in fractions if fraction is not None]
    assert known == sorted(known)
    assert known[-1] == 1
    named = {step.message for step in steps(messages, "copy")} - {None}
    assert all((root / "tree" / str(name)).is_file() for name in named)


@contextmanager
def at_work(user: User, destination: str) -> Iterator[tuple[str, Iterator[Message]]]:
    """Start to copy the huge folder; hand over once some of it is there."""
    id = user.start("copy", source="huge", destination=destination)
    stream = user.watch(id)
    try:
        assert any(is_at_work(message, "copy") for message in stream)
        yield id, stream
    finally:
        list(stream)


@pytest.fixture
def demo(root: Path) -> Iterator[Process]:
    """A server of its own, for tests that do something to it or read what it has logged."""
    environment = {"PROGRESS_DEMO_ROOT": str(root)}
    with progress_serve("examples.demo:app", environment=environment) as process:
        yield process


@pytest.fixture
def user_of_demo(demo: Process) -> Iterator[User]:
    """Somebody who uses that one."""
    with User(f"http://127.0.0.1:{demo.port}") as user:
        yield user


def test_cancel_removes_what_was_copied(demo: Process, user_of_demo: User, root: Path) -> None:
    with at_work(user_of_demo, "cancelled") as (id, stream):
        assert (root / "cancelled/first").read_text() == "first"
        user_of_demo.cancel(id)
        rest = list(stream)
    assert states(rest) == ["cancelling", "cancelled"]
    snapshot = user_of_demo.get(id)
    assert [step["state"] for step in snapshot["steps"]] == ["succeeded", "cancelled"]
    assert not (root / "cancelled").exists()
    assert (root / "huge/first").exists()
    assert "Traceback" not in demo.stderr


def test_second_copy_to_the_same_place_leaves_the_first_alone(user: User, root: Path) -> None:
    with at_work(user, "wanted") as (id, _):
        assert problem(user.run("copy", source="huge/inner", destination="wanted")) == "exists"
        assert (root / "wanted/first").read_text() == "first"
        user.cancel(id)


def test_file_that_grows_meanwhile_is_counted_as_it_is(user: User, root: Path) -> None:
    (root / "growing").mkdir()
    with open(root / "growing/first", "wb") as file:
        file.truncate(512 << 20)  # takes long enough to be seen at work
    (root / "growing/second").write_text("short")
    id = user.start("copy", source="growing", destination="grown")
    stream = user.watch(id)
    assert any(is_at_work(message, "copy") for message in stream)
    (root / "growing/second").write_text("longer than before")
    assert states(list(stream)) == ["succeeded"]
    assert (root / "grown/second").read_text() == "longer than before"
    size = (512 << 20) + len("longer than before")
    snapshot = user.get(id)
    assert snapshot["result"] == {"files": 2, "bytes": size}
    assert snapshot["steps"][1]["total"] == size


def test_failure_removes_what_was_copied(demo: Process, user_of_demo: User, root: Path) -> None:
    limit = 3 << 20  # bytes of any file that it writes; as good as a full disk
    resource.prlimit(demo.pid, resource.RLIMIT_FSIZE, (limit, limit))
    snapshot = user_of_demo.run("copy", source="huge", destination="too large")
    assert problem(snapshot) == "file-error"
    assert snapshot["steps"][1]["completed"] >= limit
    assert str(root) not in snapshot["error"]["detail"]
    assert not (root / "too large").exists()


def test_stop_of_the_server_removes_what_was_copied(
    demo: Process, user_of_demo: User, root: Path
) -> None:
    with at_work(user_of_demo, "stopped") as (_, stream):
        demo.send(signal.SIGTERM)
        assert states(list(stream)) == ["cancelling", "failed"]
    assert demo.wait(8)[0] == 0
    assert not (root / "stopped").exists()
    assert "Traceback" not in demo.stderr


@pytest.fixture
def unprivileged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be nobody if this is root, whom no permission stops; make a root of the demo to write to."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own are private
        monkeypatch.setenv("PROGRESS_DEMO_ROOT", name)
        was = os.geteuid()
        if was == 0:
            os.chown(name, NOBODY, -1)
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            os.seteuid(was)


@pytest.mark.parametrize("path", ["source/a", "source/a/file", "."])
async def test_what_may_not_be_read_or_written_fails_the_copy(
    unprivileged: Path, path: str
) -> None:
    (unprivileged / "source/a").mkdir(parents=True)
    (unprivileged / "source/a/file").touch()
    (unprivileged / path).chmod(0o500 if path == "." else 0)
    async with app.lifespan():
        id = app.start("copy", source="source", destination="new").id
        snapshot = await ended(app, id)
    (unprivileged / path).chmod(0o700)
    assert snapshot.error is not None
    assert snapshot.error.type == "urn:progress:problem:file-error"
    assert "Permission denied" in snapshot.error.detail
    assert not (unprivileged / "new").exists()
