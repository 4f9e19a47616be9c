"""A folder as a WebDAV share, where to copy or move a folder is an operation that all can follow.

It needs `pip install wsgidav a2wsgi`. Run it with `progress serve examples.04_webdav:app`, and
`--interim direct` for 102 responses. It serves `PROGRESS_DEMO_ROOT` (`rooted.py`), or else the
current folder, and whoever reaches it may change what is in there. Then, for a large folder:

    curl -N localhost:8000/events
    curl -v -X COPY localhost:8000/dav/photos/ -H 'destination: /dav/backup/' \\
        -H 'prefer: processing; interval=1; max=50'

With `PROGRESS_DEMO_PAUSE=0.05`, seconds after each file, a small folder takes as long as a large
one. What is cancelled is answered with 503, and leaves behind what it has copied so far: WebDAV has
no word for it.
"""

import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote

from a2wsgi import WSGIMiddleware
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount
from starlette.types import Scope
from wsgidav.dav_error import DAVError
from wsgidav.fs_dav_provider import FileResource, FilesystemProvider, FolderResource
from wsgidav.wsgidav_app import WsgiDAVApp

from examples.rooted import root
from progress import Busy, Cancelled, Created, Failure, ProcessingMiddleware, Progress, Reporter

PAUSE = float(os.environ.get("PROGRESS_DEMO_PAUSE", "0"))
STATUSES = {errno.EACCES: 403, errno.ENOSPC: 507, errno.EDQUOT: 507, errno.EFBIG: 507}
"""Of errors that WsgiDAV calls 500, and RFC 4918 §9.8.5 does not."""

progress = Progress()


class Transfer:
    """One COPY or MOVE. WsgiDAV does it; that of a folder borrows the reporter of an operation."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.id: str | None = None
        self.report: Future[Reporter] = Future()
        self.result: Future[Created | None] = Future()

    def begin(self, kind: str, source: str) -> None:
        """Start an operation and wait until it runs."""
        CURRENT.set(self)
        try:
            self.id = progress.start(kind, source=source, destination=self.location).id
        except Busy as busy:
            raise DAVError(503, busy.detail) from busy
        while not wait([self.report], timeout=0.1).done:
            if progress.snapshot(self.id).ended:  # it was cancelled in the queue
                raise Cancelled

    def end(self, status: str, error: BaseException | None = None) -> None:
        """End the operation, so that whoever has the response finds it ended."""
        if self.id is None or self.result.done():
            return
        results = {"201": Created(self.location), "204": None}
        if error is None and status[:3] in results:
            self.result.set_result(results[status[:3]])
        else:
            self.result.set_exception(error or Failure("not-done", f"the answer was {status}"))
        while not progress.snapshot(self.id).ended:
            time.sleep(0.001)


CURRENT: ContextVar[Transfer | None] = ContextVar("transfer", default=None)
"""An operation runs in the context of the request that has started it."""

TRANSFER = "progress.transfer"
"""Where it is in WsgiDAV's environ."""


@progress.operation(name="move")
@progress.operation(name="copy")
def transfer(report: Reporter, source: str, destination: str) -> Created | None:
    """Shows a COPY or MOVE of a folder while WsgiDAV is at it, which alone can start it."""
    if (current := CURRENT.get()) is None:
        raise Failure("not-by-itself", "send COPY or MOVE to the folder")
    current.report.set_result(report)
    return current.result.result()


class Counted:
    """What WsgiDAV copies."""

    files = 0

    def handle_copy(self, dest_path: str, *, depth_infinity: bool) -> bool:
        """Begin: everything is checked. Returns False: WsgiDAV shall go on by itself."""
        current = self.environ[TRANSFER] = Transfer(quote(self.provider.mount_path + dest_path))
        if self.is_collection and depth_infinity:
            current.begin(self.environ["REQUEST_METHOD"].lower(), self.get_href())
        return False

    def handle_move(self, dest_path: str) -> bool:
        return self.handle_copy(dest_path, depth_infinity=True)

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        there = self.provider.get_resource_inst(dest_path, self.environ)
        with self.counted(not self.is_collection):
            if there and there.is_collection != self.is_collection:
                there.delete()  # or WsgiDAV would put a file into the folder of that name
            super().copy_move_single(dest_path, is_move=is_move)

    def move_recursive(self, dest_path: str) -> None:
        with self.counted(self.files):
            super().move_recursive(dest_path)

    @contextmanager
    def counted(self, files: int) -> Iterator[None]:
        """Count so many files as done, or say what went wrong."""
        current = self.environ[TRANSFER]
        report = current.report.result() if current.id else None
        if report:
            report.update(message=self.path)
        try:
            yield
        except OSError as error:
            if report:
                report.log(f"{self.path}: {error.strerror}", "error")
            raise DAVError(STATUSES.get(error.errno, 500), error.strerror) from error
        if report and files:
            report.advance(files)
            time.sleep(PAUSE)


class File(Counted, FileResource):
    """A file of the share."""


class Folder(Counted, FolderResource):
    """A folder of the share."""

    def get_descendants(self, *, add_self: bool = False, **wanted: Any) -> list[Any]:
        """List what is in it; with itself that is what is to be copied."""
        current = self.environ.get(TRANSFER) if add_self else None
        if current and not current.id:
            wanted["depth"] = "0"  # WsgiDAV forgets that `Depth: 0` copies no more than the folder
        found = super().get_descendants(add_self=add_self, **wanted)
        if current and current.id:
            self.files = sum(not resource.is_collection for resource in found)
            current.report.result().update(total=self.files, unit="files")
        return found

    def support_recursive_move(self, dest_path: str) -> bool:
        """Whether a new name does it. Else WsgiDAV moves file by file."""
        parent = os.path.dirname(self.provider._loc_to_file_path(dest_path.rstrip("/")))
        return os.stat(parent).st_dev == self.file_stat.st_dev


class Share(FilesystemProvider):
    def get_resource_inst(self, path: str, environ: dict[str, Any]) -> File | Folder | None:
        found = super().get_resource_inst(path, environ)
        if found is None:
            return None
        return (Folder if found.is_collection else File)(path, environ, found._file_path)


dav = WsgiDAVApp(
    {
        "mount_path": "/dav",
        "provider_mapping": {"/": Share(str(root()), fs_opts={"follow_symlinks": False})},
        "simple_dc": {"user_mapping": {"*": True}},  # nobody is asked who they are
        "property_manager": True,
        "verbose": 1,
    }
)


def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    """Answer as WsgiDAV does, and say where the copy is, which it does not."""

    def respond(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        headers = [field for field in headers if field[0] != "Date"]  # the server has its own
        if (current := environ.get(TRANSFER)) is not None:
            current.end(status)
            if status[:3] == "201":
                headers.append(("Location", current.location))
        return start_response(status, headers, *error)

    try:
        yield from dav(environ, respond)
    except Cancelled as cancelled:
        environ[TRANSFER].end("", cancelled)
        start_response("503 Service Unavailable", [("Content-Length", "0")])
        yield b""


def skips_interims(scope: Scope) -> bool:
    """Whether that client skips interims, but cannot ask for them."""
    agent = Headers(scope=scope).get("user-agent", "")
    return re.search(r"\b(cadaver|litmus|neon)/", agent) is not None


# As Progress does for itself: no web page gets at the files by a trick with DNS.
hosts = ["localhost", "127.0.0.1", *progress.settings.hosts]
site = Starlette(
    routes=[Mount("/dav", WSGIMiddleware(answer)), Mount("/", progress)],
    middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
    lifespan=progress.lifespan,
)
app = ProcessingMiddleware(site, when=skips_interims)
