"""Event streams on the wire: the head, the first bytes, filters, the end, and when to stay away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest

from progress.core.cursor import Cursor
from tests.support.process import eventually
from tests.support.server import Server
from tests.support.sse import Dispatched, Parser
from tests.support.web import finish, start
from tests.support.wire import Connection, request


class Heard:
    """A whole stream."""

    def __init__(self, server: Server, path: str, headers: Mapping[str, str] | None = None) -> None:
        with Connection(server.port, request(path, headers)) as connection:
            self.content = connection.read()
        self.status = connection.response.status
        self.headers = connection.response.headers
        self.parser = Parser()
        self.events = self.parser.feed(self.content)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def data(self, type: str) -> list[Any]:
        return [json.loads(event.data) for event in self.events if event.type == type]


@pytest.fixture(scope="module")
def ended(client: httpx2.Client) -> Any:
    """An operation of three lines that has ended."""
    return finish(client, "count", to=3)


def first_bytes(server: Server, path: str) -> bytes:
    """What comes before anything is known of the operations."""
    with Connection(server.port, request(path)) as connection:
        seen = b""
        while b"\n\n" not in seen:
            seen += next(connection.body())
        return seen.partition(b"\n\n")[0] + b"\n\n"


def test_head(server: Server) -> None:
    with Connection(server.port, request("/events")).opened() as connection:
        headers = connection.response.headers
        assert connection.response.status == 200
    assert headers["content-type"] in ("text/event-stream", "text/event-stream; charset=utf-8")
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert headers["transfer-encoding"] == "chunked"
    # Where the connection was detached nobody listens to a next request.
    assert headers.get("connection") in (None, "close")
    assert "content-length" not in headers
    assert "content-encoding" not in headers


def test_compression_is_not_offered(server: Server, ended: Any) -> None:
    heard = Heard(server, f"/operations/{ended['id']}/events", {"Accept-Encoding": "gzip, br"})
    assert "content-encoding" not in heard.headers
    assert heard.types[-1] == "bye"


def test_retry_comes_first_and_differs(server: Server) -> None:
    found = {first_bytes(server, "/events") for _ in range(12)}
    assert len(found) > 6
    for first in found:
        name, _, milliseconds = first.decode().partition(": ")
        assert name == "retry"
        assert 1_000 <= int(milliseconds) <= 3_000


def test_events_of_an_ended_operation(server: Server, ended: Any) -> None:
    heard = Heard(server, f"/operations/{ended['id']}/events")
    assert heard.types == ["snapshot", "ping", "bye"]
    snapshot = heard.data("snapshot")[0]["snapshot"]
    links = ended.pop("links", None)
    assert snapshot == ended
    ended["links"] = links
    assert heard.data("bye") == [{"type": "bye", "reason": "complete", "reconnect": False}]


def test_all_that_is_kept(server: Server, ended: Any) -> None:
    heard = Heard(server, f"/operations/{ended['id']}/events?after=0-0")
    assert heard.types[0] in ("snapshot", "state")
    assert heard.types[-2:] == ["ping", "bye"]
    assert [event["message"] for event in heard.data("log")] == ["line 0", "line 1", "line 2"]
    assert [event["state"] for event in heard.data("state")] == ["queued", "running", "succeeded"]


def test_form_of_events(server: Server, ended: Any) -> None:
    """One `event:`, perhaps an `id:`, one `data:` line of compact JSON that repeats the type."""
    heard = Heard(server, f"/operations/{ended['id']}/events?after=0-0")
    assert b"\r" not in heard.content
    retry, *blocks, rest = heard.content.decode().split("\n\n")
    assert retry.startswith("retry: ")
    assert rest == ""
    for block in blocks:
        fields = [line.partition(": ")[::2] for line in block.split("\n")]
        names = [name for name, _ in fields]
        assert names in (["event", "data"], ["event", "id", "data"])
        values = dict(fields)
        message = json.loads(values["data"])
        assert message["type"] == values["event"]
        assert json.dumps(message, separators=(",", ":"), ensure_ascii=False) == values["data"]
        if message["type"] in ("state", "progress", "log", "output", "ping"):
            assert values["id"] == message["cursor"]


@pytest.mark.parametrize(
    "text", ["\n\ndata: forged\n\n", "\r\rdata: x\r\r", "\0", "\ufeff", "\u2028", "event: bye"]
)
def test_text_forges_nothing(server: Server, client: httpx2.Client, text: str) -> None:
    labels = {"text": text}
    operation = finish(client, "fail", labels, kind=f"a{text}b")
    heard = Heard(server, f"/operations/{operation['id']}/events?after=0-0")
    assert heard.types.count("bye") == 1
    assert set(heard.types) == {"snapshot", "state", "ping", "bye"}
    assert heard.data("snapshot")[-1]["snapshot"]["labels"] == labels
    assert text in heard.data("state")[-1]["error"]["type"]


def test_http_1_0(server: Server, ended: Any) -> None:
    """It knows no chunks: the body ends with the connection (RFC 9112 §6.1)."""
    data = request(f"/operations/{ended['id']}/events", version="1.0")
    with Connection(server.port, data) as connection:
        content = b""
        while part := connection.socket.recv(65_536):
            content += part
    head, _, body = content.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"transfer-encoding" not in head.lower()
    assert head.lower().count(b"connection:") <= 1
    assert body.startswith(b"retry: ")
    assert Parser().feed(body)[-1].type == "bye"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("types=log", {"log"}),
        ("types=progress", {"progress"}),
        ("types=output", set()),
        ("types=state", set()),
        ("types=log&types=progress", {"log", "progress"}),
        ("", {"log", "progress"}),
    ],
)
@pytest.mark.parametrize("path", ["/operations/{id}/events", "/events"])
def test_types(
    server: Server, client: httpx2.Client, path: str, query: str, expected: set[str]
) -> None:
    """It filters events as they happen, but never how an operation stands."""
    started = start(client, "count", to=10, interval=0.02)
    path = path.replace("{id}", started["id"])
    query += f"&after={started['cursor']}&operation={started['id']}"
    events: list[Dispatched] = []
    parser = Parser()
    with Connection(server.port, request(f"{path}?{query}")) as connection:
        for data in connection.body():
            events += parser.feed(data)
            if events and events[-1].type == "state" and '"succeeded"' in events[-1].data:
                break
    types = {event.type for event in events}
    assert types - {"snapshot", "ping", "state", "bye"} == expected
    assert "ping" in types


def after_end(ended: Any, by: int) -> str:
    cursor = Cursor.parse(ended["cursor"])
    return f"{cursor.epoch}-{cursor.n + by}"


@pytest.mark.parametrize("by", [0, 1])
def test_who_has_seen_the_end_gets_204(
    server: Server, client: httpx2.Client, ended: Any, by: int
) -> None:
    finish(client, "count")  # so that there is something after it
    path = f"/operations/{ended['id']}/events"
    heard = Heard(server, path, {"Last-Event-ID": after_end(ended, by)})
    assert (heard.status, heard.content) == (204, b"")
    heard = Heard(server, f"{path}?after=0-0", {"Last-Event-ID": after_end(ended, by)})
    assert heard.status == 204


@pytest.mark.parametrize("by", [0, 1])
def test_a_cursor_in_the_query_is_no_reconnect(
    server: Server, client: httpx2.Client, ended: Any, by: int
) -> None:
    finish(client, "count")
    heard = Heard(server, f"/operations/{ended['id']}/events?after={after_end(ended, by)}")
    assert heard.status == 200
    assert heard.types == ["snapshot", "ping", "bye"]
    assert heard.events[0].last_event_id == after_end(ended, by)


@pytest.mark.parametrize(
    ("cursor", "gap"),
    [("before the end", None), ("0-0", None), ("future", "future"), ("1-99999999", "epoch")],
)
def test_other_places_are_answered(
    server: Server, ended: Any, cursor: str, gap: str | None
) -> None:
    cursor = {"before the end": after_end(ended, -1), "future": after_end(ended, 10**9)}.get(
        cursor, cursor
    )
    heard = Heard(server, f"/operations/{ended['id']}/events", {"Last-Event-ID": cursor})
    assert heard.status == 200
    assert heard.types[-2:] == ["ping", "bye"]
    assert "snapshot" in heard.types
    assert [event["reason"] for event in heard.data("gap")] == ([gap] if gap else [])
    assert heard.parser.last_event_id.startswith(after_end(ended, 0).partition("-")[0])


def test_header_wins_over_query(server: Server, ended: Any) -> None:
    path = f"/operations/{ended['id']}/events?after={after_end(ended, 0)}"
    heard = Heard(server, path, {"Last-Event-ID": "0-0"})
    assert [event["message"] for event in heard.data("log")] == ["line 0", "line 1", "line 2"]
    heard = Heard(server, path, {"Last-Event-ID": ""})  # as if there were none
    assert heard.data("log") == []


def test_over_the_cap_they_are_told_to_come_back(tight_server: Server) -> None:
    with Connection(tight_server.port, request("/events")) as connection:
        seen = b""
        while b"event: ping" not in seen:
            seen += next(connection.body())
        heard = Heard(tight_server, "/events")
        assert heard.status == 200
        assert heard.headers["cache-control"] == "no-store, no-transform"
        assert heard.content.startswith(b"retry: ")
        assert heard.data("bye") == [{"type": "bye", "reason": "busy", "reconnect": True}]
        assert heard.types == ["bye"]


def test_the_place_comes_free_again(tight_server: Server) -> None:
    """The server may hear a moment later that somebody has left."""

    def refused() -> bool:
        seen = b""
        with Connection(tight_server.port, request("/events")) as connection:
            while b"event: ping" not in seen and b"event: bye" not in seen:
                seen += next(connection.body())
        return b"event: bye" in seen

    for _ in range(5):
        eventually(lambda: not refused())
