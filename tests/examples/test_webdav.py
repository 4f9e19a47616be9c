"""The WebDAV example: who copies a folder, and everybody else, sees how far that is."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from progress.core.event import ProgressEvent, State, StateEvent
from progress.core.frames import Message
from tests.examples.test_copy import assert_identical
from tests.support.process import Process, eventually
from tests.support.view import View
from tests.support.webdav import WISH, dav, many, sent, sharing
from tests.support.wire import Connection, ask, post, request, snapshot

FILES = 300
PAUSE = 0.01
"""Seconds after each: a copy of them all takes three."""


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that is served, with a large and a small one."""
    folder = tmp_path_factory.mktemp("share")
    many(folder / "photos", FILES)
    many(folder / "some", FILES // 2)
    yield folder
    shutil.rmtree(folder)  # pytest would keep it


@pytest.fixture(scope="module")
def server(share: Path) -> Iterator[Process]:
    with sharing(share, PAUSE) as process:
        yield process


def done(fields: Mapping[str, str]) -> int:
    """The first number of a `Progress` field."""
    return int(fields["progress"].partition("/")[0])


def begun(connection: Connection) -> str:
    """Read up to the first interim; return the operation's place."""
    while not connection.response.interims:
        connection.response.feed(connection.socket.recv(65_536))
    return connection.response.interims[0][1]["location"]


def test_a_folder_is_copied_and_all_can_see_it(server: Process, share: Path) -> None:
    with Connection(server.port, request("/events")).opened() as stream:
        answer, interims = dav(server, "COPY", "photos/", "/dav/a%20copy/", WISH)
        view = View()
        seen: list[Message] = []
        while not any(isinstance(m, StateEvent) and m.state is State.SUCCEEDED for m in seen):
            seen += view.feed(next(stream.body()))
    assert answer.status == 201
    assert answer.headers["location"] == "/dav/a%20copy/"
    assert answer.headers["preference-applied"] == "processing"
    assert done(answer.headers) == FILES
    assert_identical(share / "photos", share / "a copy")

    first, *others = interims
    assert len(others) >= 1
    assert not any("location" in fields for fields in others)
    numbers = [done(fields) for fields in interims]
    assert numbers == sorted({*numbers})
    assert 0 < numbers[0] < FILES
    operation = snapshot(server.port, first["location"].removeprefix("/operations/"))
    assert (operation["kind"], operation["state"]) == ("copy", "succeeded")
    assert operation["params"] == {"source": "/dav/photos/", "destination": "/dav/a%20copy/"}
    assert operation["result"]["created"] == answer.headers["location"]

    copied = [m.progress.completed or 0 for m in seen if isinstance(m, ProgressEvent)]
    assert len({*copied}) > 10
    assert copied == sorted(copied)
    assert copied[-1] == FILES


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_with_curl(server: Process, share: Path, version: str) -> None:
    """What the example says at its top; HTTP/1.0 knows no interims (RFC 9110 §15.2)."""
    name = f"by-curl-{version}"
    headers = ["-H", f"destination: /dav/{name}/", "-H", f"prefer: {WISH['Prefer']}"]
    url = f"http://localhost:{server.port}/dav/some/"
    command = ["curl", "-sv", f"--http{version}", "-X", "COPY", url, *headers]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in result.stderr.splitlines() if line.startswith("< HTTP/")]
    *interims, last = [line.split(" ", 2)[2] for line in lines]
    assert {*interims} == ({"102 Processing"} if version == "1.1" else set())
    assert last == "201 Created"
    assert f"< location: /dav/{name}/" in result.stderr
    assert_identical(share / "some", share / name)


@pytest.mark.parametrize(
    ("agent", "is_sent_some"),
    [("cadaver/0.24 neon/0.32.5", True), ("litmus/0.13", True), ("Cyberduck/9", False)],
)
def test_who_is_known_need_not_ask(server: Process, agent: str, is_sent_some: bool) -> None:
    answer, interims = dav(server, "COPY", "some/", "/dav/known/", {"User-Agent": agent})
    assert answer.status in (201, 204)
    assert bool(interims) == is_sent_some


def test_who_leaves_does_not_stop_it(server: Process, share: Path) -> None:
    with Connection(server.port, sent("COPY", "some/", "/dav/left/", WISH)) as connection:
        place = begun(connection)
    eventually(lambda: ask(server.port, place).json["state"] == "succeeded")
    assert_identical(share / "some", share / "left")


def test_cancelled(server: Process, share: Path) -> None:
    with Connection(server.port, sent("COPY", "photos/", "/dav/part/", WISH)) as connection:
        place = begun(connection)
        assert ask(server.port, f"{place}/cancel", method="POST").status == 202
        connection.read()
    assert connection.response.status == 503
    assert ask(server.port, place).json["state"] == "cancelled"
    assert 0 < len([*(share / "part").rglob("*.jpg")]) < FILES


def test_cancelled_before_its_turn(share: Path) -> None:
    with sharing(share, PAUSE, "--set", "limits.running=1") as server:
        first = Connection(server.port, sent("COPY", "photos/", "/dav/first/", WISH))
        second = Connection(server.port, sent("COPY", "photos/", "/dav/second/", WISH))
        with first, second:
            begun(first)
            begun(second)
            [queued] = ask(server.port, "/operations?state=queued").json["operations"]
            assert ask(server.port, queued["links"]["cancel"], method="POST").status == 202
            cancelled = second if queued["params"]["destination"] == "/dav/second/" else first
            cancelled.read()
    assert cancelled.response.status == 503


def test_a_server_that_stops_answers(share: Path) -> None:
    with sharing(share, PAUSE) as server:
        with Connection(server.port, sent("COPY", "photos/", "/dav/end/", WISH)) as connection:
            begun(connection)
            server.send(signal.SIGTERM)
            connection.read()
            assert connection.response.status == 503
        assert server.wait(8)[0] == 0


def test_nobody_starts_one_by_itself(server: Process) -> None:
    answer = post(server.port, "copy", source="/dav/a/", destination="/dav/b/")
    assert answer.status == 202
    eventually(lambda: snapshot(server.port, answer.json["id"])["state"] == "failed")
    error = snapshot(server.port, answer.json["id"])["error"]
    assert error["type"] == "urn:progress:problem:not-by-itself"
