"""What every test gets: both anyio backends, a time limit, and Hypothesis without a stopwatch."""

from collections.abc import Generator

import pytest
from hypothesis import settings

SLOW_TIMEOUT = 90  # seconds for a test marked slow; the others have `timeout` of pyproject.toml

# A deadline per example measures the machine, not the code; pytest-timeout bounds the whole test.
settings.register_profile("progress", deadline=None, print_blob=True)
settings.load_profile("progress")


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("trio", {}), id="trio"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    """Run an async test once on each backend; a test for one alone parametrizes this itself."""
    backend: tuple[str, dict[str, object]] = request.param
    return backend


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests marked slow their longer limit, and insist on the reason."""
    for item in items:
        slow = item.get_closest_marker("slow")
        if slow is None:
            continue
        if not (slow.args or slow.kwargs.get("reason")):
            raise pytest.UsageError(f"{item.nodeid}: slow needs its reason, @slow('…')")
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Clean what was captured: xdist's pipe between processes takes no lone surrogates."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report
