"""What Prometheus's own checker says of `/metrics`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.interop.proxies import unpacked
from tests.support.process import Process, eventually, progress_serve
from tests.support.scrape import Scrape
from tests.support.wire import Connection, ask, request, start


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    """One that has done some of all there is to count."""
    options = ("--set", "timing.heartbeat=0.15", "--log-level", "error")
    with progress_serve("tests.support.app:app", *options) as server:
        id = start(server.port, "count")["id"]
        with Connection(server.port, request(f"/operations/{id}/events")) as stream:
            stream.read()
        ask(server.port, f"/operations/{id}/events?after=7-7", {"prefer": "wait=0"})
        start(server.port, "fail")
        start(server.port, "wait")
        eventually(lambda: scrape(server).all("event_loop_lag_seconds_count"))
        yield server


def scrape(server: Process) -> Scrape:
    return Scrape(ask(server.port, "/metrics").content.decode())


def check(metrics: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run `promtool check metrics`."""
    command = [unpacked("promtool"), "check", "metrics"]
    return subprocess.run(command, input=metrics, capture_output=True, check=False, timeout=8)


def test_promtool_has_nothing_to_say(server: Process) -> None:
    seen = scrape(server)
    assert seen.all("operations_ended_total")
    assert seen.all("delivered_bytes_total")
    assert seen.all("gaps_total")
    done = check(ask(server.port, "/metrics").content)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_promtool_finds_what_is_wrong(server: Process) -> None:
    metrics = ask(server.port, "/metrics").content
    done = check(metrics.replace(b"progress_interims_total", b"progress_interims"))
    assert done.returncode == 3
    assert b"progress_interims" in done.stderr + done.stdout
    assert check(metrics.replace(b'wire="sse"', b"wire=sse")).returncode != 0
