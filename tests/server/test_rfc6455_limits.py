"""Too much on the wire: too large, too often, and not read (RFC 6455 §7.4.1, §10.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta

import psutil
import pytest

from tests.support.rfc6455 import (
    Answer,
    Case,
    Rig,
    Seen,
    check,
    echo,
    parameters,
    pong,
    rig,
    seen,
    served,
    text,
)
from tests.support.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    MASK,
    PING,
    PONG,
    TEXT,
    WebSocket,
    close,
    fragments,
    frame,
)
from tests.support.wire import TIMEOUT

MIB = 1 << 20
LIMIT = 65_536
"""Bytes of a message, over all its fragments."""

RATE = 20
"""Frames a second of one connection, and as many at once."""

UNLIMITED = 1_000_000
FLOOD = 60_000  # frames of more than 100 bytes: more than the buffers of two sockets
STALL = 0.5
"""Seconds after which a socket that takes nothing is full for good."""

HALF_A_SOCKET = 4_096
"""Of receive buffer, so that the kernel does not read in the client's stead."""

FLOODS = {
    "pings": 30_000 * frame(PING),
    "pongs": 30_000 * frame(PONG),
    "fragments": 30_000 * frame(CONTINUATION, b" ", 0),
    "empty fragments": 30_000 * frame(CONTINUATION, b"", 0),
}

A = Answer("a")
FULL = echo("a", LIMIT)
PINGED = frame(PING, b"x" * 125)
BEGUN = fragments(FULL, 10)[0]


def oversize(what: str, sent: bytes, *codes: int) -> Case:
    """It ends the connection as a message too big to process."""
    return Case("7.4.1", what, sent, (), [1009, *codes])


def announced(length: int) -> bytes:
    """The head of a text frame of so many bytes, without one of them."""
    return bytes([FIN | TEXT, 0x80 | 127]) + length.to_bytes(8) + MASK


SIZES = [
    served("5.4", "as large as may be, in two", b"".join(fragments(FULL, 40_000)), A),
    served("5.4", "as large, and an empty end", b"".join(fragments(FULL, LIMIT)), A),
    served(
        "5.4",
        "as large, with pings between",
        PINGED.join(fragments(FULL, 16_384, 32_768, 49_152)),
        *(3 * [pong(b"x" * 125)]),
        A,
    ),
    served(
        "5.5",
        "as large, and a ping before an empty end: a control frame is no part of it",
        PINGED.join(fragments(FULL, LIMIT)),
        pong(b"x" * 125),
        A,
    ),
    served("5.4", "two as large", 2 * frame(TEXT, FULL), A, A),
    oversize("one byte more", frame(TEXT, FULL + b" ")),
    oversize("three times as large", frame(TEXT, 3 * FULL)),
    oversize("three times as large, of binary", frame(BINARY, 3 * FULL), 1003),
    oversize("two fragments", b"".join(fragments(FULL + b" ", LIMIT))),
    oversize("three fragments", b"".join(fragments(3 * FULL[:32_768] + b" ", 32_768, LIMIT))),
    oversize(
        "a full one and an endless fragment",
        b"".join(fragments(FULL, LIMIT)[:1]) + frame(CONTINUATION, b" ", 0),
    ),
    oversize("one byte more, announced", announced(LIMIT + 1)),
    oversize("1 TiB, announced", announced(1 << 40)),
    oversize("the largest length, announced", announced((1 << 63) - 1)),
    oversize("a length with its first bit set, announced (§5.2)", announced(1 << 63), 1002),
]

KINDS = ["calls", "pings", "pongs", "fragments"]


def burst(kind: str, count: int) -> tuple[bytes, Sequence[Seen]]:
    """So many frames, and what a server that takes them all answers."""
    match kind:
        case "calls":
            return count * text("a"), [A] * count
        case "pings":
            return count * frame(PING), count * [pong()]
        case "pongs":
            return count * frame(PONG), []
        case _:
            return b"".join(fragments(echo("a"), *range(1, count))), [A]


@pytest.fixture(scope="module")
def server() -> Iterator[Rig]:
    with rig("--set", f"limits.messages={RATE}") as found:
        yield found


@pytest.fixture(scope="module")
def patient() -> Iterator[Rig]:
    """A server that any number of frames is allowed to."""
    with rig("--set", f"limits.messages={UNLIMITED}") as found:
        yield found


@pytest.mark.parametrize("case", parameters(SIZES))
def test_size(server: Rig, case: Case) -> None:
    check(server.port, case)
    server.neighbour.check()


def test_as_many_as_may_be(server: Rig) -> None:
    """A burst of each kind is served, and another once the bucket is full again."""
    bursts = [burst(kind, RATE) for kind in KINDS]
    with ExitStack() as stack:
        clients = [stack.enter_context(WebSocket(server.port)) for _ in KINDS]
        for _ in range(2):
            for client, (sent, expected) in zip(clients, bursts, strict=True):
                client.send(sent)
                assert [seen(client.receive()) for _ in expected] == expected
            server.neighbour.check(later=timedelta(seconds=1.1))
        for client in clients:
            client.send(text("probe"))
            assert seen(client.receive()) == Answer("probe")


@pytest.mark.parametrize("kind", KINDS)
def test_too_many(server: Rig, kind: str) -> None:
    """Calls beyond it are not carried out."""
    sent, _ = burst(kind, 2 * RATE)
    with WebSocket(server.port) as client:
        client.send(sent)
        *frames, last = client.finish()
    assert (last.opcode, last.code) == (CLOSE, 1008)
    assert sum(found.opcode == TEXT for found in frames) <= RATE + 2
    server.neighbour.check()


@pytest.mark.parametrize(
    ("end", "code"), [(close(1000), 1000), (frame(TEXT, mask=None), 1002)], ids=["close", "fault"]
)
def test_too_many_and_another_end(server: Rig, end: bytes, code: int) -> None:
    """§5.5.1: whichever the server sees first, it says so."""
    sent, _ = burst("pings", 2 * RATE)
    with WebSocket(server.port) as client:
        client.send(sent + end)
        *_, last = client.finish()
    assert last.opcode == CLOSE
    assert last.code in (1008, code)


@pytest.mark.parametrize("name", FLOODS)
def test_flood(server: Rig, name: str) -> None:
    """It ends soon: little of it is answered, and what is kept of it is not measurable."""
    assert flooded(server.port, FLOODS[name]) <= 10 * RATE
    grown = growth(server)
    for _ in range(3):
        flooded(server.port, FLOODS[name])
    assert grown() < MIB
    server.neighbour.check()


def flooded(port: int, flood: bytes) -> int:
    """Send it to the end of the connection; return how many answers came before."""
    with WebSocket(port) as client:
        with suppress(ConnectionError):
            client.send(BEGUN + flood)
        *frames, last = client.finish()
    assert (last.opcode, last.code) == (CLOSE, 1008)
    return len(frames)


def test_who_does_not_stop(server: Rig) -> None:
    """What comes after the end is read for a while, so that the client sees it; not for ever."""
    endless = 64 * MIB  # more than the buffers of two sockets
    with WebSocket(server.port) as client, pytest.raises(ConnectionError):
        client.send(announced(endless), bytes(endless))
    server.neighbour.check()


@pytest.mark.parametrize(
    ("payload", "count"), [(b" ", 60_000), (b"", 200_000)], ids=["one byte", "empty"]
)
def test_fragments_that_are_allowed(patient: Rig, payload: bytes, count: int) -> None:
    """A message costs its bytes, however it is cut. What parsing takes, the first one has taken."""
    data = BEGUN + count * frame(CONTINUATION, payload, 0) + frame(PING)
    with ExitStack() as stack:
        first, *clients = [stack.enter_context(WebSocket(patient.port)) for _ in range(3)]
        first.send(data)
        assert first.receive() == pong()
        grown = growth(patient)
        for client in clients:
            client.send(data)
            assert client.receive() == pong()
        assert grown() < len(clients) * MIB
    patient.neighbour.check()


@pytest.mark.parametrize("kind", ["pings", "calls"])
def test_flood_from_who_does_not_read(patient: Rig, kind: str) -> None:
    """It costs a buffer, nobody else notices, and it is answered when it reads again."""
    numbers = [f"{n}".rjust(100) for n in range(FLOOD)]
    pings = kind == "pings"
    frames = [frame(PING, number.encode()) if pings else text(number) for number in numbers]
    grown = growth(patient)
    with WebSocket(patient.port, receive_buffer=HALF_A_SOCKET) as client:
        sent = pour(client, b"".join(frames))
        patient.neighbour.check(later=timedelta(seconds=1))  # the server reads what it will read
        assert grown() < 2 * MIB
        number = numbers[sent // len(frames[0]) - 1]
        last = pong(number.encode()) if pings else Answer(number)
        while (found := seen(client.receive())) != last:
            assert found is not None
    patient.neighbour.check()


def growth(rig: Rig) -> Callable[[], int]:
    """Bytes of memory that the server takes beyond what it takes now."""
    memory = psutil.Process(rig.process.pid).memory_info
    before: int = memory().rss
    return lambda: memory().rss - before


def pour(client: WebSocket, data: bytes) -> int:
    """Send until the server takes no more; return how much it took."""
    left = memoryview(data)
    client.socket.settimeout(STALL)
    with suppress(TimeoutError):
        while left:
            left = left[client.socket.send(left) :]
    client.socket.settimeout(TIMEOUT)
    return len(data) - len(left)
