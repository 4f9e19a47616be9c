"""Real browsers, each started once for all tests here, and a real server for each test.

Playwright keeps an event loop in this thread as long as a browser is open: tests here are not
`async`, and those of other folders come before or after.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from tests.browser.visitor import Visitor, launch, take
from tests.support.http_proxy import HttpProxy, http_proxy_to
from tests.support.proxy import Proxy, proxy_to
from tests.support.puppets import Site, site


class Serve(Protocol):
    """Starts one more server, until the test ends."""

    def __call__(self, port: int = 0, **settings: object) -> Site: ...


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test's time begin when its browser has started."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            limit = item.get_closest_marker("timeout")
            seconds = limit.args[0] if limit else item.config.getini("timeout")
            item.add_marker(pytest.mark.timeout(float(seconds), func_only=True), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Function) -> Generator[None, object, object]:
    """Let complaints fail the test, and keep a picture of what has failed."""
    visitor = item.funcargs.get("visitor")
    if not isinstance(visitor, Visitor):
        return (yield)
    try:
        result = yield
        # Now, as everything is still there: a page may complain that its server has gone.
        assert not visitor.heard(), "\n".join(visitor.complaints)
    except BaseException:
        visitor.photograph(re.sub(r"[^\w-]+", "-", f"failed-{item.name}"))
        raise
    return result


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package", params=["chromium", "firefox"])
def browser(playwright: Playwright, request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Each of the two, one after the other."""
    with launch(playwright, request.param) as started:
        yield started


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """Whoever looks at the page, in a profile without a past."""
    visitor = Visitor(browser)
    yield visitor
    visitor.close()


@pytest.fixture
def page(visitor: Visitor) -> Page:
    """Its first tab."""
    return visitor.tab()


@pytest.fixture
def screenshot(browser: Browser) -> Callable[[Page, str], None]:
    """Save a picture as build/artifacts/browser/BROWSER-NAME.png."""

    def save(page: Page, name: str) -> None:
        take(page, f"browser/{browser.browser_type.name}-{name}")

    return save


@pytest.fixture(scope="package")
def shared() -> Iterator[Site]:
    """One server for all tests to which the operations of others do not matter."""
    with site() as started:
        yield started


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers with settings: `serve(timing_heartbeat=1)`, `serve(port=killed.port)`."""
    with ExitStack() as stack:
        yield lambda port=0, **settings: stack.enter_context(site(port, **settings))


@pytest.fixture
def server(serve: Serve) -> Site:
    """A server of its own for each test, with no operations."""
    return serve()


@pytest.fixture
def proxy(server: Site) -> Iterator[Proxy]:
    """A network before the server, which can be cut."""
    with proxy_to(server.port) as proxy:
        yield proxy


@pytest.fixture
def http_proxy(server: Site) -> Iterator[HttpProxy]:
    """A reverse proxy before the server, which may refuse and buffer."""
    with http_proxy_to(server.port) as proxy:
        yield proxy
