"""Values of the author's and of strangers, as JSON and back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta, Raw, Struct
from pydantic import BaseModel

from progress.errors import FieldError, InvalidParams, Malformed
from progress.runner.codec import clean, clip, decode, to_raw


class Leaf(Struct, frozen=True):
    n: Annotated[int, Meta(ge=1)]
    where: Path = Path()


@dataclass
class Tree:
    leaf: Leaf
    leaves: list[Leaf] = field(default_factory=list)
    named: dict[str, Leaf] = field(default_factory=dict)
    counted: dict[int, int] = field(default_factory=dict)
    address: IPv4Address | None = None
    any: Any = None


class Colour(Enum):
    RED = "red"


class Model(BaseModel):
    where: Path
    at: datetime


# From outside


@pytest.mark.parametrize(
    ("data", "pointer", "detail"),
    [
        ("[]", "#", "object"),
        ("{}", "#", "leaf"),
        ('{"leaf":{"n":"1"}}', "#/leaf/n", "int"),
        ('{"leaf":{"n":0}}', "#/leaf/n", "1"),
        ('{"leaf":{"n":1.5}}', "#/leaf/n", "int"),
        ('{"leaf":{"n":1,"where":7}}', "#/leaf/where", ""),
        ('{"leaf":{"n":1,"where":null}}', "#/leaf/where", ""),
        ('{"leaf":{"n":1,"where":["a"]}}', "#/leaf/where", ""),
        ('{"leaf":{"n":1,"where":"a\\u0000b"}}', "#/leaf/where", "NUL"),
        ('{"leaf":{"n":1},"leaves":[{"n":1},{"n":2},{}]}', "#/leaves/2", "n"),
        ('{"leaf":{"n":1},"leaves":[{"n":1},{"n":0}]}', "#/leaves/1/n", "1"),
        ('{"leaf":{"n":1},"named":{"a/b":{"n":0}}}', "#/named", "1"),
        ('{"leaf":{"n":1},"named":{"a":7}}', "#/named", "object"),
        ('{"leaf":{"n":1},"counted":{"x":7}}', "#/counted", "int"),
        ('{"leaf":{"n":1},"address":"1.2.3"}', "#/address", "1.2.3"),
        ('{"leaf":{"n":1},"address":5}', "#/address", ""),
        ('{"leaf":{"n":1},"any":[[1e999]]}', "#/any/0/0", "range"),
        ('{"leaf":{"n":' + "9" * 5000 + "}}", "#/leaf/n", "range"),
    ],
)
def test_other_shape_is_told_with_a_pointer(data: str, pointer: str, detail: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        decode(data.encode(), Tree)
    (error,) = caught.value.errors
    assert error.pointer == pointer
    assert detail in error.detail
    assert " at `" not in error.detail


def test_pointer_starts_where_it_is_told() -> None:
    with pytest.raises(InvalidParams) as caught:
        decode(b'{"n":"x"}', Leaf, at="#/params")
    assert caught.value.errors == (FieldError("#/params/n", "Expected `int`, got `str`"),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nope",
        b"{",
        b'{"leaf":{"n":1}}}',
        b'{"leaf":{"n":1},"any":NaN}',
        b'{"leaf":{"n":1},"any":Infinity}',
        b'{"leaf":{"n":1},"any":"\xff"}',
        b'{"leaf":{"n":1},"any":"\xed\xa0\x80"}',
        b'{"leaf":{"n":1},"any":"\\ud800"}',
        b'\xef\xbb\xbf{"leaf":{"n":1}}',
        b'{"leaf":{"n":1},"any":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"leaf":{"n":1},"any":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    ],
)
def test_what_is_not_json(data: bytes) -> None:
    with pytest.raises(Malformed, match=r"^send JSON"):
        decode(data, Tree)


def test_what_fits_has_its_types() -> None:
    data = b'{"leaf":{"n":1,"where":"a/b"},"named":{"x":{"n":2}},"address":"127.0.0.1"}'
    tree = decode(data, Tree)
    assert tree == Tree(
        Leaf(1, Path("a/b")), named={"x": Leaf(2)}, address=IPv4Address("127.0.0.1")
    )


# From the author


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (Path("a/b"), "a/b"),
        ({Path("a"): Path("b")}, {"a": "b"}),
        ({3}, [3]),
        (frozenset([3]), [3]),
        ((1, "a"), [1, "a"]),
        (Tree(Leaf(1, Path("a"))), {"leaf": {"n": 1, "where": "a"}, "leaves": []}),
        (Colour.RED, "red"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
        (
            Model(where=Path("a"), at=datetime(2026, 1, 1, tzinfo=UTC)),
            {"where": "a", "at": "2026-01-01T00:00:00Z"},
        ),
        ([Model(where=Path("a"), at=datetime(2026, 1, 1, tzinfo=UTC))], [{"where": "a"}]),
        ("\ud800", "?"),
        ({"\ud800": ["a\udfff", ("\ud800",)]}, {"?": ["a?", ["?"]]}),
        (Leaf(1, Path("\udcff")), {"n": 1, "where": "?"}),
        ({"\ud800"}, ["?"]),
        (float("nan"), None),
        ([float("inf"), -float("inf")], [None, None]),
        (Raw(b'{\r\n "a": [1,\n2]\n}\n'), {"a": [1, 2]}),
        ([Raw(b'{\n"a": "x y"}')], [{"a": "x y"}]),
        ("a\r\nb\0\ufeff\u2028", "a\r\nb\0\ufeff\u2028"),
    ],
)
def test_value_with_a_json_form(value: object, expected: object) -> None:
    data = bytes(to_raw(value))
    assert not set(b"\r\n\0") & set(data)  # one line of an event stream
    found = json.loads(data)
    match expected, found:
        case dict(), dict():
            assert expected.items() <= found.items()
        case [dict() as one], [dict() as other]:
            assert one.items() <= other.items()
        case _:
            assert found == expected


CYCLE: list[object] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (object(), TypeError),
        (Leaf, TypeError),
        ({(1, 2): 3}, TypeError),
        (range(3), TypeError),
        (iter("ab"), TypeError),
        (1j, TypeError),
        (lambda: 1, TypeError),
        (CYCLE, RecursionError),
        (Raw(b""), ValueError),
        (Raw(b"nope"), ValueError),
        (Raw(b'1},{"type":"state"'), ValueError),
        (Raw(b"1\n\n"), None),
        ([Raw(b"1\n2")], ValueError),
    ],
)
def test_value_without_a_json_form(value: object, error: type[Exception] | None) -> None:
    if error is None:
        assert bytes(to_raw(value)) == b"1"
        return
    with pytest.raises(error):
        to_raw(value)


def test_error_says_what_to_return_instead() -> None:
    with pytest.raises(TypeError, match=r"^range has no JSON form; return a dict"):
        to_raw({"rows": range(3)})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
TEXT = st.text(st.characters(exclude_categories=[]))  # lone surrogates included


@given(JSON, TEXT)
def test_to_raw_is_one_line_of_json(value: object, text: str) -> None:
    data = bytes(to_raw({"value": value, "text": text, text: [text]}))
    assert not set(b"\r\n\0") & set(data)
    found = json.loads(data)
    assert found["text"] == clean(text)


@given(TEXT)
def test_clean_leaves_what_utf8_can_carry(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert len(cleaned) == len(text)
    assert all(
        a == b or (a == "?" and "\ud800" <= b <= "\udfff")
        for a, b in zip(cleaned, text, strict=True)
    )


@given(TEXT, st.integers(16, 200))
@example("é" * 20, 39)
@example("😀" * 20, 79)
@example("x" * 201, 200)
def test_clip(text: str, bytes: int) -> None:
    """What fits is left alone; else a beginning of at most so many bytes, and how many are gone."""
    clipped = clip(text, bytes)
    whole = clean(text)
    if len(whole.encode()) <= bytes:
        assert clipped == whole
        return
    kept, _, notice = clipped.rpartition(" … (")
    assert whole.startswith(kept)
    assert bytes - 3 <= len(kept.encode()) <= bytes
    assert notice == f"{len(whole.encode()) - len(kept.encode())} bytes cut)"


@pytest.mark.parametrize(("value", "text"), [(5, "5"), (None, "None"), (Path("a"), "a")])
def test_clip_takes_what_is_no_text(value: Any, text: str) -> None:
    assert clip(value, 100) == text
