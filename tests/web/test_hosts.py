"""The `Host` check: another site's name that resolves to this machine gets nothing (rebinding)."""

import pytest

from progress import Progress
from progress.settings import Settings
from tests.support.server import Server
from tests.support.web import in_process
from tests.support.wire import Connection, request


def status(server: Server, *hosts: str, version: str = "1.1") -> int:
    """The answer's status to a request with these `Host` fields."""
    lines = [f"GET /kinds HTTP/{version}", *(f"Host: {host}" for host in hosts), "", ""]
    with Connection(server.port, "\r\n".join(lines).encode("latin-1")) as connection:
        content = connection.read()
        if connection.response.status != 200:
            assert connection.response.headers["content-type"] == "application/problem+json"
            assert b'"kinds"' not in content
        return connection.response.status


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "localhost:",
        "LocalHost:1",
        "localhost.",
        "localhost.:8000",
        "app.localhost",
        "127.0.0.1",
        "127.0.0.1:65535",
        "127.8.9.1",
        "[::1]",
        "[::1]:8000",
        "[0:0:0:0:0:0:0:1]",
    ],
)
def test_loopback_is_served(server: Server, host: str) -> None:
    assert status(server, host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "EVIL.EXAMPLE",
        "evil.example.",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil-localhost",
        "xlocalhost",
        "10.0.0.1",
        "0.0.0.0",
        "0",
        "127.1",
        "2130706433",
        "[::]",
        "[2001:db8::1]:80",
        "[::ffff:10.0.0.1]",
        "1",
        "*",
    ],
)
def test_other_names_are_forbidden(server: Server, host: str) -> None:
    assert status(server, host) == 403


@pytest.mark.parametrize(
    "host",
    [
        "",
        "[::1",
        "::1",
        "[::1]evil.example",
        "[::1]:80:80",
        "[localhost]",
        "localhost:abc",
        "localhost:80:90",
        "localhost:80@evil.example",
        "evil.example@localhost",
        "localhost/evil.example",
        "localhost evil.example",
        "localhost, evil.example",
        "http://localhost",
    ],
)
def test_what_is_no_host_is_malformed(server: Server, host: str) -> None:
    assert status(server, host) == 400


def test_one_host_has_to_be_there(server: Server) -> None:
    assert status(server) == 400
    assert status(server, "localhost", "localhost") == 400
    assert status(server, "localhost", "evil.example") == 400
    assert status(server, version="1.0") == 200
    assert status(server, "evil.example", version="1.0") == 403


def test_probes_are_no_exception(server: Server) -> None:
    with Connection(server.port, request("/healthz", {"Host": "evil.example"})) as connection:
        connection.read()
        assert connection.response.status == 403


@pytest.mark.parametrize(
    ("setting", "host", "expected"),
    [
        ("example.org", "example.org", 200),
        ("example.org", "EXAMPLE.ORG.:443", 200),
        ("Example.ORG", "example.org", 200),
        ("example.org", "www.example.org", 403),
        ("example.org", "evilexample.org", 403),
        ("example.org", "example.org.evil.example", 403),
        ("example.org", "localhost", 200),
        ("*.example.org", "www.example.org", 200),
        ("*.example.org", "a.b.example.org:8443", 200),
        ("*.example.org", "example.org", 403),
        ("*.example.org", "evilexample.org", 403),
        ("a.example, b.example", "b.example", 200),
        ("a.example, b.example", "c.example", 403),
        ("192.0.2.1", "192.0.2.1:80", 200),
        ("2001:db8::1", "[2001:db8::1]:80", 200),
        ("*", "anything.example", 200),
        ("*", "anything at all", 400),
        ("", "example.org", 403),
    ],
)
async def test_hosts_setting(setting: str, host: str, expected: int) -> None:
    app = Progress(settings=Settings.from_environment({"PROGRESS_HOSTS": setting}))
    async with in_process(app) as client:
        answer = await client.get("/kinds", headers={"host": host})
    assert answer.status_code == expected
    if expected == 403:
        assert "PROGRESS_HOSTS" in answer.json()["detail"]
