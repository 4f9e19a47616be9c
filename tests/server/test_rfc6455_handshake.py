"""The opening handshake on the wire (RFC 6455 §4)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pytest

from tests.support.rfc6455 import Answer, Rig, rig, seen, text
from tests.support.websocket import ACCEPT, HANDSHAKE, KEY, WebSocket, handshake
from tests.support.wire import Connection, request

PROTOCOL = "progress.v1"
FIELDS = {"Host": "localhost", **HANDSHAKE}


class Opening(NamedTuple):
    """A request, and what must be in the head of its answer."""

    section: str
    what: str
    request: bytes
    statuses: Sequence[int]
    headers: Mapping[str, str | None]


def opening(first: str = "GET /ws HTTP/1.1", *lines: str, without: str = "") -> bytes:
    """The bytes of a handshake with another first line, further lines, and without a field."""
    fields = [f"{name}: {value}" for name, value in FIELDS.items() if name != without]
    return "\r\n".join([first, *fields, *lines, "", ""]).encode("latin-1")


def opened(section: str, what: str, request: bytes, protocol: str | None = None) -> Opening:
    """It is answered with 101."""
    headers = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": ACCEPT,
        "sec-websocket-protocol": protocol,
        "sec-websocket-extensions": None,
        "content-length": None,
        "transfer-encoding": None,
    }
    return Opening(section, what, request, [101], headers)


def refused(
    section: str, what: str, request: bytes, *statuses: int, **headers: str | None
) -> Opening:
    """It is answered with one of these statuses, and no handshake."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Opening(section, what, request, statuses, {"sec-websocket-accept": None, **fields})


def replaced(name: str, *values: str) -> bytes:
    """The bytes of a handshake whose field of that name has these values, each in a line."""
    lines = [f"{name}: {value}" for value in values]
    return opening("GET /ws HTTP/1.1", *lines, without=name)


def offered(*values: str) -> bytes:
    """The bytes of a handshake with these sub-protocols."""
    return replaced("Sec-WebSocket-Protocol", *values)


OPENED = [
    opened("4.1", "the RFC's own example", opening()),
    opened("4.1", "a query", opening("GET /ws?a=b HTTP/1.1")),
    opened("4.1", "an absolute URI", opening("GET http://localhost/ws HTTP/1.1")),
    opened("4.1", "further fields", opening("GET /ws HTTP/1.1", "Cookie: a=b", "X-Any: \xff")),
    opened("4.1", "names in lower case", opening().replace(b"Sec-WebSocket", b"sec-websocket")),
    opened("4.1", "names in upper case", opening().replace(b"Sec-WebSocket", b"SEC-WEBSOCKET")),
    opened("4.2.1", "Upgrade in another case", replaced("Upgrade", "WebSocket")),
    opened("4.2.1", "Upgrade among others", replaced("Upgrade", "h2c, websocket")),
    opened("4.2.1", "Upgrade before others", replaced("Upgrade", "websocket , h2c")),
    opened("4.2.1", "two Upgrades", replaced("Upgrade", "h2c", "websocket")),
    opened("4.2.1", "white space behind Upgrade", replaced("Upgrade", "websocket \t")),
    opened("4.2.1", "Connection in another case", replaced("Connection", "upgrade")),
    opened("4.2.1", "Connection with two values", replaced("Connection", "keep-alive, Upgrade")),
    opened("4.2.1", "two Connections", replaced("Connection", "Upgrade", "keep-alive")),
    opened("4.2.1", "white space around the key", replaced("Sec-WebSocket-Key", f"  {KEY}\t ")),
    opened("4.2.1", "an Origin of its own", replaced("Origin", "http://localhost")),
    opened("4.2.2", "an extension", replaced("Sec-WebSocket-Extensions", "permessage-deflate")),
    opened("4.2.2", "no sub-protocol that is known", offered("chat, mqtt")),
    opened("4.2.2", "a sub-protocol in another case", offered("Progress.V1")),
    opened("4.2.2", "the sub-protocol", offered(PROTOCOL), PROTOCOL),
    opened("4.2.2", "the sub-protocol among others", offered(f"chat, {PROTOCOL},mqtt"), PROTOCOL),
    opened("4.1", "the sub-protocol in another line", offered("chat", PROTOCOL), PROTOCOL),
]

REFUSED = [
    refused("4.2.1", "POST", opening("POST /ws HTTP/1.1"), 400, 405, 426),
    refused("4.2.1", "HTTP/1.0", opening("GET /ws HTTP/1.0"), 400, 426, 505),
    refused("4.2.1", "no Host", opening(without="Host"), 400),
    refused("4.2.1", "no Upgrade", opening(without="Upgrade"), 426, upgrade="websocket"),
    refused("4.2.1", "another Upgrade", replaced("Upgrade", "h2c"), 426, upgrade="websocket"),
    refused("4.2.1", "no Connection", opening(without="Connection"), 426, upgrade="websocket"),
    refused(
        "4.2.1",
        "a Connection without Upgrade",
        replaced("Connection", "keep-alive"),
        426,
        upgrade="websocket",
    ),
    refused("4.2.1", "no key", opening(without="Sec-WebSocket-Key"), 400),
    *(
        refused("4.2.1", f"the key {key!r}", replaced("Sec-WebSocket-Key", key), 400)
        for key in ("", "?", KEY[:-1], KEY[4:], "AAAA" + KEY, "!" + KEY[1:])
    ),
    refused("11.3.1", "two keys", replaced("Sec-WebSocket-Key", KEY, KEY), 400),
    refused("4.2.1", "no version", opening(without="Sec-WebSocket-Version"), 400, 426),
    refused("11.3.5", "two versions", replaced("Sec-WebSocket-Version", "13", "8"), 400, 426),
    *(
        refused(
            "4.4",
            f"the version {version!r}",
            replaced("Sec-WebSocket-Version", version),
            *(400, 426),
            sec_websocket_version="13",
        )
        for version in ("0", "8", "12", "14", "131", "x")
    ),
    refused("4.2.2", "another resource", opening("GET /elsewhere HTTP/1.1"), 403, 404),
    refused("4.2.2", "another site's Origin", replaced("Origin", "https://example.com"), 403),
    refused("4.2.2", "two Origins", replaced("Origin", "http://localhost", "http://a.org"), 403),
    refused("4.2.1", "a target without a path", opening("GET http://localhost HTTP/1.1"), 404),
    refused("4.2.1", "a query and no path", opening("GET http://localhost?a=b HTTP/1.1"), 404),
    refused("4.2.1", "no host", opening("GET http:// HTTP/1.1"), 400),
    refused("4.2.1", "no port", opening("GET http://localhost:99999/ws HTTP/1.1"), 400),
    refused("4.2.2", "an opaque Origin", replaced("Origin", "null"), 403),
    refused("4.2.2", "another Host", replaced("Host", "example.com"), 403),
]


def parameters(openings: Sequence[Opening]) -> Sequence[object]:
    """The cases for `pytest.mark.parametrize`, named by their sections."""
    return [pytest.param(case, id=f"{case.section} {case.what}") for case in openings]


@pytest.fixture(scope="module")
def server() -> Iterator[Rig]:
    with rig() as found:
        yield found


@pytest.mark.parametrize("case", parameters(OPENED))
def test_opened(server: Rig, case: Opening) -> None:
    """The first frame is understood, too."""
    with WebSocket(server.port, case.request) as client:
        client.send(text("a"))
        assert seen(client.receive()) == Answer("a")
        check_headers(client.headers, case)
    server.neighbour.check()


@pytest.mark.parametrize("case", parameters(REFUSED))
def test_refused(server: Rig, case: Opening) -> None:
    """The answer comes to its end, for a client that waits for it, and says what to do."""
    with Connection(server.port, case.request) as connection:
        problem = json.loads(connection.read())
        assert problem["detail"]
        assert problem["status"] == connection.response.status
        assert connection.response.status in case.statuses
        check_headers(connection.response.headers, case)
    server.neighbour.check()


@pytest.mark.parametrize("before", [request("/events"), request("/healthz")], ids=["SSE", "JSON"])
def test_behind_a_request_that_is_not_answered(server: Rig, before: bytes) -> None:
    """RFC 9110 §7.8: it is ignored there. Two protocols would write to the same connection."""
    with Connection(server.port, before + opening()) as connection:
        assert b"101" not in next(connection.body())
        assert connection.response.status == 200
    with WebSocket(server.port, opening()) as client:
        client.send(text("a"))
        assert seen(client.receive()) == Answer("a")
    server.neighbour.check()


def test_another_key(server: Rig) -> None:
    """§4.2.2: the answer is made from the key."""
    key = {"Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw=="}
    with WebSocket(server.port, handshake(key)) as client:
        assert client.headers["sec-websocket-accept"] == "HSmrc0sMlYUkAGmm5OPpG2HaGWk="


def test_head_in_segments_of_one_byte(server: Rig) -> None:
    with Connection(server.port, b"") as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in handshake():
            connection.socket.sendall(bytes([byte]))
        head = connection.socket.recv(65_536)
    assert head.startswith(b"HTTP/1.1 101 ")
    server.neighbour.check()


def check_headers(headers: Mapping[str, str], case: Opening) -> None:
    """Compare the fields of the answer with the case; None is a field that is not there."""
    assert {name: headers.get(name) for name in case.headers} == case.headers
