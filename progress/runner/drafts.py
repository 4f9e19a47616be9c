"""Drafts: operations that may be started, and do not exist yet."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from msgspec import Raw

from progress.core.cursor import ZERO
from progress.core.event import OperationProgress, State
from progress.core.operation import Snapshot

from . import codec
from .kinds import Kind
from .operation import timestamp

__all__ = ["Draft", "Drafts"]


class Draft(NamedTuple):
    """An operation that may be started; nothing of it exists yet."""

    snapshot: Snapshot
    kind: Kind
    values: dict[str, object]


class Drafts:
    """Makes them, each with an id above all before it."""

    def __init__(self, most_labels: int) -> None:
        self._most_labels = most_labels
        self._last_id = 0

    def draft(
        self, kind: Kind, params: bytes | Raw, labels: Mapping[str, str], position: int | None
    ) -> Draft:
        """Check what was given; `position` is the place that it would have in the queue.

        Raises:
            Malformed, InvalidParams: as named.
        """
        raw, values = kind.validate(params)
        checked = codec.labels(labels, self._most_labels)
        now = timestamp()
        snapshot = Snapshot(
            id=self._new_id(),
            kind=kind.name,
            state=State.QUEUED,
            progress=OperationProgress(position=position),
            steps=(),
            params=raw,
            labels=checked,
            result=Raw(b"null"),
            error=None,
            created_at=now,
            started_at=None,
            updated_at=now,
            finished_at=None,
            cursor=ZERO,
        )
        return Draft(snapshot, kind, values)

    def _new_id(self) -> str:
        """A UUIDv7, above all before it: 48 bits of milliseconds, then random (RFC 9562 §6.2)."""
        value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
        value = value & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62
        self._last_id = max(value, self._last_id + 1)
        return str(UUID(int=self._last_id))
