"""Running uvicorn so that a signal drains first and stops then.

uvicorn waits for open streams before it runs the lifespan's exit, so an endless stream would
block it. Here is the one owner of the signals: they drain, and only then tell uvicorn to stop.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypedDict

import anyio
import click
import uvicorn
from anyio.abc import TaskGroup
from sse_starlette.sse import AppStatus
from starlette.types import ASGIApp
from uvicorn.config import LOGGING_CONFIG

from progress.settings import Settings
from progress.web.app import RUNNING, Progress

from .access_log import AccessFormatter
from .front import Admission, Front

if sys.platform != "win32":
    import resource

__all__ = ["listen", "serve"]

_LAST_WORDS = 0.1
"""Of the grace period: for closing what is still open once everybody was told."""


class _Protocols(TypedDict):
    http: type[asyncio.Protocol] | Literal["httptools"]
    ws: type[asyncio.Protocol] | Literal["websockets-sansio"]


_logger = logging.getLogger("progress")


def listen(host: str, port: int) -> socket.socket:
    """Open the socket to serve on; port 0 is any free one.

    Raises:
        OSError: the address is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def serve(
    app: ASGIApp,
    listener: socket.socket,
    settings: Settings,
    *,
    log_level: str,
    forwarded_allow_ips: str | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, drain within `timing.grace` seconds, and return.

    `forwarded_allow_ips` are the proxies whose `X-Forwarded-For` is believed, as of uvicorn.

    Once it accepts connections it prints the one line `listening on http://HOST:PORT`. A second
    signal ends the process at once, and so does the end of the grace period.
    """
    _raise_file_limit()
    _bound_send_queues(listener, settings)
    # What this sets would end streams at a signal; here that is for the hub to do. (The method of
    # the same purpose has no types.)
    AppStatus.enable_automatic_graceful_drain = False
    direct, changes = _direct()
    config = uvicorn.Config(
        Admission(app, settings),
        **direct,
        lifespan="on",
        forwarded_allow_ips=forwarded_allow_ips,
        log_config=_logging(log_level),
        log_level=log_level,
        server_header=False,
    )
    for change in changes:
        _logger.warning("%s; serving by the portable path, which costs more", change)
    server = _Server(config)
    Front(server.server_state, settings)
    anyio.run(_serve, server, listener, settings.timing.grace, backend_options={"use_uvloop": True})
    workers = [thread for thread in threading.enumerate() if thread.name.startswith("AnyIO")]
    for worker in workers:  # the idle ones are just about to end
        worker.join(_LAST_WORDS)
    if any(worker.is_alive() for worker in workers):
        _exit(0)  # it would keep the process


def _direct() -> tuple[_Protocols, list[str]]:
    """Our protocols; or uvicorn's own, and why ours do not fit any more."""
    portable: _Protocols = {"http": "httptools", "ws": "websockets-sansio"}
    try:  # another version may have moved what these import
        from .contract import broken
        from .http import Protocol
        from .websocket import SocketProtocol
    except ImportError as error:
        return portable, [f"uvicorn {uvicorn.__version__}: {error}"]
    changes = broken()
    return (portable if changes else {"http": Protocol, "ws": SocketProtocol}), changes


class _Server(uvicorn.Server):
    """Leaves the signals to us, and says where it listens once it does."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections."""
        await super().startup(sockets)
        for listener in sockets or ():
            host, port, *_ = listener.getsockname()
            click.echo(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}")
        sys.stdout.flush()


async def _serve(server: _Server, listener: socket.socket, grace: float) -> None:
    running: list[Progress] = []
    RUNNING.set(running)
    async with anyio.create_task_group() as tasks:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            tasks.start_soon(_run, server, listener, tasks)
            async for signum in signals:
                if not server.started:  # there is nothing to drain yet
                    _exit(128 + signum)
                _logger.info("stopping; a second signal stops at once")
                watchdog = threading.Timer(grace, _exit, (0,))
                watchdog.daemon = True
                watchdog.start()
                tasks.start_soon(_drain, server, running, grace)
                break
            async for signum in signals:
                _exit(128 + signum)


async def _run(server: _Server, listener: socket.socket, tasks: TaskGroup) -> None:
    try:
        await server.serve(sockets=[listener])
    except SystemExit as error:  # the application did not start; uvicorn has said why
        _exit(3 if error.code is None else int(error.code))
    tasks.cancel_scope.cancel()


async def _drain(server: _Server, running: list[Progress], grace: float) -> None:
    async with anyio.create_task_group() as tasks:
        for progress in running:
            tasks.start_soon(progress.drain, grace * (1 - 2 * _LAST_WORDS))
    # What has not closed by then is cancelled, so that the lifespan's exit still runs.
    server.config.timeout_graceful_shutdown = max(round(grace * _LAST_WORDS), 1)
    server.should_exit = True


def _exit(code: int) -> None:
    """End the process without waiting for threads."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _bound_send_queues(listener: socket.socket, settings: Settings) -> None:
    """Bound what the kernel keeps for a client: Linux would hold 4 MB of what is not sent yet.

    Connections have it from the listener.
    """
    if sys.platform == "linux":
        lowat = socket.TCP_NOTSENT_LOWAT
        listener.setsockopt(socket.IPPROTO_TCP, lowat, settings.limits.sink)


def _raise_file_limit() -> None:
    """Every connection is an open file, and the usual soft limit is 1,024."""
    if sys.platform != "win32":
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _logging(level: str) -> dict[str, object]:
    """uvicorn's, but all of it on standard error: standard output has the one line."""
    config: dict[str, dict[str, dict[str, object]]] = copy.deepcopy(LOGGING_CONFIG)
    config["handlers"]["access"]["stream"] = "ext://sys.stderr"
    config["formatters"]["access"]["()"] = AccessFormatter
    own: dict[str, object] = {"handlers": ["default"], "level": level.upper(), "propagate": False}
    config["loggers"]["progress"] = own
    return {**config}
