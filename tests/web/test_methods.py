"""HEAD and OPTIONS end at once on every route; other methods and other paths are problems."""

import re

import httpx2
import pytest

from progress import Progress
from tests.support.server import Server
from tests.support.web import UNKNOWN, check_problem, start
from tests.support.wire import Connection, request

ALL = sorted({str(getattr(route, "path", "")) for route in Progress().routes})
FILES = ["/", "/static/{path:path}"]
"""Whether there are any is tested elsewhere."""
ROUTES = [path for path in ALL if path not in FILES]
POSTS = ("/cancel", "/retry", "/{kind}")
GETS = [path for path in ROUTES if not path.endswith(POSTS)]
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"}
STREAMS = [path for path in ROUTES if path.endswith("/events")]


@pytest.fixture(scope="module")
def operation(client: httpx2.Client) -> str:
    """An operation that runs, so that its stream would not end."""
    id: str = start(client, "wait")["id"]
    return id


def exchange(server: Server, method: str, path: str) -> tuple[int, dict[str, str]]:
    """Ask twice on one connection: a body where there must be none would spoil the second."""
    first = request(path, method=method)
    second = request("/healthz", {"Connection": "close"})
    with Connection(server.port, first + second) as connection:
        answer = b""
        while data := connection.socket.recv(65_536):
            answer += data
    head, end, rest = answer.partition(b"\r\n\r\n")
    assert end
    assert rest.startswith(b"HTTP/1.1 200 "), rest
    status, *lines = head.decode().split("\r\n")
    fields = [(line.split(": ", 1)[0], line.split(": ", 1)[1]) for line in lines]
    return int(status.split()[1]), dict(fields)


@pytest.mark.parametrize("path", ALL)
def test_options(server: Server, path: str, operation: str) -> None:
    status, headers = exchange(server, "OPTIONS", path.replace("{id}", operation))
    assert status == 204
    methods = set(headers["allow"].split(", "))
    assert "OPTIONS" in methods
    assert ("HEAD" in methods) == ("GET" in methods) == (path in [*GETS, *FILES])
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize("path", GETS)
def test_head(server: Server, client: httpx2.Client, path: str, operation: str) -> None:
    path = path.replace("{id}", operation)
    status, headers = exchange(server, "HEAD", path)
    assert status == (426 if path == "/ws" else 200)
    with client.stream("GET", path) as got:
        assert got.headers["content-type"] == headers["content-type"]
        assert got.headers["cache-control"] == headers["cache-control"]
        assert got.headers.get("etag") == headers.get("etag")
        if path != "/metrics":  # whose figures move
            assert got.headers.get("content-length") == headers.get("content-length")


@pytest.mark.parametrize("path", ["/operations/{id}", "/operations/{id}/events", "/nowhere"])
def test_head_of_nothing(server: Server, path: str) -> None:
    status, headers = exchange(server, "HEAD", path.replace("{id}", UNKNOWN))
    assert status == 404
    assert headers["content-type"] == "application/problem+json"


def test_head_of_an_endless_stream_leaves_no_subscriber(tight_server: Server) -> None:
    for _ in range(3):  # it takes one subscriber only
        status, _ = exchange(tight_server, "HEAD", "/events")
        assert status == 200
    with Connection(tight_server.port, request("/events")) as connection:
        seen = b""
        for data in connection.body():
            seen += data
            assert b"event: bye" not in seen
            if b"event: ping" in seen:
                break


@pytest.mark.parametrize("path", ALL)
def test_method_not_allowed(client: httpx2.Client, path: str, operation: str) -> None:
    path = path.replace("{id}", operation)
    allowed = client.options(path).headers["allow"]
    refused = METHODS - set(allowed.split(", "))
    assert {"PUT", "DELETE"} <= refused
    for method in refused:
        answer = client.request(method, path)
        assert answer.status_code == 405, method
        assert answer.headers["allow"] == allowed
        assert answer.headers["content-type"] == "application/problem+json"
        if method != "HEAD":
            assert answer.json()["status"] == 405
            assert allowed in answer.json()["detail"]


def test_operation_survives_other_methods(client: httpx2.Client, operation: str) -> None:
    assert client.get(f"/operations/{operation}").json()["state"] == "running"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["/static", "/operations/", "/Operations", "/operations/a/b", "/events/", "/x%2Fy"],
)
def test_unknown_path(client: httpx2.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 404
    if method != "HEAD":
        assert "/openapi.json" in check_problem(answer, 404, "not-found")["detail"]


def test_routes_are_plain_paths() -> None:
    assert set(STREAMS) == {"/events", "/operations/{id}/events"}
    assert set(ALL) == {*ROUTES, *FILES}
    assert not [
        path for path in ROUTES if not re.fullmatch(r"(/[a-z.]+|/\{(id|kind|delivery)\})+", path)
    ]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes(client: httpx2.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json()["status"] in ("ok", "ready")
