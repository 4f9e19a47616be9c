"""Bad bodies, queries and cursors: what is wrong is said with its place, and nothing starts."""

import json

import httpx2
import pytest

from tests.support.web import UNKNOWN, check_problem, ids, pointers

JSON = {"content-type": "application/json"}
GOOD = {"files": ["a"], "crop": {"width": 1}}


def resize(**params: object) -> dict[str, object]:
    return {"kind": "resize", "params": {**GOOD, **params}}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"),
        ([], "#"),
        ("count", "#"),
        (None, "#"),
        ({"kind": 5}, "#/kind"),
        ({"kind": None}, "#/kind"),
        ({"kind": "count", "extra": 1}, "#"),
        ({"kind": "count", "params": []}, "#/params"),
        ({"kind": "count", "params": None}, "#/params"),
        ({"kind": "count", "params": {"to": "3"}}, "#/params/to"),
        ({"kind": "count", "params": {"to": 3.5}}, "#/params/to"),
        ({"kind": "count", "params": {"to": True}}, "#/params/to"),
        ({"kind": "count", "params": {"tu": 3}}, "#/params"),
        ({"kind": "flood", "params": {}}, "#/params"),
        ({"kind": "count", "labels": []}, "#/labels"),
        ({"kind": "count", "labels": {"a": 1}}, "#/labels"),
        ({"kind": "count", "labels": {"a": None}}, "#/labels"),
        ({"kind": "count", "labels": {"": "a"}}, "#/labels"),
        ({"kind": "count", "labels": {"a": "b" * 257}}, "#/labels"),
        ({"kind": "count", "labels": {"b" * 257: "a"}}, "#/labels"),
        ({"kind": "count", "labels": {str(n): "" for n in range(33)}}, "#/labels"),
        (resize(files="a"), "#/params/files"),
        (resize(files=["a", "b", 3]), "#/params/files/2"),
        (resize(files=["a", "b\0"]), "#/params/files/1"),
        (resize(crop={}), "#/params/crop"),
        (resize(crop={"width": 0}), "#/params/crop/width"),
        (resize(crop={"width": 1, "height": "1"}), "#/params/crop/height"),
        (resize(mode="slow"), "#/params/mode"),
        (resize(options={"a": "b"}), "#/params/options"),
    ],
)
def test_body_that_does_not_fit(client: httpx2.Client, body: object, pointer: str) -> None:
    before = ids(client)
    content = json.dumps(body).encode()
    answer = client.post("/operations", content=content, headers=JSON)
    problem = check_problem(answer, 422, "invalid-params")
    assert pointers(problem) == [pointer]
    assert ids(client) == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"nope",
        b"{",
        b'{"kind":"count"',
        b'{"kind":"count"}}',
        b'{"kind":"count"} {"kind":"count"}',
        b"{'kind':'count'}",
        b'{"kind":"count",}',
        b'{"kind":"count","params":{"interval":NaN}}',
        b'{"kind":"count","params":{"interval":Infinity}}',
        b'{"kind":"count","params":{"to":-}}',
        b'{"kind":"count","params":{"to":01}}',
        b'{"kind":"count","params":{"to":0x10}}',
        b'{"kind":"count","labels":{"a":"\x00"}}',
        b'{"kind":"count","labels":{"a":"\n"}}',
        b'{"kind":"count","labels":{"a":"\xff"}}',
        b'{"kind":"co\xed\xa0\x80unt"}',
        b'{"kind":"fail","params":{"kind":"\xc0\xae"}}',
        b'{"kind":"count","labels":{"a":"\\ud800"}}',
        b'{"kind":"fail","params":{"kind":"\\udc00\\ud800"}}',
        b'{"kind":"count","labels":{"a":"\\x41"}}',
        b'\xef\xbb\xbf{"kind":"count"}',
        '{"kind":"count"}'.encode("utf-16"),
    ],
    ids=lambda body: str(body[:40]),
)
def test_body_that_is_not_json(client: httpx2.Client, body: bytes) -> None:
    before = ids(client)
    check_problem(client.post("/operations", content=body, headers=JSON), 400, "malformed")
    assert ids(client) == before


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ({"a": "\0\r\n\u2028\ufeff<script>"}, "count"),
        ({"\0": "x"}, "count"),
        ({"a": "😀" * 256}, "count"),
    ],
)
def test_odd_text_is_kept_as_it_is(
    client: httpx2.Client, labels: dict[str, str], kind: str
) -> None:
    answer = client.post("/operations", json={"kind": kind, "labels": labels})
    assert answer.status_code == 202
    assert answer.json()["labels"] == labels
    assert client.get(answer.headers["location"]).json()["labels"] == labels


def test_the_last_of_duplicate_keys_counts(client: httpx2.Client) -> None:
    body = b'{"kind":"nope","kind":"count","params":{"to":9},"params":{"to":2,"to":1}}'
    answer = client.post("/operations", content=body, headers=JSON)
    assert answer.status_code == 202
    assert (answer.json()["kind"], answer.json()["params"]["to"]) == ("count", 1)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=501", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=%D9%A3", "limit"),  # an Arabic three is a digit to Python
        ("limit=" + "9" * 5_000, "limit"),
        ("state=done", "state"),
        ("state=", "state"),
        ("state=queued&state=Running", "state"),
        ("label=owner", "label"),
        ("label=", "label"),
        ("page=", "page"),
        ("page=zzz", "page"),
        ("page=%00", "page"),
    ],
)
def test_query_of_the_list(client: httpx2.Client, query: str, name: str) -> None:
    problem = check_problem(client.get(f"/operations?{query}"), 422, "invalid-params")
    assert pointers(problem) == [f"?{name}"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("types=snapshots", "types"),
        ("types=", "types"),
        ("types=ping", "types"),
        ("types=log&types=Log", "types"),
        ("label=owner", "label"),
    ],
)
def test_query_of_a_stream(client: httpx2.Client, query: str, name: str) -> None:
    problem = check_problem(client.get(f"/events?{query}"), 422, "invalid-params")
    assert pointers(problem) == [f"?{name}"]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "1",
        "-",
        "1-",
        "-1",
        "1-2-3",
        "01-1",
        "1-01",
        "+1-1",
        "1--1",
        "1-1 ",
        "1.0-1",
        "1-1\u0663",
        "9" * 19 + "-1",
        "1-" + "9" * 19,
        "9" * 30_000,
    ],
    ids=lambda cursor: cursor[:20],
)
def test_cursor(client: httpx2.Client, cursor: str) -> None:
    check_problem(client.get("/events", params={"after": cursor}), 400, "bad-cursor")
    if cursor.isascii() and cursor == cursor.strip():
        headers = {"last-event-id": cursor}
        check_problem(client.get("/events", headers=headers), 400, "bad-cursor")


def test_empty_cursor(client: httpx2.Client) -> None:
    check_problem(client.get("/events?after="), 400, "bad-cursor")


@pytest.mark.parametrize("id", [UNKNOWN, "x", "%00", "%ff", "%0d%0aA:%20b", "..%5c", "x" * 8_000])
def test_id(client: httpx2.Client, id: str) -> None:
    for path in (f"/operations/{id}", f"/operations/{id}/events"):
        check_problem(client.get(path), 404, "not-found")
    check_problem(client.post(f"/operations/{id}/cancel"), 404, "not-found")
