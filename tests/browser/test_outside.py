"""Work that is done elsewhere, as the page shows it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support.puppets import Site

NAME = "nightly backup"


def tell(server: Site, id: str, *lines: dict[str, object]) -> None:
    """Report."""
    for line in lines:
        server.client.post(f"/operations/{id}/events", json=line).raise_for_status()


def test_an_operation_is_live_under_its_own_name(page: Page, server: Site) -> None:
    id = server.start("external", {"label": NAME})["id"]
    page.goto(f"{server.url}?operation={id}")
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    bar = page.get_by_role("progressbar", name="Progress", exact=True)
    for done in (1, 2):
        tell(server, id, {"type": "progress", "completed": done, "total": 4, "unit": "tables"})
        expect(bar).to_have_attribute("aria-valuenow", str(25 * done))
    expect(bar).to_have_attribute("aria-valuetext", re.compile(f"^{NAME}: 50"))
    tell(server, id, {"type": "log", "message": "users done"})
    expect(page.get_by_text("users done")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".op-title .state")).to_have_text("Cancelling…")
    tell(server, id, {"type": "cancelled"})
    expect(page.locator(".op-title .state")).to_have_text("Cancelled")
    expect(page).to_have_title(re.compile(NAME))
    expect(page.get_by_role("button", name="Start again")).to_be_hidden()
    expect(page.get_by_role("button", name="Copy link")).to_be_focused()


def test_the_list_has_its_name(page: Page, server: Site) -> None:
    page.goto(server.url)
    id = server.start("external", {"label": NAME})["id"]
    expect(page.get_by_role("link", name=NAME)).to_be_visible()
    tell(server, id, {"type": "progress", "completed": 1, "total": 2})
    bar = page.get_by_role("progressbar", name=f"Progress of {NAME}")
    expect(bar).to_have_attribute("aria-valuenow", "50")


def test_nobody_is_asked_to_start_one(page: Page, server: Site) -> None:
    page.goto(server.url)
    page.get_by_role("button", name="Start").first.click()
    expect(page.get_by_role("radio", name="told")).to_be_attached()
    expect(page.get_by_role("radio", name="external")).to_have_count(0)
