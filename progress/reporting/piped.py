"""A pipe's bytes as they come, and an empty line now and then where none do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from queue import Empty, Queue
from threading import Thread

__all__ = ["piped"]

_CHUNK = 65_536
_CHUNKS = 16


def piped(fd: int, silence: float) -> Iterator[bytes]:
    """Yield what comes, up to its end. After so many seconds without anything `\\n` says that the
    work lives, but not within a line.
    """
    chunks: Queue[bytes] = Queue(_CHUNKS)
    Thread(target=_read, args=(fd, chunks), daemon=True).start()
    chunk = b"\n"
    while True:
        try:
            chunk = chunks.get(timeout=silence)
        except Empty:
            if not chunk.endswith(b"\n"):
                continue
            chunk = b"\n"
        if not chunk:
            return
        yield chunk


def _read(fd: int, chunks: Queue[bytes]) -> None:
    # Not sys.stdin: at the interpreter's end nobody may hold its lock.
    while chunk := os.read(fd, _CHUNK):
        chunks.put(chunk)
    chunks.put(b"")
