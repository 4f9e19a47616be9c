"""Starting an operation, with a form made from its schema."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.visitor import NETWORK, Visitor, violations
from tests.support.puppets import Site

SHAPES = {
    "text": "some text",
    "count": "7",
    "ratio": "0.25",
    "code": "ABC",
    "when": "2026-01-02T03:04:05Z",
    "tags": "one\ntwo words\n",
    "width": "640",
}
"""What is typed into the fields that have to be filled in."""

COPY = "() => { navigator.clipboard.writeText = async (text) => { window.copied = text; }; }"


def open_form(page: Page, server: Site, kind: str) -> Locator:
    """Open the form of a kind."""
    page.goto(server.url)
    page.get_by_role("button", name="Start operation").first.click()
    form = page.get_by_role("dialog", name="Start operation")
    form.get_by_role("radio", name=kind, exact=True).check()
    return form


def write(field: Locator, value: str) -> None:
    """Replace what stands in a field, which `fill` does not do for Firefox's numbers."""
    field.press("ControlOrMeta+a")
    field.press_sequentially(value)


def fill_shapes(form: Locator) -> None:
    """Fill in what has to be."""
    for name, value in SHAPES.items():
        form.get_by_label(name).first.fill(value)
    form.get_by_label("mode").select_option("fine")
    form.get_by_label("colour").select_option("green")


def press_start(form: Locator) -> None:
    """Submit it."""
    form.get_by_role("button", name="Start", exact=True).click()


def started(page: Page, server: Site) -> dict[str, object]:
    """The operation that the page has gone to."""
    page.wait_for_url("**/?operation=*")
    snapshot: dict[str, object] = server.wait(page.url.partition("operation=")[2])
    return snapshot


def test_every_type(page: Page, server: Site, screenshot: Callable[[Page, str], None]) -> None:
    form = open_form(page, server, "shapes")
    expect(form.get_by_label("times")).to_have_value("3")
    expect(form.get_by_label("title")).to_have_value("Untitled")
    expect(form.get_by_label("count")).to_have_attribute("type", "number")
    expect(form).to_contain_text("From 1 to 10.")
    screenshot(page, "form")
    assert violations(page) == []
    fill_shapes(form)
    form.get_by_label("flag").check()
    form.get_by_label("options").fill('{"deep": 3}')
    form.get_by_label("Labels").fill("owner:ada\nplace: near: here\n")
    press_start(form)
    snapshot = started(page, server)
    assert snapshot["labels"] == {"owner": "ada", "place": "near: here"}
    assert snapshot["result"] == {
        "text": "some text",
        "count": 7,
        "ratio": 0.25,
        "flag": True,
        "mode": "fine",
        "colour": "green",
        "code": "ABC",
        "when": "2026-01-02T03:04:05Z",
        "nothing": None,
        "tags": ["one", "two words"],
        "crop": {"width": 640, "height": 100},
        "times": 3,
        "title": "Untitled",
        "folder": "photos",
        "maybe": None,
        "options": {"deep": 3},
    }
    expect(form).to_be_hidden()


def test_what_is_missing_is_said_at_once(
    page: Page, server: Site, screenshot: Callable[[Page, str], None]
) -> None:
    form = open_form(page, server, "shapes")
    press_start(form)
    text = form.get_by_label("text")
    expect(text).to_be_focused()
    expect(text).to_have_attribute("aria-invalid", "true")
    expect(text).to_have_accessible_description("Any text. This is required.")
    for name in ("count", "ratio", "mode", "colour", "code", "when", "width"):
        expect(form.get_by_label(name).first).to_have_attribute("aria-invalid", "true")
    screenshot(page, "form-errors")
    assert violations(page) == []
    text.fill("words")
    assert text.get_attribute("aria-invalid") is None
    expect(text).to_have_accessible_description("Any text.")


def test_what_the_server_says(page: Page, visitor: Visitor, server: Site) -> None:
    visitor.allow(*NETWORK)
    form = open_form(page, server, "shapes")
    fill_shapes(form)
    form.get_by_label("code").fill("abc")
    press_start(form)
    code = form.get_by_label("code")
    expect(code).to_be_focused()
    expect(code).to_have_accessible_description(
        "Three capitals. Expected `str` matching regex '^[A-Z]{3}$'"
    )
    code.fill("ABC")
    form.get_by_label("options").fill('{"deep": "x"}')
    press_start(form)
    expect(form.get_by_label("options")).to_be_focused()
    expect(form.get_by_label("options")).to_have_accessible_description(
        "JSON Expected `int`, got `str`"
    )
    expect(form.get_by_label("text")).to_have_value("some text")
    expect(form.get_by_label("mode")).to_contain_text("fine")


def test_numbers_and_json(page: Page, server: Site) -> None:
    form = open_form(page, server, "shapes")
    fill_shapes(form)
    write(form.get_by_label("count"), "11")
    write(form.get_by_label("times"), "1.5")
    form.get_by_label("options").fill("{")
    press_start(form)
    for name in ("count", "times", "options"):
        expect(form.get_by_label(name)).to_have_attribute("aria-invalid", "true")
    expect(form).to_contain_text("This is not JSON: ")
    expect(form.get_by_label("count")).to_be_focused()


def test_labels_need_a_name(page: Page, server: Site) -> None:
    form = open_form(page, server, "tick")
    form.get_by_label("Labels").fill("urgent")
    press_start(form)
    expect(form.get_by_label("Labels")).to_be_focused()
    expect(form).to_contain_text("Write name:value.")


def test_by_keyboard_alone(page: Page, server: Site) -> None:
    page.goto(server.url)
    button = page.get_by_role("button", name="Start operation").first
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("radio", checked=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    form = page.get_by_role("dialog", name="Start operation")
    kinds = form.get_by_role("radio")
    expect(kinds.first).to_be_focused()
    while not form.get_by_role("radio", name="tick", exact=True).is_checked():
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(form.get_by_label("ticks")).to_be_focused()
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    assert started(page, server)["kind"] == "tick"


def test_another_kind_loses_nothing(page: Page, server: Site) -> None:
    form = open_form(page, server, "tick")
    write(form.get_by_label("ticks"), "12")
    form.get_by_role("radio", name="told", exact=True).check()
    expect(form.get_by_label("ticks")).to_have_count(0)
    form.get_by_role("radio", name="tick", exact=True).check()
    expect(form.get_by_label("ticks")).to_have_value("12")


def test_copy_as_curl(page: Page, visitor: Visitor, server: Site) -> None:
    form = open_form(page, server, "told")
    form.get_by_label("name").fill("it's")
    form.get_by_label("Labels").fill("owner:ada")
    page.evaluate(COPY)
    form.get_by_role("button", name="Copy as curl").click()
    expect(form.get_by_role("button", name="Copied")).to_be_visible()
    words = shlex.split(page.evaluate("copied"))
    assert words[:2] == ["curl", f"{server.url}operations"]
    assert json.loads(words[words.index("-d") + 1]) == {
        "kind": "told",
        "params": {"name": "it's"},
        "labels": {"owner": "ada"},
    }


def test_nothing_is_known(page: Page, visitor: Visitor, server: Site) -> None:
    visitor.allow(*NETWORK)
    page.route("**/kinds", lambda route: route.fulfill(status=500, body="no"))
    page.goto(server.url)
    page.get_by_role("button", name="Start operation").first.click()
    form = page.get_by_role("dialog", name="Start operation")
    expect(form.get_by_role("alert")).to_contain_text("What can be started is not known")
    expect(form.get_by_role("button", name="Start", exact=True)).to_be_disabled()


def test_hostile_description(page: Page, server: Site) -> None:
    form = open_form(page, server, "hostile")
    expect(form).to_contain_text("Put <b onclick=alert(1)>hostile</b> text")
    form.get_by_label("text").fill("<img src=x onerror='document.hacked=1'>")
    press_start(form)
    assert started(page, server)["state"] == "succeeded"
    assert page.evaluate("() => document.hacked") is None
