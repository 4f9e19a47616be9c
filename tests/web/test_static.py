"""The page and the SDK: what may be kept how long, what is compressed, and what is not served."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Router
from starlette.types import Message

from progress import Forbidden, Progress
from progress.web.static import Static
from tests.support.web import LOCAL, check_problem, in_process

PAGE = """<!doctype html>
<link rel="stylesheet" href="static/app.css"><link rel=icon href='./static/icons/a.svg'>
<a href="https://example.org/static/x">static/ is not static/here</a>
<script type="module" src="static/app.js"></script>
"""
FILES = {
    "index.html": PAGE,
    "app.css": "p { color: red }\n" * 50,
    "app.js": 'import "./page/list.js";\n' * 50,
    "page/list.js": "export {};\n",
    "page/other.html": "<p>another",
    "client/index.d.ts": "export {};\n",
    "client/package.json": "{}",
    "icons/a.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "README.md": "for readers of the source",
    ".hidden.js": "secret",
    ".git/config.js": "secret",
    "page/.env.json": "secret",
}
TYPES = {
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "page/list.js": "text/javascript; charset=utf-8",
    "page/other.html": "text/html; charset=utf-8",
    "client/index.d.ts": "text/plain; charset=utf-8",
    "client/package.json": "application/json",
    "icons/a.svg": "image/svg+xml",
}
KEPT = "public, max-age=31536000, immutable"
PLAIN = {"accept-encoding": "identity"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(Router(Static(folder).routes))
    async with httpx2.AsyncClient(transport=transport, base_url=LOCAL) as client:
        yield client


async def version(client: httpx2.AsyncClient) -> str:
    """As the page says it."""
    found = set(re.findall(r"static/([0-9a-f]+)/", (await client.get("/")).text))
    [only] = found
    return str(only)


def change(path: Path, content: str) -> None:
    """Write a file, as if it were a second later: two writes may share a tick of the clock."""
    path.write_text(content)
    later = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(later, later))


async def test_page(folder: Path) -> None:
    async with browsing(folder) as client:
        answer = await client.get("/")
        shown = await version(client)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    expected = PAGE.replace('"static/', f'"static/{shown}/').replace(
        "'./static/", f"'static/{shown}/"
    )
    assert answer.text == expected


@pytest.mark.parametrize("name", TYPES)
async def test_file(folder: Path, name: str) -> None:
    async with browsing(folder) as client:
        with_version = await client.get(f"/static/{await version(client)}/{name}")
        without = await client.get(f"/static/{name}")
    for answer, cache in ((with_version, KEPT), (without, "no-cache")):
        assert answer.status_code == 200
        assert answer.text == FILES[name]
        assert answer.headers["content-type"] == TYPES[name]
        assert answer.headers["cache-control"] == cache
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert ("content-security-policy" in answer.headers) == name.endswith(".html")
    assert with_version.headers["etag"] == without.headers["etag"]


@pytest.mark.parametrize(
    "path",
    [
        "", "nowhere.js", "page", "page/", "app.js/", "/app.js", "./app.js", "APP.JS", "app.js\0",
        "index.html", "README.md", ".hidden.js", ".git/config.js", "page/.env.json", "//", "..",
        "../static/app.js", "page/../app.js", "page\\..\\app.js", "/etc/passwd", "app.js\0.css",
        "0123456789ab/nowhere.js", "0123456789ab/", "0123456789ab//app.js",
        "0123456789ab/../app.js", "0123456789ab/.hidden.js", "0123456789ab/index.html",
        "0123456789ab/0123456789ab/app.js", "0123456789ABCDEF/app.js", "0123456789abc/app.js",
    ],
)  # fmt: skip
async def test_what_is_not_served(folder: Path, path: str) -> None:
    """As it comes from the server; clients make some of these into others."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": f"/static/{path}", "root_path": ""}
    await Router(Static(folder).routes)(
        {**scope, "query_string": b"", "headers": []}, receive, send
    )
    head, body = sent
    assert head["status"] == 404
    assert (b"content-type", b"application/problem+json") in head["headers"]
    assert b"secret" not in body["body"]


async def test_what_leads_elsewhere_is_not_served(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path.parent / "outside.js"
    outside.write_text("secret")
    (folder / "link.js").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path.parent)
    async with browsing(folder) as client:
        for path in ("link.js", "up/outside.js"):
            check_problem(await client.get(f"/static/{path}"), 404, "not-found")


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/static/{version}/app.js"])
@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_conditional_requests(folder: Path, path: str, coding: str) -> None:
    async with browsing(folder) as client:
        path = path.format(version=await version(client))
        headers = {"accept-encoding": coding}
        first = await client.get(path, headers=headers)
        tag = first.headers["etag"]
        assert re.fullmatch(r'"[0-9a-z-]+"', tag)
        for field in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = await client.get(path, headers={**headers, "if-none-match": field})
            assert (again.status_code, again.content) == (304, b"")
            for name in ("etag", "cache-control", "vary"):
                assert again.headers[name] == first.headers[name]
            assert "content-type" not in again.headers
        for field in ('"other"', tag.strip('"'), ""):
            again = await client.get(path, headers={**headers, "if-none-match": field})
            assert again.status_code == 200


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("br, gzip;q=0.5", "gzip"),
        ("gzip, deflate, br, zstd", "gzip"),
        ("deflate, gzip;q=1.0, *;q=0.5", "gzip"),
        ("*", "gzip"),
        ("identity;q=0, *;q=0.1", "gzip"),
        ("identity;q=0.5, gzip ; q=0.8", "gzip"),
        ("", None),
        ("br", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("gzip;q=0.000, *", None),
        ("*;q=0", None),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=many", None),
        ("gzipped", None),
        ("x;" * 10_000, None),
    ],
)
async def test_compression(folder: Path, accepted: str, coding: str | None) -> None:
    async with browsing(folder) as client:
        plain = await client.get("/static/app.js", headers=PLAIN)
        async with client.stream(
            "GET", "/static/app.js", headers={"accept-encoding": accepted}
        ) as answer:
            content = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-length"] == str(len(content))
    assert (answer.headers["etag"] == plain.headers["etag"]) == (coding is None)
    assert (gzip.decompress(content) if coding else content) == plain.content
    assert (len(content) < len(plain.content)) == (coding is not None)


async def test_what_would_grow_is_not_compressed(folder: Path) -> None:
    async with browsing(folder) as client:
        answer = await client.get("/static/client/package.json")
    assert "content-encoding" not in answer.headers


async def test_a_change_makes_another_version(folder: Path) -> None:
    """And is seen at the next look, without a restart."""
    seen = set()
    async with browsing(folder) as client:
        seen.add(await version(client))
        assert seen == {await version(client)}
        tags = {(await client.get("/")).headers["etag"]}
        for name in ("page/list.js", "index.html", "new.css"):
            change(folder / name, FILES.get(name, "") + "\n")
            if name != "index.html":
                assert (await client.get(f"/static/{name}")).text == FILES.get(name, "") + "\n"
            seen.add(await version(client))
            tags.add((await client.get("/")).headers["etag"])
        (folder / "app.css").rename(folder / "other.css")
        seen.add(await version(client))
    assert len(seen) == 5
    assert len(tags) == 4


async def test_an_old_version_gets_what_there_is(folder: Path) -> None:
    """A tab that was open while the server was renewed goes on, and keeps nothing of it."""
    async with browsing(folder) as client:
        old = await version(client)
        change(folder / "page/list.js", "export const now = 1;\n")
        assert (await client.get(f"/static/{old}/page/list.js")).headers["cache-control"] == KEPT
        new = await version(client)
        answer = await client.get(f"/static/{old}/page/list.js")
        assert answer.text == "export const now = 1;\n"
        assert answer.headers["cache-control"] == "no-cache"
        headers = {"if-none-match": answer.headers["etag"]}
        again = await client.get(f"/static/{old}/page/list.js", headers=headers)
        assert again.status_code == 304
        answer = await client.get(f"/static/{new}/page/list.js")
        assert answer.headers["cache-control"] == KEPT
        (folder / "app.css").unlink()
        check_problem(await client.get(f"/static/{old}/app.css"), 404, "not-found")


@pytest.mark.parametrize("missing", ["everything", "the page"])
async def test_without_a_page(tmp_path: Path, missing: str) -> None:
    if missing == "the page":
        (tmp_path / "app.js").write_text("")
    async with browsing(tmp_path if missing == "the page" else tmp_path / "nowhere") as client:
        check_problem(await client.get("/"), 404, "not-found")
        status = 200 if missing == "the page" else 404
        assert (await client.get("/static/app.js")).status_code == status


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/static/nowhere.js"])
async def test_methods(folder: Path, path: str) -> None:
    async with browsing(folder) as client:
        answer = await client.options(path)
        assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
        for method in ("POST", "PUT", "DELETE"):
            assert (await client.request(method, path)).status_code == 405
        head, got = await client.head(path), await client.get(path)
        assert head.status_code == got.status_code
        for name in ("content-type", "content-length", "etag"):
            assert head.headers.get(name) == got.headers.get(name)


def own_files() -> list[str]:
    """Files of the real folder that are served."""
    folder = Path(__file__).parents[2] / "static"
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*.ts"))
        if not path.name.startswith(".")
    ]


@pytest.mark.parametrize("prefix", ["", "/x/y"])
async def test_nobody_is_asked(prefix: str) -> None:
    """There is no data in it. Whoever comes by another name is refused all the same."""

    async def nobody(connection: object, action: str, operation: object) -> None:
        raise Forbidden(f"nobody may {action}")

    app = Progress(authorize=nobody)
    outer = Starlette(routes=[Mount(prefix, app)])
    async with in_process(app, outer) as client:
        assert (await client.get(f"{prefix}/kinds")).status_code == 403
        for path in ["/", *(f"/static/{name}" for name in own_files())]:
            answer = await client.get(f"{prefix}{path}")
            assert answer.status_code == 200 or path == "/"
            assert answer.status_code != 403
            foreign = await client.get(f"{prefix}{path}", headers={"host": "evil.example"})
            check_problem(foreign, 403, "forbidden")
