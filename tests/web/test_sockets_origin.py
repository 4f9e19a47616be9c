"""Who may open `/ws`: pages of this host, of one in PROGRESS_HOSTS, and what is no browser."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.process import Process
from tests.support.rpc import METHOD_NOT_FOUND, SERVERS, caller, served
from tests.support.websocket import HANDSHAKE, handshake
from tests.support.wire import Connection, ask, request

APP = "tests.support.app:app"
HOSTS = "example.org, *.example.net"

SAME = [
    ("localhost", "http://localhost"),
    ("LOCALHOST", "HTTP://LocalHost"),
    ("localhost", "https://localhost"),
    ("localhost", "http://localhost:80"),
    ("localhost:80", "http://localhost"),
    ("localhost", "https://localhost:443"),
    ("localhost:443", "https://localhost"),
    ("localhost:8000", "http://localhost:8000"),
    ("127.0.0.1:8000", "http://127.0.0.1:8000"),
    ("[::1]:8000", "http://[::1]:8000"),
    ("app.localhost:3000", "http://app.localhost:3000"),
]
FOREIGN = [
    ("localhost", "null"),
    ("localhost", ""),
    ("localhost", "localhost"),
    ("localhost", "http://"),
    ("localhost", "https://evil.example"),
    ("localhost", "http://localhost.evil.example"),
    ("localhost", "http://evil-localhost"),
    ("localhost", "http://localhost@evil.example"),
    ("localhost", "http://evil.example#localhost"),
    ("localhost", "http://localhost http://evil.example"),
    ("localhost", "http://127.0.0.1"),
    ("localhost:8000", "http://localhost:9000"),
    ("localhost:8000", "http://localhost"),
    ("localhost", "http://localhost:8000"),
    ("localhost", "https://localhost:80"),
    ("localhost:80", "https://localhost"),
]
LISTED = [
    ("localhost", "https://example.org"),
    ("localhost:8000", "http://EXAMPLE.org:3000"),
    ("example.org", "https://example.org"),
    ("example.org:8443", "https://example.org:8443"),
    ("localhost", "https://a.b.example.net"),
]
UNLISTED = [
    ("localhost", "null"),
    ("localhost", "https://evil.example"),
    ("example.org", "https://evil.example"),
    ("example.org", "http://localhost"),
    ("localhost", "https://example.net"),
    ("localhost", "https://www.example.org"),
    ("localhost", "https://example.org.evil.example"),
    ("localhost", "https://evilexample.net"),
    ("localhost", "https://evil.example?.example.net"),
    ("localhost", "https://example.org@evil.example"),
]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Process]:
    with served(request.param, APP) as process:
        yield process


@pytest.fixture(scope="module", params=SERVERS)
def listing(request: pytest.FixtureRequest) -> Iterator[Process]:
    with served(request.param, APP, {"PROGRESS_HOSTS": HOSTS}) as process:
        yield process


def check_opened(port: int, headers: dict[str, str]) -> None:
    with caller(port, handshake(headers)) as client:
        assert client.ask("nothing").answer.failure.code == METHOD_NOT_FOUND


def check_refused(port: int, headers: dict[str, str], slug: str = "forbidden") -> None:
    with Connection(port, handshake(headers)) as connection:
        problem = json.loads(connection.read())
        assert connection.response.status == problem["status"]
        assert connection.response.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:progress:problem:{slug}"


@pytest.mark.parametrize(("host", "origin"), SAME)
def test_a_page_of_this_host(server: Process, host: str, origin: str) -> None:
    check_opened(server.port, {"Host": host, "Origin": origin})


@pytest.mark.parametrize(("host", "origin"), FOREIGN)
def test_a_page_of_another_host(server: Process, host: str, origin: str) -> None:
    check_refused(server.port, {"Host": host, "Origin": origin})


@pytest.mark.parametrize(("host", "origin"), [*SAME, *LISTED])
def test_a_host_that_is_listed(listing: Process, host: str, origin: str) -> None:
    check_opened(listing.port, {"Host": host, "Origin": origin})


@pytest.mark.parametrize(("host", "origin"), UNLISTED)
def test_a_host_that_is_not(listing: Process, host: str, origin: str) -> None:
    check_refused(listing.port, {"Host": host, "Origin": origin})


def test_any_host_is_not_any_page() -> None:
    """`*` is about the names of this server."""
    with served("direct", APP, {"PROGRESS_HOSTS": "*"}) as process:
        check_opened(process.port, {"Host": "example.org", "Origin": "https://example.org"})
        for origin in ("https://evil.example", "null"):
            check_refused(process.port, {"Host": "example.org", "Origin": origin})


def test_what_is_no_browser(server: Process) -> None:
    check_opened(server.port, {})


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example"])
def test_another_host(server: Process, host: str) -> None:
    """DNS rebinding: there the origin is the same."""
    check_refused(server.port, {"Host": host})
    check_refused(server.port, {"Host": host, "Origin": f"http://{host}"})


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("progress.v1", "progress.v1"),
        ("chat, progress.v1", "progress.v1"),
        ("chat, mqtt", None),
        ("PROGRESS.V1", None),
        ("progress.v2", None),
    ],
)
def test_sub_protocol(server: Process, offered: str, chosen: str | None) -> None:
    """Who offers only others is served all the same."""
    with caller(server.port, handshake({"Sec-WebSocket-Protocol": offered})) as client:
        assert client.socket.headers.get("sec-websocket-protocol") == chosen
        assert client.ask("nothing").answer.failure.code == METHOD_NOT_FOUND


def test_without_an_upgrade(server: Process) -> None:
    """RFC 9110 §15.5.22: the answer says which protocol is spoken here."""
    answer = ask(server.port, "/ws")
    assert answer.status == answer.json["status"] == 426
    assert answer.headers["upgrade"] == "websocket"
    assert answer.headers["content-type"] == "application/problem+json"
    for path in ("/", "/operations", "/events", "/ws/"):
        with Connection(server.port, request(path, HANDSHAKE)) as connection:
            connection.read()
            assert connection.response.status in (403, 404)
