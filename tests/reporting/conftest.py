"""A server on strings, and a real one."""

from collections.abc import Iterator

import pytest

from tests.examples.client import User
from tests.reporting.puppet import Puppet, puppet
from tests.support.server import serving


@pytest.fixture
def server() -> Iterator[Puppet]:
    """One that answers as it is told."""
    with puppet() as started:
        yield started


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    """Somebody who looks at what a real one shows."""
    with serving("examples.01_hello:app", "--log-level", "error") as started:
        with User(started.url) as user:
            yield user
