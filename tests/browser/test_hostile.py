"""Text that is more to who believes it: it is shown as text, nothing runs, and the layout holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor, violations
from tests.support.page_app import HOSTILE
from tests.support.puppets import Site

Save = Callable[[Page, str], None]

WIDTHS = "() => [document.documentElement.scrollWidth, innerWidth]"

ACTIVE = """
() => [...document.querySelectorAll("script, img, iframe, object, embed, style, base")]
  .filter((element) => element.closest("main")).map((element) => element.outerHTML)
"""

LINKS = "() => [...document.links].map(({ protocol }) => protocol)"

LABELS = {"<b>bold</b>": "\u202egnp.exe", "w" * 200: "w" * 250, "javascript:": "alert(1)//"}


def is_harmless(page: Page) -> None:
    """Nothing has run, nothing could, and all of it fits."""
    assert page.evaluate("() => document.hacked") is None
    assert page.evaluate(ACTIVE) == []
    assert set(page.evaluate(LINKS)) == {"http:"}
    wide, width = page.evaluate(WIDTHS)
    assert wide <= width


@pytest.mark.parametrize("width", [1_000, 320])
@pytest.mark.parametrize("fails", [False, True], ids=["result", "problem"])
@pytest.mark.timeout(30)  # the two words of a million letters are shaped more than once
def test_operation(
    visitor: Visitor, server: Site, screenshot: Save, width: int, fails: bool
) -> None:
    text = HOSTILE[4] + HOSTILE[5] + "w" * 8_000
    id = server.start("hostile", {"text": text, "fails": fails}, **LABELS)["id"]
    server.wait(id)
    page = visitor.elsewhere(
        f"{server.url}?operation={id}", viewport={"width": width, "height": 720}
    )
    main = page.locator("main")
    expect(main).to_contain_text("Failed" if fails else "Succeeded")
    for shown in HOSTILE[:4]:
        expect(main).to_contain_text(shown)
    expect(main).to_contain_text("\u27e8U+202E\u27e9txt.exe")
    assert "\u202e" not in main.inner_text()
    assert "\x1b" not in main.inner_text()
    is_harmless(page)
    screenshot(page, f"hostile-operation-{width}-{'problem' if fails else 'result'}")
    more = page.get_by_role("button", name="Show all")
    while more.count():
        more.first.click()
    is_harmless(page)
    assert violations(page) == []


def test_list_and_title(page: Page, server: Site) -> None:
    id = server.start("hostile", {}, **LABELS)["id"]
    server.wait(id)
    page.goto(server.url)
    expect(page.locator("main")).to_contain_text("Succeeded")
    is_harmless(page)
    assert page.title() == "Progress"


def test_step_and_message_while_it_runs(page: Page, server: Site) -> None:
    puppet = server.puppet("<i>name")
    page.goto(f"{server.url}?operation={puppet.id}")
    for n, text in enumerate(HOSTILE):
        puppet.step(f"s{n}", label=text[:60_000], total=2, unit=text[:60_000])
        puppet.update(completed=1, message=text[:60_000])
        puppet.log(text[:60_000], level="error")
        expect(page.get_by_role("progressbar")).to_have_count(n + 2)
        is_harmless(page)


def test_only_addresses_of_the_web_are_links(page: Page, server: Site) -> None:
    puppet = server.puppet()
    puppet.output(
        [
            "https://example.org/?a=1&b=<b>",
            "javascript:alert(1)",
            "data:text/html,<script>alert(1)</script>",
            "https://example.org/\u202egnp.exe",
            "see https://example.org/",
            " http://example.org/",
            "http:\\\\example.org",
            "//example.org/",
        ]
    )
    page.goto(f"{server.url}?operation={puppet.id}")
    outputs = page.locator("section", has=page.get_by_role("heading", name="Outputs"))
    expect(outputs).to_contain_text("javascript:alert(1)")
    [link] = outputs.get_by_role("link").all()
    assert link.get_attribute("href") == "https://example.org/?a=1&b=<b>"
    assert link.get_attribute("target") == "_blank"
    assert link.get_attribute("rel") == "noopener noreferrer"
