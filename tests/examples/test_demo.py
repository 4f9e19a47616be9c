"""The demo's query and count, and what its operations share."""

import os
import time
from pathlib import Path

import anyio
import pytest

from examples import demo
from examples.rooted import open_file
from progress import Failure
from progress.core.event import ProgressEvent
from tests.examples.client import User, ended, is_at_work, problem, states

REACTION = 0.5
"""Seconds from a cancel to its end, on a busy machine; the whole query takes some 40."""


@pytest.mark.parametrize("rows", [1, 999, 1000, 1001, 20_000])
def test_query_reads_every_row(user: User, rows: int) -> None:
    snapshot = user.run("query", rows=rows)
    assert snapshot["result"] == {"rows": rows}
    assert [(step["id"], step["completed"]) for step in snapshot["steps"]] == [
        ("build", rows),
        ("query", rows),
    ]
    assert snapshot["progress"]["fraction"] == 1


def test_query_tells_how_far_it_is(user: User) -> None:
    id = user.start("query", rows=60_000)
    progress = [message for message in user.watch(id) if isinstance(message, ProgressEvent)]
    rows = [m.step.completed for m in progress if m.step and m.step.id == "query"]
    assert rows == sorted(rows)
    assert len(set(rows) - {0, 60_000}) >= 3
    fractions = [m.progress.fraction for m in progress if m.progress.fraction is not None]
    assert fractions == sorted(fractions)


@pytest.mark.parametrize("step", ["build", "query"])
def test_cancel_ends_a_query_at_once(user: User, step: str) -> None:
    id = user.start("query", rows=2_000_000)
    stream = user.watch(id)
    assert any(is_at_work(message, step) for message in stream)
    began = time.monotonic()
    user.cancel(id)
    assert states(list(stream)) == ["cancelling", "cancelled"]
    assert time.monotonic() - began < REACTION


def test_queries_leave_no_file(user: User, root: Path) -> None:
    before = sorted(root.rglob("*"))
    assert user.run("query", rows=1)["state"] == "succeeded"
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize(
    ("kind", "params", "pointer"),
    [
        ("query", {"rows": 0}, "#/params/rows"),
        ("query", {"rows": -1}, "#/params/rows"),
        ("query", {"rows": 10**30}, "#/params/rows"),
        ("query", {"rows": "many"}, "#/params/rows"),
        ("query", {"rows": None}, "#/params/rows"),
        ("query", {"row": 1}, "#/params"),
        ("count", {"to": -1}, "#/params/to"),
        ("count", {"interval": -0.1}, "#/params/interval"),
        ("count", {"interval": 1e9}, "#/params/interval"),
        ("count", {"fail_at": "never"}, "#/params/fail_at"),
        ("import_csv", {}, "#/params"),
        ("import_csv", {"paths": []}, "#/params/paths"),
        ("import_csv", {"paths": "a.csv"}, "#/params/paths"),
        ("import_csv", {"paths": ["a.csv", "\0"]}, "#/params/paths/1"),
        ("import_csv", {"paths": ["a.csv"] * 501}, "#/params/paths"),
    ],
)
def test_bad_parameters(user: User, kind: str, params: dict[str, object], pointer: str) -> None:
    response = user.post(kind, params)
    assert response.status_code == 422
    assert response.json()["type"] == "urn:progress:problem:invalid-params"
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_count(user: User) -> None:
    id = user.start("count", to=3, interval=0)
    assert user.end(id)["result"] == {"counted": 3}
    assert user.logs(id) == [("info", f"counted {n}") for n in (1, 2, 3)]


def test_count_to_nothing(user: User) -> None:
    assert user.run("count", to=0)["result"] == {"counted": 0}


def test_count_that_fails(user: User) -> None:
    id = user.start("count", to=5, interval=0, fail_at=3)
    snapshot = user.end(id)
    assert problem(snapshot) == "exception"
    assert snapshot["progress"]["completed"] == 2
    assert [message for _, message in user.logs(id)] == ["counted 1", "counted 2"]


def test_counts_slowly_unless_told_otherwise(user: User) -> None:
    id = user.start("count")
    assert user.get(id)["params"] == {"to": 10, "interval": 0.5, "fail_at": None}
    user.cancel(id)
    assert user.end(id)["state"] == "cancelled"


async def test_result_of_what_ended_at_once_is_kept() -> None:
    app = demo.app
    async with app.lifespan():
        id = app.start("count", to=0).id
        assert (await ended(app, id)).state == "succeeded"
        app.bus.expire(anyio.current_time())  # as happens once a second
        assert app.snapshot(id).state == "succeeded"


def test_open_file_neither_waits_nor_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROGRESS_DEMO_ROOT", str(tmp_path))
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(Failure, match="not a file"):
        open_file(tmp_path / "fifo")
    with pytest.raises(OSError, match="link"):
        open_file(tmp_path / "link")
    with pytest.raises(IsADirectoryError):
        open_file(tmp_path)
