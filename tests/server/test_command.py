"""`progress serve` as a command: what it prints, what it refuses, what it sets."""

from __future__ import annotations

import re
import resource
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.process import eventually, free_port, progress_serve, running
from tests.support.server import ROOT
from tests.support.wire import Connection, ask, request, start

APP = "tests.support.inspect_app:app"


def progress(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "progress", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=8, check=False)


def test_version() -> None:
    done = progress("--version")
    assert (done.returncode, done.stdout) == (0, f"progress {version('progress-server')}\n")


def test_standard_output_has_the_ready_line_and_nothing_else() -> None:
    with progress_serve(APP) as server:
        assert ask(server.port, "/healthz").status == 200
        id = start(server.port, "fail")["id"]
        with Connection(server.port, request(f"/operations/{id}/events")) as connection:
            connection.read()
        server.send(signal.SIGTERM)
        assert server.wait(4)[0] == 0
        assert server.stdout == f"listening on http://127.0.0.1:{server.port}\n"
        assert '"GET /healthz HTTP/1.1" 200' in server.stderr


def test_ipv6() -> None:
    with running(["progress", "serve", APP, "--host", "::1", "--port", "0"]) as server:
        eventually(lambda: server.stdout.endswith("\n"))
        found = re.fullmatch(r"listening on http://\[::1\]:(\d+)\n", server.stdout)
        assert found
        with socket.create_connection(("::1", int(found[1]))) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\nHost: [::1]\r\n\r\n")
            assert connection.recv(1_024).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([], 2, "APP"),
        (["app"], 2, "module:attribute"),
        ([":app"], 2, "module:attribute"),
        (["tests.support.inspect_app:"], 2, "module:attribute"),
        (["nowhere.at_all:app"], 2, "there is no module 'nowhere.at_all'"),
        (["tests.support.nowhere:app"], 2, "there is no module 'tests.support.nowhere'"),
        (["tests.support.inspect_app:nothing"], 2, "has no 'nothing'"),
        (["tests.support.inspect_app:app.nothing"], 2, "has no 'app.nothing'"),
        (["tests.support.inspect_app:__name__"], 2, "is not an ASGI application"),
        (["..:app"], 2, "'..'"),
        ([APP, "--port", "65536"], 2, "65536"),
        ([APP, "--port", "x"], 2, "'x'"),
        ([APP, "--host", "0.0.0.0"], 2, "--open"),
        ([APP, "--host", "::"], 2, "--open"),
        ([APP, "--host", "example.org"], 2, "--open"),
        ([APP, "--host", "no.such.host.invalid", "--open"], 1, "no.such.host.invalid"),
        ([APP, "--set", "timing.grace"], 2, "GROUP.FIELD=VALUE"),
        ([APP, "--set", "timing.graze=1"], 1, "GRAZE"),
        ([APP, "--set", "nothing.grace=1"], 1, "NOTHING"),
        ([APP, "--set", "timing.grace=x"], 1, "PROGRESS_TIMING_GRACE='x'"),
        ([APP, "--set", "timing.grace=-1"], 1, "PROGRESS_TIMING_GRACE='-1'"),
        ([APP, "--set", "limits.sink="], 1, "PROGRESS_LIMITS_SINK=''"),
        ([APP, "--log-level", "loud"], 2, "loud"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_refused(arguments: list[str], status: int, says: str) -> None:
    done = progress("serve", *arguments)
    assert done.returncode == status
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = progress("serve", APP, "--port", str(port))
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_port_can_be_used_again_at_once() -> None:
    port = free_port()
    for _ in range(2):
        with progress_serve(APP, port=port) as server:
            id = start(port, "wait")["id"]
            with Connection(port, request(f"/operations/{id}/events")) as connection:
                connection.opened()
                server.send(signal.SIGTERM)
                assert b"event: bye" in connection.read()
            assert server.wait(4)[0] == 0


def test_settings_from_the_command_line_win_over_the_environment() -> None:
    environment = {"PROGRESS_LIMITS_BODY": "2048", "PROGRESS_TIMING_WAIT": "1"}
    with progress_serve(APP, "--set", "limits.body=1024", environment=environment) as server:
        body = b'{"kind":"count"}'.ljust(1_500)
        with Connection(
            server.port, request("/operations", method="POST", body=body)
        ) as connection:
            content = connection.read()
        assert connection.response.status == 413
        assert b"1024" in content


def test_a_module_of_the_current_directory(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from progress import Progress\nnested = Progress()\n")
    done = progress("serve", "mine:nothing", cwd=tmp_path)
    assert "mine has no 'nothing'" in done.stderr


def test_a_module_that_fails_shows_why(tmp_path: Path) -> None:
    """That is a mistake in somebody's code: here the traceback is what helps."""
    (tmp_path / "broken.py").write_text("import nowhere_at_all\n")
    done = progress("serve", "broken:app", cwd=tmp_path)
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'nowhere_at_all'" in done.stderr
    assert "broken.py" in done.stderr


def test_an_application_that_cannot_start_shows_why(tmp_path: Path) -> None:
    (tmp_path / "sad.py").write_text(
        "from contextlib import asynccontextmanager\n"
        "from starlette.applications import Starlette\n"
        "@asynccontextmanager\n"
        "async def lifespan(app):\n"
        "    raise RuntimeError('no database')\n"
        "    yield\n"
        "app = Starlette(lifespan=lifespan)\n"
    )
    done = progress("serve", "sad:app", "--port", "0", cwd=tmp_path)
    assert done.returncode not in (0, 2)
    assert done.stdout == ""
    assert done.stderr.count("RuntimeError: no database") == 1
    assert "Group" not in done.stderr


def test_the_limit_of_open_files_is_raised() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with progress_serve(APP) as server:
            limits = Path(f"/proc/{server.pid}/limits").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    found = re.search(r"^Max open files +(\S+) +(\S+)", limits, re.MULTILINE)
    assert found
    assert found[1] == found[2] == str(hard)


def test_a_guarded_application_may_be_served_to_others() -> None:
    """`--open` is for those that ask nobody who they are."""
    done = progress("serve", "tests.support.inspect_app:app", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 2
    arguments = ["progress", "serve", "tests.support.guarded_app:app", "--host", "0.0.0.0"]
    with running([*arguments, "--port", "0"]) as server:
        eventually(lambda: server.stdout.startswith("listening on http://0.0.0.0:"))
