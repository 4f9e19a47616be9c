"""The unit tests of the SDK, which Node runs."""

from __future__ import annotations

import pytest

from tests.js.tools import FOLDER, run

TESTS = sorted(FOLDER.glob("*.test.mjs"))


@pytest.mark.timeout(60)  # all tests of a file, and the start of Node
@pytest.mark.parametrize("file", [path.name for path in TESTS])
def test_unit(file: str) -> None:
    run("node", "--test", "--test-reporter", "spec", FOLDER / file)


def test_there_are_some() -> None:
    assert TESTS
