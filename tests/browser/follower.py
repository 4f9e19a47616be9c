"""A tab that follows operations with the SDK, and remembers all that came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Page

__all__ = ["Follower"]

_FOLLOW = """
async ([id, options]) => (await import("/tests/follow.js")).follow(id, options)
"""


class Follower:
    """One client in one tab, whose page is its server's empty one."""

    def __init__(self, page: Page, port: int, id: str | None = None, **options: object) -> None:
        """Follow one operation, or all."""
        self.page = page
        self._id = id
        self._options = options
        page.goto(f"http://127.0.0.1:{port}/empty")
        self.follow()

    def follow(self) -> None:
        """Begin, in a page that has just been loaded."""
        self.page.evaluate(_FOLLOW, [self._id, self._options])
        self.until("is('live', 'polling')", 8)

    def until(self, holds: str, within: float = 5.0) -> None:
        """Wait until an expression of JavaScript does."""
        self.page.wait_for_function(f"() => {holds}", timeout=within * 1_000)

    def sees(self, states: Mapping[str, str], within: float = 5.0) -> None:
        """Wait until operations, by their ids, are in these states."""
        holds = (f"stateOf({id!r}) === {state!r}" for id, state in states.items())
        self.until(" && ".join(holds), within)

    def states(self, id: str) -> list[str]:
        """All events of its state, in the order in which they came."""
        return self._get("states", id)

    def logs(self, id: str) -> list[str]:
        """All its log lines."""
        return self._get("logs", id)

    def snapshot(self, id: str) -> Any:
        """What is known of it now."""
        return self.page.evaluate("(id) => get(id)", id)

    def errors(self) -> list[str]:
        """Why it cannot be followed."""
        errors: list[str] = self.page.evaluate("() => errors")
        return errors

    def waits(self) -> float:
        """Seconds until it tries again by itself."""
        milliseconds: float = self.page.evaluate("() => waits()")
        return milliseconds / 1_000

    def _get(self, what: str, id: str) -> list[str]:
        said: list[str] = self.page.evaluate(f"(id) => {what}[id] ?? []", id)
        return said
