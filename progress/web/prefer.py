"""The `Prefer` header (RFC 7240)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from progress.delivery.interim import Wishes

__all__ = ["Preference", "preferences", "processing", "responds_async", "wait"]

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_QUOTED = r'"(?:[^"\\]|\\.)*+"'

# Possessive throughout, so that no field makes it go back and forth.
_NAMED = rf"""
    (?P<name>{_TOKEN}++)
    (?:[ \t]*+=[ \t]*+(?P<word>{_QUOTED}|{_TOKEN}*+))?+
    [ \t]*+"""

# preference = token [ BWS "=" BWS word ] *( OWS ";" [ OWS parameter ] )     RFC 7240 §2
_PREFERENCE = re.compile(
    rf'[ \t]*+{_NAMED}(?P<parameters>;(?:{_QUOTED}|[^,"])*+)?+(?:,|$)', re.VERBOSE
)
_PARAMETER = re.compile(rf"[ \t]*+{_NAMED}(?:;|$)", re.VERBOSE)

_LONGEST = 1_000
"""Characters of a field that is read; what it may usefully say has a dozen."""


class Preference(NamedTuple):
    """What one preference says; empty where it says nothing but its name."""

    value: str
    parameters: dict[str, str]


def preferences(fields: Iterable[str]) -> dict[str, Preference]:
    """Read all `Prefer` fields: names in lower case, the first instance of each wins.

    What is not of the form is passed over up to the next comma, as unknown preferences are.
    """
    found: dict[str, Preference] = {}
    for field in fields:
        if len(field) > _LONGEST:
            continue
        for match in _items(_PREFERENCE, field, ","):
            parameters: dict[str, str] = {}
            for parameter in _items(_PARAMETER, (match["parameters"] or "")[1:], ";"):
                parameters.setdefault(parameter["name"].lower(), _text(parameter["word"]))
            found.setdefault(match["name"].lower(), Preference(_text(match["word"]), parameters))
    return found


def wait(fields: Iterable[str]) -> int | None:
    """The seconds of `wait=N`, as asked for; None where there is none (RFC 7240 §4.3)."""
    found = preferences(fields).get("wait")
    return None if found is None else _number(found.value)


def responds_async(fields: Iterable[str]) -> bool:
    """Whether the client would rather have 202 than wait (RFC 7240 §4.1)."""
    return "respond-async" in preferences(fields)


def processing(fields: Iterable[str]) -> Wishes | None:
    """What `processing; max=N; interval=SECONDS` asks for (draft-wright-http-progress)."""
    found = preferences(fields).get("processing")
    if found is None:
        return None
    most = _number(found.parameters.get("max", ""))
    interval = _number(found.parameters.get("interval", ""))
    wishes = Wishes(interval=interval)
    return wishes if most is None else wishes._replace(most=most)


def _items(pattern: re.Pattern[str], text: str, separator: str) -> Iterable[re.Match[str]]:
    at = 0
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:
            next_one = text.find(separator, at)
            at = len(text) if next_one < 0 else next_one + 1
        else:
            yield match
            at = match.end()


def _text(word: str | None) -> str:
    word = word or ""
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word.startswith('"') else word


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
