"""A client of the WebDAV example, and folders for it to copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .process import Process, progress_serve
from .server import Server
from .wire import Answer, Connection, ask, request

APP = "examples.04_webdav:app"
OPTIONS = ("--interim", "direct", "--log-level", "error")
WISH = {"Prefer": "processing; interval=1; max=10"}


@contextmanager
def sharing(folder: Path, pause: float = 0, *options: str) -> Iterator[Process]:
    """Run the example, with a pause of so many seconds after each file that it copies."""
    environment = {"PROGRESS_DEMO_ROOT": str(folder), "PROGRESS_DEMO_PAUSE": str(pause)}
    with progress_serve(APP, *OPTIONS, *options, environment=environment) as process:
        yield process


def few(folder: Path, number: int = 3) -> Path:
    """Make a folder with a few files in a folder."""
    (folder / "inner").mkdir(parents=True)
    for name in range(number):
        (folder / f"inner/{name}").write_text(f"{folder.name} {name}")
    return folder


def many(folder: Path, number: int) -> Path:
    """Make a folder with many files in several folders."""
    for name in range(number):
        within = folder / f"year {name % 7}" / "ü"[: name % 2]
        within.mkdir(parents=True, exist_ok=True)
        (within / f"{name}.jpg").write_text(f"{name}\n" * name)
    return folder


def sent(
    method: str, path: str, destination: str = "", headers: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a request to the share."""
    where = {"Destination": destination} if destination else {}
    return request(f"/dav/{path}", {**where, **(headers or {})}, method=method)


def dav(
    server: Process | Server,
    method: str,
    path: str,
    destination: str = "",
    headers: Mapping[str, str] | None = None,
) -> tuple[Answer, list[dict[str, str]]]:
    """Make a request to the share; return the final answer and the fields of the interims."""
    with Connection(server.port, sent(method, path, destination, headers)) as connection:
        content = connection.read()
        response = connection.response
        assert response.complete
        assert not response.rest
    assert {status for status, _ in response.interims} <= {102}
    return Answer(response, content), [fields for _, fields in response.interims]


def operations(server: Process | Server) -> list[dict[str, Any]]:
    """All of them, newest first."""
    found: list[dict[str, Any]] = ask(server.port, "/operations").json["operations"]
    return found
