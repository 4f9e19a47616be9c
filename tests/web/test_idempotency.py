"""`Idempotency-Key`: a start that comes again is the same start."""

from __future__ import annotations

import gc
from string import ascii_letters

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from progress.bus import MemoryBus
from progress.core.event import State, StateEvent
from progress.errors import Malformed
from progress.settings import Limits, Retention
from progress.web.idempotency import Attempt, Keys
from tests.support.snapshots import TIME, snapshot
from tests.support.web import check_problem, ids, request_body

# What an sf-string may hold (RFC 8941 §3.3.3), and what may be sent bare.
texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)
bare = st.text(ascii_letters + "-_.:/", min_size=1, max_size=40)


def asked(key: str, *more: tuple[str, str], path: str = "/operations") -> Request:
    """A request with this field."""
    fields = [("idempotency-key", key), ("host", "localhost"), *more]
    headers = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": headers,
        "query_string": b"",
    }
    return Request(scope)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def attempt(keys: Keys, *args: object, body: bytes = b"{}", **more: str) -> Attempt:
    found = keys.attempt(asked(*args, **more), body)  # type: ignore[arg-type] # of asked
    assert found is not None
    return found


@given(texts)
def test_any_text_can_be_a_key(text: str) -> None:
    """What is quoted is read; what needs no quotes is the same without."""
    keys = Keys(None)
    assert attempt(keys, quoted(text)) == attempt(keys, f" {quoted(text)} ")
    assert attempt(keys, quoted(text)) != attempt(keys, quoted(text + "x"))


@given(bare)
def test_quotes_may_be_missing(text: str) -> None:
    """Many clients leave them out."""
    assert attempt(Keys(None), text) == attempt(Keys(None), quoted(text))


@pytest.mark.parametrize(
    "key", ["", '"', '"a', 'a"b', '"a"b', "a b", '""', '"é"', "x" * 300, '"\\x"']
)
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(Malformed):
        Keys(None).attempt(asked(key), b"{}")


def test_two_are_none() -> None:
    with pytest.raises(Malformed):
        Keys(None).attempt(asked("a", ("idempotency-key", "b")), b"{}")


def test_without_one_there_is_no_attempt() -> None:
    request = asked("a")
    request.scope["headers"] = []
    assert Keys(None).attempt(request, b"{}") is None


@pytest.mark.parametrize(
    "other",
    [
        asked("b"),
        asked("a", path="/legacy/copy"),
        asked("a", ("authorization", "Bearer ada")),
        asked("a", ("cookie", "progress_token=ada")),
    ],
)
def test_whose_and_for_what(other: Request) -> None:
    """Another key, path or client is another attempt; another cookie is not."""
    keys = Keys(None)
    first = keys.attempt(asked("a"), b"{}")
    assert first is not None
    assert keys.attempt(other, b"{}") != first
    assert keys.attempt(asked("a", ("cookie", "analytics=1")), b"{}") == first


def test_who_it_is_can_be_said() -> None:
    """Where users are known by something else."""
    keys = Keys(lambda connection: connection.headers["x-user"])
    found = {keys.attempt(asked("a", ("x-user", user)), b"{}") for user in ("ada", "bob", "ada")}
    assert len(found) == 2


def test_it_lives_as_long_as_its_operation() -> None:
    bus = MemoryBus(1_000, Limits(), Retention(operations=1))
    keys = Keys(None)
    tried = attempt(keys, "a")
    for id in ("first", "second"):
        bus.publish(StateEvent(operation=id, time=TIME, state=State.QUEUED), snapshot(id))
    keys.keep(tried, bus.journal("first"))
    found = keys.find(tried)
    assert found is not None
    assert found.first.id == "first"
    other = keys.find(attempt(keys, "a", body=b"[]"))
    assert other is not None
    assert (found.is_same, other.is_same) == (True, False)
    assert found.journal is other.journal
    del found, other
    for id in ("first", "second"):  # the second one's end evicts the first
        bus.publish(StateEvent(operation=id, time=TIME, state=State.CANCELLED))
    gc.collect()
    assert keys.find(tried) is None
    assert keys.find(attempt(keys, "a", body=b"[]")) is None


def test_over_http(client: httpx2.Client) -> None:
    """The first answer comes again, byte for byte; another body is refused."""
    before = len(ids(client))
    key = {"idempotency-key": '"once"'}
    body = request_body("count", {"to": 2})
    first, second = (client.post("/operations", json=body, headers=key) for _ in range(2))
    assert first.status_code == second.status_code == 202
    assert first.content == second.content
    assert first.headers["location"] == second.headers["location"]
    assert first.headers["etag"] == second.headers["etag"]
    other = client.post("/operations", json=request_body("count", {"to": 3}), headers=key)
    check_problem(other, 422, "key-reused")
    assert len(ids(client)) == before + 1


def test_waiting_goes_on_with_the_same(client: httpx2.Client) -> None:
    """Who was cut off while waiting waits for the same operation."""
    key = {"idempotency-key": '"waits"', "prefer": "wait=5"}
    body = request_body("count", {"to": 2})
    answers = [client.post("/operations", json=body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


def test_what_was_refused_can_be_tried_again(client: httpx2.Client) -> None:
    key = {"idempotency-key": '"mended"'}
    wrong = client.post("/operations", json=request_body("count", {"to": "x"}), headers=key)
    check_problem(wrong, 422, "invalid-params")
    assert client.post("/operations", json=request_body("count"), headers=key).status_code == 202
