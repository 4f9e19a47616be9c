"""`<operation-progress>`, as an author uses it and as a reader sees and hears it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Serve
from tests.browser.visitor import NETWORK, Visitor, violations
from tests.support.process import eventually
from tests.support.puppets import Site

Save = Callable[[Page, str], None]

ADD = """
async (attributes) => {
  await import(new URL("/static/element-define.js", location.href));
  const element = document.createElement("operation-progress");
  const fallback = document.createElement("p");
  fallback.textContent = "Nothing to see.";
  element.append(fallback);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.events = [];
  for (const type of ["loadstart", "progress", "load", "abort", "error", "loadend"]) {
    element.addEventListener(type, (event) => {
      const { lengthComputable, loaded, total, bubbles } = event;
      if (!(event instanceof ProgressEvent) || bubbles) throw new Error(`a wrong ${type}`);
      element.events.push([type, lengthComputable, loaded, total]);
    });
  }
  element.spoken = [];
  const voice = element.shadowRoot.querySelector("[role=status]");
  new MutationObserver(() => {
    if (voice.textContent) element.spoken.push(voice.textContent);
  }).observe(voice, { childList: true });
  (document.querySelector("main") ?? document.body).append(element);
}
"""

PART = "({ shadowRoot }, part) => shadowRoot.querySelector(`[part=${part}]`)"

BOX = f"(element, part) => ({PART})(element, part).getBoundingClientRect()"

STYLE = f"(element, [part, name]) => getComputedStyle(({PART})(element, part))[name]"

FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"

TAGS = "({ shadowRoot }) => [...shadowRoot.querySelectorAll('*')].map(({ tagName }) => tagName)"

SWITCH = "(element, id) => element.setAttribute('src', `/operations/${id}`)"

GIVE = """
async (element, [one, two]) => {
  const { ProgressClient } = await import(new URL("/static/client/index.js", location.href));
  const client = new ProgressClient("/", { shared: false });
  const watch = client.watch;
  window.watched = [];
  client.watch = function (id) {
    watched.push(id);
    return watch.call(this, id);
  };
  window.given = client.watch(one);
  element.operation = given;
  element.client = client;
  element.setAttribute("src", `/operations/${two}`);
}
"""

MANY = """
async (element) => {
  let callback = () => {};
  const subscribe = (given) => {
    callback = given;
    return () => {};
  };
  const operation = { error: null, close() {}, subscribe };
  const set = (completed) => {
    const progress = { completed, total: 1000, message: null, eta: null };
    operation.fraction = completed / 1000;
    operation.snapshot = { kind: "many", state: "running", error: null, progress };
    callback();
  };
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  set(0);
  element.operation = operation;
  let writes = 0;
  const observer = new MutationObserver((records) => (writes += records.length));
  observer.observe(element.shadowRoot.querySelector("[part=label]"), { childList: true });
  let frames = 0;
  for (let n = 0; n < 1000; frames++) {
    await frame();
    for (let m = 0; m < 50; m++) set(++n);
  }
  await frame();
  await frame();
  const told = element.events.filter(([type]) => type === "progress").length;
  return [frames, told, writes, element.value];
}
"""


def add(page: Page, src: str | None = None, **attributes: str) -> Locator:
    """Add one more element to the page; return it."""
    given = {name.replace("_", "-"): value for name, value in attributes.items()}
    page.evaluate(ADD, given if src is None else {**given, "src": src})
    return page.locator("operation-progress").last


def follow(page: Page, server: Site, id: str, **attributes: str) -> Locator:
    """Go to a page with a strict policy, and follow an operation there."""
    if page.url != f"{server.url}empty":
        page.goto(f"{server.url}empty")
    return add(page, f"/operations/{id}", **attributes)


def bar(element: Locator) -> Locator:
    return element.get_by_role("progressbar")


def types(element: Locator) -> list[str]:
    """The events that came, those in a row once."""
    told: list[str] = element.evaluate("({ events }) => events.map(([type]) => type)")
    return [one for n, one in enumerate(told) if n == 0 or told[n - 1] != one]


def spoken(element: Locator) -> Any:
    return element.evaluate("({ spoken }) => spoken")


def test_from_start_to_success(page: Page, shared: Site) -> None:
    puppet = shared.puppet()
    element = follow(page, shared, puppet.id, label="Photos")
    expect(bar(element)).to_have_accessible_name("Photos")
    expect(bar(element)).to_have_attribute("aria-valuetext", "Running")
    assert bar(element).get_attribute("aria-valuenow") is None
    assert element.evaluate("(element) => element.value") is None
    assert element.evaluate("(element) => element.matches(':state(running):state(indeterminate)')")
    expect(element.get_by_text("Nothing to see.")).to_be_hidden()

    puppet.update(total=1000, completed=429, unit="files", message="photos/1.jpg")
    expect(bar(element)).to_have_attribute("aria-valuenow", "42")
    expect(bar(element)).to_have_attribute("aria-valuemin", "0")
    expect(bar(element)).to_have_attribute("aria-valuemax", "100")
    assert bar(element).get_attribute("aria-valuetext").startswith("42 percent")  # type: ignore[union-attr]
    expect(element.get_by_text("42%")).to_be_visible()
    expect(element.get_by_text("photos/1.jpg")).to_be_visible()
    assert element.evaluate("(element) => element.value") == 0.429
    assert element.evaluate("(element) => element.matches(':state(indeterminate)')") is False

    puppet.succeed()
    expect(bar(element)).to_have_attribute("aria-valuetext", "Succeeded")
    expect(bar(element)).to_have_attribute("aria-valuenow", "100")
    expect(element.get_by_text("Succeeded", exact=True)).to_be_visible()
    assert element.evaluate("(element) => element.value") == 1
    assert types(element) == ["loadstart", "progress", "load", "loadend"]
    events = element.evaluate("({ events }) => events")
    assert events[0] == ["loadstart", False, 0, 0]
    assert ["progress", True, 429, 1000] in events


@pytest.mark.parametrize(("end", "event"), [("fail", "error"), ("cancel", "abort")])
def test_other_ends(page: Page, shared: Site, end: str, event: str) -> None:
    puppet = shared.puppet()
    element = follow(page, shared, puppet.id)
    puppet.update(total=10, completed=3)
    expect(bar(element)).to_have_attribute("aria-valuenow", "30")
    if end == "fail":
        puppet.fail("the disk is full")
        expect(bar(element)).to_have_attribute("aria-valuetext", "Failed: the disk is full")
        expect(element.get_by_text("Failed", exact=True)).to_be_visible()
        expect(element.get_by_text("the disk is full", exact=True)).to_be_visible()
    else:
        shared.client.post(f"/operations/{puppet.id}/cancel")
        expect(element.get_by_text("Cancelled", exact=True)).to_be_visible()
    expect(bar(element)).to_have_attribute("aria-valuenow", "30")
    expect(bar(element)).to_have_accessible_name("told")
    assert types(element) == ["loadstart", "progress", event, "loadend"]


def test_waiting_for_its_turn(page: Page, server: Site) -> None:
    first = server.puppet(kind="queued")
    second = server.puppet(kind="queued")
    element = follow(page, server, second.id)
    expect(element.get_by_text("Queued, place 1")).to_be_visible()
    first.succeed()
    expect(element.get_by_text("Running", exact=True)).to_be_visible()


@pytest.mark.parametrize("src", ["/operations/unknown", "/nonsense", "https://:/operations/1", ""])
def test_what_cannot_be_followed(page: Page, visitor: Visitor, shared: Site, src: str) -> None:
    visitor.allow(*NETWORK)
    page.goto(f"{shared.url}empty")
    element = add(page, src)
    page.wait_for_function("(element) => element.events.length > 2", arg=element.element_handle())
    assert types(element) == ["loadstart", "error", "loadend"]
    expect(element.get_by_text("Nothing to see.")).to_be_visible()
    expect(bar(element)).to_have_count(0)
    puppet = shared.puppet()
    element.evaluate(SWITCH, puppet.id)
    expect(element.get_by_text("Running")).to_be_visible()
    expect(element.get_by_text("Nothing to see.")).to_be_hidden()


def test_what_is_said(page: Page, shared: Site) -> None:
    puppet = shared.puppet()
    element = follow(page, shared, puppet.id, label="Photos")
    expect(element.get_by_text("Running")).to_be_visible()
    puppet.update(total=1000, completed=55)
    expect(bar(element)).to_have_attribute("aria-valuenow", "5")
    assert spoken(element) == []
    for completed in (99, 101, 150, 199, 450, 455):
        puppet.update(completed=completed)
        expect(bar(element)).to_have_attribute("aria-valuenow", str(completed // 10))
    puppet.log("nothing that matters")
    puppet.fail("the disk is full")
    expect(element.get_by_text("Failed", exact=True)).to_be_visible()
    words = [text.split(",")[0] for text in spoken(element)]
    assert words == ["Photos: 10 percent", "Photos: 45 percent", "Photos: Failed: the disk is full"]
    # It was over when it came into sight.
    element = follow(page, shared, puppet.id)
    expect(element.get_by_text("Failed", exact=True)).to_be_visible()
    assert spoken(element) == []
    assert types(element) == ["loadstart", "error", "loadend"]


def test_another_operation(page: Page, server: Site) -> None:
    first, second = server.puppet(), server.puppet()
    first.update(total=10, completed=7, message="the first")
    element = follow(page, server, first.id)
    expect(bar(element)).to_have_attribute("aria-valuenow", "70")
    element.evaluate(SWITCH, second.id)
    second.update(total=10, completed=2)
    expect(bar(element)).to_have_attribute("aria-valuenow", "20")
    expect(element.get_by_text("the first")).to_have_count(0)
    first.update(completed=9)
    first.succeed()
    second.update(completed=3)
    expect(bar(element)).to_have_attribute("aria-valuenow", "30")
    assert types(element) == ["loadstart", "progress", "loadstart", "progress"]
    element.evaluate("(element) => element.removeAttribute('src')")
    expect(element.get_by_text("Nothing to see.")).to_be_visible()
    eventually(lambda: server.subscribers() == 0)


def test_leaving_and_coming_back(page: Page, server: Site) -> None:
    puppets = [server.puppet() for _ in range(3)]
    for puppet in puppets:
        element = follow(page, server, puppet.id)
        expect(element.get_by_text("Running")).to_be_visible()
    eventually(lambda: server.subscribers() == 1)  # of three
    page.evaluate(
        """() => {
          window.removed = [...document.querySelectorAll("operation-progress")];
          for (const element of removed) element.remove();
        }"""
    )
    eventually(lambda: server.subscribers() == 0)
    puppets[0].update(total=10, completed=4)
    page.evaluate("() => document.querySelector('main').append(removed[0])")
    expect(bar(page.locator("operation-progress"))).to_have_attribute("aria-valuenow", "40")
    puppets[0].succeed()
    expect(page.locator("operation-progress").get_by_text("Succeeded", exact=True)).to_be_visible()


def test_given_operation_and_client(page: Page, shared: Site) -> None:
    one, two = shared.puppet(), shared.puppet()
    two.update(total=10, completed=2)
    page.goto(f"{shared.url}empty")
    element = add(page)
    element.evaluate(
        GIVE,
        [one.id, two.id],
    )
    one.update(total=10, completed=5)
    expect(bar(element)).to_have_attribute("aria-valuenow", "50")
    assert element.evaluate("(element) => element.operation === given")
    element.evaluate("(element) => { element.operation = null; }")
    expect(bar(element)).to_have_attribute("aria-valuenow", "20")
    assert page.evaluate("watched") == [one.id, two.id]
    assert element.evaluate("(element) => element.operation.id") == two.id
    one.succeed()  # what was given is not let go
    page.wait_for_function("() => given.snapshot.state === 'succeeded'")


def test_no_more_often_than_frames(page: Page, shared: Site) -> None:
    page.goto(f"{shared.url}empty")
    element = add(page, label="Many")
    counts = element.evaluate(
        MANY,
    )
    frames, told, writes, value = counts
    assert frames == 20
    assert 10 <= told <= frames + 2
    assert writes == 1
    assert value == 1


def test_names(page: Page, shared: Site) -> None:
    puppet = shared.puppet()
    element = follow(page, shared, puppet.id, label="Photos", aria_label="Photos of Ada")
    expect(bar(element)).to_have_accessible_name("Photos of Ada")
    expect(element.get_by_text("Photos", exact=True)).to_be_visible()
    element.evaluate("(element) => element.removeAttribute('aria-label')")
    element.evaluate("(element) => element.setAttribute('label', 'Pictures')")
    expect(bar(element)).to_have_accessible_name("Pictures")
    assert types(element) == ["loadstart", "progress"]


def test_hostile_text(page: Page, shared: Site, screenshot: Save) -> None:
    for fails in (False, True):
        started = shared.start("hostile", {"fails": fails, "text": "<b onclick=x>" + "w" * 5_000})
        shared.wait(started["id"])
        element = follow(page, shared, started["id"], label="<i>&amp; \u202etxt.exe" + "w" * 500)
        expect(element.get_by_text("Failed" if fails else "Succeeded", exact=True)).to_be_visible()
        assert set(element.evaluate(TAGS)) == {"DIV", "SLOT"}
    assert page.evaluate("() => document.hacked") is None
    width, inner = page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    assert width <= inner
    screenshot(page, "element-hostile")


def some_of_each(page: Page, server: Site, **attributes: str) -> None:
    """Show an element in each state, and one that has its fallback."""
    server.puppet(kind="queued")
    shown = {
        "Indeterminate": server.puppet(),
        "Running": server.puppet(),
        "Queued": server.puppet(kind="queued"),
        "Succeeded": server.puppet(),
        "Failed": server.puppet(),
        "Cancelled": server.puppet(),
    }
    shown["Running"].update(total=1000, completed=429, unit="files", message="photos/1.jpg")
    for name in ("Failed", "Cancelled"):
        shown[name].update(total=10, completed=6)
    shown["Succeeded"].succeed()
    shown["Failed"].fail("the disk is full")
    server.client.post(f"/operations/{shown['Cancelled'].id}/cancel")
    for name, puppet in shown.items():
        element = follow(page, server, puppet.id, label=name, **attributes)
        expect(bar(element)).to_have_accessible_name(name)
    expect(page.locator("operation-progress").last.get_by_text("Cancelled").last).to_be_visible()
    add(page, "/nonsense")
    page.evaluate(FRAMES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(visitor: Visitor, server: Site, screenshot: Save, scheme: Any) -> None:
    page = visitor.elsewhere(f"{server.url}empty", color_scheme=scheme)
    page.evaluate("() => { document.documentElement.style.colorScheme = 'light dark'; }")
    some_of_each(page, server)
    assert violations(page) == []
    screenshot(page, f"element-{scheme}")


def test_from_right_to_left(page: Page, server: Site, screenshot: Save) -> None:
    page.goto(f"{server.url}empty")
    page.evaluate("() => { document.documentElement.dir = 'rtl'; }")
    some_of_each(page, server)
    running = page.locator("operation-progress").nth(1)
    bars, track = (running.evaluate(BOX, part) for part in ("bar", "track"))
    assert bars["right"] == pytest.approx(track["right"])
    assert bars["left"] > track["left"]
    screenshot(page, "element-rtl")


def test_motion_and_colours(visitor: Visitor, server: Site, screenshot: Save) -> None:
    if visitor.browser != "chromium":
        pytest.skip("Playwright cannot ask Firefox for it")
    options = {"reduced_motion": "reduce", "forced_colors": "active"}
    page = visitor.elsewhere(f"{server.url}empty", **options)
    some_of_each(page, server)
    assert page.evaluate("() => document.getAnimations().length") == 0
    first = page.locator("operation-progress").first
    assert first.evaluate(STYLE, ["track", "borderTopWidth"]) == "1px"
    screenshot(page, "element-forced")


def test_styles(page: Page, shared: Site) -> None:
    page.goto(f"{shared.url}empty")
    page.evaluate(
        """() => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(`
            operation-progress { --progress-color: rgb(1, 2, 3); --progress-height: 20px }
            operation-progress:state(running)::part(label) { color: rgb(4, 5, 6) }`);
          document.adoptedStyleSheets = [sheet];
        }"""
    )
    element = follow(page, shared, shared.puppet().id)
    expect(element.get_by_text("told")).to_have_css("color", "rgb(4, 5, 6)")
    assert element.evaluate(BOX, "track")["height"] == 20
    assert element.evaluate(STYLE, ["bar", "backgroundColor"]) == "rgb(1, 2, 3)"


def test_example(page: Page, visitor: Visitor, shared: Site) -> None:
    visitor.allow(*NETWORK)  # there is no favicon
    puppet = shared.puppet()
    page.goto(f"{shared.url}examples/05_element.html?operation=/operations/{puppet.id}")
    element = page.locator("operation-progress")
    expect(bar(element)).to_have_accessible_name("told")
    puppet.succeed()
    expect(page.get_by_role("heading", name="done")).to_be_visible()
    page.goto(f"{shared.url}examples/05_element.html")
    expect(page.get_by_text("There is no such operation.")).to_be_visible()


def test_another_origin(page: Page, visitor: Visitor, shared: Site, serve: Serve) -> None:
    visitor.allow(*NETWORK)
    other = serve(origins=shared.url.rstrip("/"))
    puppet = other.puppet()
    page.goto(f"{shared.url}examples/05_element.html")  # it has no policy
    element = add(page, f"{other.url}operations/{puppet.id}")
    puppet.update(total=10, completed=5)
    expect(bar(element)).to_have_attribute("aria-valuenow", "50")
    puppet.succeed()
    expect(element.get_by_text("Succeeded", exact=True)).to_be_visible()
