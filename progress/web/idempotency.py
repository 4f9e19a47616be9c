"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a start that is tried again.

The same key on the same path, of the same client, with the same body is the same start: nothing
is started twice. Keys are kept as long as their operation is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple, TypeAlias
from weakref import finalize, ref

from starlette.requests import HTTPConnection, Request

from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.errors import Malformed

__all__ = ["Attempt", "Keys", "Principal", "Started"]

# sf-string (RFC 8941 §3.3.3), or as many write it: bare.
_KEY = re.compile(r'"(?P<quoted>(?:[ !#-\[\]-~]|\\["\\])+)"|(?P<bare>[!#-~]+)')
_LONGEST = 256

Principal: TypeAlias = Callable[[HTTPConnection], str]
"""Names who makes a request."""

_Scope: TypeAlias = tuple[bytes, str, str]


class Started(NamedTuple):
    """What was started under a key."""

    journal: Journal
    first: Snapshot
    """How it was when it had just been started."""
    is_same: bool
    """By the same body."""


class _Kept(NamedTuple):
    fingerprint: bytes
    first: Snapshot
    journal: Callable[[], Journal | None]


class Attempt(NamedTuple):
    """One request with a key, and the digest of its body."""

    scope: _Scope
    fingerprint: bytes


class Keys:
    """What was started under which key."""

    def __init__(self, principal: Principal | None) -> None:
        """`principal` names who makes a request: two clients may choose the same key."""
        self._principal = principal or _credentials
        self._kept: dict[_Scope, _Kept] = {}

    def attempt(self, request: Request, body: bytes) -> Attempt | None:
        """Read the key of a request; None if it has none.

        Raises:
            Malformed: it is no key.
        """
        fields = request.headers.getlist("idempotency-key")
        if not fields:
            return None
        match = _KEY.fullmatch(fields[0].strip()) if len(fields) == 1 else None
        if match is None or len(fields[0]) > _LONGEST:
            raise Malformed(f'send one Idempotency-Key: "…", of at most {_LONGEST} characters')
        quoted = match["quoted"]
        key = match["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        who = sha256(self._principal(request).encode(errors="replace")).digest()
        return Attempt((who, request.url.path, key), sha256(body).digest())

    def find(self, attempt: Attempt | None) -> Started | None:
        """What was started under this key, by whatever body."""
        if attempt is None or (kept := self._kept.get(attempt.scope)) is None:
            return None
        journal = kept.journal()
        if journal is None:
            return None
        return Started(journal, kept.first, kept.fingerprint == attempt.fingerprint)

    def keep(self, attempt: Attempt | None, journal: Journal) -> None:
        """Remember what was started, as long as its journal is there."""
        if attempt is not None:
            self._kept[attempt.scope] = _Kept(attempt.fingerprint, journal.snapshot, ref(journal))
            finalize(journal, self._kept.pop, attempt.scope, None).atexit = False


def _credentials(connection: HTTPConnection) -> str:
    """What a client sends to be known; other cookies change from one attempt to the next."""
    sent = connection.headers.get("authorization"), connection.cookies.get("progress_token")
    return repr(sent)
