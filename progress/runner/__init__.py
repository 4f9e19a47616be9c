"""Kinds of operations, the Runner that runs them, and the pens they report with."""

from .kinds import Kind
from .reporter import Reporter, Step, track
from .runner import Runner

__all__ = ["Kind", "Reporter", "Runner", "Step", "track"]
