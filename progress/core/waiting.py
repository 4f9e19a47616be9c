"""How long another server asks to wait. It takes the time; it knows no clock."""

from __future__ import annotations

from calendar import monthrange, timegm
from email.utils import parsedate_tz

__all__ = ["asked_to_wait"]


def asked_to_wait(field: str | None, utc: float) -> float:
    """Seconds that a `Retry-After` asks for (RFC 9110 §10.2.3); 0 if it is none.

    `utc` is the present time in seconds since 1970. A date without a zone is in UTC (§5.6.7).
    """
    text = (field or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:18])
    try:
        date = parsedate_tz(text)
        if date is None or not 1 <= date[2] <= monthrange(date[0], date[1])[1]:
            return 0.0
        return max(timegm(date[:6]) - (date[9] or 0) - utc, 0.0)
    except (ValueError, OverflowError):
        return 0.0
