"""CORS: pages of the origins in PROGRESS_ORIGINS may use everything, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import pytest

from progress import Progress
from progress.settings import Settings
from tests.support.census import result
from tests.support.process import Process, eventually, progress_serve
from tests.support.rpc import METHOD_NOT_FOUND, SERVERS, caller, served
from tests.support.sse import Parser
from tests.support.web import UNKNOWN, check_problem, in_process, request_body
from tests.support.websocket import handshake
from tests.support.wire import Connection, ask, request, start

PAGE = "https://app.example.org"
LOCAL_PAGE = "http://localhost:3000"
FOREIGN = ["https://evil.example", "https://app.example.org:8443", "http://app.example.org", "null"]
ORIGINS = f"{PAGE}, {LOCAL_PAGE}"
SHOWN = {"location", "etag", "retry-after", "preference-applied", "link", "progress"}
FIELDS = "authorization, content-type, idempotency-key, if-none-match, last-event-id, prefer"


def app(origins: str) -> Progress:
    app = Progress(settings=Settings.from_environment({"PROGRESS_ORIGINS": origins}))

    @app.operation
    async def count(report: object) -> int:
        return 1

    return app


def tokens(headers: Mapping[str, str], name: str) -> set[str]:
    return {token.strip().lower() for token in headers.get(name, "").split(",") if token}


def preflight(origin: str, method: str = "POST", fields: str = FIELDS) -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": fields,
    }


def check_allowed(answer: httpx2.Response, origin: str) -> None:
    """The page may read it, with its cookies if the origin is named."""
    headers = answer.headers
    assert headers["access-control-allow-origin"] == origin
    assert headers.get("access-control-allow-credentials") == (None if origin == "*" else "true")
    assert "origin" in tokens(headers, "vary")
    assert tokens(headers, "access-control-expose-headers") == SHOWN


@pytest.mark.parametrize("origin", [PAGE, LOCAL_PAGE, "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "COPY", "MOVE"])
@pytest.mark.parametrize("path", ["/operations", "/events", "/nowhere", "/static/x.js"])
async def test_preflight(origin: str, method: str, path: str) -> None:
    async with in_process(app(ORIGINS if origin != "*" else "*")) as client:
        asked = PAGE if origin == "*" else origin
        for fields in (FIELDS, FIELDS.title(), "prefer"):
            answer = await client.options(path, headers=preflight(asked, method, fields))
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == origin
            credentials = answer.headers.get("access-control-allow-credentials")
            assert credentials == (None if origin == "*" else "true")
            assert method.lower() in tokens(answer.headers, "access-control-allow-methods")
            allowed = tokens(answer.headers, "access-control-allow-headers")
            assert tokens({"x": FIELDS}, "x") <= allowed
            assert int(answer.headers["access-control-max-age"]) > 0
            assert "origin" in tokens(answer.headers, "vary")


@pytest.mark.parametrize("origin", FOREIGN)
async def test_preflight_of_others(origin: str) -> None:
    async with in_process(app(ORIGINS)) as client:
        answer = await client.options("/operations", headers=preflight(origin))
        problem = check_problem(answer, 403, "forbidden")
        assert "PROGRESS_ORIGINS" in problem["detail"]
        assert "access-control-allow-origin" not in answer.headers
        assert "origin" in tokens(answer.headers, "vary")


@pytest.mark.parametrize(("method", "fields"), [("DELETE", "prefer"), ("GET", "x-other, prefer")])
async def test_preflight_for_what_nobody_needs(method: str, fields: str) -> None:
    async with in_process(app(ORIGINS)) as client:
        answer = await client.options("/operations", headers=preflight(PAGE, method, fields))
        check_problem(answer, 403, "forbidden")


@pytest.mark.parametrize("origin", [PAGE, "*"])
async def test_answers(origin: str) -> None:
    """Of all sorts: errors, too, so that the page can say what is wrong."""
    async with in_process(app(ORIGINS if origin != "*" else "*")) as client:
        client.headers["origin"] = PAGE
        started = await client.post("/operations", json=request_body("count"))
        for answer, status in [
            (started, 202),
            (await client.get(started.headers["location"]), 200),
            (await client.get("/events", headers={"prefer": "wait=0"}), 200),
            (await client.get(f"/operations/{UNKNOWN}/events"), 404),
            (await client.post("/operations", content=b""), 415),
            (await client.get("/nowhere"), 404),
            (await client.get("/static/nowhere.js"), 404),
            (await client.delete("/kinds"), 405),
            (await client.options("/kinds"), 204),
            (await client.get("/kinds", headers={"host": "evil.example"}), 403),
        ]:
            assert answer.status_code == status
            check_allowed(answer, origin)


@pytest.mark.parametrize("origin", FOREIGN)
async def test_answers_to_others(origin: str) -> None:
    """They are what they were; it is the browser that keeps them from the page."""
    async with in_process(app(ORIGINS)) as client:
        answer = await client.get("/kinds", headers={"origin": origin})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
        assert "origin" in tokens(answer.headers, "vary")


async def test_a_form_of_another_origin_starts_nothing() -> None:
    """It needs no preflight, and is refused for its type."""
    own = app("*")
    async with in_process(own) as client:
        for type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            headers = {"origin": PAGE, "content-type": type}
            answer = await client.post("/operations", content=b'{"kind":"count"}', headers=headers)
            check_problem(answer, 415, "unsupported-media-type")
    assert not list(own.bus.journals())


async def test_without_the_setting_there_is_nothing_of_it() -> None:
    async with in_process(app("")) as client:
        for path in ("/kinds", "/nowhere", "/openapi.json"):
            plain = await client.get(path)
            asked = await client.get(path, headers={"origin": PAGE})
            assert asked.headers == plain.headers
            assert asked.content == plain.content
        answer = await client.options("/operations", headers=preflight(PAGE))
        assert answer.status_code == 204
        assert not [name for name in answer.headers if name.startswith("access-control-")]


# The direct path


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    environment = {"PROGRESS_ORIGINS": ORIGINS, "PROGRESS_LIMITS_CONNECTIONS_PER_ADDRESS": "8"}
    with progress_serve(
        "tests.support.inspect_app:app", "--log-level", "warning", environment=environment
    ) as process:
        yield process
        assert not process.stderr


def opened(server: Process, path: str = "/events", **headers: str) -> Connection:
    return Connection(server.port, request(path, {"Origin": PAGE, **headers})).opened()


def test_a_stream_stays_direct(server: Process) -> None:
    with opened(server) as connection:
        headers = connection.response.headers
        assert headers["access-control-allow-origin"] == PAGE
        assert headers["access-control-allow-credentials"] == "true"
        assert headers["connection"] == "close"
        found = result(server.port, "census")
        assert (found["subscribers"], found["streaming"]) == (2, 0)
        id = start(server.port, "count", to=2)["id"]
        body = b""
        while id.encode() not in body:
            body += next(connection.body())


def test_a_poll_is_not(server: Process) -> None:
    fields = {"Origin": PAGE, "Prefer": "wait=0"}
    first, second = request("/events", fields), request("/healthz", {"Connection": "close"})
    with Connection(server.port, first) as connection:
        events = Parser().feed(connection.read())
        assert events[-1].type == "ping"
        assert connection.response.headers["access-control-allow-origin"] == PAGE
        connection.socket.sendall(second)
        assert connection.socket.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_who_comes_when_there_are_too_many(server: Process) -> None:
    """An `EventSource` that may not read the answer never comes back."""

    streams = [opened(server) for _ in range(8)]
    try:
        late = request("/events", {"Origin": PAGE, "Accept": "text/event-stream"})
        with Connection(server.port, late) as connection:
            [bye] = Parser().feed(connection.read())
            assert (bye.type, '"busy"' in bye.data) == ("bye", True)
            assert connection.response.headers["access-control-allow-origin"] == PAGE
        refused = ask(server.port, "/kinds", {"Origin": PAGE})
        assert refused.status == 503
        assert refused.headers["access-control-allow-origin"] == PAGE
    finally:
        for stream in streams:
            stream.socket.close()
    eventually(lambda: ask(server.port, "/healthz").status == 200)


# WebSockets


@pytest.fixture(
    scope="module", params=[(kind, which) for kind in SERVERS for which in (ORIGINS, "*")]
)
def sockets(request: pytest.FixtureRequest) -> Iterator[tuple[Process, str]]:
    kind, origins = request.param
    with served(kind, "tests.support.moody_app:app", {"PROGRESS_ORIGINS": origins}) as process:
        yield process, origins


def check(port: int, headers: dict[str, str], allowed: bool) -> None:
    if allowed:
        with caller(port, handshake(headers)) as client:
            assert client.ask("nothing").answer.failure.code == METHOD_NOT_FOUND
    else:
        with Connection(port, handshake(headers)) as connection:
            connection.read()
            assert connection.response.status == 403


@pytest.mark.parametrize("origin", [PAGE, LOCAL_PAGE, *FOREIGN])
def test_pages_that_may_connect(sockets: tuple[Process, str], origin: str) -> None:
    server, origins = sockets
    check(server.port, {"Origin": origin}, allowed=origins == "*" or origin not in FOREIGN)


@pytest.mark.parametrize("brought", [{"Cookie": "session=ada"}, {"Authorization": "Basic YTph"}])
def test_pages_that_bring_what_the_browser_knows(
    sockets: tuple[Process, str], brought: dict[str, Any]
) -> None:
    """This app has a hook, which would take any page for the user who has opened it."""
    server, origins = sockets
    check(server.port, {"Origin": PAGE, **brought}, allowed=origins != "*")
    check(server.port, {"Origin": "http://localhost", **brought}, allowed=True)
    check(server.port, brought, allowed=True)
