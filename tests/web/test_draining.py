"""While the process stops: no new operations, `shutdown` for the old, streams to come back to."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import NamedTuple

import httpx2
import pytest

from tests.support.process import eventually
from tests.support.server import Server, serving
from tests.support.view import View
from tests.support.web import check_problem, ids, request_body, start
from tests.support.wire import Connection, request

ONE_AT_A_TIME = {"PROGRESS_LIMITS_RUNNING": "1"}


class Draining(NamedTuple):
    server: Server
    client: httpx2.Client
    running: str
    queued: str


@pytest.fixture(scope="module")
def draining() -> Iterator[Draining]:
    """A server held up by a worker thread that hears nothing, for half of its grace period."""
    with (
        serving("tests.support.app:app", environment=ONE_AT_A_TIME) as server,
        httpx2.Client(base_url=server.url, timeout=8) as client,
    ):
        running = start(client, "stuck")["id"]
        eventually(lambda: client.get(f"/operations/{running}").json()["progress"]["message"])
        queued = start(client, "wait")["id"]
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: client.get("/readyz").status_code == 503)
        yield Draining(server, client, running, queued)


def test_start_is_refused(draining: Draining) -> None:
    before = ids(draining.client)
    answer = draining.client.post("/operations", json=request_body("count"))
    check_problem(answer, 503, "busy")
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert ids(draining.client) == before


def test_bad_requests_get_no_other_answer_than_before(draining: Draining) -> None:
    answer = draining.client.post("/operations", content=b"{}")
    check_problem(answer, 415, "unsupported-media-type")


def test_queued_operation_has_failed(draining: Draining) -> None:
    answer = draining.client.get(f"/operations/{draining.queued}")
    assert answer.status_code == 200
    assert answer.json()["state"] == "failed"
    assert answer.json()["error"]["type"] == "urn:progress:problem:shutdown"
    assert answer.json()["error"]["detail"]


def test_running_operation_is_being_stopped(draining: Draining) -> None:
    assert draining.client.get(f"/operations/{draining.running}").json()["state"] == "cancelling"


@pytest.mark.parametrize("path", ["/events", "/operations/{running}/events"])
def test_stream_is_told_to_come_back(draining: Draining, path: str) -> None:
    path = path.replace("{running}", draining.running)
    with Connection(draining.server.port, request(path)) as connection:
        content = connection.read()
    assert connection.response.status == 200
    assert content.startswith(b"retry: ")
    view = View()
    view.connect()
    view.feed(content)
    assert view.bye is not None
    assert (view.bye.reason, view.bye.reconnect) == ("drain", True)


def test_long_poll_does_not_wait(draining: Draining) -> None:
    headers = {"prefer": "wait=60", "if-none-match": "*"}
    answer = draining.client.get(f"/operations/{draining.running}", headers=headers)
    check_problem(answer, 503, "busy")


def test_probes(draining: Draining) -> None:
    assert draining.client.get("/healthz").status_code == 200
    ready = draining.client.get("/readyz")
    assert (ready.status_code, ready.headers["cache-control"]) == (503, "no-store")
    assert ready.json() == {"status": "draining", "detail": "the server is stopping"}
