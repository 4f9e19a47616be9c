"""The fields by which a receiver knows who has sent a webhook (Standard Webhooks, symmetric)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import standardwebhooks

__all__ = ["signed"]


def signed(id: str, utc: float, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """Sign a body with each of the secrets; without one there is no signature.

    `utc` is the time of the attempt in seconds since 1970.
    """
    time = datetime.fromtimestamp(int(utc), UTC)
    text = body.decode()
    fields = {"webhook-id": id, "webhook-timestamp": str(int(utc))}
    signatures = [standardwebhooks.Webhook(secret).sign(id, time, text) for secret in secrets]
    if signatures:
        fields["webhook-signature"] = " ".join(signatures)
    return fields
