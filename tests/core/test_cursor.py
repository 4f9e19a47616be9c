import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress.core.cursor import ZERO, Cursor
from progress.errors import BadCursor

COUNTS = st.integers(0, 10**18 - 1)


@given(COUNTS, COUNTS)
def test_text_and_back(epoch: int, n: int) -> None:
    cursor = Cursor(epoch, n)
    assert Cursor.parse(str(cursor)) == cursor
    assert hash(Cursor.parse(str(cursor))) == hash(cursor)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_order_is_that_of_two_integers(a: int, b: int, c: int, d: int) -> None:
    assert (Cursor(a, b) < Cursor(c, d)) == ((a, b) < (c, d))
    assert Cursor(1, 9) < Cursor(1, 10)  # as text it would be the other way round


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "1",
        "1-",
        "-1",
        "1-2-3",
        "01-2",
        "1-02",
        "+1-2",
        "1 - 2",
        " 1-2",
        "1-2\n",
        "1.0-2",
        "1e3-2",
        "0x1-2",
        "\u0661-\u0662",  # digits, but not ASCII
        "1-2\0",
        f"1-{'9' * 19}",
        "9" * 1_000_000,
        f"{'9' * 500_000}-{'9' * 500_000}",
    ],
)
def test_anything_else_is_refused_in_few_words(text: str) -> None:
    with pytest.raises(BadCursor) as caught:
        Cursor.parse(text)
    assert len(caught.value.detail) < 250


def test_zero() -> None:
    assert Cursor.parse("0-0") == ZERO
