"""`Retry-After`, as other servers write it."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from progress.core.waiting import asked_to_wait

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("120", 120),
        (" 0 ", 0),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("²", 0),
        (formatdate(NOW + 90, usegmt=True), 90),
        (formatdate(NOW - 90, usegmt=True), 0),
        ("Fri Jan 15 08:01:30 2027", 90),  # asctime, RFC 9110 §5.6.7
        ("Fri, 32 Jan 2027 08:01:30 GMT", 0),
        ("Fri, 15 Jan 99999 08:01:30 GMT", 0),
        (f"Fri, 15 Jan {10**30} 08:01:30 GMT", 0),
        ("Fri, 15 Jan 2027 10:01:30 +0200", 90),
    ],
)
def test_retry_after(field: str | None, seconds: float) -> None:
    assert asked_to_wait(field, NOW) == seconds


def test_an_endless_number_is_a_number() -> None:
    assert asked_to_wait("9" * 5_000, NOW) > 1e15
