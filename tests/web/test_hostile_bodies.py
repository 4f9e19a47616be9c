"""Bodies that want to hurt: refused early and cheaply, and nothing starts."""

import select
from collections.abc import Iterator

import httpx2
import psutil
import pytest

from tests.support.server import Server
from tests.support.web import finish, ids
from tests.support.wire import Connection, request

BODY = 1_048_576
GIB = 1 << 30
JSON = {"Content-Type": "application/json"}
CHUNKED = {**JSON, "Transfer-Encoding": "chunked"}
N = 340_000  # of three bytes each: just within the bound

BOMBS = {
    "arrays": b"[" * 3 * N,
    "arrays that end": b"[" * N + b"]" * N,
    "objects": b'{"a":' * (N // 2),
    "params": b'{"kind":"count","params":' + b"[" * 3 * N,
    "param": b'{"kind":"count","params":{"to":' + b"[" * N + b"]" * N + b"}}",
    "labels": b'{"kind":"count","labels":{"a":' + b'{"a":' * (N // 2),
    "unknown field": b'{"else":' + b"[" * N + b"]" * N + b"}",
    "integer": b'{"kind":"count","params":{"to":' + b"9" * 3 * N + b"}}",
    "integer above 64 bits": b'{"kind":"count","params":{"to":' + b"9" * 4_400 + b"}}",
    "negative integer": b'{"kind":"count","params":{"to":-' + b"9" * 3 * N + b"}}",
    "integer as float": b'{"kind":"count","params":{"interval":' + b"9" * 3 * N + b"}}",
    "fraction": b'{"kind":"count","params":{"interval":"0.' + b"1" * 3 * N + b"}}",
    "exponent": b'{"kind":"count","params":{"interval":1e' + b"9" * 3 * N + b"}}",
    "infinity by exponent": b'{"kind":"count","params":{"interval":1e400}}',
    "many labels": b'{"kind":"count","labels":{'
    + b",".join(b'"%d":""' % n for n in range(N // 4))
    + b"}}",
    "long labels": b'{"kind":"count","labels":{'
    + b",".join(b'"%d":"%b"' % (n, b"x" * 257) for n in range(N // 100))
    + b"}}",
    "one long label": b'{"kind":"count","labels":{"a":"' + b"x" * 3 * N + b'"}}',
    "escapes": b'{"kind":"' + b"\\u0041" * (N // 2) + b'"}',
    "blanks": b" " * 3 * N,
    "same key": b'{"kind":"count",' + b'"kind":"nope",' * (N // 6) + b'"kind":"nope"}',
    "unknown keys": b'{"kind":"count",' + b",".join(b'"%d":1' % n for n in range(N // 4)) + b"}",
}


def cpu(server: Server) -> float:
    """Seconds of CPU that the server has used."""
    times = psutil.Process(server.process.pid).cpu_times()
    return float(times.user + times.system)


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_refused(client: httpx2.Client, name: str) -> None:
    assert len(BOMBS[name]) <= BODY
    before = ids(client)
    answer = client.post("/operations", content=BOMBS[name], headers=JSON)
    assert answer.status_code in (400, 404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 10_000
    assert ids(client) == before


def test_bombs_cost_no_more_than_good_bodies(server: Server, client: httpx2.Client) -> None:
    """The bomb of a kind that only ends when the work is done would cost seconds."""
    good = b'{"kind":"count","params":{"to":1},"labels":{"a":"b"}' + b" " * (BODY - 100) + b"}"

    def spent(bodies: Iterator[bytes]) -> float:
        began = cpu(server)
        for body in bodies:
            assert client.post("/operations", content=body, headers=JSON).status_code < 500
        return cpu(server) - began

    usual = spent(good for _ in BOMBS)
    assert spent(iter(BOMBS.values())) < 10 * max(usual, 0.05)


@pytest.mark.parametrize("expect", [{}, {"Expect": "100-continue"}])
@pytest.mark.parametrize("length", [BODY + 1, GIB, 10**15])
def test_declared_length_is_refused_before_the_body(
    server: Server, length: int, expect: dict[str, str]
) -> None:
    headers = {**JSON, "Content-Length": str(length), **expect}
    data = request("/operations", headers, method="POST")
    with Connection(server.port, data) as connection:
        assert b"urn:progress:problem:too-large" in connection.read()
        assert connection.response.status == 413  # and no 100 before it
        assert connection.response.headers["connection"] == "close"
        assert connection.socket.recv(1) == b""


@pytest.mark.parametrize("length", [str(10**30), "-1", "1e3", "0x10", "1, 1", "٣"])
def test_length_that_is_no_number(server: Server, client: httpx2.Client, length: str) -> None:
    before = ids(client)
    headers = {**JSON, "Content-Length": length.encode().decode("latin-1")}
    data = request("/operations", headers, method="POST") + b'{"kind":"count"}'
    with Connection(server.port, data) as connection:
        connection.read()
        assert connection.response.status in (400, 413)
    assert ids(client) == before


def test_100_continue_is_sent_for_a_body_that_is_wanted(server: Server) -> None:
    body = b'{"kind":"count"}'
    headers = {**JSON, "Content-Length": str(len(body)), "Expect": "100-continue"}
    with Connection(server.port, request("/operations", headers, method="POST")) as connection:
        assert connection.socket.recv(4_096).startswith(b"HTTP/1.1 100 ")
        connection.socket.sendall(body)
        connection.read()
        assert connection.response.status == 202


@pytest.mark.parametrize("media_type", ["application/json", "text/plain"])
def test_endless_chunked_body_is_refused_early(
    server: Server, client: httpx2.Client, media_type: str
) -> None:
    before = ids(client)
    headers = {**CHUNKED, "Content-Type": media_type}
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    sent = 0
    with Connection(server.port, request("/operations", headers, method="POST")) as connection:
        wire = connection.socket
        while sent < GIB:
            readable, writable, _ = select.select([wire], [wire], [], 8)
            assert readable or writable
            if readable:
                break
            try:
                sent += wire.send(chunk)
            except ConnectionError:  # it has closed; its answer is there all the same
                break
        content = connection.read()
    assert sent < 8 * BODY  # most of that is what the kernel holds for the two of us
    expected = 413 if media_type == "application/json" else 415
    assert connection.response.status == expected, content
    assert ids(client) == before


def test_memory_of_the_server_stays_flat(server: Server, client: httpx2.Client) -> None:
    process = psutil.Process(server.process.pid)
    body = b" " * BODY
    assert client.post("/operations", content=body, headers=JSON).status_code == 400
    before = process.memory_info().rss
    for _ in range(20):
        assert client.post("/operations", content=body, headers=JSON).status_code == 400
    assert process.memory_info().rss - before < 8 * BODY


def partial_bodies() -> Iterator[tuple[dict[str, str], bytes]]:
    """Requests whose body is a whole JSON text and yet not whole."""
    body = b'{"kind":"count"}'
    yield {**JSON, "Content-Length": str(len(body) + 1)}, body
    yield {**JSON, "Content-Length": str(len(body))}, body[:-1]
    yield {**JSON, "Content-Length": str(len(body))}, b""
    chunk = b"%x\r\n%b\r\n" % (len(body), body)
    yield CHUNKED, chunk
    yield CHUNKED, chunk + b"0\r\n"
    yield CHUNKED, chunk + b"5\r\n  "
    yield CHUNKED, chunk + b"nonsense\r\n\r\n"
    yield CHUNKED, b""


@pytest.mark.parametrize("ending", ["reset", "close", "half-close"])
def test_lost_body_starts_nothing(server: Server, client: httpx2.Client, ending: str) -> None:
    before = ids(client)
    for headers, body in partial_bodies():
        data = request("/operations", headers, method="POST") + body
        with Connection(server.port, data) as connection:
            assert ids(client) == before
            match ending:
                case "reset":
                    connection.reset()
                case "half-close":
                    connection.socket.shutdown(1)
                    while connection.socket.recv(4_096):  # until the server closes it too
                        pass
                case _:
                    pass
    assert ids(client) == before


def test_slow_body_holds_nobody_up(server: Server, client: httpx2.Client) -> None:
    body = b'{"kind":"count","params":{"to":1}}'
    headers = {**JSON, "Content-Length": str(len(body))}
    with Connection(server.port, request("/operations", headers, method="POST")) as connection:
        before = ids(client)
        for at in range(len(body) - 1):
            connection.socket.sendall(body[at : at + 1])
            assert client.get("/healthz").status_code == 200
        assert ids(client) == before
        connection.socket.sendall(body[-1:])
        connection.read()
        assert connection.response.status == 202


def test_refused_body_does_not_become_the_next_request(server: Server) -> None:
    """A body that looks like a request, behind a refusal on a connection that stays open."""
    smuggled = request("/operations", method="POST", body=b'{"kind":"count"}')
    headers = {"Content-Type": "text/plain", "Content-Length": str(len(smuggled))}
    data = request("/operations", headers, method="POST") + smuggled
    data += request("/healthz", {"Connection": "close"})
    answer = b""
    with Connection(server.port, data) as connection:
        while part := connection.socket.recv(65_536):
            answer += part
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 415 " in answer
    assert b'{"status":"ok"}' in answer


@pytest.mark.parametrize("name", ["prefer", "if-none-match", "last-event-id", "cookie", "x-any"])
def test_large_headers_do_not_spin(server: Server, client: httpx2.Client, name: str) -> None:
    """What parses a header takes time in proportion to its length."""
    path = f"/operations/{finish(client, 'count')['id']}"
    if name == "last-event-id":
        path += "/events"
    began = cpu(server)
    for filling in (" ", ' ;"', ", ", '"', 'a;"', 'W/"', "=;", "a=", '\\"'):
        value = f'a;{filling * (60_000 // len(filling))}"'
        headers = [("if-none-match", "*"), (name, value)]
        assert client.get(path, headers=headers).status_code < 500
    assert cpu(server) - began < 1
