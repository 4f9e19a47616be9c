"""HTTP: the application, its routes, problems, preferences and access."""

from .app import Progress

__all__ = ["Progress"]
