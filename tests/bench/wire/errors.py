"""Why a contestant has no figure: told in the report, and no reason to stop the others."""

from __future__ import annotations

__all__ = ["BenchError"]


class BenchError(Exception):
    """A contestant is not installed, does not start, or does not deliver."""
