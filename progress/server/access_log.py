"""uvicorn's access log, with the operation that a request was about."""

from __future__ import annotations

import logging

import uvicorn.logging

from progress.web.mention import mentioned

__all__ = ["AccessFormatter"]


class AccessFormatter(uvicorn.logging.AccessFormatter):
    """Ends a line with ` operation=<id>`. It runs where the response begins, in its context."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line = super().formatMessage(record)
        operation = mentioned()
        return line if operation is None else f"{line} operation={operation}"
