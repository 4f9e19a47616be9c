"""Somebody with a browser, whose complaints are failures."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Playwright

from tests.rules.source import ROOT

__all__ = ["NETWORK", "Visitor", "freeze", "launch", "take", "thaw", "violations"]

_ARTIFACTS = ROOT / "build" / "artifacts"

_START_MS = 60_000
"""For a browser to start, on a machine that has other things to do."""

_PATIENCE_MS = 5_000
"""For what a test waits for in a page: less than it may take as a whole."""

NETWORK = (
    "Failed to load resource",
    "WebSocket connection to",
    "can’t establish a connection to the server",
    "The connection to .* was interrupted",
)
"""What browsers say of a network that fails, and of answers with a status from 400 on."""

_CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

_LEVELS = ("assert", "error", "warning")

_PLAYWRIGHT = "sha256-YjaKGiklmzC6wjXA513HAMmzus8VE61XCOT"
"""Before it takes a picture with Firefox it adds the style `body {}`."""

_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile }) => {
  if (sourceFile.endsWith("%20eval")) return; // that was Playwright
  console.error(`CSP: ${violatedDirective} ${blockedURI} in ${sourceFile}`);
});
"""

_AXE = ROOT / "tests" / "js" / "node_modules" / "axe-core" / "axe.min.js"

_VIOLATIONS = """
async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${help}: ${target}\\n${failureSummary}`));
}
"""


class Visitor:
    """A browser and its tabs."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser.browser_type.name
        """`chromium` or `firefox`."""
        self.complaints: list[str] = []
        """Errors and warnings of all tabs, but for those that are allowed."""
        self._browser = browser
        self._profile: BrowserContext | None = None
        self._profiles: list[BrowserContext] = []
        self._allowed = [_PLAYWRIGHT]

    @property
    def profile(self) -> BrowserContext:
        """What the tabs share: cookies, caches, a SharedWorker."""
        if self._profile is None:
            self._profile = self._new_profile()
        return self._profile

    def tab(self, url: str = "about:blank") -> Page:
        """Open one more tab."""
        return self._open(self.profile, url)

    def elsewhere(self, url: str = "about:blank", **options: Any) -> Page:
        """Open a tab of another profile: `color_scheme="dark"`, `viewport=…`, `locale="ar"` …

        Firefox ignores media such as `color_scheme`.
        """
        return self._open(self._new_profile(**options), url)

    def allow(self, *patterns: str) -> None:
        """Take it for right that a tab says this, now, later or before."""
        self._allowed += patterns
        self.complaints = [text for text in self.complaints if not self._is_allowed(text)]

    def photograph(self, name: str) -> None:
        """Save a picture of each tab that can show one."""
        for n, page in enumerate(self.pages()):
            with suppress(Error):  # it may be frozen
                take(page, f"{name}-{n}" if n else name)

    def pages(self) -> list[Page]:
        """All open tabs."""
        return [page for profile in self._profiles for page in profile.pages]

    def heard(self) -> list[str]:
        """All complaints, with those that are under way just now."""
        for profile in self._profiles:
            profile.cookies()  # the answer comes after them
        return self.complaints

    def close(self) -> None:
        """Close all tabs."""
        for profile in self._profiles:
            profile.close()

    def _new_profile(self, **options: Any) -> BrowserContext:
        given = {"viewport": {"width": 1_000, "height": 720}, "locale": "en-GB", **options}
        profile = self._browser.new_context(**given)
        profile.set_default_timeout(_PATIENCE_MS)
        profile.add_init_script(_REPORT_VIOLATIONS)
        profile.on("console", self._said)
        profile.on("weberror", lambda event: self._complained(f"uncaught: {event.error}"))
        self._profiles.append(profile)
        return profile

    def _open(self, profile: BrowserContext, url: str) -> Page:
        page = profile.new_page()
        page.on("crash", lambda page: self._complained(f"{page.url} has crashed"))
        page.goto(url)
        return page

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in _LEVELS:
            self._complained(f"{message.type}: {message.text} ({_place(message.location)})")

    def _complained(self, text: str) -> None:
        if not self._is_allowed(text):
            self.complaints.append(text)

    def _is_allowed(self, text: str) -> bool:
        return any(re.search(pattern, text) for pattern in self._allowed)


def launch(playwright: Playwright, name: str) -> Browser:
    """Start Debian's `chromium`, or its `firefox` over WebDriver BiDi."""
    if name == "chromium":
        path = _path("chromium")
        return playwright.chromium.launch(executable_path=path, args=_CHROMIUM, timeout=_START_MS)
    path = _path("firefox-esr")
    return playwright.firefox.launch(executable_path=path, channel="moz-firefox", timeout=_START_MS)


def take(page: Page, name: str, *, full: bool = False) -> None:
    """Save a picture as build/artifacts/NAME.png."""
    page.screenshot(path=_ARTIFACTS / f"{name}.png", full_page=full)


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with what a page shows now."""
    page.evaluate(_axe())  # not as a script, which a strict policy would block
    found: list[str] = page.evaluate(_VIOLATIONS)
    return found


def freeze(page: Page) -> None:
    """Stop all of a tab's scripts, as a browser does with one in the background. In Chromium."""
    _set_lifecycle(page, "frozen")


def thaw(page: Page) -> None:
    """Let a frozen tab go on."""
    _set_lifecycle(page, "active")


def _set_lifecycle(page: Page, state: str) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Page.setWebLifecycleState", {"state": state})
    session.detach()


def _path(command: str) -> str:
    path = shutil.which(command)
    assert path, f"there is no {command}; make browsers installs it"
    return path


@cache
def _axe() -> str:
    return _AXE.read_text("utf-8")


def _place(location: Mapping[str, Any]) -> str:
    return f"{location['url']}:{location['lineNumber'] + 1}"
