"""`/metrics`: what it has, that the figures agree with what was done, and who may see them."""

from __future__ import annotations

import anyio
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from starlette.requests import HTTPConnection

from progress import Progress
from progress.core.operation import Snapshot
from progress.errors import Unauthorized
from progress.settings import Limits, Settings, Timing
from tests.support.events import progress
from tests.support.measured import WAIT, running
from tests.support.scrape import Scrape
from tests.support.web import in_process, request_body

FAMILIES = {
    "operations": "gauge",
    "operations_started": "counter",
    "operations_ended": "counter",
    "operation_duration_seconds": "histogram",
    "events": "counter",
    "subscribers": "gauge",
    "subscribers_lagging": "gauge",
    "catch_ups": "counter",
    "gaps": "counter",
    "subscribers_closed": "counter",
    "delivered_events": "counter",
    "delivered_bytes": "counter",
    "webhook_attempts": "counter",
    "webhook_deliveries": "counter",
    "webhook_deliveries_pending": "gauge",
    "webhook_skipped": "counter",
    "journal_bytes": "gauge",
    "interims": "counter",
    "event_loop_lag_seconds": "histogram",
}


async def test_all_families_are_there_from_the_beginning() -> None:
    async with running() as (_, client):
        seen = await client.scrape()
    ours = {
        name.removeprefix("progress_"): family.type
        for name, family in seen.families.items()
        if name.startswith("progress_")
    }
    assert ours == FAMILIES
    assert all(family.documentation for family in seen.families.values())
    others = {name.partition("_")[0] for name in seen.families} - {"progress"}
    assert others == {"process", "python"}
    assert seen("operations", kind="copy", state="queued") == 0
    assert seen("operations_ended_total", kind="wait", state="lost") == 0
    assert seen("gaps_total", reason="trimmed") == 0
    assert seen("operation_duration_seconds_bucket", kind="copy", le="+Inf") == 0


async def test_operations() -> None:
    tight = Settings(limits=Limits(running=2))
    async with running(tight) as (app, client):
        for files in (2, 3, 4):
            await client.finish("copy", files=files)
        await client.finish("fail")
        stopped = await client.start("wait")
        await client.cancel(stopped)
        first, *_, never = [await client.start("wait") for _ in range(4)]
        app.cancel(never)
        seen = await client.scrape()
        assert seen.all("operations_started_total") == {("copy",): 3, ("fail",): 1, ("wait",): 5}
        assert seen.all("operations") == {("wait", "running"): 2, ("wait", "queued"): 1}
        assert seen.all("operations_ended_total") == {
            ("copy", "succeeded"): 3,
            ("fail", "failed"): 1,
            ("wait", "cancelled"): 2,
        }
        # The one that was cancelled in the queue has not taken any time.
        assert seen.all("operation_duration_seconds_count") == {
            ("copy",): 3,
            ("fail",): 1,
            ("wait",): 1,
        }
        app.runner.call(app.runner.cancel, first)
        assert (await client.scrape())("operations", kind="wait", state="cancelling") == 1


async def test_durations_are_those_of_the_snapshots() -> None:
    async with running() as (_, client):
        id = await client.start("wait")
        await anyio.sleep(0.15)
        await client.cancel(id)
        seen = await client.scrape()
        assert seen("operation_duration_seconds_bucket", kind="wait", le="0.1") == 0
        assert seen("operation_duration_seconds_bucket", kind="wait", le="5.0") == 1
        assert 0.14 <= seen("operation_duration_seconds_sum", kind="wait") < 5


async def test_events_are_counted_by_type() -> None:
    async with running() as (app, client):
        await client.finish("copy", files=5)
        id = await client.start("wait")
        before = await client.scrape()
        assert before.all("events_total")[("log",)] == 5
        assert before("events_total", type="state") == 3 + 2
        for n in range(7):
            app.bus.publish(progress(id, n))
        after = await client.scrape()
        assert after("events_total", type="progress") - before("events_total", type="progress") == 7
        assert sum(after.all("events_total").values()) == app.bus.head.n
        assert after("journal_bytes") == app.bus.bytes > 0


async def test_the_loops_lag_is_seen() -> None:
    async with running(Settings(timing=Timing(heartbeat=0.15))) as (app, client):
        await ticks(app, 1)
        await client.finish("block", seconds=0.3)
        await ticks(app, 1)
        seen = await client.scrape()
        late = {le: seen("event_loop_lag_seconds_bucket", le=le) for le in ("0.25", "0.5", "+Inf")}
        assert late["0.5"] == late["0.25"] + 1
        assert late["+Inf"] == seen("event_loop_lag_seconds_count")
        assert seen("event_loop_lag_seconds_sum") > 0.25


async def ticks(app: Progress, count: int) -> None:
    """Wait for so many."""
    until = _ticks(app) + count
    with anyio.fail_after(5):
        while _ticks(app) < until:
            await anyio.lowlevel.checkpoint()


def _ticks(app: Progress) -> int:
    _, count = app.hub.counts.lag.buckets[-1]
    return count


async def test_no_label_is_what_somebody_has_sent() -> None:
    secret = "user-text"
    async with running() as (_, client):
        http = client.http
        body = request_body("copy", {"files": 1}, {"owner": secret})
        await http.post("/operations", json=body, headers={**WAIT, "x-request-id": secret})
        await http.post("/operations", json=request_body(secret))
        await http.get(f"/operations/{secret}", headers={"accept": secret})
        await http.get(f"/{secret}?kind={secret}")
        answer = await http.get(f"/metrics?{secret}", headers={"accept": secret})
        assert secret not in answer.text
        kinds = {"copy", "fail", "wait", "block", "external"}
        ours = Scrape(answer.text)
        assert {kind for (kind,) in ours.all("operations_started_total")} <= kinds
        assert not [value for value in ours.label_values if len(value) > 30]


async def test_two_servers_are_independent() -> None:
    async with running() as (_, one), running() as (_, other):
        await one.finish("copy", files=1)
        assert (await one.scrape()).all("operations_started_total") == {("copy",): 1}
        assert (await other.scrape()).all("operations_started_total") == {}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0"),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
            "application/openmetrics-text; version=1.0.0",
        ),
        ("application/openmetrics-text;version=x,;;=", None),
    ],
)
async def test_format_is_what_is_accepted(accept: str, media_type: str | None) -> None:
    async with running() as (_, client):
        answer = await client.http.get("/metrics", headers={"accept": accept})
        head = await client.http.head("/metrics", headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (head.status_code, head.content) == (200, b"") or head.headers == answer.headers
    if media_type is not None:
        assert answer.headers["content-type"].startswith(media_type)
    if "openmetrics" in answer.headers["content-type"]:
        names = {family.name for family in _families(answer.text)}
        assert {f"progress_{name}" for name in FAMILIES} <= names


def _families(text: str) -> list[Metric]:
    return list(openmetrics.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


async def test_the_hook_is_asked() -> None:
    asked: list[tuple[str, Snapshot | None]] = []

    async def authorize(
        connection: HTTPConnection, action: str, operation: Snapshot | None
    ) -> None:
        asked.append((action, operation))
        if connection.headers.get("authorization") != "Bearer scraper":
            raise Unauthorized

    async with in_process(Progress(authorize=authorize)) as client:
        assert (await client.get("/metrics")).status_code == 401
        headers = {"authorization": "Bearer scraper"}
        assert (await client.get("/metrics", headers=headers)).status_code == 200
    assert asked == [("list", None)] * 2
