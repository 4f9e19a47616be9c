"""One operation, as somebody sees, reads and presses it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Serve
from tests.browser.visitor import NETWORK, Visitor, violations
from tests.support.puppets import Puppet, Site

Save = Callable[[Page, str], None]

PHONE = {"width": 320, "height": 640}

WIDTHS = "() => [document.documentElement.scrollWidth, innerWidth]"

MOVES = """
() => {
  window.moves = 0;
  new PerformanceObserver((list) => {
    for (const { value } of list.getEntries()) window.moves += value;
  }).observe({ type: "layout-shift" });
}
"""

RECORD = """
() => {
  window.spoken = [];
  const region = document.querySelector(".op > [role=status]");
  new MutationObserver(() => window.spoken.push(region.textContent))
    .observe(region, { childList: true, characterData: true, subtree: true });
}
"""

CLIPBOARD = """
() => Object.defineProperty(navigator, "clipboard", {
  value: { writeText: async (text) => { window.copied = text; } },
})
"""


def look(page: Page, server: Site, id: str) -> None:
    """Go and see one operation."""
    page.goto(f"{server.url}?operation={id}")


def state(page: Page) -> Locator:
    """Its state, as it is written beside its kind."""
    return page.locator(".op-title .state")


def part(page: Page, title: str) -> Locator:
    """One of the cards."""
    return page.locator("section", has=page.get_by_role("heading", name=title, exact=True))


def bar(page: Page) -> Locator:
    """The bar of all of it."""
    return page.get_by_role("progressbar", name="Progress", exact=True)


def lines(page: Page) -> Locator:
    """The log lines that are in the document."""
    return page.get_by_role("group", name="Log lines").get_by_role("listitem")


def half_way(server: Site, **labels: str) -> Puppet:
    """One that has steps in most of their states, a log and an output."""
    puppet = server.puppet(**labels)
    puppet.plan(scan=1, copy=8, check=1)
    puppet.step("scan", total=20, unit="files")
    puppet.advance(20)
    puppet.leave()
    puppet.step("copy")
    puppet.plan(photos=3, films=1)
    puppet.step("photos", total=8_000_000, unit="bytes")
    puppet.update(completed=4_000_000, message="photos/1.jpg")
    puppet.log("a line", "another\nwith two")
    puppet.log("mind this", level="warning")
    puppet.log("this went wrong", level="error")
    puppet.output({"preview": "https://example.org/1.png", "sizes": [1, 2]})
    return puppet


def test_running(page: Page, server: Site, screenshot: Save) -> None:
    puppet = half_way(server, owner="ada")
    look(page, server, puppet.id)
    expect(page.get_by_role("heading", level=1)).to_have_text("told")
    expect(state(page)).to_have_text("Running")
    expect(bar(page)).to_have_attribute("aria-valuenow", "40")
    expect(bar(page)).to_have_attribute("aria-valuetext", re.compile("told: 40 per ?cent"))
    now = page.get_by_role("region", name="Progress")
    expect(now).to_contain_text("40%")
    expect(now).to_contain_text("photos/1.jpg")
    expect(now).to_contain_text("1 of 4 steps")
    steps = part(page, "Steps").get_by_role("listitem")
    expect(steps).to_have_count(5)
    expect(steps.nth(0)).to_contain_text("20 of 20 files")
    expect(steps.nth(1).get_by_role("listitem")).to_have_count(2)
    expect(steps.nth(2)).to_contain_text("4 of 8 MB")
    expect(steps.nth(2)).to_contain_text("60%")  # three quarters of eight tenths
    expect(lines(page)).to_have_count(4)
    expect(part(page, "Outputs").get_by_role("link")).to_have_attribute(
        "rel", re.compile("noopener")
    )
    expect(part(page, "Parameters")).to_contain_text("puppet-")
    expect(page.get_by_role("link", name="owner:ada")).to_have_attribute(
        "href", "./?label=owner%3Aada"
    )
    expect(page).to_have_title("40% · told")
    screenshot(page, "operation")


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
    puppet = half_way(server, owner="ada")
    page = visitor.elsewhere(f"{server.url}?operation={puppet.id}", **options)
    expect(lines(page)).to_have_count(4)
    assert violations(page) == []
    puppet.fail("the disk is full")
    expect(state(page)).to_have_text("Failed")
    assert violations(page) == []
    wide, width = page.evaluate(WIDTHS)
    assert wide <= width
    screenshot(page, f"operation-{name}")


def test_right_to_left(page: Page, server: Site, screenshot: Save) -> None:
    look(page, server, half_way(server).id)
    expect(lines(page)).to_have_count(4)
    page.evaluate("() => { document.documentElement.dir = 'rtl' }")
    screenshot(page, "operation-rtl")
    heading = page.get_by_role("heading", level=1).bounding_box()
    cancel = page.get_by_role("button", name="Cancel").bounding_box()
    assert heading
    assert cancel
    assert heading["x"] > cancel["x"]
    wide, width = page.evaluate(WIDTHS)
    assert wide <= width


def test_to_its_end(page: Page, server: Site, screenshot: Save) -> None:
    puppet = server.puppet()
    look(page, server, puppet.id)
    expect(state(page)).to_have_text("Running")
    page.evaluate(RECORD)
    for completed in (1, 2, 3, 11, 12):
        puppet.update(total=20, completed=completed, unit="files")
        expect(page.get_by_role("region", name="Progress")).to_contain_text(
            f"{completed} of 20 files"
        )
    puppet.succeed({"files": 20, "at": "https://example.org/"})
    expect(state(page)).to_have_text("Succeeded")
    expect(part(page, "Result")).to_contain_text("files20")
    expect(part(page, "Result").get_by_role("link")).to_have_attribute(
        "href", "https://example.org/"
    )
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    expect(page).to_have_title("Succeeded: told")
    said = page.evaluate("spoken")
    assert len(said) == 4, said  # at 10 and 50 %, at the end, and its first words may come later
    assert said[-1] == "told: Succeeded"
    screenshot(page, "operation-succeeded")
    assert violations(page) == []


def test_problem(page: Page, server: Site, screenshot: Save) -> None:
    puppet = server.puppet()
    puppet.fail("there is no such folder", type="outside-root")
    look(page, server, puppet.id)
    problem = part(page, "Outside root")
    expect(problem).to_contain_text("there is no such folder")
    expect(problem).to_contain_text("urn:progress:problem:outside-root")
    expect(page).to_have_title("Failed: told")
    screenshot(page, "operation-failed")


def test_queued(page: Page, server: Site) -> None:
    first = server.puppet(kind="queued")
    second = server.puppet(kind="queued")
    look(page, server, second.id)
    expect(page.locator("main")).to_contain_text("Place 1 in the queue")
    first.succeed()
    expect(state(page)).to_have_text("Running")


def test_cancel(page: Page, server: Site) -> None:
    puppet = server.puppet()
    look(page, server, puppet.id)
    page.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Enter")
    expect(state(page)).to_have_text("Cancelled")
    assert server.wait(puppet.id)["state"] == "cancelled"
    expect(page.get_by_role("button", name="Start again")).to_be_focused()


def test_cancelling_is_shown_at_once(page: Page, visitor: Visitor, server: Site) -> None:
    visitor.allow(*NETWORK)
    puppet = server.puppet()
    problem = '{"type":"x","title":"Forbidden","status":403,"detail":"it is not yours"}'
    held: list[Route] = []
    page.route("**/cancel", lambda route: held.append(route))
    look(page, server, puppet.id)
    page.get_by_role("button", name="Cancel").click()
    expect(state(page)).to_have_text("Cancelling…")
    page.get_by_role("button", name="Cancel").click(force=True)
    assert len(held) == 1
    held[0].fulfill(status=403, body=problem)
    expect(page.locator(".toast")).to_contain_text("it is not yours")
    expect(state(page)).to_have_text("Running")


def test_start_again(page: Page, server: Site) -> None:
    puppet = server.puppet("first", owner="ada")
    puppet.succeed()
    look(page, server, puppet.id)
    page.get_by_role("button", name="Start again").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_role("textbox", name="name")).to_have_value("first")
    form.get_by_role("button", name="Start", exact=True).click()
    expect(page).not_to_have_url(re.compile(puppet.id))
    expect(page.get_by_role("link", name="owner:ada")).to_be_visible()


def test_copying(page: Page, server: Site) -> None:
    puppet = server.puppet("it's", owner="ada")
    look(page, server, puppet.id)
    page.evaluate(CLIPBOARD)
    terminal = part(page, "From a terminal")
    terminal.get_by_role("button", name="Copy curl").first.click()
    expect(terminal.get_by_role("button").first).to_have_text("Copied")
    follow = f"curl -N '{server.url}operations/{puppet.id}/events'"
    page.wait_for_function("(text) => copied === text", arg=follow)
    terminal.get_by_role("button", name="Copy curl").last.click()
    body = r"""{"kind":"told","params":{"name":"it'\''s"},"labels":{"owner":"ada"}}"""
    start = f"curl '{server.url}operations' -H 'content-type: application/json' -d '{body}'"
    page.wait_for_function("(text) => copied === text", arg=start)
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_function("() => copied === location.href")


def test_stalled(page: Page, server: Site) -> None:
    page.clock.install()
    puppet = server.puppet()
    look(page, server, puppet.id)
    for completed in range(3):  # usually it comes within the second
        puppet.update(total=9, completed=completed)
        expect(page.locator("main")).to_contain_text(f"{completed} of 9")
    page.clock.run_for(12_000)
    expect(page.locator("main")).not_to_contain_text("Nothing for")
    page.clock.run_for(12_000)
    expect(page.locator("main")).to_contain_text("Nothing for 2")


def test_clocks_that_differ(page: Page, server: Site) -> None:
    page.clock.install(time=time.time() + 3_600)
    puppet = server.puppet()
    look(page, server, puppet.id)
    expect(state(page)).to_have_text("Running")
    page.clock.run_for(600)
    puppet.update(completed=1)
    expect(page.locator("main")).to_contain_text("Done1")
    page.clock.run_for(600)
    expect(page.locator("main")).to_contain_text(re.compile(r"Elapsed0:0\d"))


def test_server_restarts(page: Page, visitor: Visitor, serve: Serve, screenshot: Save) -> None:
    visitor.allow(*NETWORK)
    server = serve()
    look(page, server, half_way(server).id)
    expect(page.locator("main")).to_contain_text("40%")
    server.kill()
    expect(page.locator(".badge")).to_contain_text("Reconnecting")
    serve(port=server.port)
    expect(state(page)).to_have_text("Lost", timeout=7_000)
    expect(page.locator("main")).to_contain_text("40%")
    expect(page.locator("main")).to_contain_text("what ran in it is gone")
    expect(lines(page)).to_have_count(4)
    screenshot(page, "operation-lost")
    assert violations(page) == []


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (404, "No such operation"),
        (410, "No longer kept"),
        (403, "Not for you"),
        (401, "Not signed in"),
    ],
    ids=["unknown", "expired", "forbidden", "unauthorized"],
)
def test_nothing_to_show(
    page: Page, visitor: Visitor, shared: Site, screenshot: Save, status: int, title: str
) -> None:
    visitor.allow(*NETWORK)
    if status != 404:
        page.route("**/events*", lambda route: route.fulfill(status=status, body="{}"))
    look(page, shared, "01a20430-615c-7df6-93e0-6cbc89dc8777")
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    assert violations(page) == []
    screenshot(page, f"operation-{status}")
    page.get_by_role("link", name="All operations").click()
    expect(page).to_have_url(shared.url)


def test_no_server(page: Page, visitor: Visitor, server: Site) -> None:
    visitor.allow(*NETWORK)
    page.goto(server.url)
    expect(page.locator(".badge")).to_contain_text("Live")
    puppet = server.puppet()
    page.route("**/operations/*/events*", lambda route: route.abort())
    page.get_by_role("link", name="told").click()
    expect(page.locator("main")).to_contain_text("Loading")
    page.unroute("**/operations/*/events*")
    expect(state(page)).to_have_text("Running", timeout=7_000)
    assert puppet.id in page.url


def test_a_thousand_steps(page: Page, server: Site, screenshot: Save) -> None:
    puppet = server.puppet()
    puppet.plan(**{f"step {n}": 1 for n in range(1_000)})
    for n in range(20):
        puppet.step(f"step {n}", total=2)
        puppet.advance(2)
        puppet.leave()
    look(page, server, puppet.id)
    steps = part(page, "Steps").get_by_role("listitem")
    expect(steps).to_have_count(8 + 8 + 2)
    screenshot(page, "operation-steps")
    page.get_by_role("button", name="Show 12 more that are done").click()
    expect(steps).to_have_count(20 + 8 + 1)
    expect(steps.first).to_be_focused()
    page.get_by_role("button", name="Show 972 more to come").click()
    expect(steps).to_have_count(1_000)
    puppet.step("step 20", total=2)
    puppet.advance()
    expect(steps.nth(20)).to_contain_text("1 of 2")
    expect(page.locator("main")).to_contain_text("20 of 1,000 steps")


def test_log_follows_and_lets_go(page: Page, server: Site, screenshot: Save) -> None:
    puppet = server.puppet()
    puppet.log(*(f"line {n}" for n in range(900)))
    look(page, server, puppet.id)
    view = page.get_by_role("group", name="Log lines")
    view.scroll_into_view_if_needed()
    expect(view.get_by_text("line 899", exact=True)).to_be_in_viewport()
    expect(part(page, "Log")).to_contain_text("900 lines")
    assert lines(page).count() < 40
    view.hover()
    page.mouse.wheel(0, -2_000)
    follow = part(page, "Log").locator(".log-follow")
    expect(follow).to_be_visible()
    middle = lines(page).nth(10)
    seen, top = middle.inner_text(), middle.bounding_box()
    puppet.log(*(f"late {n}\nand long" for n in range(30)))
    expect(follow).to_have_text("30 new")
    assert (middle.inner_text(), middle.bounding_box()) == (seen, top)
    screenshot(page, "operation-log")
    assert violations(page) == []
    follow.click()
    expect(view.get_by_text("late 29")).to_be_in_viewport()
    expect(follow).to_be_hidden()
    expect(view).to_be_focused()
    page.keyboard.press("Home")
    expect(view.get_by_text("line 0", exact=True)).to_be_in_viewport()
    page.keyboard.press("End")
    expect(view.get_by_text("late 29")).to_be_in_viewport()
    expect(follow).to_be_hidden()


def test_log_is_searched(page: Page, server: Site) -> None:
    puppet = server.puppet()
    puppet.log(*(f"line {n}" for n in range(300)))
    puppet.log("Line 7 went wrong", level="error")
    look(page, server, puppet.id)
    log = part(page, "Log")
    page.evaluate(CLIPBOARD)
    page.get_by_label("Search the log").fill("LINE 7")
    expect(log).to_contain_text("12 of 301 lines")  # 7, 70 to 79, and the last
    expect(lines(page)).to_have_count(12)
    expect(lines(page).first.locator("mark")).to_have_text("line 7")
    page.get_by_label("Search the log").fill("error")  # the levels are searched, too
    expect(lines(page)).to_have_count(1)
    page.get_by_role("button", name="Copy what is shown").click()
    expect(log.get_by_role("status")).to_contain_text("1 line copied")
    assert re.fullmatch(r"\S+Z ERROR Line 7 went wrong\n", page.evaluate("copied"))
    page.get_by_label("Search the log").fill("nowhere")
    expect(log).to_contain_text("Nothing matches")


def test_log_is_downloaded(page: Page, visitor: Visitor, server: Site) -> None:
    puppet = server.puppet()
    puppet.log("one", "two")
    look(page, server, puppet.id)
    expect(lines(page)).to_have_count(2)
    if visitor.browser == "firefox":
        return  # Playwright does not hear of its downloads
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all").click()
    assert download.value.suggested_filename == f"operation-{puppet.id}.log"
    text = download.value.path().read_text("utf-8")
    assert re.fullmatch(r"\S+Z INFO one\n\S+Z INFO two\n", text)


def test_what_is_missing_is_told(page: Page, serve: Serve) -> None:
    server = serve(limits_journal=10)
    puppet = server.puppet()
    puppet.log(*(f"line {n}" for n in range(50)))
    look(page, server, puppet.id)
    expect(part(page, "Log")).to_contain_text(re.compile(r"\d+ earlier are no longer kept"))


def test_outputs_as_they_come(page: Page, server: Site) -> None:
    puppet = server.puppet()
    look(page, server, puppet.id)
    expect(state(page)).to_have_text("Running")
    for n in range(60):
        puppet.output({"n": n})
    outputs = part(page, "Outputs").locator("ol").first.locator("> li")
    expect(outputs).to_have_count(50)
    expect(outputs.last).to_contain_text("n59")
    page.get_by_role("button", name="Show 10 earlier").click()
    expect(outputs).to_have_count(60)


def test_nothing_shifts(page: Page, visitor: Visitor, server: Site) -> None:
    if visitor.browser == "firefox":
        return  # it does not tell
    puppet = half_way(server)
    look(page, server, puppet.id)
    expect(lines(page)).to_have_count(4)
    page.evaluate(MOVES)
    for n in range(10):
        puppet.update(completed=4_000_000 + n * 400_000, message="m" * n * n)
        puppet.log("a line" * n * n)
    puppet.leave()
    puppet.step("films", total=4)
    expect(page.locator("main")).to_contain_text("0 of 4")
    assert page.evaluate("moves") < 0.02
