"""One server with default settings for all, and one whose limits are reached at once."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.support.server import Server, serving

TIGHT = {
    "PROGRESS_LIMITS_RUNNING": "1",
    "PROGRESS_LIMITS_QUEUED": "1",
    "PROGRESS_LIMITS_SUBSCRIBERS": "1",
    "PROGRESS_LIMITS_BODY": "1024",
    "PROGRESS_LIMITS_EVENT": "1024",
    "PROGRESS_RETENTION_OPERATIONS": "1",
}


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with serving("tests.support.web_app:app", "--log-level", "warning") as server:
        yield server


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=8) as client:
        yield client


@pytest.fixture(scope="session")
def tight_server() -> Iterator[Server]:
    with serving("tests.support.web_app:app", environment=TIGHT) as server:
        yield server


@pytest.fixture(scope="session")
def tight(tight_server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=tight_server.url, timeout=8) as client:
        yield client


@pytest.fixture(scope="session")
def guarded_server() -> Iterator[Server]:
    timing = {"PROGRESS_TIMING_LAG": "0.5", "PROGRESS_TIMING_HEARTBEAT": "1"}
    with serving("tests.support.guarded_app:app", environment=timing) as server:
        yield server


@pytest.fixture(scope="session")
def ada(guarded_server: Server) -> Iterator[httpx2.Client]:
    headers = {"authorization": "Bearer ada"}
    with httpx2.Client(base_url=guarded_server.url, headers=headers, timeout=8) as client:
        yield client


@pytest.fixture(scope="session")
def bob(guarded_server: Server) -> Iterator[httpx2.Client]:
    headers = {"authorization": "Bearer bob"}
    with httpx2.Client(base_url=guarded_server.url, headers=headers, timeout=8) as client:
        yield client
