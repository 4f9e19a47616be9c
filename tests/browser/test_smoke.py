"""The page loads, and a plain EventSource follows an operation to its end."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.puppets import Site

FOLLOW = """
(id) => {
  window.types = [];
  const source = new EventSource(`operations/${id}/events`);
  for (const type of ["snapshot", "progress", "state", "log", "output", "gap", "ping", "bye"])
    source.addEventListener(type, ({ data }) => window.types.push(JSON.parse(data).type));
  source.addEventListener("bye", () => source.close());
}
"""


def test_page_loads(page: Page, server: Site, screenshot: Callable[[Page, str], None]) -> None:
    answer = page.goto(server.url)
    assert answer is not None
    assert answer.ok
    expect(page.locator("main")).to_be_visible()
    screenshot(page, "empty")


def test_event_source(page: Page, server: Site) -> None:
    page.goto(f"{server.url}empty")
    puppet = server.puppet()
    page.evaluate(FOLLOW, puppet.id)
    page.wait_for_function("() => types.includes('snapshot')")
    puppet.log("one", "two")
    puppet.output({"rows": 3})
    page.wait_for_function("() => types.includes('output')")
    puppet.succeed()
    page.wait_for_function("() => types.includes('bye')")
    told = [kind for kind in page.evaluate("types") if kind != "ping"]
    assert told == ["snapshot", "log", "log", "output", "state", "bye"]
