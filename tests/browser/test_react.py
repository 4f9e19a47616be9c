"""A component of React that has the SDK for its store."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.js.tools import FOLDER, ROOT, TOOLS, run
from tests.support.puppets import Site

COMPONENT = FOLDER / "component.jsx"
BUNDLE = ROOT / "build" / "browser" / "component.js"

SHOW = """
async (id) => {
  const { show } = await import("/build/component.js");
  const { ProgressClient } = await import("/static/client/index.js");
  window.operation = new ProgressClient("/").watch(id);
  show(document.querySelector("main"), operation);
}
"""


@pytest.fixture(scope="module", autouse=True)
def bundle() -> None:
    """React for development, which warns of what is wrong."""
    options = ("--bundle", "--format=esm", "--jsx=automatic", f"--outfile={BUNDLE}")
    run(TOOLS / "esbuild", COMPONENT, *options, "--log-level=warning")


def test_it_is_small() -> None:
    assert len(COMPONENT.read_text("utf-8").splitlines()) <= 20


def test_live(page: Page, server: Site) -> None:
    """Each change is shown, to the end; and the console, which is watched, has nothing to say."""
    puppet = server.puppet()
    page.goto(f"{server.url}empty")
    page.evaluate(SHOW, puppet.id)
    bar = page.get_by_role("progressbar", name="told: running")
    expect(bar).not_to_have_attribute("value", "0")
    for completed in (1, 2, 3):
        puppet.update(total=4, completed=completed, message=f"{completed} of 4")
        expect(bar).to_have_attribute("value", str(completed / 4))
        expect(page.get_by_role("status")).to_have_text(f"{completed} of 4")
    puppet.succeed()
    expect(page.get_by_role("progressbar", name="told: succeeded")).to_have_attribute("value", "1")


def test_ended_before(page: Page, server: Site) -> None:
    """What has ended already is shown as it ended."""
    puppet = server.puppet()
    puppet.fail()
    server.wait(puppet.id)
    page.goto(f"{server.url}empty")
    page.evaluate(SHOW, puppet.id)
    expect(page.get_by_role("progressbar", name="told: failed")).to_be_visible()
