"""The `Prefer` header (RFC 7240)."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["preferences", "wait"]

# preference = token [ BWS "=" BWS word ] *( OWS ";" [ OWS parameter ] )     RFC 7240 §2
# Possessive throughout, so that no field makes it go back and forth.
_PREFERENCE = re.compile(
    r"""[ \t]*+
    (?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]++)
    (?:[ \t]*+=[ \t]*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<token>[!#$%&'*+.^_`|~0-9A-Za-z-]*+)))?+
    [ \t]*+
    (?:;(?:"(?:[^"\\]|\\.)*+"|[^,"])*+)?+
    (?:,|$)""",
    re.VERBOSE,
)

_LONGEST = 1_000
"""Characters of a field that is read; what it may usefully say has a dozen."""


def preferences(fields: Iterable[str]) -> dict[str, str]:
    """Read all `Prefer` fields: names in lower case, the first instance of each wins.

    What is not of the form is passed over up to the next comma, as unknown preferences are.
    """
    found: dict[str, str] = {}
    for field in fields:
        at, end = 0, len(field) if len(field) <= _LONGEST else 0
        while at < end:
            match = _PREFERENCE.match(field, at, end)
            if match is None:
                comma = field.find(",", at, end)
                at = end if comma < 0 else comma + 1
                continue
            quoted = match["quoted"]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else match["token"]
            found.setdefault(match["name"].lower(), value or "")
            at = match.end()
    return found


def wait(fields: Iterable[str]) -> int | None:
    """The seconds of `wait=N`, as asked for; None where there is none (RFC 7240 §4.3)."""
    value = preferences(fields).get("wait", "")
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None
