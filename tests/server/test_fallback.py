"""What we use of uvicorn: when it changes we say so in a sentence, and serve all the same."""

from __future__ import annotations

import ast
import inspect
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType

import pytest
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from progress.core.event import State
from progress.core.frames import Bye
from progress.server import detached, front, http, websocket
from progress.server.contract import UVICORN, Contract, broken
from tests.support.client import retained
from tests.support.other_uvicorn import CHANGES
from tests.support.process import Process, eventually, running
from tests.support.rpc import caller
from tests.support.view import View
from tests.support.wire import Connection, ask, request, start

APP = "tests.support.inspect_app:app"
SENTENCES = {
    "nothing": "",
    "a_parameter": "RequestResponseCycle.send takes (message more), and not (message) any more",
    "a_web_socket": "connection_lost takes (exc rest), and not (exc) any more",
    "a_name": "ASGISendEvent",
}
OUTDATED = [change for change in CHANGES if change != "nothing"]

METHODS = [
    pytest.param(contract, name, id=f"{contract.owner.__name__}.{name}")
    for contract in UVICORN
    for name in contract.methods
    if name != "__init__"  # every class has one, and all attributes stand in it
]
ATTRIBUTES = [
    pytest.param(contract, name, id=f"{contract.owner.__name__}.{name}")
    for contract in UVICORN
    for name in contract.attributes
]


def changed(contract: Contract, members: dict[str, object], without: str = "") -> Contract:
    """The contract with a class that has other members, or one less."""
    owner = contract.owner
    given = {**vars(owner), **members}
    for name in (without, "__dict__", "__weakref__"):
        given.pop(name, None)
    other = type(owner.__name__, owner.__bases__, given)
    return Contract(contract.library, other, contract.methods, " ".join(contract.attributes))


def test_what_is_installed_keeps_to_it() -> None:
    assert broken() == []


@pytest.mark.parametrize(("contract", "name"), METHODS)
def test_a_method_that_takes_something_else(contract: Contract, name: str) -> None:
    def other(self: object, something: object, different: object) -> None: ...

    [sentence] = changed(contract, {name: other}).broken()
    assert f"{contract.owner.__name__}.{name} takes (something different), and not" in sentence
    assert contract.library in sentence


@pytest.mark.parametrize(("contract", "name"), METHODS)
def test_a_method_that_is_gone(contract: Contract, name: str) -> None:
    [sentence] = changed(contract, {}, without=name).broken()
    assert f"{contract.owner.__name__} has no method {name} any more" in sentence


@pytest.mark.parametrize(("contract", "name"), ATTRIBUTES)
def test_an_attribute_that_is_gone(contract: Contract, name: str) -> None:
    before = vars(contract.owner)["__init__"]
    code = before.__code__
    names = tuple("elsewhere" if one == name else one for one in code.co_names)
    init = FunctionType(code.replace(co_names=names), before.__globals__, "__init__")
    init.__defaults__, init.__kwdefaults__ = before.__defaults__, before.__kwdefaults__
    [sentence] = changed(contract, {"__init__": init}).broken()
    assert f"{contract.owner.__name__} has no attribute {name} any more" in sentence


@pytest.mark.parametrize("ours", [http.Protocol, websocket.SocketProtocol])
def test_nothing_else_is_used(ours: type) -> None:
    """Whatever our protocols take from their bases stands in the contract."""
    [contract] = [one for one in UVICORN if one.owner in ours.__bases__]
    used = set(attributes(ast.parse(inspect.getsource(ours))))
    own = {name for name in vars(ours) if not hasattr(contract.owner, name)}
    own |= set(assigned(ast.parse(inspect.getsource(ours)))) - {"__init__"}
    missing = used - own - set(contract.methods) - set(contract.attributes)
    assert not missing


@pytest.mark.parametrize(
    ("owner", "names"),
    [(FlowControl, {"flow"}), (ServerState, {"server_state", "state"}), (Config, {"config"})],
)
def test_nothing_else_of_its_parts_is_used(owner: type, names: set[str]) -> None:
    """What stands behind `self.flow.`, and the like, too."""
    [contract] = [one for one in UVICORN if one.owner is owner]
    modules = (http, websocket, front, detached)
    used = {
        node.attr
        for module in modules
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).rpartition(".")[2] in names
    }
    assert used
    assert used <= {*contract.methods, *contract.attributes}


def attributes(tree: ast.AST) -> Iterator[str]:
    """The names that follow `self.` and `super().`, and those of methods."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "super()"):
            yield node.attr


def assigned(tree: ast.AST) -> Iterator[str]:
    """The names that our own `__init__` gives values to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            for inner in ast.walk(node):
                if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                    yield inner.attr


@contextmanager
def serving(change: str) -> Iterator[Process]:
    """Run `progress serve` with that uvicorn."""
    options = ["serve", APP, "--port", "0", "--log-level", "warning", "--set", "timing.grace=3"]
    with running(["tests.support.other_uvicorn", change, *options]) as process:
        eventually(lambda: "\n" in process.stdout or process.popen.poll() is not None)
        assert process.stdout.startswith("listening on http://"), process.stderr
        process.port = int(process.stdout.strip().rpartition(":")[2])
        yield process


@pytest.mark.parametrize("change", CHANGES)
def test_it_says_so(change: str) -> None:
    """In a line of the log; where nothing has changed there is none."""
    with serving(change) as server:
        assert ask(server.port, "/healthz").status == 200
        lines = server.stderr.splitlines()
    assert len(lines) == (change != "nothing")
    for line in lines:
        assert SENTENCES[change] in line
        assert "uvicorn" in line
        assert "portable path" in line


@pytest.mark.parametrize("change", OUTDATED)
def test_it_serves_all_the_same(change: str) -> None:
    """Both wires, to their ends, and then a drain."""
    with serving(change) as server:
        id = start(server.port, "count", to=20)["id"]
        view = View()
        with Connection(server.port, request(f"/operations/{id}/events?after=0-0")) as connection:
            for data in connection.body():
                view.feed(data)
        assert view.snapshots[id].state is State.SUCCEEDED
        assert list(view.lossless) == list(retained(server.port, id).lossless)
        with Connection(server.port, request("/events")) as stream, caller(server.port) as client:
            client.subscribe(operation=client.start("wait"))
            stream.opened()
            server.send(signal.SIGTERM)
            events, code = client.closed()
            view = View()
            for data in stream.body():
                view.feed(data)
            assert stream.response.complete
        assert events[-1] == {"type": "bye", "reason": "drain", "reconnect": True}
        assert code == 1001
        assert view.bye == Bye(reason="drain", reconnect=True)
        assert server.wait(8)[0] == 0
        assert "Traceback" not in server.stderr
