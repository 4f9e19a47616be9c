"""Who may be sent interim responses: only who asks for them, and where the operator lets it be.

Some clients take a 102 for the answer and give the next caller this one's; some proxies hang.
"""

from __future__ import annotations

import re
from typing import cast

from starlette.datastructures import Headers
from starlette.types import Scope

from progress.delivery.extensions import INTERIM, extension
from progress.delivery.interim import Interims, Send, Wishes
from progress.settings import Settings

from .prefer import processing

__all__ = ["interims"]

_OLD = re.compile(r"(?:^|,)[ \t]*(?:HTTP/)?(?:0\.9|1\.0)\b", re.IGNORECASE)
"""In `Via`: a hop that speaks HTTP/1.0, which knows no interims (RFC 9110 §7.6.3, §15.2)."""

_PROXY = re.compile(r"via|forwarded|x-forwarded-.*|x-real-ip")
"""Fields by which a proxy shows."""

_THROUGH_PROXIES = 4
"""Interims that go through a proxy, at most: some give up at the sixth."""


def interims(scope: Scope, settings: Settings, wishes: Wishes | None = None) -> Interims | None:
    """How this request may be sent interims, or None; `wishes` are those of who did not ask.

    HTTP/2 never has the extension, and HTTP/1.0 neither.
    """
    send = cast("Send | None", extension(scope, INTERIM))
    if send is None or settings.interim == "off":
        return None
    headers = Headers(scope=scope)
    wishes = processing(headers.getlist("prefer")) or wishes
    if wishes is None or any(_OLD.search(via) for via in headers.getlist("via")):
        return None
    if settings.interim == "proxied":
        return Interims(send, wishes._replace(most=min(wishes.most, _THROUGH_PROXIES)))
    return None if any(map(_PROXY.fullmatch, headers)) else Interims(send, wishes)
