"""Cancelling: 202, again 202 while it goes on, 409 once it has ended."""

import httpx2
import pytest

from tests.support.process import eventually
from tests.support.web import check_problem, start


def test_running(client: httpx2.Client) -> None:
    started = start(client, "wait")
    answer = client.post(started["links"]["cancel"])
    assert answer.status_code == 202
    assert answer.headers["etag"] == f'"{answer.json()["cursor"]}"'
    assert answer.json()["state"] in ("cancelling", "cancelled")
    path = started["links"]["self"]
    eventually(lambda: client.get(path).json()["state"] == "cancelled")
    ended = client.get(path).json()
    assert (ended["result"], ended["error"]) == (None, None)
    assert ended["finished_at"] >= ended["started_at"]
    for _ in range(2):
        check_problem(client.post(started["links"]["cancel"]), 409, "ended")
    assert client.get(path).json() == ended


def test_again_while_it_goes_on(client: httpx2.Client) -> None:
    """A thread that hears nothing stays `cancelling` for as long as it has for cleaning up."""
    started = start(client, "stuck")
    eventually(lambda: client.get(started["links"]["self"]).json()["progress"]["message"])
    first, second = (client.post(started["links"]["cancel"]) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["state"] == second.json()["state"] == "cancelling"
    assert first.headers["etag"] == second.headers["etag"]
    assert int(second.headers["retry-after"]) >= 1


def test_queued(tight: httpx2.Client) -> None:
    running, queued = start(tight, "wait"), start(tight, "wait")
    assert queued["state"] == "queued"
    assert queued["progress"]["position"] == 1
    answer = tight.post(queued["links"]["cancel"])
    assert answer.status_code == 202
    ended = answer.json()
    assert (ended["state"], ended["started_at"]) == ("cancelled", None)
    assert ended["progress"]["position"] is None
    check_problem(tight.post(queued["links"]["cancel"]), 409, "ended")
    assert tight.get(running["links"]["self"]).json()["state"] == "running"
    assert tight.post(running["links"]["cancel"]).status_code == 202


def test_a_place_in_the_queue_comes_free(tight: httpx2.Client) -> None:
    running, queued = start(tight, "wait"), start(tight, "wait")
    tight.post(running["links"]["cancel"])
    eventually(lambda: tight.get(queued["links"]["self"]).json()["state"] == "running")
    assert tight.get(queued["links"]["self"]).json()["progress"]["position"] is None
    assert tight.post(queued["links"]["cancel"]).status_code == 202


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}"])
@pytest.mark.parametrize("media_type", ["application/json", "text/plain"])
def test_body_does_not_matter(client: httpx2.Client, content: bytes, media_type: str) -> None:
    started = start(client, "wait")
    headers = {"content-type": media_type}
    answer = client.post(started["links"]["cancel"], content=content, headers=headers)
    assert answer.status_code == 202
