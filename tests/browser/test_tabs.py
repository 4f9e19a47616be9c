"""Many tabs of one browser have one connection, and none of them minds the others."""

from __future__ import annotations

import pytest

from tests.browser.follower import Follower
from tests.browser.visitor import Visitor
from tests.support.http_proxy import HttpProxy
from tests.support.process import eventually
from tests.support.puppets import Puppet, Site

TABS = 8
"""More than the six connections that a browser has for a host."""

STORE = """
() => {
  following.subscribe(() => { localStorage.states = JSON.stringify(states); });
  addEventListener("pageshow", ({ persisted }) => { localStorage.shown = persisted; });
}
"""

GET = "() => fetch('/kinds').then(({ status }) => status)"


def streams(http_proxy: HttpProxy) -> list[str]:
    """The requests for events so far."""
    return [line for line in http_proxy.seen if "events" in line]


def follow(visitor: Visitor, port: int, tabs: int = TABS) -> list[Follower]:
    """Follow all operations in so many tabs."""
    return [Follower(visitor.tab(), port) for _ in range(tabs)]


@pytest.mark.slow("eight tabs are opened one by one")
def test_one_connection(visitor: Visitor, server: Site) -> None:
    followers = follow(visitor, server.port)
    assert server.subscribers() == 1
    assert [follower.page.evaluate(GET) for follower in followers] == [200] * TABS
    puppet = server.puppet()
    puppet.succeed()
    for follower in followers:
        follower.sees({puppet.id: "succeeded"})
        assert follower.states(puppet.id) == ["queued", "running", "succeeded"]
    assert server.subscribers() == 1


@pytest.mark.slow("eight tabs are opened, and closed, one by one")
def test_none_minds_that_others_close(
    visitor: Visitor, server: Site, http_proxy: HttpProxy
) -> None:
    """Nor the first, which began it."""
    followers = follow(visitor, http_proxy.port)
    before = streams(http_proxy)
    told: list[Puppet] = []
    for n in range(TABS - 1):
        told.append(server.puppet())
        followers.pop(0 if n % 2 == 0 else -1).page.close()
        told[-1].succeed()
        for follower in followers:
            follower.sees({told[-1].id: "succeeded"})
        assert server.subscribers() == 1
    [left] = followers
    for puppet in told:
        assert left.states(puppet.id) == ["queued", "running", "succeeded"]
    assert streams(http_proxy) == before
    left.page.close()
    eventually(lambda: server.subscribers() == 0)


def test_one_operation_and_all(visitor: Visitor, server: Site) -> None:
    """They want different things, and each gets its own."""
    puppet, other = server.puppet(), server.puppet()
    all_of_them = Follower(visitor.tab(), server.port)
    one = Follower(visitor.tab(), server.port, puppet.id)
    another = Follower(visitor.tab(), server.port, other.id)
    eventually(lambda: server.subscribers() == 1)
    puppet.log("line")
    puppet.succeed()
    for follower in (one, all_of_them):
        follower.sees({puppet.id: "succeeded"})
    assert one.states(puppet.id) == ["queued", "running", "succeeded"]
    assert one.logs(puppet.id) == ["line"]
    assert all_of_them.states(puppet.id) == ["succeeded"]
    assert another.states(puppet.id) == []
    other.succeed()
    for follower in (another, all_of_them):
        follower.sees({other.id: "succeeded"})
    assert another.states(other.id) == ["queued", "running", "succeeded"]


def test_gone_and_loaded_again(visitor: Visitor, server: Site) -> None:
    stays, goes = follow(visitor, server.port, 2)
    away, back = server.puppet(), server.puppet()
    goes.sees({back.id: "running"})
    goes.page.goto("about:blank")
    away.succeed()
    stays.sees({away.id: "succeeded"})
    again = Follower(goes.page, server.port)
    back.succeed()
    for follower in (stays, again):
        follower.sees({away.id: "succeeded", back.id: "succeeded"})
    assert stays.states(back.id) == ["queued", "running", "succeeded"]
    assert again.states(back.id) == ["succeeded"]
    assert server.subscribers() == 1


def test_put_aside_and_back(visitor: Visitor, server: Site) -> None:
    """It goes on as it was. It tells by way of its storage: Playwright takes it for gone."""
    if visitor.browser == "chromium":
        pytest.skip("Playwright has it keep no page that was left")
    stays, goes = follow(visitor, server.port, 2)
    away, back = server.puppet(), server.puppet()
    goes.sees({back.id: "running"})
    goes.page.evaluate(STORE)
    goes.page.goto("about:blank")
    away.succeed()
    stays.sees({away.id: "succeeded"})
    goes.page.evaluate("() => history.back()")
    stays.until("localStorage.shown === 'true'")
    back.succeed()
    stays.sees({back.id: "succeeded"})
    for puppet in (away, back):
        told = f"JSON.parse(localStorage.states)[{puppet.id!r}]"
        stays.until(f"{told}?.join() === 'queued,running,succeeded'")
        assert stays.states(puppet.id) == ["queued", "running", "succeeded"]
    assert server.subscribers() == 1


def test_nobody_is_left_who_follows(visitor: Visitor, server: Site) -> None:
    """Then there is no connection, even if there are tabs."""
    stays, goes = follow(visitor, server.port, 2)
    stays.page.evaluate("() => client.close()")
    puppet = server.puppet()
    goes.sees({puppet.id: "running"})
    assert server.subscribers() == 1
    goes.page.close()
    eventually(lambda: server.subscribers() == 0)
    assert stays.states(puppet.id) == []


def test_without_workers(visitor: Visitor, server: Site) -> None:
    """Each tab has a connection of its own."""
    visitor.profile.add_init_script("delete globalThis.SharedWorker")
    one, other = follow(visitor, server.port, 2)
    assert server.subscribers() == 2
    one.page.close()
    eventually(lambda: server.subscribers() == 1)
    puppet = server.puppet()
    puppet.succeed()
    other.sees({puppet.id: "succeeded"})
    assert other.states(puppet.id) == ["queued", "running", "succeeded"]
