"""Polling and long polling: ETag and 304, `Prefer: wait`, `Retry-After`, and nothing left over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx2
import pytest

from tests.support.process import eventually
from tests.support.server import Server, serving
from tests.support.web import finish, request_body, start
from tests.support.wire import Connection, request

FOREVER = 30
"""Seconds that a wait may take; no test here waits for them to pass."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("tests.support.inspect_app:app", "--log-level", "warning") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=8) as client:
        yield client


def test_etag_is_the_cursor(client: httpx2.Client) -> None:
    ended = finish(client, "count")
    answer = client.get(f"/operations/{ended['id']}")
    assert answer.status_code == 200
    assert answer.headers["etag"] == f'"{ended["cursor"]}"'
    assert answer.headers["vary"] == "Prefer"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (["{etag}"], 304),
        (["W/{etag}"], 304),
        (["*"], 304),
        (['"a", {etag}'], 304),
        (['"a",W/{etag} , "b"'], 304),
        (['"a"', "{etag}"], 304),
        (['"a"'], 200),
        (['W/"a"'], 200),
        ([""], 200),
        (["{cursor}"], 200),
        (['"{cursor}'], 200),
        (['"{cursor}0"'], 200),
        (["garbage"], 200),
    ],
)
def test_if_none_match(client: httpx2.Client, fields: list[str], status: int) -> None:
    ended = finish(client, "count", to=1)
    cursor = ended["cursor"]
    values = [field.format(etag=f'"{cursor}"', cursor=cursor) for field in fields]
    path = f"/operations/{ended['id']}"
    answer = client.get(path, headers=[("if-none-match", value) for value in values])
    assert answer.status_code == status
    assert answer.headers["etag"] == f'"{cursor}"'
    assert answer.headers["vary"] == "Prefer"
    if status == 304:
        assert answer.content == b""
        assert "content-type" not in answer.headers


def test_retry_after(client: httpx2.Client) -> None:
    running = start(client, "wait")
    path = f"/operations/{running['id']}"
    assert 1 <= int(client.get(path).headers["retry-after"]) <= 30
    headers = {"if-none-match": "*"}
    assert 1 <= int(client.get(path, headers=headers).headers["retry-after"]) <= 30
    client.post(f"{path}/cancel")
    eventually(lambda: client.get(path).json()["state"] == "cancelled")
    assert "retry-after" not in client.get(path).headers


@pytest.mark.parametrize(
    ("to", "interval", "least", "most"), [(10_000, 0.01, 25, 30), (250, 0.02, 1, 5)]
)
def test_retry_after_follows_the_time_to_go(
    client: httpx2.Client, to: int, interval: float, least: int, most: int
) -> None:
    path = f"/operations/{start(client, 'count', to=to, interval=interval)['id']}"
    eventually(lambda: client.get(path).json()["progress"]["eta"] is not None)
    assert least <= int(client.get(path).headers["retry-after"]) <= most
    client.post(f"{path}/cancel")


def test_post_that_waits(client: httpx2.Client) -> None:
    body = request_body("count", {"to": 2})
    answer = client.post("/operations", json=body, headers={"prefer": f"wait={FOREVER}"})
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == f"wait={FOREVER}"
    assert answer.headers["vary"] == "Prefer"
    shown = answer.json()
    assert (shown["state"], shown["result"]) == ("succeeded", {"counted": 2})
    assert answer.headers["location"] == shown["links"]["self"]
    assert answer.headers["etag"] == f'"{shown["cursor"]}"'
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("prefer", ["wait=0", "wait=1", "respond-async", "wait=x", "wait=-1"])
def test_post_that_does_not_end_in_time(client: httpx2.Client, prefer: str) -> None:
    began = time.monotonic()
    answer = client.post("/operations", json=request_body("wait"), headers={"prefer": prefer})
    waited = time.monotonic() - began
    assert answer.status_code == 202
    applied = {"respond-async": "respond-async"}.get(prefer)
    assert answer.headers.get("preference-applied") == applied
    assert int(answer.headers["retry-after"]) >= 1
    assert (1 if prefer == "wait=1" else 0) <= waited < 5
    assert client.post(f"{answer.headers['location']}/cancel").status_code == 202


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 200),
        ("GET", {"if-none-match": '"other"'}, 200),
        ("HEAD", {}, 200),
        ("HEAD", {"if-none-match": "*"}, 304),
        ("HEAD", {"if-none-match": '"other"'}, 200),
    ],
)
def test_what_does_not_wait(
    client: httpx2.Client, method: str, headers: dict[str, str], status: int
) -> None:
    path = f"/operations/{start(client, 'wait')['id']}"
    headers = {"prefer": f"wait={FOREVER}", **headers}
    answer = client.request(method, path, headers=headers)
    assert answer.status_code == status
    assert "preference-applied" not in answer.headers
    client.post(f"{path}/cancel")


def test_long_poll_of_what_has_ended_does_not_wait(client: httpx2.Client) -> None:
    ended = finish(client, "count", to=1)
    headers = {"prefer": f"wait={FOREVER}", "if-none-match": "*"}
    answer = client.get(f"/operations/{ended['id']}", headers=headers)
    assert answer.status_code == 304


def test_long_poll_times_out(client: httpx2.Client) -> None:
    running = start(client, "wait")
    path = f"/operations/{running['id']}"
    etag = client.get(path).headers["etag"]
    headers = {"prefer": "wait=1", "if-none-match": etag}
    # What is due may still change it once, e.g. the message it reported first.
    began = time.monotonic()
    while (answer := client.get(path, headers=headers)).status_code == 200:
        headers["if-none-match"] = answer.headers["etag"]
        began = time.monotonic()
    assert answer.status_code == 304
    assert 1 <= time.monotonic() - began < 5
    assert answer.headers["vary"] == "Prefer"
    assert int(answer.headers["retry-after"]) >= 1
    assert client.post(f"{path}/cancel").status_code == 202


def test_long_polls_see_an_operation_through(client: httpx2.Client) -> None:
    """One poll after the other, each with the last ETag: every answer is news."""
    started = start(client, "count", to=30, interval=0.02)
    path = f"/operations/{started['id']}"
    cursors = [started["cursor"]]
    while True:
        headers = {"prefer": f"wait={FOREVER}", "if-none-match": f'"{cursors[-1]}"'}
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["vary"] == "Prefer"
        cursors.append(answer.json()["cursor"])
        if answer.json()["state"] == "succeeded":
            break
    numbers = [int(cursor.partition("-")[2]) for cursor in cursors]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 3


def read_until(stream: Connection, part: bytes) -> bytes:
    """Read on until this has come."""
    seen = b""
    while part not in seen:
        seen += next(stream.body())
    return seen


@pytest.mark.parametrize("leave", [Connection.reset, lambda connection: connection.socket.close()])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_client_that_leaves(
    server: Server, client: httpx2.Client, method: str, leave: Callable[[Connection], None]
) -> None:
    headers = {"Prefer": f"wait={FOREVER}", "If-None-Match": "*"}
    if method == "GET":
        data = request(f"/operations/{start(client, 'wait')['id']}", headers)
    else:
        data = request("/operations", headers, method="POST", body=b'{"kind":"wait"}')

    def subscribers() -> int:
        found: int = finish(client, "census")["result"]["subscribers"]
        return found

    # `census` is itself waited for, by the request that starts it.
    eventually(lambda: subscribers() == 1)
    connections = [Connection(server.port, data) for _ in range(5)]
    eventually(lambda: subscribers() == 6)
    for connection in connections:
        leave(connection)
    eventually(lambda: subscribers() == 1)


def test_over_the_cap_nobody_waits() -> None:
    """A wait is a subscriber: over the cap a poll is 429, and a start does not wait."""
    cap = {"PROGRESS_LIMITS_SUBSCRIBERS": "1"}
    with (
        serving("tests.support.app:app", environment=cap) as server,
        httpx2.Client(base_url=server.url, timeout=8) as client,
        Connection(server.port, request("/events")) as stream,
    ):
        read_until(stream, b"event: ping")
        headers = {"prefer": f"wait={FOREVER}", "if-none-match": "*"}
        answer = client.post("/operations", json=request_body("wait"), headers=headers)
        assert answer.status_code == 202
        answer = client.get(answer.headers["location"], headers=headers)
        assert answer.status_code == 429
        assert answer.json()["type"] == "urn:progress:problem:busy"
        assert int(answer.headers["retry-after"]) >= 1
