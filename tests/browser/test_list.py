"""The list of operations, as somebody sees, reads and presses it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Serve
from tests.browser.visitor import NETWORK, Visitor, violations
from tests.support.puppets import Site

Save = Callable[[Page, str], None]

PHONE = {"width": 320, "height": 640}

WIDTHS = "() => [document.documentElement.scrollWidth, innerWidth]"

MOVES = """
() => {
  window.moves = 0;
  new PerformanceObserver((list) => {
    for (const { value } of list.getEntries()) window.moves += value;
  }).observe({ type: "layout-shift", buffered: true });
}
"""


def rows(page: Page) -> Locator:
    """All operations that are shown."""
    return page.get_by_role("list", name="Operations").get_by_role("listitem")


def states(page: Page) -> list[str]:
    """The state of each row, as it is written there."""
    return rows(page).locator(".state").all_inner_texts()


def badge(page: Page) -> Locator:
    """How the connection is."""
    return page.locator(".badge")


def some_of_each(server: Site) -> None:
    """Have operations in most of the states."""
    server.puppet(owner="ada").succeed()
    server.puppet(owner="grace").fail("the disk is full")
    cancelled = server.puppet()
    server.client.post(f"/operations/{cancelled.id}/cancel")
    server.wait(cancelled.id)
    running = server.puppet(owner="ada", run="nightly")
    running.update(total=1000, completed=420, unit="files", message="photos/1.jpg")
    server.puppet().update(message="nobody knows how long")
    server.puppet(kind="queued")
    server.puppet(kind="queued")


def test_states_in_words(page: Page, server: Site, screenshot: Save) -> None:
    some_of_each(server)
    page.goto(server.url)
    expect(rows(page)).to_have_count(7)
    told = ["Queued", "Running", "Running", "Running", "Cancelled", "Failed", "Succeeded"]
    assert states(page) == told
    expect(badge(page)).to_contain_text("Live")
    row = rows(page).nth(3)
    bar = row.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "42")
    expect(bar).to_have_attribute("aria-valuetext", re.compile("told: 42 per ?cent"))
    expect(row).to_contain_text("420 of 1,000 files")
    expect(row).to_contain_text("photos/1.jpg")
    unknown = rows(page).nth(2).get_by_role("progressbar")
    assert unknown.get_attribute("aria-valuenow") is None
    expect(rows(page).nth(5)).to_contain_text("the disk is full")
    expect(page).to_have_title("42% · 3 running, 1 queued · Progress")
    screenshot(page, "list")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("light", {}),
        ("phone", {"viewport": PHONE}),
        ("dark", {"color_scheme": "dark"}),
        ("contrast", {"forced_colors": "active", "reduced_motion": "reduce"}),
    ],
    ids=["light", "phone", "dark", "contrast"],
)
def test_no_violation(
    visitor: Visitor, server: Site, screenshot: Save, name: str, options: dict[str, Any]
) -> None:
    some_of_each(server)
    page = visitor.elsewhere(server.url, **options)
    expect(rows(page)).to_have_count(7)
    assert violations(page) == []
    wide, width = page.evaluate(WIDTHS)
    assert wide <= width
    screenshot(page, f"list-{name}")


def test_right_to_left(page: Page, server: Site, screenshot: Save) -> None:
    some_of_each(server)
    page.goto(server.url)
    expect(rows(page)).to_have_count(7)
    page.evaluate("() => { document.documentElement.dir = 'rtl' }")
    screenshot(page, "rtl")
    state = rows(page).first.locator(".state").bounding_box()
    link = rows(page).first.get_by_role("link").bounding_box()
    assert state
    assert link
    assert state["x"] > link["x"]
    wide, width = page.evaluate(WIDTHS)
    assert wide <= width


def test_live(page: Page, server: Site) -> None:
    page.goto(server.url)
    expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()
    puppet = server.puppet()
    expect(rows(page)).to_have_count(1)
    puppet.update(total=10, completed=5)
    expect(rows(page).first).to_contain_text("50%")
    puppet.succeed()
    expect(rows(page).first).to_contain_text("Succeeded")
    expect(rows(page).first).to_contain_text("100%")
    expect(page).to_have_title("Progress")


def test_nothing_moves_under_the_pointer(page: Page, server: Site, screenshot: Save) -> None:
    first = server.puppet()
    page.goto(server.url)
    rows(page).first.hover()
    server.puppet()
    server.puppet()
    fresh = page.get_by_role("button", name="2 new")
    expect(fresh).to_be_visible()
    expect(rows(page)).to_have_count(1)
    first.succeed()
    expect(rows(page).first).to_contain_text("Succeeded")
    screenshot(page, "fresh")
    assert violations(page) == []
    fresh.click()
    expect(rows(page)).to_have_count(3)
    expect(fresh).to_be_hidden()
    assert states(page) == ["Running", "Running", "Succeeded"]


def test_it_is_let_in_when_the_pointer_has_left(page: Page, server: Site) -> None:
    page.goto(f"{server.url}?state=running")
    first = server.puppet()
    rows(page).first.hover()
    server.puppet()
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    first.succeed()
    expect(rows(page).first).to_contain_text("Succeeded")
    page.mouse.move(1, 1)
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text("Running")


def test_keys_hold_it_too(page: Page, server: Site) -> None:
    server.puppet()
    page.goto(server.url)
    expect(rows(page)).to_have_count(1)
    page.get_by_label("Label").focus()
    page.keyboard.press("Tab")
    expect(rows(page).get_by_role("link")).to_be_focused()
    second = server.puppet()
    fresh = page.get_by_role("button", name="1 new")
    expect(fresh).to_be_visible()
    page.keyboard.press("Shift+Tab")
    expect(fresh).to_be_focused()
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(2)
    link = rows(page).first.get_by_role("link")
    expect(link).to_be_focused()
    expect(link).to_have_attribute("href", f"./?operation={second.id}")


def test_filters_are_in_the_address(page: Page, server: Site) -> None:
    some_of_each(server)
    page.goto(server.url)
    expect(rows(page)).to_have_count(7)
    page.get_by_role("checkbox", name="Running").check()
    expect(rows(page)).to_have_count(3)
    expect(page).to_have_url(f"{server.url}?state=running")
    page.get_by_label("Kind").select_option("told")
    expect(rows(page)).to_have_count(2)
    page.get_by_label("Label").fill("owner:ada")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(f"{server.url}?state=running&kind=told&label=owner:ada")
    expect(page.get_by_label("Label")).to_be_focused()
    page.reload()
    expect(page.get_by_role("checkbox", name="Running")).to_be_checked()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Do not filter for label owner:ada").click()
    expect(rows(page)).to_have_count(2)
    page.go_back()
    expect(rows(page)).to_have_count(1)


def test_nothing_matches(page: Page, server: Site) -> None:
    server.puppet()
    page.goto(f"{server.url}?state=lost")
    expect(page.get_by_role("heading", name="No operation matches")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name="Show all operations").click()
    expect(rows(page)).to_have_count(1)


def test_a_filter_that_is_none(page: Page, visitor: Visitor, server: Site) -> None:
    visitor.allow(*NETWORK)
    page.goto(f"{server.url}?state=tired")
    expect(page.get_by_role("heading", name="The server did not understand")).to_be_visible()
    page.get_by_role("link", name="Show all operations").click()
    expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()


def test_cancel(page: Page, server: Site) -> None:
    puppet = server.puppet()
    page.goto(server.url)
    page.get_by_role("button", name="Cancel told").focus()
    page.keyboard.press("Enter")
    assert server.wait(puppet.id)["state"] == "cancelled"
    expect(rows(page).first).to_contain_text("Cancelled")
    expect(rows(page).first.get_by_role("link")).to_be_focused()


def test_cancel_that_is_refused(page: Page, visitor: Visitor, server: Site) -> None:
    visitor.allow(*NETWORK)
    server.puppet()
    page.goto(server.url)
    problem = '{"type":"x","title":"Forbidden","status":403,"detail":"it is not yours"}'
    page.route("**/cancel", lambda route: route.fulfill(status=403, body=problem))
    page.get_by_role("button", name="Cancel told").click()
    expect(page.locator(".toast")).to_contain_text("it is not yours")


def test_load_more(page: Page, server: Site) -> None:
    for _ in range(70):
        server.puppet().succeed()
    page.goto(server.url)
    expect(rows(page)).to_have_count(50)
    more = page.get_by_role("button", name="Load more")
    more.click()
    expect(rows(page)).to_have_count(70)
    expect(more).to_be_hidden()


def test_there_and_back(page: Page, server: Site) -> None:
    for _ in range(30):
        server.puppet().succeed()
    page.goto(server.url)
    expect(rows(page)).to_have_count(30)
    link = rows(page).nth(20).get_by_role("link")
    link.scroll_into_view_if_needed()
    top = page.evaluate("scrollY")
    assert top > 0
    address = link.get_attribute("href")
    link.click()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page).to_have_url(f"{server.url}{str(address).removeprefix('./')}")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(rows(page)).to_have_count(30)
    page.wait_for_function("(top) => Math.abs(scrollY - top) < 2", arg=top)


def test_link_opens_elsewhere(page: Page, server: Site) -> None:
    puppet = server.puppet()
    page.goto(server.url)
    with page.context.expect_page() as opened:
        rows(page).first.get_by_role("link").click(modifiers=["ControlOrMeta"])
    opened.value.wait_for_load_state()
    assert opened.value.url == f"{server.url}?operation={puppet.id}"
    assert page.url == server.url


def test_nothing_shifts(page: Page, visitor: Visitor, server: Site) -> None:
    if visitor.browser == "firefox":
        return  # it does not tell
    some_of_each(server)
    page.goto(server.url)
    page.evaluate(MOVES)
    expect(rows(page)).to_have_count(7)
    puppet = server.puppet()
    for n in range(10):
        puppet.update(total=10, completed=n, unit="files", message="m" * n * n)
    puppet.succeed()
    expect(rows(page).first).to_contain_text("Succeeded")
    assert page.evaluate("moves") < 0.1  # what Core Web Vitals calls good; a row came in


def test_reconnecting(page: Page, visitor: Visitor, server: Site, screenshot: Save) -> None:
    visitor.allow(*NETWORK)
    server.puppet().update(total=10, completed=4)
    page.goto(server.url)
    expect(rows(page).first).to_contain_text("40%")
    server.kill()
    expect(badge(page)).to_contain_text("Reconnecting")
    expect(badge(page).get_by_role("status")).to_have_text("Connection lost, trying again.")
    screenshot(page, "reconnecting")
    assert violations(page) == []


def test_server_restarts(page: Page, visitor: Visitor, serve: Serve) -> None:
    visitor.allow(*NETWORK)
    server = serve()
    server.puppet().update(total=10, completed=4)
    page.goto(server.url)
    expect(rows(page).first).to_contain_text("40%")
    server.kill()
    serve(port=server.port).puppet()
    expect(rows(page)).to_have_count(2, timeout=7_000)
    expect(badge(page).get_by_role("status")).to_have_text("Connected again.")
    assert states(page) == ["Running", "Lost"]
    expect(rows(page).nth(1)).to_contain_text("40%")


def test_no_access(page: Page, visitor: Visitor, server: Site, screenshot: Save) -> None:
    visitor.allow(*NETWORK)
    problem = '{"type":"x","title":"Forbidden","status":403,"detail":"not for you"}'
    page.route("**/operations?*", lambda route: route.fulfill(status=403, body=problem))
    page.goto(server.url)
    expect(page.get_by_role("heading", name="No access")).to_be_visible()
    expect(page.locator("main")).to_contain_text("not for you")
    screenshot(page, "error")
    assert violations(page) == []
    page.unroute("**/operations?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()


def test_hostile_text(page: Page, server: Site, screenshot: Save) -> None:
    server.start("hostile")
    page.goto(server.url)
    expect(rows(page)).to_have_count(1)
    screenshot(page, "hostile-list")
    wide, width = page.evaluate(WIDTHS)
    assert wide <= width
    assert page.evaluate("() => document.hacked") is None


def test_skip_link(page: Page, server: Site) -> None:
    page.goto(server.url)
    expect(page.get_by_role("heading", name="Nothing has run yet")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
