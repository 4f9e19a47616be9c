"""Only a JSON content type starts an operation: no form, image tag or beacon can send it."""

import httpx2
import pytest

from tests.support.web import check_problem, ids

BODY = b'{"kind":"count","params":{"to":1}}'


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "text/plain",
        "text/plain;charset=UTF-8",
        "text/plain; application/json",
        "text/plain, application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/jsonx",
        "application/json-seq",
        "application/ld+json",
        "application/json, text/plain",
        "application/*",
        "*/*",
        "text/json",
        "json",
    ],
)
def test_other_types_start_nothing(client: httpx2.Client, media_type: str | None) -> None:
    before = ids(client)
    headers = {} if media_type is None else {"content-type": media_type}
    answer = client.post("/operations", content=BODY, headers=headers)
    check_problem(answer, 415, "unsupported-media-type")
    assert ids(client) == before


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        'application/json ; charset="utf-8"',
    ],
)
def test_json_does(client: httpx2.Client, media_type: str) -> None:
    answer = client.post("/operations", content=BODY, headers={"content-type": media_type})
    assert answer.status_code == 202
    assert ids(client)[0] == answer.json()["id"]


def test_forms_start_nothing(client: httpx2.Client) -> None:
    before = ids(client)
    fields = {"kind": "count", '{"kind":"count","x":"': '"}'}
    check_problem(client.post("/operations", data=fields), 415, "unsupported-media-type")
    files = {"file": ("a.json", BODY, "application/json")}
    check_problem(client.post("/operations", files=files), 415, "unsupported-media-type")
    assert ids(client) == before


def test_preflight_allows_no_other_origin(client: httpx2.Client) -> None:
    headers = {
        "origin": "https://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    answer = client.options("/operations", headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control-")]
