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

from starlette.requests import Request

from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.errors import KeyReused, Malformed

__all__ = ["Attempt", "Keys"]

# sf-string (RFC 8941 §3.3.3), or as many write it: bare.
_KEY = re.compile(r'"(?P<quoted>(?:[ !#-\[\]-~]|\\["\\])+)"|(?P<bare>[!#-~]+)')
_LONGEST = 256

_Scope: TypeAlias = tuple[bytes, str, str]


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

    def __init__(self) -> None:
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
        # Two clients may choose the same key. Other cookies change from one attempt to the next.
        who = request.headers.get("authorization"), request.cookies.get("progress_token")
        scope = sha256(repr(who).encode()).digest(), request.url.path, key
        return Attempt(scope, sha256(body).digest())

    def find(self, attempt: Attempt | None) -> tuple[Journal, Snapshot] | None:
        """What was started under this key, and how it was then.

        Raises:
            KeyReused: by another body.
        """
        kept = None if attempt is None else self._kept.get(attempt.scope)
        journal = None if kept is None else kept.journal()
        if attempt is None or kept is None or journal is None:
            return None
        if kept.fingerprint != attempt.fingerprint:
            raise KeyReused
        return journal, kept.first

    def keep(self, attempt: Attempt | None, journal: Journal) -> None:
        """Remember what was started, as long as its journal is there."""
        if attempt is not None:
            self._kept[attempt.scope] = _Kept(attempt.fingerprint, journal.snapshot, ref(journal))
            finalize(journal, self._kept.pop, attempt.scope, None).atexit = False
