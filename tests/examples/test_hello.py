"""The smallest example, and that every example says how to run it, and can be."""

import ast
import importlib
import re

import pytest

from progress.core.event import LogEvent, ProgressEvent
from tests.examples.client import User
from tests.support.server import ROOT, serving

EXAMPLES = sorted(
    path.stem
    for path in (ROOT / "examples").glob("*.py")
    if path.stem not in ("rooted", "07_report")
)


def test_hello() -> None:
    with serving("examples.01_hello:app") as server, User(server.url) as user:
        id = user.start("hello", names=["Ada", "Bob"])
        messages = list(user.watch(id, "?after=0-0"))
        assert user.get(id)["result"] == "greeted 2"
    logged = [message.message for message in messages if isinstance(message, LogEvent)]
    assert logged == ["Hello, Ada!", "Hello, Bob!"]
    last = [message for message in messages if isinstance(message, ProgressEvent)][-1].progress
    assert (last.completed, last.total, last.unit, last.fraction) == (2, 2, "people", 1)


def test_hello_is_short() -> None:
    source = (ROOT / "examples/01_hello.py").read_text()
    assert len([line for line in source.splitlines() if line.strip()]) <= 20


@pytest.mark.parametrize("name", EXAMPLES)
def test_says_how_to_run_it(name: str) -> None:
    source = (ROOT / "examples" / f"{name}.py").read_text()
    said = re.findall(r"`progress serve (.+?):(\w+)`", ast.get_docstring(ast.parse(source)) or "")
    assert [module for module, _ in said] == [f"examples.{name}"]
    assert callable(getattr(importlib.import_module(said[0][0]), said[0][1]))
