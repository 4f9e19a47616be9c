"""What the page costs Chromium while 300 operations report ten times a second.

`python -m tests.bench.page`: an empty page has its turn in the same run, with the same operations
running beside it, so that what the machine is short of is short for both.
"""

from __future__ import annotations

import argparse
from statistics import median
from typing import NamedTuple

from playwright.sync_api import CDPSession, Page, sync_playwright

from tests.browser.visitor import launch
from tests.support.process import eventually
from tests.support.puppets import Site, site

from .harness import Row, table

_OPERATIONS = 300
_INTERVAL = 0.1
_WARM_UP = 3.0
"""Seconds for the list to fill, and for scripts to be compiled."""

_WATCH_FRAMES = """
() => {
  window.frames_ms = [];
  let before = performance.now();
  const frame = (now) => {
    frames_ms.push(now - before);
    before = now;
    watch = requestAnimationFrame(frame);
  };
  let watch = requestAnimationFrame(frame);
  window.stopWatching = () => { cancelAnimationFrame(watch); return frames_ms; };
}
"""


class Figures(NamedTuple):
    """One turn of one page."""

    busy: float
    """The share of one core that the main thread took."""
    frames: list[float]
    """Milliseconds from each frame to the next."""
    bars: int
    """How many progress bars it shows: that it does something at all."""


def _share(session: CDPSession, page: Page, seconds: float) -> float:
    before = _metrics(session)
    page.wait_for_timeout(seconds * 1_000)
    after = _metrics(session)
    passed = after["Timestamp"] - before["Timestamp"]
    return (after["TaskDuration"] - before["TaskDuration"]) / passed


def _metrics(session: CDPSession) -> dict[str, float]:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return {metric["name"]: metric["value"] for metric in metrics}


def _turn(page: Page, seconds: float) -> Figures:
    page.bring_to_front()
    page.wait_for_timeout(_WARM_UP * 1_000)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "timeTicks"})
    page.evaluate(_WATCH_FRAMES)
    busy = _share(session, page, seconds)
    frames: list[float] = page.evaluate("() => stopWatching()")
    session.detach()
    return Figures(busy, frames[1:], page.get_by_role("progressbar").count())


def _start(server: Site, seconds: float) -> None:
    params = {"ticks": int(seconds / _INTERVAL), "interval": _INTERVAL}
    for _ in range(_OPERATIONS):
        server.start("tick", params)
    eventually(lambda: _running(server) == _OPERATIONS)


def _running(server: Site) -> int:
    url = f"/operations?state=running&limit={_OPERATIONS}"
    return len(server.client.get(url).json()["operations"])


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _rows(ours: list[Figures], theirs: list[Figures]) -> list[Row]:
    measures = (
        ("main thread busy", "%", 50, lambda turn: turn.busy * 100),
        ("frame, p50", "ms", None, lambda turn: _percentile(turn.frames, 0.5)),
        ("frame, p99", "ms", 50, lambda turn: _percentile(turn.frames, 0.99)),
    )
    rows = []
    for name, unit, most, measure in measures:
        mine, other = [measure(turn) for turn in ours], [measure(turn) for turn in theirs]
        rows.append(
            Row(
                measurement=name,
                ours=median(mine),
                unit=unit,
                ours_spread=(min(mine), max(mine)),
                yardstick="an empty page",
                theirs=median(other),
                bar="" if most is None else f"< {most}",
                holds=None if most is None else median(mine) < most,
            )
        )
    return rows


def main() -> None:
    """Let both pages take turns, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.page", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each page")
    parser.add_argument("--seconds", type=float, default=10, help="how long a turn is measured")
    given = parser.parse_args()
    whole = given.rounds * 2 * (given.seconds + _WARM_UP + 5) + 30
    ours: list[Figures] = []
    theirs: list[Figures] = []
    with (
        site(limits_running=_OPERATIONS, retention_operations=_OPERATIONS) as server,
        sync_playwright() as playwright,
        launch(playwright, "chromium") as browser,
    ):
        _start(server, whole)
        for _ in range(given.rounds):
            for url, figures in ((server.url, ours), (f"{server.url}empty", theirs)):
                with browser.new_page(viewport={"width": 1_200, "height": 900}) as page:
                    page.goto(url)
                    figures.append(_turn(page, given.seconds))
        print(f"Chromium {browser.version}, {_OPERATIONS} operations, an event each {_INTERVAL} s")
    print(f"bars shown: {min(turn.bars for turn in ours)}")
    print(table(_rows(ours, theirs)))


if __name__ == "__main__":
    main()
