"""Every problem type, over real HTTP; and failed operations, which are 200 with an `error`."""

import httpx2
import pytest

from tests.support.server import Server, serving
from tests.support.web import UNKNOWN, check_problem, finish, ids, request_body, start
from tests.support.wire import Connection, request

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("status", "slug", "method", "path", "content", "says"),
    [
        (400, "malformed", "POST", "/operations", b"{", "JSON"),
        (400, "bad-cursor", "GET", "/events?after=garbage", b"", "0-0"),
        (404, "unknown-kind", "POST", "/operations", b'{"kind":"nope"}', "count"),
        (404, "not-found", "GET", f"/operations/{UNKNOWN}", b"", UNKNOWN),
        (404, "not-found", "POST", f"/operations/{UNKNOWN}/cancel", b"", UNKNOWN),
        (404, "not-found", "GET", f"/operations/{UNKNOWN}/events", b"", UNKNOWN),
        (404, "not-found", "GET", "/nowhere", b"", "/openapi.json"),
        (413, "too-large", "POST", "/operations", b" " * 1_048_577, "1048576 bytes"),
        (422, "invalid-params", "POST", "/operations", b"{}", "errors"),
        (422, "invalid-params", "GET", "/operations?limit=0", b"", "errors"),
    ],
)
def test_problem(
    client: httpx2.Client,
    status: int,
    slug: str,
    method: str,
    path: str,
    content: bytes,
    says: str,
) -> None:
    before = ids(client)
    answer = client.request(method, path, content=content, headers=JSON)
    assert says in check_problem(answer, status, slug)["detail"]
    assert answer.headers["cache-control"] == "no-store"
    assert ids(client) == before


def test_unsupported_media_type(client: httpx2.Client) -> None:
    answer = client.post("/operations", content=b'{"kind":"count"}')
    assert "application/json" in check_problem(answer, 415, "unsupported-media-type")["detail"]
    assert answer.headers["accept-post"] == "application/json"


def test_ended(client: httpx2.Client) -> None:
    id = finish(client, "count")["id"]
    answer = client.post(f"/operations/{id}/cancel")
    assert "succeeded" in check_problem(answer, 409, "ended")["detail"]


@pytest.mark.parametrize("path", ["", "/events", "/cancel"])
def test_expired(tight: httpx2.Client, path: str) -> None:
    first = finish(tight, "count", to=1)["id"]
    second = finish(tight, "count", to=1)["id"]
    method = "POST" if path == "/cancel" else "GET"
    answer = tight.request(method, f"/operations/{first}{path}")
    assert first in check_problem(answer, 410, "expired")["detail"]
    assert tight.get(f"/operations/{second}").status_code == 200


def test_busy(tight: httpx2.Client) -> None:
    running = start(tight, "wait")["id"]
    queued = start(tight, "wait")
    assert (queued["state"], queued["progress"]["position"]) == ("queued", 1)
    before = ids(tight)
    answer = tight.post("/operations", json=request_body("wait"))
    check_problem(answer, 429, "busy")
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert ids(tight) == before
    for id in (queued["id"], running):
        assert tight.post(f"/operations/{id}/cancel").status_code == 202


def test_too_large_by_setting(tight: httpx2.Client) -> None:
    params = {"kind": "x" * 1024}
    answer = tight.post("/operations", json=request_body("fail", params))
    assert "1024 bytes" in check_problem(answer, 413, "too-large")["detail"]
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/operations"),
        ("GET", "/operations"),
        ("GET", f"/operations/{UNKNOWN}"),
        ("POST", f"/operations/{UNKNOWN}/cancel"),
        ("GET", f"/operations/{UNKNOWN}/events"),
        ("GET", "/events"),
        ("GET", "/kinds"),
        ("GET", "/openapi.json"),
    ],
)
def test_unauthorized(guarded_server: Server, method: str, path: str) -> None:
    body = request_body("wait") if path == "/operations" and method == "POST" else None
    answer = httpx2.request(method, guarded_server.url + path, json=body)
    assert "Authorization" in check_problem(answer, 401, "unauthorized")["detail"]
    assert answer.headers["www-authenticate"] == 'Bearer realm="tests"'


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/operations"), ("GET", "/operations"), ("GET", "/events")]
)
def test_forbidden(guarded_server: Server, ada: httpx2.Client, method: str, path: str) -> None:
    body = request_body("wait") if method == "POST" else None
    headers = {"authorization": "Bearer banned"}
    before = ids(ada)
    answer = httpx2.request(method, guarded_server.url + path, json=body, headers=headers)
    check_problem(answer, 403, "forbidden")
    assert ids(ada) == before


@pytest.mark.parametrize(
    ("kind", "params", "type", "says"),
    [
        ("fail", {}, "exception", "ValueError: no good"),
        ("fail", {"kind": "outside-root"}, "outside-root", "as asked for"),
        ("endless", {}, "timeout", "0.1 s"),
        ("silent", {}, "stalled", "0.1 s"),
        ("large", {"bytes": 100_000}, "too-large", "65536 bytes"),
    ],
)
def test_failed_operation(
    client: httpx2.Client, kind: str, params: dict[str, object], type: str, says: str
) -> None:
    ended = finish(client, kind, **params)
    answer = client.get(f"/operations/{ended['id']}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    shown = answer.json()
    assert shown["state"] == "failed"
    assert shown["result"] is None
    assert shown["error"]["type"] == f"urn:progress:problem:{type}"
    assert shown["error"]["title"]
    assert says in shown["error"]["detail"]
    assert "Traceback" not in answer.text


def test_what_ends_at_once_is_kept() -> None:
    """Clocks that begin at the machine's start make everything from before the first tick old."""
    timing = {"PROGRESS_TIMING_HEARTBEAT": "1", "PROGRESS_RETENTION_AGE": "20"}
    with (
        serving("tests.support.app:app", environment=timing) as server,
        httpx2.Client(base_url=server.url, timeout=8) as client,
    ):
        id = finish(client, "count", to=1, interval=0)["id"]
        beats = b""
        with Connection(server.port, request("/events")) as connection:
            while beats.count(b"event: ping") < 3:  # two heartbeats, thirty ticks
                beats += next(connection.body())
        assert client.get(f"/operations/{id}").status_code == 200
