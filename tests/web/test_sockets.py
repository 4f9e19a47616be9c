"""Calls and answers over `/ws`, by JSON-RPC 2.0, under each kind of server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.process import Process, eventually
from tests.support.rpc import (
    DOMAIN_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    SERVERS,
    Answer,
    Caller,
    caller,
    served,
)
from tests.support.web import UNKNOWN
from tests.support.wire import ask, snapshot, start

APP = "tests.support.web_app:app"
PROBE = '{"jsonrpc": "2.0", "method": "nothing", "id": "probe"}'
DEEP = 10_000
"""More brackets than any reader follows, fewer than fit into a message."""


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Process]:
    with served(request.param, APP) as process:
        yield process
        assert "Traceback" not in process.stderr


@pytest.fixture
def client(server: Process) -> Iterator[Caller]:
    with caller(server.port) as client:
        yield client


def answers(client: Caller, *texts: str) -> list[Answer]:
    """What these are answered with, and nothing else: the connection lives on."""
    client.send(*texts, PROBE)
    found = []
    while (answer := client.answer().answer).id != '"probe"':
        found.append(answer)
    assert answer.failure.code == METHOD_NOT_FOUND
    return found


def request(method: str, params: object, id: str = "1") -> str:
    return f'{{"jsonrpc": "2.0", "method": "{method}", "params": {json.dumps(params)}, "id": {id}}}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nope",
        "{",
        "[",
        "[1,",
        "'x'",
        "\ufeff" + PROBE,
        PROBE + PROBE,
        PROBE + "x",
        '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        '[{"jsonrpc": "2.0", "method": "sum", "id": "1"},{"jsonrpc": "2.0", "method"]',
        '{"jsonrpc": 2.0, "method',
        '{"jsonrpc": "2.0", "method": 1, "id": 5, "params": ',
        '{"jsonrpc": "2.0", "method": "x", "id": NaN}',
        '{"jsonrpc": "2.0", "method": "x", "id": 01}',
        '{"jsonrpc": "2.0", "method": "x", "id": 1.}',
        '{"jsonrpc": "2.0", "method": "x", "id": -}',
        '{"jsonrpc": "2.0", "method": "x", "id": "\x01"}',
        '{"jsonrpc": "2.0", "method": "x", "id": "\\x"}',
        '{"jsonrpc": "2.0", "method": "x", "id": 1, "params": {"a": tru}}',
        '{"jsonrpc": "2.0", "method": "x", "id": ' + "[" * DEEP,
        "[" * DEEP,
        '{"a":' * DEEP,
    ],
)
def test_parse_error(client: Caller, text: str) -> None:
    """§5.1: invalid JSON; there is no id to be found in it."""
    [answer] = answers(client, text)
    assert answer.failure.code == PARSE_ERROR
    assert answer.id == "null"


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("1", "null"),
        ("null", "null"),
        ('"x"', "null"),
        ("{}", "null"),
        ('{"method": "x"}', "null"),
        ('{"method": "x", "id": 7}', "7"),
        ('{"jsonrpc": "2.0", "id": "a"}', '"a"'),
        ('{"jsonrpc": 2.0, "method": "x", "id": 7}', "7"),
        ('{"jsonrpc": "1.0", "method": "x", "id": 7}', "7"),
        ('{"jsonrpc": "1.0", "method": "x"}', "null"),
        ('{"jsonrpc": null, "method": "x", "id": null}', "null"),
        ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', "null"),
        ('{"jsonrpc": "2.0", "method": null, "id": 1.50}', "1.50"),
        ('{"jsonrpc": "2.0", "method": ["x"], "id": 7}', "7"),
        ('{"jsonrpc": "2.0", "result": 1, "id": 7}', "7"),
        ('{"jsonrpc": "2.0", "method": "x", "id": true}', "null"),
        ('{"jsonrpc": "2.0", "method": "x", "id": {}}', "null"),
        ('{"jsonrpc": "2.0", "method": "x", "id": [1]}', "null"),
        ('{"jsonrpc": "2.0", "method": 1, "id": [1]}', "null"),
    ],
)
def test_invalid_request(client: Caller, text: str, id: str) -> None:
    """§5: the id is that of the request, or null where none can be told."""
    [answer] = answers(client, text)
    assert answer.failure.code == INVALID_REQUEST
    assert answer.id == id


@pytest.mark.parametrize("text", ["[]", "[1, 2, 3]", f"[{PROBE}]", f" [{PROBE}, {PROBE}]"])
def test_batches_are_refused_in_one(client: Caller, text: str) -> None:
    [answer] = answers(client, text)
    assert answer.failure.code == INVALID_REQUEST
    assert answer.id == "null"
    assert "batch" in answer.failure.message


@pytest.mark.parametrize(
    "id",
    [
        "1",
        "0",
        "-1",
        "-0",
        "1.50",
        "1e400",
        "123456789012345678901234567890",
        '""',
        '"a"',
        '"\\u00e9 é \\/ \\""',
        "null",
        '"' + "x" * 1_000 + '"',
    ],
)
def test_ids_come_back_as_they_were(client: Caller, id: str) -> None:
    unknown, done = answers(
        client, request("nothing", {}, id), request("unsubscribe", {"subscription": "9"}, id)
    )
    assert unknown.failure.code == METHOD_NOT_FOUND
    assert done.value == {"subscription": "9"}
    assert unknown.id == done.id == id


@pytest.mark.parametrize("method", ["", "Subscribe", "event", "rpc.discover", "_start", "réseau"])
def test_unknown_method(client: Caller, method: str) -> None:
    [answer] = answers(client, request(method, "whatever"))
    assert answer.failure.code == METHOD_NOT_FOUND
    assert method in answer.failure.message


@pytest.mark.parametrize(
    ("method", "params", "pointer"),
    [
        *((name, None, "#/params") for name in ("subscribe", "unsubscribe", "start", "cancel")),
        *((name, [], "#/params") for name in ("subscribe", "unsubscribe", "start", "cancel")),
        ("subscribe", "bar", "#/params"),
        ("subscribe", {"opration": "x"}, "#/params"),
        ("subscribe", {"operation": 1}, "#/params/operation"),
        ("subscribe", {"operation": ["x"]}, "#/params/operation"),
        ("subscribe", {"operation": "x", "kind": "count"}, "#/params/operation"),
        ("subscribe", {"operation": "x", "label": ["a:b"]}, "#/params/operation"),
        ("subscribe", {"kind": ["count", 1]}, "#/params/kind/1"),
        ("subscribe", {"label": "owner"}, "#/params/label"),
        ("subscribe", {"label": ["a:b", "owner"]}, "#/params/label"),
        ("subscribe", {"label": {"a": "b"}}, "#/params/label"),
        ("subscribe", {"types": "snapshot"}, "#/params/types"),
        ("subscribe", {"types": ["log", "ping"]}, "#/params/types"),
        ("subscribe", {"after": 5}, "#/params/after"),
        ("unsubscribe", {}, "#/params"),
        ("unsubscribe", {"subscription": 1}, "#/params/subscription"),
        ("cancel", {}, "#/params"),
        ("cancel", {"operation": None}, "#/params/operation"),
        ("cancel", {"operation": UNKNOWN, "force": True}, "#/params"),
        ("start", {}, "#/params"),
        ("start", {"kind": 1}, "#/params/kind"),
        ("start", {"kind": "count", "labels": {"a": 1}}, "#/params/labels"),
        ("start", {"kind": "count", "labels": {"": "x"}}, "#/params/labels"),
        ("start", {"kind": "count", "params": {"to": "x"}}, "#/params/params/to"),
        ("start", {"kind": "count", "params": {"too": 1}}, "#/params/params"),
        ("start", {"kind": "count", "params": [1]}, "#/params/params"),
        (
            "start",
            {"kind": "resize", "params": {"files": [], "crop": {"width": 0}}},
            "#/params/params/crop/width",
        ),
    ],
)
def test_bad_params(client: Caller, method: str, params: object, pointer: str) -> None:
    """The pointer is one into the message (RFC 6901)."""
    [answer] = answers(client, request(method, params))
    assert answer.failure.code == INVALID_PARAMS
    problem = answer.failure.problem
    assert problem["type"] == "urn:progress:problem:invalid-params"
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert answer.failure.message == problem["detail"]


@pytest.mark.parametrize(
    ("method", "params", "slug"),
    [
        ("subscribe", {"operation": UNKNOWN}, "not-found"),
        ("subscribe", {"operation": ""}, "not-found"),
        ("subscribe", {"after": "yesterday"}, "bad-cursor"),
        ("subscribe", {"after": ""}, "bad-cursor"),
        ("subscribe", {"after": "1-01"}, "bad-cursor"),
        ("cancel", {"operation": UNKNOWN}, "not-found"),
        ("start", {"kind": "nothing"}, "unknown-kind"),
        ("start", {"kind": ""}, "unknown-kind"),
    ],
)
def test_domain_error(client: Caller, method: str, params: object, slug: str) -> None:
    """Its data is the problem (RFC 9457) that HTTP answers with."""
    [answer] = answers(client, request(method, params))
    assert answer.failure.code == DOMAIN_ERROR
    problem = answer.failure.problem
    assert answer.failure.slug == slug
    assert problem["status"] in (400, 404)
    assert problem["title"]
    assert answer.failure.message == problem["detail"]


def test_notifications_are_carried_out_and_not_answered(server: Process, client: Caller) -> None:
    """§4.1: not even if they are wrong."""
    id = start(server.port, "wait")["id"]
    notification = '{{"jsonrpc": "2.0", "method": "{}", "params": {}}}'
    wrong = ["{}", "[]", '{"operation": "none"}', '{"kind": "nothing"}', '{"after": "x"}']
    assert not answers(
        client,
        *(
            notification.format(method, params)
            for method in ("unsubscribe", "cancel", "start", "nothing")
            for params in wrong
        ),
        notification.format("subscribe", f'{{"operation": "{UNKNOWN}"}}'),
    )
    client.send(notification.format("subscribe", f'{{"operation": "{id}"}}'))
    assert client.events_until("ping")[0]["operation"] == id
    client.send(notification.format("cancel", f'{{"operation": "{id}"}}'))
    client.events_until("state", state="cancelled")
    eventually(lambda: snapshot(server.port, id)["state"] == "cancelled")


def test_a_notification_starts_an_operation(server: Process, client: Caller) -> None:
    client.subscribe(label="by:notification")
    client.send(
        '{"jsonrpc": "2.0", "method": "start",'
        ' "params": {"kind": "count", "labels": {"by": "notification"}}}'
    )
    assert client.events_until("state", state="succeeded")[0]["type"] == "snapshot"


def test_answers_come_in_the_order_of_the_calls(server: Process, client: Caller) -> None:
    id = start(server.port, "wait")["id"]
    calls = [("start", {"kind": "count"}), ("subscribe", {"operation": id}), ("nothing", {})] * 20
    ids = [str(n) for n in range(len(calls))]
    client.send(*(request(*call, id) for call, id in zip(calls, ids, strict=True)))
    assert [client.answer().answer.id for _ in ids] == ids


def test_start_and_cancel(server: Process, client: Caller) -> None:
    """Both are answered with the snapshot of HTTP, and its links."""
    started = client.ask("start", kind="wait", labels={"owner": "ada"}).answer.value
    assert started["kind"] == "wait"
    assert started["labels"] == {"owner": "ada"}
    for link in ("self", "events"):
        assert ask(server.port, started["links"][link], method="HEAD").status == 200
    client.subscribe(operation=started["id"])
    cancelling = client.ask("cancel", operation=started["id"])
    assert cancelling.answer.value["state"] in ("cancelling", "cancelled")
    assert cancelling.answer.value["links"]["self"] == started["links"]["self"]
    if not any(event.get("state") == "cancelled" for event in cancelling.events):
        client.events_until("state", state="cancelled")
    again = client.ask("cancel", operation=started["id"]).answer.failure
    assert again.code == DOMAIN_ERROR
    assert again.slug == "ended"
    assert again.problem["status"] == 409


def test_what_is_no_parameter_of_json_rpc_is_ignored(client: Caller) -> None:
    [answer] = answers(client, '{"id": 1, "extra": [], "method": "nothing", "jsonrpc": "2.0"}')
    assert answer.failure.code == METHOD_NOT_FOUND
