"""The `Prefer` header: the grammar and the examples of RFC 7240, and anything else."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress.delivery.interim import Wishes
from progress.web.prefer import preferences, processing, responds_async, wait

TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

tokens = st.text(TOKEN_CHARACTERS, min_size=1, max_size=8)
blanks = st.text(" \t", max_size=2)
texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)


def quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


words = st.one_of(tokens.map(lambda token: (token, token)), texts.map(lambda t: (t, quote(t))))
values = st.one_of(words, st.just(("", "")))


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str, str]:
    """One preference: its name, its value, and a way to write both, with parameters."""
    name = draw(tokens)
    value, form = draw(values)
    text = name + (f"{draw(blanks)}={draw(blanks)}{form}" if form or draw(st.booleans()) else "")
    for parameter, (_, other) in draw(st.lists(st.tuples(tokens, values), max_size=2)):
        text += f"{draw(blanks)};{draw(blanks)}{parameter}"
        text += f"={other}" if other else ""
    return name, value, draw(blanks) + text + draw(blanks)


@given(st.lists(st.lists(written(), max_size=3), max_size=3))
def test_what_is_written_is_read(fields: list[list[tuple[str, str, str]]]) -> None:
    expected: dict[str, str] = {}
    for name, value, _ in (preference for field in fields for preference in field):
        expected.setdefault(name.lower(), value)
    found = preferences([",".join(text for *_, text in field) for field in fields])
    assert {name: preference.value for name, preference in found.items()} == expected


@given(st.lists(st.text(max_size=40), max_size=3))
def test_anything_else_is_passed_over(fields: list[str]) -> None:
    for name, (value, _) in preferences(fields).items():
        assert set(name) <= set(TOKEN_CHARACTERS)
        assert any(name in field.lower() for field in fields)
        assert len(value) <= max(map(len, fields))
    seconds = wait(fields)
    assert seconds is None or 0 <= seconds < 10**9


@given(st.text(st.characters(exclude_characters=',"'), max_size=20), st.integers(0, 10**9 - 1))
def test_garbage_hides_nothing_behind_the_comma(garbage: str, seconds: int) -> None:
    if "wait" not in garbage.lower():
        assert wait([f"{garbage}, wait={seconds}"]) == seconds
        assert wait([garbage, f"WAIT = {seconds}"]) == seconds


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**9 - 1), st.booleans())
def test_the_first_wait_wins(first: int, second: int, one_field: bool) -> None:
    both = [f"wait={first}", f'Wait="{second}"']
    assert wait([", ".join(both)] if one_field else both) == first


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], {}),
        ([""], {}),
        ([" , ,, "], {}),
        (["foo; bar"], {"foo": ""}),  # §2: these three are equivalent
        (['foo; bar=""'], {"foo": ""}),
        (['foo=""; bar'], {"foo": ""}),
        (["respond-async, wait=100", "handling=lenient"], {"handling": "lenient", "wait": "100"}),
        (["handling=lenient, wait=100, respond-async"], {"handling": "lenient", "wait": "100"}),
        (["Lenient"], {"lenient": ""}),
        (["priority=5"], {"priority": "5"}),
        (['return=minimal; foo="some parameter"'], {"return": "minimal"}),
        (['foo=1; bar="a, wait=5", wait=7'], {"foo": "1", "wait": "7"}),
        (['foo="a, wait=5", wait=7'], {"foo": "a, wait=5", "wait": "7"}),
        (['foo="\\"", wait=7'], {"foo": '"', "wait": "7"}),
    ],
)
def test_examples(fields: list[str], expected: dict[str, str]) -> None:
    found = {name: preference.value for name, preference in preferences(fields).items()}
    found.pop("respond-async", None)
    assert found == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("wait=0", 0),
        ("wait=007", 7),
        ('wait="5"', 5),
        ("wait = 5", 5),
        ("wait=5; unit=s", 5),
        ("wait=5, wait=10", 5),
        ("wait=x, wait=10", None),
        ("wait", None),
        ("wait=", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=5s", None),
        ("wait=\u0665", None),
        ("wait=" + "9" * 30, None),
        ("waits=5", None),
        ("x;wait=5", None),
    ],
)
def test_wait(field: str, expected: int | None) -> None:
    assert wait([field]) == expected


def test_long_field_is_not_cut_in_the_middle() -> None:
    for length in range(980, 1_010):
        assert wait([f"{'x' * length},wait=123"]) in (None, 123)


def seconds_taken(field: str) -> float:
    began = time.process_time()
    preferences([field])
    return time.process_time() - began


@pytest.mark.parametrize("part", [" ", ' ;"', ",", '"', 'a;"', "=;", "a=", '\\"', "a, ", ";;"])
def test_time_is_in_proportion(part: str) -> None:
    """A field as long as a head may be; going back and forth in it would take many seconds."""
    assert seconds_taken("a;" + part * (100_000 // len(part)) + '"') < 1


@given(written(), st.none() | st.integers(0, 10**9 - 1), st.none() | st.integers(0, 10**9 - 1))
def test_wishes_are_read(
    other: tuple[str, str, str], most: int | None, interval: int | None
) -> None:
    """In any order, behind any other preference, and with the quotes that may be there."""
    parameters = [] if most is None else [f"max={most}"]
    parameters += [] if interval is None else [f'Interval = "{interval}"']
    name, _, text = other
    if name.lower() != "processing":
        for given_ones in (parameters, parameters[::-1]):
            found = processing([text, " ; ".join(["processing", *given_ones])])
            assert found == Wishes(Wishes().most if most is None else most, interval)


@pytest.mark.parametrize(
    ("field", "wishes"),
    [
        ("processing", Wishes()),
        ("Processing", Wishes()),
        ("processing; max=x; interval=-1", Wishes()),
        ("processing; max=5; max=7", Wishes(5)),
        ("processing;;max=5", Wishes(5)),
        ('processing; note="max=9; interval=1"; max=5', Wishes(5)),
        ("processing; max=5, processing; max=7", Wishes(5)),
        ("wait=5; max=5", None),
        ("x=processing", None),
        ("processing; max=" + "9" * 30, Wishes()),
    ],
)
def test_processing(field: str, wishes: Wishes | None) -> None:
    assert processing([field]) == wishes


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["respond-async"], True),
        (["wait=5, Respond-Async"], True),
        (["wait=5", "respond-async; x"], True),
        (["x=respond-async"], False),
        ([], False),
    ],
)
def test_respond_async(fields: list[str], expected: bool) -> None:
    assert responds_async(fields) is expected
