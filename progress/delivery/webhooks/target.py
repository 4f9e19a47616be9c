"""Where an operation's webhook goes, and what can be said of that without asking anybody."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Literal, NamedTuple, TypeAlias, get_args

from httpx2 import URL, InvalidURL
from msgspec import Struct

from progress.errors import FieldError, InvalidParams

from .addresses import Addresses

__all__ = ["EventName", "Rules", "Target", "Webhook", "is_address", "shown"]

_LONGEST = 2_048
"""Characters of a URL."""

_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)
_SECRETS = 2

_NAME = re.compile(r"(?=.{1,253}\.?$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")

# What resolvers take for an IPv4 address in one of its old forms (WHATWG URL, "ends in a number").
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")

_PORTS = frozenset({80, 443})
_FREE_PORTS = range(1_024, 65_536)
# https://fetch.spec.whatwg.org/#port-blocking, those of them that are not below 1024: protocols
# that could be made to take a request for their own.
# fmt: off
_BAD_PORTS = frozenset((
    1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000,
    6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
))
# fmt: on

EventName: TypeAlias = Literal["state", "progress"]
_EVENTS = frozenset(get_args(EventName))


class Webhook(Struct, frozen=True, forbid_unknown_fields=True):
    """Post what becomes of an operation to `url`, as https://www.standardwebhooks.com has it.

    `secret` is `whsec_` and the base64 of 24 to 64 bytes, or two of these while one replaces the
    other: then both sign. Without one nothing is signed. `events` are `state`, and, at most once a
    second, `progress`.
    """

    url: str
    secret: str | list[str] | None = None
    events: Sequence[EventName] = ("state",)

    @property
    def secrets(self) -> list[str]:
        """One, two or none."""
        if self.secret is None:
            return []
        return [self.secret] if isinstance(self.secret, str) else self.secret

    @property
    def wants_progress(self) -> bool:
        """Whether it is told more than states."""
        return "progress" in self.events

    def __repr__(self) -> str:
        return f"Webhook(url={shown(self.url)!r}, events={self.events!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("url", shown(self.url)), ("events", self.events)]


class Rules(NamedTuple):
    """What may be called."""

    addresses: Addresses
    http: bool
    """Also without TLS."""


class Target(NamedTuple):
    """A webhook that has been checked, and its URL as it is connected to."""

    webhook: Webhook
    url: URL
    is_own: bool = False
    """The server's: where that is, is nobody else's concern."""

    @property
    def host(self) -> str:
        """Whom it goes to, with the port."""
        return self.url.netloc.decode("ascii")

    def __repr__(self) -> str:
        return f"Target({self.webhook!r})"

    @classmethod
    def checked(cls, webhook: Webhook, rules: Rules) -> Target:
        """Check all but what the name resolves to.

        Raises:
            InvalidParams: with a pointer below `#/webhook`.
        """
        names = set(webhook.events)
        if "state" not in names or not names <= _EVENTS or len(webhook.events) > len(_EVENTS):
            raise _invalid("events", 'name "state"; "progress" may stand beside it')
        if len(webhook.secrets) not in range(_SECRETS + 1) or webhook.secret == []:
            raise _invalid("secret", "give one secret, or two while one replaces the other")
        if not all(map(_is_secret, webhook.secrets)):
            raise _invalid("secret", "write whsec_ and the base64 of 24 to 64 random bytes")
        try:
            url = URL(webhook.url)
        except (InvalidURL, ValueError) as error:
            raise _invalid("url", "write it as in https://example.org/path") from error
        if problem := _problem(webhook.url, url, rules):
            raise _invalid("url", problem)
        return cls(webhook, url)


def shown(url: str) -> str:
    """A URL without what may be secret in it: no userinfo, no query, no fragment.

    What is percent-encoded stays so: it stands in logs, and may be the end of a line.
    """
    try:
        parsed = URL(url)
    except (InvalidURL, ValueError):
        return "…"
    path, _, _ = parsed.raw_path.partition(b"?")
    return f"{parsed.scheme}://{(parsed.netloc + path).decode('ascii')}"


def _problem(text: str, url: URL, rules: Rules) -> str | None:
    """What to do about a URL, if anything."""
    if len(text) > _LONGEST:
        return f"it has at most {_LONGEST} characters"
    if url.scheme != "https" and not (rules.http and url.scheme == "http"):
        return "it has to begin with https://, unless the operator sets PROGRESS_WEBHOOKS_HTTP"
    if url.userinfo:
        return "leave out the user and the password; the signature says who sends"
    if "#" in text:
        return "leave out the fragment: it is never sent"
    port = url.port
    if port is not None and (port in _BAD_PORTS or not (port in _PORTS or port in _FREE_PORTS)):
        return "choose port 443, or one above 1023 that is no other protocol's"
    return _problem_of_host(url.raw_host.decode("ascii"), rules)


def _problem_of_host(host: str, rules: Rules) -> str | None:
    if is_address(host):
        if rules.addresses.allows(host):
            return None
        return "that address may not be called, unless the operator sets PROGRESS_WEBHOOKS_PRIVATE"
    if not _NAME.fullmatch(host):
        return "name a host"
    if _NUMBER.fullmatch(host):
        return "write an IPv4 address as four decimal numbers"
    return None


def is_address(host: str) -> bool:
    """Whether it needs no resolving."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_secret(secret: str) -> bool:
    text = secret.removeprefix(_PREFIX)
    if text == secret or len(text) > 2 * _KEY_BYTES.stop:
        return False
    try:
        key = b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (Base64Error, ValueError):
        return False
    return len(key) in _KEY_BYTES


def _invalid(name: str, detail: str) -> InvalidParams:
    pointer = f"#/webhook/{name}"
    return InvalidParams(
        f"the request does not fit, see `errors`: {detail} at {pointer}",
        (FieldError(pointer, detail),),
    )
