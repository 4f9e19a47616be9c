"""`GET /` and `/static`: the page and the JavaScript SDK, served as they are.

A path with the present version in it may be kept for ever: the page refers to nothing else. The
files are few and small, so all of them are held in memory, and read again when one has changed.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from progress.errors import NotFound

from .requests import accepts_gzip, none_match
from .resource import Resource

__all__ = ["Static"]

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
"""Other files are not served."""

_COMPRESSED = (".ico", ".png")

_PAGE = "index.html"

_REFERENCE = re.compile(rb"""(?<=["'])(\./)?static/""")

_VERSIONED = re.compile(r"(?P<version>[0-9a-f]{12})/(?P<path>.+)")

_CHECKED = "no-cache"
_KEPT = "public, max-age=31536000, immutable"

_HEADERS = {
    "vary": "Accept-Encoding",
    # Nothing here is secret, and the SDK is for pages of other origins, too.
    "cross-origin-resource-policy": "cross-origin",
}

_PAGE_HEADERS = {
    # Without require-trusted-types-for: a SharedWorker could not be made of a module's URL.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; worker-src 'self'; manifest-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
}


class _File:
    """One file as it is sent."""

    def __init__(self, name: str, content: bytes) -> None:
        suffix = Path(name).suffix
        self.content = content
        self.media_type = _TYPES[suffix]
        self.is_page = suffix == ".html"
        self._may_shrink = suffix not in _COMPRESSED
        self._tag = sha256(content).hexdigest()[:16]

    @cached_property
    def _gzipped(self) -> bytes:
        return gzip.compress(self.content, mtime=0)

    def answer(self, request: Request, cache: str) -> Response:
        """Send it, or say that the client has it (RFC 9110 §13.1.2)."""
        content, tag = self.content, f'"{self._tag}"'
        headers = {**_HEADERS, **(_PAGE_HEADERS if self.is_page else {}), "cache-control": cache}
        if self._may_shrink and accepts_gzip(request) and len(self._gzipped) < len(content):
            # Other bytes are another representation (RFC 9110 §8.8.3.3).
            content, tag = self._gzipped, f'"{self._tag}-gzip"'
            headers["content-encoding"] = "gzip"
        headers["etag"] = tag
        if none_match(request, tag):
            headers.pop("content-encoding", None)
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=self.media_type)


class Static:
    """The routes of one folder. They hold no data, so nobody is asked who may have them."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is another than our own."""
        self._folder = folder or _own_folder()
        self._read: list[tuple[str, int, int]] | None = None
        """What the files were when they were read: names, times, sizes."""
        self._files: Mapping[str, _File] = {}
        self._page: _File | None = None
        self._version = ""
        self.routes = [
            Route("/", Resource(GET=self.page)),
            Route("/static/{path:path}", Resource(GET=self.file)),
        ]

    async def page(self, request: Request) -> Response:
        """`GET /`: the page, whose references have the version in them.

        Raises:
            NotFound: there is none.
        """
        with suppress(FileNotFoundError):  # between two looks; the next request looks again
            self._renew()
        if self._page is None:
            raise NotFound("there is no page here; see openapi.json for what there is")
        return self._page.answer(request, _CHECKED)

    async def file(self, request: Request) -> Response:
        """`GET /static/{path}`, or with a version before the path.

        With one that is not the present one it is today's file, but not to be kept. Who asks so is
        a tab that was open while the server was renewed, and imports a module late: most likely
        that still fits, and where it does not, it fails as it would with a 404. Or it is a page of
        the next version, while several servers are renewed one after the other.

        Raises:
            NotFound: there is no such file.
        """
        path: str = request.path_params["path"]
        versioned = _VERSIONED.fullmatch(path)
        if versioned and versioned["version"] == self._version:
            return self._find(versioned["path"]).answer(request, _KEPT)
        with suppress(FileNotFoundError):  # between two looks; the next request looks again
            self._renew()
        return self._find(versioned["path"] if versioned else path).answer(request, _CHECKED)

    def _find(self, path: str) -> _File:
        try:
            return self._files[path]
        except KeyError:
            raise NotFound(f"there is no file {path!r} here") from None

    def _renew(self) -> None:
        """Read the files, if any has changed: a developer reloads the page, and sees it."""
        found = [
            (name, stat.st_mtime_ns, stat.st_size)
            for name, path in sorted(_files(self._folder))
            for stat in [path.stat()]
        ]
        if found == self._read:
            return
        contents = {name: (self._folder / name).read_bytes() for name, _, _ in found}
        digest = sha256()
        for name, content in contents.items():
            digest.update(b"%b\0%d\0%b" % (name.encode(), len(content), content))
        self._version = digest.hexdigest()[:12]
        page = contents.pop(_PAGE, None)
        if page is not None:
            page = _REFERENCE.sub(b"static/%b/" % self._version.encode(), page)
        self._page = None if page is None else _File(_PAGE, page)
        self._files = {name: _File(name, content) for name, content in contents.items()}
        self._read = found


def _own_folder() -> Path:
    """In the package where it is installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "static"
    return installed if installed.is_dir() else package.parent / "static"


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """What is served: plain files of the known types, none that is hidden or leads elsewhere."""
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in relative.parts)
        if path.suffix in _TYPES and not is_hidden and path.is_file() and not path.is_symlink():
            yield relative.as_posix(), path
