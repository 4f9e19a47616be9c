"""A network that fails, a tab that sleeps, a server that dies: the state is right again, in time.

"In time" is 2 s from when the browser says so itself, else the back-off of that moment and 2 s.
In each no event of a state is lost, none comes twice, and nothing is loaded again.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Serve
from tests.browser.follower import Follower
from tests.browser.visitor import NETWORK, Visitor, freeze, thaw
from tests.support.http_proxy import HttpProxy
from tests.support.proxy import Proxy, proxy_to
from tests.support.puppets import Site

SOON = 2.0
"""Seconds until what is shown is right."""

WATCHING = pytest.mark.parametrize("watched", ["one", "all"])
SHARING = pytest.mark.parametrize("shared", [True, False], ids=["worker", "tab"])

KEPT_TO = "error?.status === 503 && retryAt - at > 1_900"
"""Of two seconds that the proxy asked for."""

NEVER_WAITED = "statuses.every(({ state }) => state !== 'waiting')"


class Story:
    """Two operations, one after the other, and what becomes of them while nobody can see it."""

    def __init__(self, server: Site) -> None:
        self._server = server
        self.first = server.puppet(kind="queued")
        self.second = server.puppet(kind="queued")
        self.third = ""

    def follower(self, page: Page, port: int, watched: str, **options: object) -> Follower:
        """Somebody who sees how it begins."""
        id = self.second.id if watched == "one" else None
        follower = Follower(page, port, id, **options)
        follower.sees({self.second.id: "queued"})
        return follower

    def go_on(self) -> None:
        """The first ends, the second begins and ends, and a third begins."""
        server, second = self._server, self.second
        self.first.succeed()
        server.wait(self.first.id)
        third = server.puppet()
        third.update(total=4, completed=1)
        self.third = third.id
        second.log("one", "two")
        second.fail()
        server.wait(second.id)

    def is_told(self, follower: Follower, watched: str, within: float) -> None:
        """All of it is known in time, and each state was told once."""
        first, second, third = self.first.id, self.second.id, self.third
        if watched == "one":
            follower.sees({second: "failed"}, within)
            assert follower.states(second) == ["queued", "running", "failed"]
            assert follower.logs(second) == ["one", "two"]
        else:
            follower.sees({first: "succeeded", second: "failed", third: "running"}, within)
            assert follower.states(first) == ["succeeded"]
            assert follower.states(second) == ["running", "failed"]
            assert follower.states(third) == ["queued", "running"]
            follower.until(f"get({third!r}).progress.completed === 1", SOON)
        assert follower.errors() == []


@pytest.fixture
def server(serve: Serve, request: pytest.FixtureRequest) -> Site:
    """One with settings, if a test names them."""
    return serve(**getattr(request, "param", {}))


@pytest.mark.parametrize("server", [{"timing_retry": 60}], indirect=True, ids=["patient"])
@SHARING
@WATCHING
def test_network_is_back(
    page: Page, visitor: Visitor, server: Site, proxy: Proxy, watched: str, shared: bool
) -> None:
    """The browser says `online`, long before it would have been tried again."""
    visitor.allow(*NETWORK)
    story = Story(server)
    follower = story.follower(page, proxy.port, watched, shared=shared)
    proxy.cut()
    page.context.set_offline(True)
    story.go_on()
    follower.until("is('waiting') && waits() > 3_000", 7)
    proxy.restore()
    page.context.set_offline(False)
    story.is_told(follower, watched, SOON)


@WATCHING
def test_network_is_back_and_nobody_says_so(
    page: Page, visitor: Visitor, server: Site, proxy: Proxy, watched: str
) -> None:
    visitor.allow(*NETWORK)
    story = Story(server)
    follower = story.follower(page, proxy.port, watched)
    proxy.cut()
    story.go_on()
    follower.until("is('waiting')")
    proxy.restore()
    story.is_told(follower, watched, follower.waits() + SOON)


@pytest.mark.slow("whether a stream is alive is looked at each 5 s, which have to pass")
@pytest.mark.parametrize("server", [{"timing_heartbeat": 1}], indirect=True, ids=["lively"])
@SHARING
@WATCHING
def test_tab_is_frozen(
    page: Page, visitor: Visitor, server: Site, watched: str, shared: bool
) -> None:
    """What it did not hear is not silence: nothing is waited for when it wakes up."""
    if visitor.browser == "firefox":
        pytest.skip("it freezes no tabs")
    story = Story(server)
    follower = story.follower(page, server.port, watched, shared=shared, silence=3_000)
    freeze(page)
    server.wait(server.start("tick", {"ticks": 60})["id"])
    story.go_on()
    thaw(page)
    story.is_told(follower, watched, SOON)
    follower.until(NEVER_WAITED)


@WATCHING
def test_come_back_later(
    page: Page, visitor: Visitor, http_proxy: HttpProxy, server: Site, watched: str
) -> None:
    """Who comes back is answered 503, and keeps to its Retry-After."""
    visitor.allow(*NETWORK)
    story = Story(server)
    with proxy_to(http_proxy.port) as proxy:
        follower = story.follower(page, proxy.port, watched)
        http_proxy.refuse(1, retry_after=2, only="events")
        proxy.cut()
        proxy.restore()
        story.go_on()
        follower.until(f"statuses.some(({{ error, retryAt, at }}) => {KEPT_TO})", 6)
        story.is_told(follower, watched, follower.waits() + SOON)


@WATCHING
def test_proxy_buffers(
    page: Page, visitor: Visitor, server: Site, http_proxy: HttpProxy, watched: str
) -> None:
    """Nothing comes over a stream, and no WebSocket gets through: polls do."""
    visitor.allow(*NETWORK)
    http_proxy.buffers = True
    story = Story(server)
    follower = story.follower(page, http_proxy.port, watched)
    follower.until("is('polling')", 8)
    story.go_on()
    story.is_told(follower, watched, SOON)


@SHARING
def test_server_has_forgotten(
    page: Page, visitor: Visitor, server: Site, serve: Serve, shared: bool
) -> None:
    visitor.allow(*NETWORK)
    ended, going = server.puppet(), server.puppet()
    ended.succeed()
    server.wait(ended.id)
    going.update(total=4, completed=3)
    follower = Follower(page, server.port, shared=shared)
    follower.until(f"get({going.id!r})?.progress.completed === 3")
    server.kill()
    follower.until("is('waiting')")
    again = serve(server.port)
    new = again.puppet()
    follower.sees({going.id: "lost", new.id: "running"}, follower.waits() + SOON)
    follower.sees({ended.id: "succeeded"})
    assert follower.states(going.id) == ["lost"]
    assert follower.states(ended.id) == []
    assert follower.snapshot(going.id)["progress"]["completed"] == 3


def test_server_has_forgotten_the_one(
    page: Page, visitor: Visitor, server: Site, serve: Serve
) -> None:
    visitor.allow(*NETWORK)
    puppet = server.puppet()
    puppet.update(total=4, completed=3)
    follower = Follower(page, server.port, puppet.id)
    follower.until("following.snapshot.progress.completed === 3")
    server.kill()
    follower.until("is('waiting')")
    serve(server.port)
    follower.sees({puppet.id: "lost"}, follower.waits() + SOON)
    assert follower.states(puppet.id) == ["queued", "running", "lost"]
    assert follower.snapshot(puppet.id)["progress"]["completed"] == 3
