"""`progress report`: what it sends, what it says, and how it exits."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any

import pytest
from click.testing import CliRunner, Result

from progress.cli import main
from tests.examples.client import User
from tests.reporting.puppet import Answer, Puppet, problem
from tests.support.process import eventually, free_port


def report(*arguments: str, input: bytes | None = None) -> Result:
    """Run it."""
    return CliRunner().invoke(main, ["report", *arguments], input=input)


def told(server: Puppet, *arguments: str) -> list[dict[str, Any]]:
    """What it has sent."""
    result = report(f"{server.url}/operations/given", *arguments)
    assert (result.exit_code, result.output) == (0, "")
    (lines,) = server.posts
    return lines


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ("", []),
        (
            "--completed 3 --total 12.5 --unit files --message users",
            [
                {
                    "type": "progress",
                    "completed": 3,
                    "total": 12.5,
                    "unit": "files",
                    "message": "users",
                }
            ],
        ),
        ("--step dump", [{"type": "step", "id": "dump"}]),
        (
            "--step dump --completed 3",
            [{"type": "step", "id": "dump"}, {"type": "progress", "step": "dump", "completed": 3}],
        ),
        (
            "--step dump --state pending --parent all --label Dump --weight 9",
            [
                {
                    "type": "step",
                    "id": "dump",
                    "state": "pending",
                    "parent": "all",
                    "label": "Dump",
                    "weight": 9,
                }
            ],
        ),
        (
            "--step dump --state running --total 3",
            [{"type": "step", "id": "dump"}, {"type": "progress", "step": "dump", "total": 3}],
        ),
        (
            "--step dump --completed 3 --log done --state succeeded",
            [
                {"type": "step", "id": "dump"},
                {"type": "progress", "step": "dump", "completed": 3},
                {"type": "log", "message": "done", "step": "dump"},
                {"type": "step", "id": "dump", "state": "succeeded"},
            ],
        ),
        (
            "--log careful --level warning",
            [{"type": "log", "message": "careful", "level": "warning"}],
        ),
        ("--output [1,2]", [{"type": "output", "data": [1, 2]}]),
        ("--output hello", [{"type": "output", "data": "hello"}]),
        ("--succeeded", [{"type": "succeeded", "result": None}]),
        ('--succeeded {"a":1}', [{"type": "succeeded", "result": {"a": 1}}]),
        ("--succeeded NaN", [{"type": "succeeded", "result": "NaN"}]),
        ("--failed disk", [{"type": "failed", "error": "disk"}]),
        ("--cancelled", [{"type": "cancelled"}]),
        (
            "--completed 3 --succeeded",
            [{"type": "progress", "completed": 3}, {"type": "succeeded", "result": None}],
        ),
    ],
)
def test_options_are_lines(server: Puppet, options: str, lines: list[dict[str, Any]]) -> None:
    assert told(server, *options.split()) == lines


@pytest.mark.parametrize(
    "arguments",
    [
        "not-a-url --completed 1",
        "http://localhost/operations/x --start label",
        "http://localhost --completed 1",
        "http://localhost/operations/x --state running",
        "http://localhost/operations/x --label Dump",
        "http://localhost/operations/x --completed nan",
        "http://localhost/operations/x --completed -1",
        "http://localhost/operations/x --completed 1e300",
        "http://localhost/operations/x --step a --weight nan",
        "http://localhost/operations/x --step a --weight 0",
        "http://localhost --start label --lease nan",
        "http://localhost --start label --lease 0.5",
        "http://localhost --start label --tag owner",
        "http://localhost --start label --token ä",
        "http://localhost/operations/x file",
        "http://localhost/operations/x --succeeded --failed why",
        "http://localhost/operations/x --step a --succeeded",
        "http://localhost/operations/x --step a --failed why",
        "http://localhost/operations/x --tag owner=ada",
        "http://localhost/operations/x --lease 5",
    ],
)
def test_what_it_cannot_be_asked(arguments: str) -> None:
    result = report(*arguments.split())
    assert result.exit_code == 2
    assert result.output.startswith("Usage: ")
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_starting_one(user: User) -> None:
    server = str(user._http.base_url).rstrip("/")
    result = report(
        server, "--start", "backup", "--lease", "30", "--tag", "owner=ada", "--total", "3"
    )
    assert result.exit_code == 0
    url = result.output.strip()
    assert report(url, "--completed", "2").exit_code == 0
    id = url.rpartition("/")[2]
    eventually(lambda: user.get(id)["progress"]["completed"] == 2)
    shown = user.get(id)
    assert url == f"{server}/operations/{shown['id']}"
    assert (shown["params"], shown["labels"]) == (
        {"label": "backup", "lease": 30},
        {"owner": "ada"},
    )
    assert shown["progress"]["total"] == 3
    user.cancel(shown["id"])
    asked = report(url)
    assert (asked.exit_code, asked.output) == (3, f"{url}: it is asked to stop\n")
    assert report(url, "--cancelled").exit_code == 0
    assert user.get(shown["id"])["state"] == "cancelled"
    late = report(url, "--completed", "3")
    assert late.exit_code == 1
    assert late.output.startswith(f"{url}: not taken: HTTP 409 ")


def test_starting_one_reports_nothing_else(server: Puppet) -> None:
    result = report(server.url, "--start", "backup", "--token", "secret")
    assert (result.exit_code, result.output) == (0, f"{server.url}/operations/operation-1\n")
    assert server.posts == []
    assert server.tokens == {"Bearer secret"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (problem(401, "unauthorized"), "HTTP 401 unauthorized"),
        (problem(404, "not-found"), "HTTP 404 not-found"),
        (Answer(502, "<h1>Bad gateway</h1>"), "HTTP 502"),
        (
            problem(422, "invalid-params", line=2, taken=1),
            "HTTP 422 invalid-params (line 2; those before it stand)",
        ),
    ],
)
def test_what_is_not_taken(server: Puppet, answer: Answer, said: str) -> None:
    server.to_reports.append(answer)
    url = f"{server.url}/operations/given"
    result = report(url, "--completed", "1")
    assert (result.exit_code, result.output) == (1, f"{url}: not taken: {said}\n")


def test_nobody_is_there() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = report(url, "--start", "backup")
    assert result.exit_code == 1
    assert result.output.startswith(f"{url}: not taken: ConnectError")


def test_text_that_is_none(server: Puppet) -> None:
    """An argument may be any bytes, a file name, say."""
    assert told(server, "--message", "caf\udce9") == [{"type": "progress", "message": "caf\ufffd"}]


def test_lines_of_standard_input_are_sent_at_once(user: User) -> None:
    """After what the options say; those before a bad one stand."""
    url = f"{str(user._http.base_url).rstrip('/')}/operations/{user.start('external', label='x')}"
    id = url.rpartition("/")[2]
    command = [sys.executable, "-m", "progress", "report", url, "-", "--total", "3"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        for n in (1, 2):
            process.stdin.write(f'{{"type": "progress", "completed": {n}}}\n')
            process.stdin.flush()
            eventually(partial(is_at, user, id, n))
        assert user.get(id)["progress"]["total"] == 3
        said = process.communicate('{"type": "dance"}\n', timeout=8)[1]
    assert process.returncode == 1
    assert f"{url}: not taken: HTTP 422" in said
    assert '(line 4: {"type": "dance"})' in said
    assert user.get(id)["progress"]["completed"] == 2


def is_at(user: User, id: str, completed: int) -> bool:
    return bool(user.get(id)["progress"]["completed"] == completed)
