"""Proxies before servers, each started once for the whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import TypeAlias

import pytest

from tests.interop.proxies import PROXIES, Front, in_front_of
from tests.support.process import progress_serve

Fronts: TypeAlias = Callable[[str, str], Front]


@pytest.fixture(scope="session")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronts]:
    """A proxy, by its name, before a server with that `--interim`."""
    with ExitStack() as stack:

        @cache
        def server(interim: str) -> int:
            options = ("--interim", interim, "--log-level", "error")
            serving = progress_serve("tests.support.app:app", *options)
            return stack.enter_context(serving).port

        @cache
        def front(interim: str, proxy: str) -> Front:
            folder = tmp_path_factory.mktemp(proxy)
            return stack.enter_context(in_front_of(server(interim), proxy, folder))

        yield front


@pytest.fixture(params=["off", "proxied"])
def interim(request: pytest.FixtureRequest) -> str:
    """How the server is set."""
    return str(request.param)


@pytest.fixture(params=list(PROXIES))
def proxy(request: pytest.FixtureRequest) -> str:
    """The name of one."""
    return str(request.param)


@pytest.fixture
def front(fronts: Fronts, interim: str, proxy: str) -> Front:
    """Each proxy before each server."""
    return fronts(interim, proxy)
