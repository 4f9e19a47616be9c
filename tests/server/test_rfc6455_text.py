"""Text on the wire: UTF-8, valid and invalid, cut anywhere (RFC 6455 §5.6, §8.1); no binary."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.rfc6455 import Answer, Case, Rig, check, echo, parameters, pong, rig, served
from tests.support.websocket import BINARY, PING, TEXT, fragments, frame

VALID = {
    "two bytes, first and last": "\u0080\u07ff",
    "three bytes, first and last": "\u0800\uffff",
    "beside the surrogates": "\ud7ff\ue000",
    "four bytes, first and last": "\U00010000\U0010ffff",
    "no characters": "\ufffe\ufdd0\U0001fffe",
    "byte order mark": "\ufeff",
    "DEL": "\u007f",
    "Greek": "κόσμε",
    "joined": "👩‍🚀é",
}
LONGEST = "aé€😀"
"""A character of each length."""

INVALID = {
    "a continuation alone": b"\x80",
    "the last continuation alone": b"\xbf",
    "a second continuation": b"\xc3\xa9\xa9",
    "two bytes, one missing": b"\xc3",
    "three bytes, one missing": b"\xe2\x82",
    "four bytes, one missing": b"\xf0\x9f\x98",
    "a start within a character": b"\xe2\xe2\x82\xac",
    "an overlong slash of two bytes": b"\xc0\xaf",
    "an overlong slash of three bytes": b"\xe0\x80\xaf",
    "an overlong slash of four bytes": b"\xf0\x80\x80\xaf",
    "an overlong NUL": b"\xc0\x80",
    "the highest overlong of two bytes": b"\xc1\xbf",
    "the highest overlong of three bytes": b"\xe0\x9f\xbf",
    "the highest overlong of four bytes": b"\xf0\x8f\xbf\xbf",
    "the first surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "above the highest character": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "0xFE": b"\xfe",
    "0xFF": b"\xff",
}


def invalid(what: str, sent: bytes) -> Case:
    """It ends the connection as data that is not consistent with its type."""
    return Case("8.1", what, sent, (), [1007])


def cut_everywhere(text: str) -> Iterator[Case]:
    payload = echo(text)
    for cut in range(payload.index(text.encode()), len(payload)):
        two = fragments(payload, cut)
        yield served("8.1", f"cut at byte {cut}", b"".join(two), Answer(text))
        between = frame(PING, b"\xff").join(two)
        yield served("8.1", f"a ping at byte {cut}", between, pong(b"\xff"), Answer(text))


def every_byte(payload: bytes) -> bytes:
    """The frames of a message, one for each byte."""
    return b"".join(fragments(payload, *range(1, len(payload))))


def in_call(bad: bytes) -> bytes:
    """The payload of a call whose id is no UTF-8."""
    return echo("?").replace(b"?", bad)


CASES = [
    *(served("5.6", name, frame(TEXT, echo(text)), Answer(text)) for name, text in VALID.items()),
    *(
        served("8.1", f"{name}, by bytes", every_byte(echo(text)), Answer(text))
        for name, text in VALID.items()
    ),
    *cut_everywhere(LONGEST),
    *(invalid(name, frame(TEXT, bad)) for name, bad in INVALID.items()),
    *(invalid(f"{name}, in a call", frame(TEXT, in_call(bad))) for name, bad in INVALID.items()),
    *(invalid(f"{name}, by bytes", every_byte(in_call(bad))) for name, bad in INVALID.items()),
    invalid("two bytes of three, and the end", b"".join(fragments(b'"\xe2\x82', 2))),
    invalid("an empty end after half a character", b"".join(fragments(b'"\xc3', 2))),
]

BINARIES = [
    Case("7.4.1", "a binary", frame(BINARY, echo("a")), (), [1003]),
    Case("7.4.1", "an empty binary", frame(BINARY), (), [1003]),
    Case(
        "7.4.1", "a fragmented binary", b"".join(fragments(echo("a"), 9, opcode=BINARY)), (), [1003]
    ),
    Case("7.4.1", "a binary of no UTF-8", frame(BINARY, b"\xff"), (), [1003]),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Rig]:
    with rig() as found:
        yield found


@pytest.mark.parametrize("case", parameters([*CASES, *BINARIES]))
def test_text(server: Rig, case: Case) -> None:
    check(server.port, case)
    server.neighbour.check()


@pytest.mark.parametrize("name", VALID)
def test_text_in_segments_of_one_byte(server: Rig, name: str) -> None:
    """A character is cut by segments, not by frames."""
    text = VALID[name]
    case = served("8.1", name, frame(TEXT, echo(text)), Answer(text))
    check(server.port, case, sliced=True)
