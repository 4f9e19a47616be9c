"""The same faults as in test_faults.py, as somebody sees them who looks at the page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Serve
from tests.browser.visitor import NETWORK, Visitor, freeze, thaw
from tests.support.http_proxy import HttpProxy
from tests.support.proxy import Proxy, proxy_to
from tests.support.puppets import Puppet, Site

SOON_MS = 2_000
"""Until what is shown is right, once the browser says so."""

LATER_MS = 7_000
"""The longest back-off and that."""


class Look:
    """Somebody who looks at the list, or at one operation."""

    def __init__(self, page: Page, port: int, puppet: Puppet, view: str) -> None:
        self._page = page
        self._view = view
        query = "" if view == "list" else f"?operation={puppet.id}"
        page.goto(f"http://127.0.0.1:{port}/{query}")
        page.evaluate("() => { window.isTheSame = true; }")
        self.badge = page.get_by_role("banner").get_by_text(re.compile("^(Live|Polling|Reconn)"))
        self.puppet = puppet

    def of(self, puppet: Puppet) -> Locator:
        """What is shown of that operation."""
        main = self._page.get_by_role("main")
        if self._view == "operation":
            return main
        link = self._page.locator(f"a[href$='{puppet.id}']")
        return main.get_by_role("listitem").filter(has=link)

    def state(self, state: str, puppet: Puppet | None = None, within_ms: int = LATER_MS) -> None:
        """It says that it is in that state, without having been loaded again."""
        place = self.of(puppet or self.puppet)
        expect(place.get_by_text(state, exact=True).first).to_be_visible(timeout=within_ms)
        assert self._page.evaluate("() => window.isTheSame")

    def connection(self, words: str, within_ms: int = LATER_MS) -> None:
        """The badge says so."""
        expect(self.badge).to_contain_text(words, timeout=within_ms)


VIEW = pytest.mark.parametrize("view", ["list", "operation"])


@pytest.fixture
def server(serve: Serve, request: pytest.FixtureRequest) -> Site:
    """One with settings, if a test names them."""
    return serve(**getattr(request, "param", {}))


@pytest.mark.parametrize("server", [{"timing_retry": 60}], indirect=True, ids=["patient"])
@VIEW
def test_network_is_back(
    page: Page, visitor: Visitor, server: Site, proxy: Proxy, view: str
) -> None:
    visitor.allow(*NETWORK)
    look = Look(page, proxy.port, server.puppet(), view)
    look.state("Running")
    look.connection("Live")
    proxy.cut()
    page.context.set_offline(True)
    look.connection("Reconnecting in")
    look.puppet.fail()
    server.wait(look.puppet.id)
    proxy.restore()
    page.context.set_offline(False)
    look.state("Failed", within_ms=SOON_MS)
    if view == "list":
        look.connection("Live")


@VIEW
def test_tab_is_frozen(page: Page, visitor: Visitor, server: Site, view: str) -> None:
    if visitor.browser == "firefox":
        pytest.skip("it freezes no tabs")
    look = Look(page, server.port, server.puppet(), view)
    look.state("Running")
    freeze(page)
    look.puppet.succeed()
    server.wait(look.puppet.id)
    thaw(page)
    look.state("Succeeded", within_ms=SOON_MS)


@VIEW
def test_come_back_later(
    page: Page, visitor: Visitor, http_proxy: HttpProxy, server: Site, view: str
) -> None:
    visitor.allow(*NETWORK)
    with proxy_to(http_proxy.port) as proxy:
        look = Look(page, proxy.port, server.puppet(), view)
        look.state("Running")
        look.connection("Live")
        http_proxy.refuse(1, retry_after=2, only="events")
        proxy.cut()
        proxy.restore()
        look.connection("Reconnecting in")
        look.puppet.succeed()
        look.state("Succeeded")


@VIEW
def test_proxy_buffers(
    page: Page, visitor: Visitor, server: Site, http_proxy: HttpProxy, view: str
) -> None:
    visitor.allow(*NETWORK)
    http_proxy.buffers = True
    look = Look(page, http_proxy.port, server.puppet(), view)
    look.state("Running")
    look.connection("Polling", 8_000)
    look.puppet.succeed()
    look.state("Succeeded", within_ms=SOON_MS)


@VIEW
def test_server_has_forgotten(
    page: Page, visitor: Visitor, server: Site, serve: Serve, view: str
) -> None:
    """What it had shown last stays, and new ones appear."""
    visitor.allow(*NETWORK)
    puppet = server.puppet()
    puppet.update(total=4, completed=3)
    look = Look(page, server.port, puppet, view)
    bar = look.of(puppet).get_by_role("progressbar").first
    expect(bar).to_have_attribute("aria-valuenow", "75")
    look.connection("Live")
    server.kill()
    look.connection("Reconnecting")
    new = serve(server.port).puppet()
    look.state("Lost")
    expect(bar).to_have_attribute("aria-valuenow", "75")
    if view == "list":
        look.state("Running", new)
        look.connection("Live")
