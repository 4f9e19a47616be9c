"""What interims say, and when they are due: without a clock, a socket or an operation."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from progress.core.event import OperationProgress, State
from progress.delivery.interim import Pace, Ratio, Wishes
from tests.support.snapshots import snapshot

# draft-wright-http-progress: 1*DIGIT "/" [1*DIGIT] *( remark ), a quoted-string or an ext-value
FIELD = re.compile(
    r"""(?P<done>[0-9]+)/(?P<total>[0-9]*)"""
    r"""(?:\ (?:"(?P<quoted>(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*)\""""
    r"""|UTF-8''(?P<ext>[!#$&+.^_`|~0-9A-Za-z%-]*)))?"""
)

amounts = st.none() | st.floats(0, 1e6, allow_nan=False)
fractions = st.none() | st.floats(0, 1)
messages = st.none() | st.text(max_size=300)
progresses = st.builds(
    OperationProgress, completed=amounts, total=amounts, fraction=fractions, message=messages
)


def read(ratio: Ratio, progress: OperationProgress, state: State = State.RUNNING) -> re.Match[str]:
    value = ratio.of(replace(snapshot(state=state), progress=progress)).decode("ascii")
    match = FIELD.fullmatch(value)
    assert match is not None, value
    return match


@given(st.lists(progresses, max_size=10), progresses)
def test_the_first_number_never_falls(history: list[OperationProgress], last: object) -> None:
    """And is not above the second; in the end they are the same."""
    ratio, before = Ratio(), 0
    for progress in history:
        found = read(ratio, progress)
        done = int(found["done"])
        assert done >= before
        assert not found["total"] or done <= int(found["total"])
        before = done
    assert isinstance(last, OperationProgress)
    final = read(ratio, last, State.SUCCEEDED)
    assert final["done"] == final["total"]
    assert int(final["done"]) >= before


@given(messages)
def test_the_message_can_be_read(message: str | None) -> None:
    found = read(Ratio(), OperationProgress(message=message))
    if not message:
        assert found["quoted"] is found["ext"] is None
    elif found["ext"] is not None:
        assert unquote(found["ext"]) == message[:200].encode(errors="replace").decode()
    else:
        assert re.sub(r"\\(.)", r"\1", found["quoted"]) == message[:200]


@pytest.mark.parametrize(
    ("progress", "value"),
    [
        (OperationProgress(), b"0/"),
        (OperationProgress(completed=3), b"0/"),
        (OperationProgress(completed=3, total=12, message="a b"), b'3/12 "a b"'),
        (OperationProgress(completed=3.9, total=12.0, fraction=0.325), b"3/12"),
        (OperationProgress(completed=2.4, total=2.5), b"2/3"),
        (OperationProgress(completed=0.2, total=0.5), b"0/1"),
        (OperationProgress(fraction=0.255), b"25/100"),
        (OperationProgress(fraction=0.5, message='a"b\\'), b'50/100 "a\\"b\\\\"'),
        (OperationProgress(message="für"), b"0/ UTF-8''f%C3%BCr"),
        (OperationProgress(message="a\nb"), b"0/ UTF-8''a%0Ab"),
    ],
)
def test_examples(progress: OperationProgress, value: bytes) -> None:
    assert Ratio().of(replace(snapshot(), progress=progress)) == value


class Sent:
    """Interims of one request, as its pace has them; one look each tenth of a second."""

    def __init__(self, wishes: Wishes, seconds: float, size: int = 20) -> None:
        self.times: list[float] = []
        pace = Pace(wishes)
        for tick in range(round(seconds * 10)):
            elapsed, fraction = tick / 10, tick / 10 / seconds
            if not self.times:
                due = bool(pace.left)
            else:
                due = pace.is_due(elapsed, self.fraction(fraction))
                assert due or elapsed < pace.next_at
            if due:
                self.times.append(elapsed)
                pace.sent(elapsed, self.fraction(fraction), size)

    def fraction(self, fraction: float) -> float | None:
        """How far it is."""
        return fraction


class Unknown(Sent):
    """The same of an operation that knows no fraction."""

    def fraction(self, fraction: float) -> float | None:
        """Nobody knows."""
        return None


def test_the_usual_marks() -> None:
    assert Sent(Wishes(), 40).times == [0, 10, 20, 30]
    assert Unknown(Wishes(), 200).times == [0, 15, 45, 90]
    assert Sent(Wishes(), 80).times == [0, 15, 40, 60]  # whatever comes first


def test_they_are_apart() -> None:
    assert Sent(Wishes(), 2).times == [0, 1]
    assert Sent(Wishes(), 3).times == [0, 1, 2]


@given(
    st.builds(Wishes, st.integers(0, 1_000), st.none() | st.integers(0, 60).map(float)),
    st.floats(0, 300),
    st.integers(1, 5_000),
)
def test_bounds(wishes: Wishes, seconds: float, size: int) -> None:
    times = Unknown(wishes, seconds, size).times
    assert len(times) <= min(wishes.most, 100)
    assert len(times) * size <= 65_536
    apart = max(1.0, wishes.interval or 0.0)
    assert all(b - a > apart - 0.01 for a, b in pairwise(times))


def test_one_each_interval() -> None:
    assert Unknown(Wishes(50, 5.0), 60).times == [5.0 * n for n in range(12)]


def test_none_are_wished_for() -> None:
    pace = Pace(Wishes(0))
    assert not pace.is_due(1e9, 1.0)
    assert pace.next_at == pace.earliest == math.inf
