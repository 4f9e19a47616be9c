"""Frames on the wire: framing, masking, fragmentation, pings and pongs (RFC 6455 §5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.rfc6455 import (
    PARSE_ERROR,
    Answer,
    Case,
    Rig,
    check,
    echo,
    parameters,
    pong,
    refused,
    rig,
    served,
    text,
)
from tests.support.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    WebSocket,
    fragments,
    frame,
)

A = Answer("a")
CALL = echo("a")
NOTIFICATION = b'{"jsonrpc":"2.0","method":"echo"}'
"""Nobody answers it."""

SIZES = [*range(64, 68), 125, 126, 127, 65_535, 65_536]
"""Each remainder by the mask's four bytes, and both sides of each form of the length."""

ANY_BYTES = bytes(range(256))
BEGUN, REST = fragments(CALL, 10)
CONTROL = {"close": CLOSE, "ping": PING, "pong": PONG}
OPCODES = {"continuation": CONTINUATION, "text": TEXT, **CONTROL}

FRAMING = [
    *(served("5.2", f"{size} bytes", frame(TEXT, echo("a", size)), A) for size in SIZES),
    served("5.2", "no payload", frame(TEXT), Answer(None, PARSE_ERROR)),
    # The shortest form is the sender's duty; nothing tells who receives another to refuse it.
    served("5.2", "a short length in 16 bits", frame(TEXT, CALL, length_bits=16), A),
    served("5.2", "a short length in 64 bits", frame(TEXT, CALL, length_bits=64), A),
    served("5.2", "126 bytes in 64 bits", frame(TEXT, echo("a", 126), length_bits=64), A),
    *(
        refused("5.2", f"reserved bits {bits:#x}, {name}", frame(opcode, CALL, FIN | bits))
        for bits in (RSV1, RSV2, RSV3, RSV1 | RSV2 | RSV3)
        for name, opcode in (("text", TEXT), ("ping", PING), ("close", CLOSE))
    ),
    refused(
        "5.2", "a reserved bit in a continuation", BEGUN + frame(CONTINUATION, b"", FIN | RSV1)
    ),
    *(
        refused("5.2", f"opcode {opcode:#x}, {len(payload)} bytes", frame(opcode, payload))
        for opcode in (*range(0x3, 0x8), *range(0xB, 0x10))
        for payload in (b"", CALL)
    ),
    refused("5.2", "a reserved opcode between fragments", BEGUN + frame(0x3) + REST),
]

MASKING = [
    *(
        served("5.3", f"mask {mask.hex()}", frame(TEXT, CALL, mask=mask), A)
        for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1", b'{"":')
    ),
    *(
        refused("5.1", f"no mask, {name}, {len(payload)} bytes", frame(opcode, payload, mask=None))
        for name, opcode in OPCODES.items()
        for payload in (b"", b"{}")
    ),
    refused("5.1", "no mask on the last fragment", BEGUN + frame(CONTINUATION, b"", mask=None)),
    refused("5.1", "no mask on a ping between fragments", BEGUN + frame(PING, mask=None) + REST),
]

FRAGMENTATION = [
    *(
        served("5.4", f"fragments, cut at {cuts}", b"".join(fragments(CALL, *cuts)), A)
        for cuts in ([0], [1], [len(CALL)], [0, 0, 5, 5, len(CALL)], [*range(1, len(CALL))])
    ),
    served("5.4", "two such messages", 2 * (BEGUN + REST), A, A),
    served("5.4", "a whole message after one", BEGUN + REST + text("b"), A, Answer("b")),
    served("5.4", "a ping between", BEGUN + frame(PING, b"x") + REST, pong(b"x"), A),
    served("5.4", "a pong between", BEGUN + frame(PONG, b"x") + REST, A),
    served(
        "5.4",
        "pings between all of them",
        b"".join(frame(PING, bytes([n])) + piece for n, piece in enumerate(fragments(CALL, 0, 9))),
        *(pong(bytes([n])) for n in range(3)),
        A,
    ),
    refused("5.4", "a continuation of nothing", frame(CONTINUATION, CALL)),
    refused("5.4", "an unfinished continuation of nothing", frame(CONTINUATION, CALL, 0)),
    refused(
        "5.4", "a continuation after the last", frame(TEXT, NOTIFICATION) + frame(CONTINUATION)
    ),
    refused(
        "5.4",
        "a continuation after the last fragment",
        b"".join(fragments(NOTIFICATION, 5)) + frame(CONTINUATION),
    ),
    refused("5.4", "a text before the end of another", BEGUN + text("b")),
    refused("5.4", "an unfinished text before the end of another", BEGUN + BEGUN),
    refused("5.4", "a binary before the end of a text", BEGUN + frame(BINARY)),
]

CONTROL_FRAMES = [
    *(
        refused("5.5", f"a fragmented {name}", frame(opcode, flags=0) + frame(CONTINUATION))
        for name, opcode in CONTROL.items()
    ),
    *(
        refused("5.5", f"a {name} of {size} bytes", frame(opcode, b"\x03\xe8".ljust(size)))
        for name, opcode in CONTROL.items()
        for size in (126, 65_536)
    ),
    refused("5.5", "a fragmented ping between fragments", BEGUN + frame(PING, flags=0) + REST),
    refused("5.5", "a long ping between fragments", BEGUN + frame(PING, ANY_BYTES[:126]) + REST),
    served("5.5.2", "an empty ping", frame(PING), pong()),
    served("5.5.2", "a ping of any bytes", frame(PING, ANY_BYTES[131:]), pong(ANY_BYTES[131:])),
    served("5.5.2", "a ping of 125 bytes", frame(PING, ANY_BYTES[:125]), pong(ANY_BYTES[:125])),
    served(
        "5.5.2",
        "many pings",
        b"".join(frame(PING, bytes([n])) for n in range(50)),
        *(pong(bytes([n])) for n in range(50)),
    ),
    served("5.5.3", "an empty pong nobody asked for", frame(PONG)),
    served("5.5.3", "a pong of 125 bytes nobody asked for", frame(PONG, ANY_BYTES[:125])),
    served("5.5.3", "a pong, then a ping", frame(PONG, b"x") + frame(PING, b"y"), pong(b"y")),
]

TOGETHER = [
    served(
        "5.4",
        "100 calls in one segment",
        b"".join(text(f"{n}") for n in range(100)),
        *(Answer(f"{n}") for n in range(100)),
    ),
    served(
        "5.4",
        "99 fragments in one segment",
        b"".join(fragments(echo("a", 98 * 600), *range(600, 98 * 600 + 1, 600))),
        A,
    ),
]

CASES = [*FRAMING, *MASKING, *FRAGMENTATION, *CONTROL_FRAMES]
EASILY_SLICED = 2_000
"""The most bytes of a case that are sent one by one, too."""


@pytest.fixture(scope="module")
def server() -> Iterator[Rig]:
    with rig() as found:
        yield found


@pytest.mark.parametrize("case", parameters([*CASES, *TOGETHER]))
def test_in_one_segment(server: Rig, case: Case) -> None:
    check(server.port, case)
    server.neighbour.check()


@pytest.mark.parametrize(
    "case", parameters([case for case in CASES if len(case.sent) <= EASILY_SLICED])
)
def test_in_segments_of_one_byte(server: Rig, case: Case) -> None:
    check(server.port, case, sliced=True)
    server.neighbour.check()


@pytest.mark.parametrize("size", [65_535, 65_536])
def test_length_of_a_large_answer(server: Rig, size: int) -> None:
    """§5.2: the server, too, uses the shortest form; the parser insists on it."""
    with WebSocket(server.port) as client:
        client.send(text(""))
        empty = client.receive()
        assert empty is not None
        client.send(text("x" * (size - len(empty.payload))))
        answer = client.receive()
    assert answer is not None
    assert len(answer.payload) == size
    server.neighbour.check()
