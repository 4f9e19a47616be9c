"""The servers, each started in the way its own documentation says, on one processor."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from tests.support.process import eventually, free_port
from tests.support.server import ROOT

from .client import Wire
from .errors import BenchError
from .machine import children, run_on, server_cpu
from .servers import Nchan, Ours, Plain, Server
from .tools import BUILD, nginx

__all__ = ["CONTESTANTS", "Contestant"]

Contestant: TypeAlias = Callable[[Wire], AbstractContextManager[Server]]

_START = 15.0  # seconds
_APP = "tests.bench.wire.app:app"
_OURS = {
    # A report that comes when the gate of its step is open goes out at once; it opens at the next
    # sweep after this time, so no event of these workloads has to wait.
    "PROGRESS_TIMING_REPORT": "0.05",
    "PROGRESS_LIMITS_RUNNING": "2000",
    "PROGRESS_LIMITS_QUEUED": "2000",
}
_UVICORN = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
_NGINX = """
load_module {module};
daemon off; worker_processes 1; worker_rlimit_nofile 20000;
pid {folder}/pid; error_log stderr warn;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location ~ ^/pub/(\\d+)$ {{ nchan_publisher http; nchan_channel_id $1; }}
    location ~ ^/sub/(\\d+)$ {{ nchan_subscriber eventsource websocket; nchan_channel_id $1; }}
  }}
}}
"""


@contextmanager
def _ours(wire: Wire) -> Iterator[Server]:
    port = free_port()
    serve = ["progress", "serve", _APP, "--port", str(port), "--log-level", "warning"]
    with _running([sys.executable, "-m", *serve], port, _OURS) as pid:
        yield Ours(pid, port, wire)


@contextmanager
def _portable(wire: Wire) -> Iterator[Server]:
    with _uvicorn(_APP, _OURS) as (pid, port):
        yield Ours(pid, port, wire)


@contextmanager
def _usual(wire: Wire) -> Iterator[Server]:
    event = {"BENCH_EVENT": str(BUILD / "event.json")}
    with _uvicorn("tests.bench.wire.usual:app", event) as (pid, port):
        yield Plain(pid, port)


@contextmanager
def _uvicorn(app: str, environment: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", app, *_UVICORN, "--port", str(port)]
    with _running(command, port, environment) as pid:
        yield pid, port


@contextmanager
def _node(wire: Wire) -> Iterator[Server]:
    if not (BUILD / "node" / "node_modules" / "ws").exists():
        raise BenchError("not installed: better-sse and ws; `make bench` does that")
    port = free_port()
    script = Path(__file__).with_name("node.mjs")
    command = [_found("node"), str(script), str(port), str(BUILD / "event.json")]
    with _running(command, port, folder=BUILD / "node") as pid:
        yield Plain(pid, port)


@contextmanager
def _nchan(wire: Wire) -> Iterator[Server]:
    port = free_port()
    installed = nginx()
    if installed is None:
        raise BenchError("not installed: nginx with Nchan; `make bench` does that")
    program, module = installed
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "nginx.conf"
        text = _NGINX.format(module=module, folder=folder, port=port)
        configuration.write_text(text)
        command = [str(program), "-c", str(configuration), "-e", "stderr"]
        with _running(command, port) as master:
            eventually(lambda: children(master))  # it listens before it has forked
            (worker,) = children(master)
            server = Nchan(worker, port, BUILD / "post", BUILD / "event.json")
            try:
                yield server
            finally:
                server.stop()
                os.kill(worker, 9)


@contextmanager
def _floor(wire: Wire) -> Iterator[Server]:
    port = free_port()
    command = [str(BUILD / "floor"), str(port), *(str(BUILD / f"event.{w}") for w in ("sse", "ws"))]
    with _running(command, port) as pid:
        yield Plain(pid, port)


CONTESTANTS: dict[str, Contestant] = {
    "ours": _ours,
    "portable": _portable,
    "usual": _usual,
    "node": _node,
    "nchan": _nchan,
    "floor": _floor,
}
"""By the names they have in the report."""


@contextmanager
def _running(
    command: Sequence[str],
    port: int,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> Iterator[int]:
    """Run a server from when it listens until the block is left; yield its process id."""
    given = {**os.environ, **(environment or {})}
    pin = partial(run_on, server_cpu())
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, cwd=folder, env=given, stdout=log, stderr=log, preexec_fn=pin
        ) as process,
    ):
        try:
            _wait_for(process, port)
            yield process.pid
        except BenchError as error:
            log.seek(0)
            raise BenchError(f"{error}\n{log.read().decode(errors='replace')[-800:]}") from error
        finally:
            process.kill()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    try:
        eventually(lambda: _listens(port) or process.poll() is not None, within=_START)
    except AssertionError as error:
        raise BenchError(f"it did not start: {error}") from error
    if process.poll() is not None:
        raise BenchError("it did not start")


def _listens(port: int) -> bool:
    """Whether somebody listens there, without a connection: that would be one to answer."""
    lines = Path("/proc/net/tcp").read_text().splitlines()
    return any(f":{port:04X} 00000000:0000 0A" in line for line in lines)


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise BenchError(f"not installed: {program}")
    return path
