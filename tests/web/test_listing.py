"""`GET /operations`: newest first, filters, pages, and the cursor to stream from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx2
import pytest

from progress.core.frames import Ping
from tests.support.server import Server
from tests.support.view import View
from tests.support.web import finish, start
from tests.support.wire import Connection, request

Params = list[tuple[str, str]]


@pytest.fixture(scope="module")
def batch(client: httpx2.Client) -> dict[str, str]:
    """Some operations, newest last: their names by id. They share the label `batch`."""
    batch = uuid4().hex

    def run(name: str, kind: str, **labels: str) -> tuple[str, str]:
        ended = finish(client, kind, {"batch": batch, "name": name, **labels})
        return ended["id"], name

    made = [
        run("a", "count", owner="ada", color="red"),
        run("b", "fail", owner="ada", color="blue"),
        run("c", "count", owner="bob", color="red", note="x:y=z&w %"),
        run("d", "thread", owner="bob"),
        run("e", "fail"),
    ]
    return {"batch": batch, **dict(made)}


def names(listed: Any, batch: dict[str, str]) -> str:
    return "".join(batch[operation["id"]] for operation in listed["operations"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ([], "edcba"),
        ([("kind", "count")], "ca"),
        ([("kind", "count"), ("kind", "fail")], "ecba"),
        ([("kind", "nope")], ""),
        ([("kind", "")], ""),
        ([("state", "succeeded")], "dca"),
        ([("state", "failed")], "eb"),
        ([("state", "succeeded"), ("state", "failed")], "edcba"),
        ([("state", "running")], ""),
        ([("state", "failed"), ("kind", "count")], ""),
        ([("label", "owner:ada")], "ba"),
        ([("label", "owner:ada"), ("label", "color:red")], "a"),
        ([("label", "owner:ada"), ("label", "owner:bob")], ""),
        ([("label", "owner:")], ""),
        ([("label", "note:x:y=z&w %")], "c"),
        ([("label", "owner:bob"), ("kind", "count"), ("state", "succeeded")], "c"),
        ([("limit", "2")], "ed"),
        ([("limit", "500")], "edcba"),
        ([("limit", "2"), ("kind", "fail"), ("kind", "count")], "ec"),
        ([("other", "x")], "edcba"),
    ],
)
def test_filters(
    client: httpx2.Client, batch: dict[str, str], query: Params, expected: str
) -> None:
    params = [*query, ("label", f"batch:{batch['batch']}")]
    answer = client.get(f"/operations?{urlencode(params)}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert names(answer.json(), batch) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize(
    ("query", "expected"), [([], "edcba"), ([("kind", "fail"), ("kind", "count")], "ecba")]
)
def test_pages(
    client: httpx2.Client, batch: dict[str, str], limit: int, query: Params, expected: str
) -> None:
    params = [*query, ("label", f"batch:{batch['batch']}"), ("limit", str(limit))]
    found = [names(page, batch) for page in pages(client, params)]
    assert "".join(found) == expected
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert 0 < len(found[-1]) <= limit


def pages(client: httpx2.Client, params: Params) -> Iterator[Any]:
    """Follow the links from page to page."""
    url = f"/operations?{urlencode(params)}"
    while True:
        page = client.get(url).json()
        yield page
        if page["next"] is None:
            return
        url = page["next"]
        assert url.startswith("/operations?")


def test_odd_labels_survive_in_page_links(client: httpx2.Client) -> None:
    label = f"{uuid4().hex}\0 ü:#&?=+%"
    made = [finish(client, "count", {"odd": label}, to=1)["id"] for _ in range(3)]
    params = [("label", f"odd:{label}"), ("limit", "1")]
    found = [page["operations"] for page in pages(client, params)]
    assert [[operation["id"] for operation in page] for page in found] == [
        [id] for id in made[::-1]
    ]


def test_pages_show_everything_once_while_new_ones_start(client: httpx2.Client) -> None:
    label = {"walk": uuid4().hex}
    made = [start(client, "count", label, to=1)["id"] for _ in range(7)]
    walked = []
    for page in pages(client, [("label", f"walk:{label['walk']}"), ("limit", "2")]):
        walked += [operation["id"] for operation in page["operations"]]
        start(client, "count", label, to=1)
    assert walked == made[::-1]


def test_ids_sort_by_time(client: httpx2.Client) -> None:
    made = [start(client, "count", to=1)["id"] for _ in range(20)]
    assert made == sorted(made)
    listed = client.get("/operations?limit=20").json()["operations"]
    assert [operation["id"] for operation in listed] == made[::-1]


def test_an_item_is_the_operation_itself(client: httpx2.Client) -> None:
    ended = finish(client, "count", {"one": uuid4().hex})
    query = {"label": f"one:{ended['labels']['one']}"}
    listed = client.get("/operations", params=query).json()
    assert listed["operations"] == [ended]
    assert listed["next"] is None
    assert client.get(f"/operations/{ended['id']}").json() == ended


def test_cursor_leaves_no_hole(server: Server, client: httpx2.Client) -> None:
    """What happens between the list and the stream is in the stream, what came before is not."""
    label = uuid4().hex
    labels = {"hole": label}
    before = finish(client, "count", labels)
    listed = client.get("/operations", params={"label": f"hole:{label}"}).json()
    assert [operation["id"] for operation in listed["operations"]] == [before["id"]]
    between = finish(client, "count", labels)

    view = View()
    path = f"/events?label=hole:{label}&after={listed['cursor']}"
    with Connection(server.port, request(path)) as connection:
        for data in connection.body():
            if any(isinstance(message, Ping) for message in view.feed(data)):
                break
    assert set(view.snapshots) == {between["id"]}
    assert not view.gaps
    states = [getattr(event, "state", None) for event in view.lossless.values()]
    assert [str(state) for state in states if state] == ["queued", "running", "succeeded"]
    assert len(states) == 3 + 3  # and three lines
