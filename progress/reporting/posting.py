"""The HTTP of reporting: what is asked of the server, and what its answers mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import time
from typing import TypeAlias
from uuid import uuid4

import httpx2
import msgspec
from msgspec import Struct

from progress.core.waiting import asked_to_wait
from progress.errors import ConfigurationError

__all__ = ["Answer", "AwayFor", "Gone", "Place", "Refused", "Rejected", "Started", "Took"]

_OPERATION = re.compile(r"(?P<server>.*)/operations/(?P<id>[^/]+?)(?:/events)?")

_TOKEN = re.compile(r"[!-~]+")

_TIMEOUT = 10.0
"""Seconds that a request waits for the server to do anything."""

_LONGEST_AWAY = 60.0
"""Seconds: who asks to wait for longer is asked again all the same."""


class Started(Struct):
    """The server has started the operation."""

    id: str


class Took(Struct):
    """So many lines stand."""

    taken: int
    cancel_requested: bool


class Refused(Struct):
    """So many lines stand, and the next one was not taken."""

    taken: int
    detail: str


class Gone(Struct):
    """The server does not know the operation, or it has ended there."""

    detail: str


class Rejected(Struct):
    """It will never be taken: credentials, the address, or what was asked for."""

    detail: str


class AwayFor(Struct):
    """The server cannot be reached, or has no room; try again, not before so many seconds."""

    detail: str
    seconds: float = 0.0


Answer: TypeAlias = Took | Refused | Gone | Rejected | AwayFor


class _Body(Struct):
    """What counts of any answer of the server."""

    id: str = ""
    type: str = ""
    detail: str = ""
    taken: int | None = None
    line: int | None = None
    cancel_requested: bool = False


class Place:
    """A server, and perhaps an operation there: `http://127.0.0.1:8000/operations/01a2…`."""

    def __init__(self, url: str, token: str | None) -> None:
        """`token` is sent as `Authorization: Bearer`.

        Raises:
            ConfigurationError: that is no URL, or no token.
        """
        try:
            parsed = httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise ConfigurationError(f"{url!r} is not a URL: {error}") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ConfigurationError(f"{url!r}: write it as in http://127.0.0.1:8000")
        plain = str(parsed.copy_with(query=None, fragment=None)).rstrip("/")
        match = _OPERATION.fullmatch(plain)
        self.server = plain if match is None else match["server"]
        self.id = "" if match is None else match["id"]
        """Of the operation; empty if one has to be started."""
        self._headers = {"user-agent": "progress-reporter"}
        if token is not None:
            if not _TOKEN.fullmatch(token):  # it is not shown, even if it is only nearly one
                raise ConfigurationError("a token has no spaces, and only characters of ASCII")
            self._headers["authorization"] = f"Bearer {token}"
        self._client: httpx2.Client | None = None
        self._key = str(uuid4())

    @property
    def url(self) -> str:
        """Of the operation, or of the server as long as there is none."""
        return f"{self.server}/operations/{self.id}" if self.id else self.server

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    def start(
        self, label: str, lease: float, labels: Mapping[str, str]
    ) -> Started | Rejected | AwayFor:
        """Start an operation, once however often it is tried."""
        asked = {
            "kind": "external",
            "params": {"label": label, "lease": lease},
            "labels": dict(labels),
        }
        headers = {"content-type": "application/json", "idempotency-key": self._key}
        answer = self._post(f"{self.server}/operations", msgspec.json.encode(asked), headers)
        if isinstance(answer, AwayFor):
            return answer
        body = _read(answer)
        if answer.is_success and body.id:
            self.id = body.id
            self._key = str(uuid4())
            return Started(body.id)
        return _away(answer, body) or Rejected(_said(answer, body))

    def report(self, lines: list[bytes]) -> Answer:
        """Post some lines; none renew the lease."""
        headers = {"content-type": "application/x-ndjson"}
        answer = self._post(f"{self.url}/events", b"\n".join(lines), headers)
        if isinstance(answer, AwayFor):
            return answer
        body = _read(answer)
        if answer.is_success and body.taken is not None:
            return Took(body.taken, body.cancel_requested)
        if (away := _away(answer, body)) is not None:
            return away
        if not body.type:  # a proxy, say, while the server is away
            return AwayFor(_said(answer, body))
        if answer.status_code in (404, 410) or body.type.endswith(":ended"):
            return Gone(_said(answer, body))
        if body.taken is not None and body.line is not None:
            return Refused(body.taken, _said(answer, body))
        return Rejected(_said(answer, body))

    def _post(self, url: str, content: bytes, headers: dict[str, str]) -> httpx2.Response | AwayFor:
        if self._client is None:  # by the thread that posts: certificates take 40 to 180 ms
            self._client = httpx2.Client(headers=self._headers, timeout=_TIMEOUT)
        try:
            return self._client.post(url, content=content, headers=headers)
        except httpx2.HTTPError as error:
            return AwayFor(f"{type(error).__name__}: {error}")


def _read(answer: httpx2.Response) -> _Body:
    try:
        return msgspec.json.decode(answer.content, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Body()  # something on the way has answered, or another server


def _said(answer: httpx2.Response, body: _Body) -> str:
    return f"HTTP {answer.status_code} {body.detail}".strip()


def _away(answer: httpx2.Response, body: _Body) -> AwayFor | None:
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        seconds = asked_to_wait(answer.headers.get("retry-after"), time())
        return AwayFor(_said(answer, body), min(seconds, _LONGEST_AWAY))
    return None
