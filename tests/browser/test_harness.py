"""What the tests here build upon: complaints are heard, and the faults of a network are faults."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.visitor import NETWORK, Visitor, violations
from tests.support.http_proxy import HttpProxy
from tests.support.process import eventually
from tests.support.proxy import Proxy
from tests.support.puppets import Site

STYLE = "() => document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')"
THROW = "() => void setTimeout(() => { throw new Error('on purpose') })"

GET = "(path) => fetch(path).then((answer) => answer.status, () => 'network')"

OPEN = """
(path) => {
  window.opened = 0;
  window.heard = 0;
  const source = new EventSource(path);
  source.onopen = () => { window.opened += 1; };
  for (const type of ["snapshot", "ping"])
    source.addEventListener(type, () => { window.heard += 1; });
}
"""

KNOCK = """
(path) => new Promise((resolve) => {
  const socket = new WebSocket(new URL(path, location.href), "progress.v1");
  socket.onopen = () => { resolve("open"); socket.close(); };
  socket.onerror = () => resolve("error");
})
"""


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("() => console.error('bad')", "error: bad"),
        ("() => console.warn('odd')", "warning: odd"),
        (THROW, "uncaught: on purpose"),
        ("() => void Promise.reject(new Error('nobody cares'))", "uncaught: nobody cares"),
        (STYLE, "style-src-attr"),
    ],
    ids=["error", "warning", "exception", "rejection", "policy"],
)
def test_complaints_are_heard(
    page: Page, visitor: Visitor, shared: Site, script: str, complaint: str
) -> None:
    page.goto(f"{shared.url}empty")
    page.evaluate(script)
    page.evaluate("() => new Promise((resolve) => setTimeout(resolve))")
    eventually(visitor.heard)
    assert any(complaint in heard for heard in visitor.complaints), visitor.complaints
    visitor.allow("bad", "odd", "on purpose", "nobody cares", "style-src", "inline style")
    assert not visitor.complaints


def test_axe_finds_something(page: Page, shared: Site) -> None:
    page.goto(f"{shared.url}empty")
    assert violations(page) == []
    page.evaluate("() => document.body.append(document.createElement('button'))")
    [found] = violations(page)
    assert found.startswith("button-name: ")


def test_cut_and_restored(page: Page, visitor: Visitor, server: Site, proxy: Proxy) -> None:
    visitor.allow(*NETWORK)
    page.goto(f"http://127.0.0.1:{proxy.port}/empty")
    assert page.evaluate(GET, "kinds") == 200
    page.evaluate(OPEN, "events")
    page.wait_for_function("() => heard > 0")
    proxy.cut()
    assert page.evaluate(GET, "kinds") == "network"
    eventually(lambda: server.subscribers() == 0)
    proxy.restore()
    assert page.evaluate(GET, "kinds") == 200
    page.wait_for_function("() => opened > 1")


def test_refusing(page: Page, visitor: Visitor, http_proxy: HttpProxy) -> None:
    visitor.allow(*NETWORK)
    page.goto(f"http://127.0.0.1:{http_proxy.port}/empty")
    http_proxy.refuse(2, only="kinds")
    assert page.evaluate(GET, "operations") == 200
    assert [page.evaluate(GET, "kinds") for _ in range(3)] == [503, 503, 200]
    assert page.evaluate(KNOCK, "ws") == "open"


def test_buffering(page: Page, visitor: Visitor, server: Site, http_proxy: HttpProxy) -> None:
    visitor.allow(*NETWORK)
    http_proxy.buffers = True
    page.goto(f"http://127.0.0.1:{http_proxy.port}/empty")
    puppet = server.puppet()
    page.evaluate(OPEN, f"operations/{puppet.id}/events")
    eventually(lambda: server.subscribers() == 1)
    puppet.log("line")
    assert page.evaluate(GET, "kinds") == 200
    assert page.evaluate(KNOCK, "ws") == "error"
    assert page.evaluate("() => [opened, heard]") == [0, 0]
    puppet.succeed()
    page.wait_for_function("() => heard > 0")
    page.goto("about:blank")
    eventually(lambda: server.subscribers() == 0)
