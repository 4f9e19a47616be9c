"""A user of an example: starts operations over real HTTP, waits for their end or watches them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any, Self

import anyio
import httpx2

from progress import Progress, Snapshot
from progress.core.event import LogEvent, ProgressEvent, StateEvent
from progress.core.frames import Message
from progress.delivery.polling import wait_for_end
from tests.support.view import View

SECONDS = 8
"""Longer than anything here takes, shorter than a test may take."""


class User:
    """Somebody with a URL."""

    def __init__(self, url: str, labels: Mapping[str, str] | None = None, **headers: str) -> None:
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=SECONDS + 1)
        self._labels = labels or {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def post(self, kind: str, params: Mapping[str, object]) -> httpx2.Response:
        """Ask for an operation."""
        body = {"kind": kind, "params": params, "labels": self._labels}
        return self._http.post("/operations", json=body)

    def start(self, kind: str, **params: object) -> str:
        """Start an operation; return its id."""
        response = self.post(kind, params)
        assert response.status_code == 202, response.text
        path: str = response.json()["links"]["self"]
        assert response.headers["location"] == path
        return path.rpartition("/")[2]

    def end(self, id: str) -> dict[str, Any]:
        """Wait until it has ended; return its snapshot."""
        headers = {"prefer": f"wait={SECONDS}"}
        while not (snapshot := self.get(id, headers)).get("finished_at"):
            headers["if-none-match"] = f'"{snapshot["cursor"]}"'
        return snapshot

    def run(self, kind: str, **params: object) -> dict[str, Any]:
        """Start an operation and wait for its end."""
        return self.end(self.start(kind, **params))

    def get(self, id: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Look at it."""
        response = self._http.get(f"/operations/{id}", headers=headers)
        assert response.status_code == 200, response.text
        snapshot: dict[str, Any] = response.json()
        return snapshot

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Those of a kind, newest first."""
        response = self._http.get("/operations", params={"kind": kind})
        found: list[dict[str, Any]] = response.json()["operations"]
        return found

    def cancel(self, id: str) -> None:
        """Cancel it."""
        response = self._http.post(f"/operations/{id}/cancel")
        assert response.status_code == 202, response.text

    def watch(self, id: str, query: str = "") -> Iterator[Message]:
        """All messages of its stream, up to the stream's own end, which is a `bye`."""
        view = View()
        yield from self._stream(view, f"/operations/{id}/events{query}")
        assert view.bye is not None

    def watch_all(self) -> Generator[Message, None, None]:
        """All messages of the stream of many, for ever."""
        yield from self._stream(View(), "/events")

    def logs(self, id: str) -> list[tuple[str, str]]:
        """Level and text of the lines that an ended operation has logged."""
        found = [event for event in self.watch(id, "?after=0-0") if isinstance(event, LogEvent)]
        return [(event.level, event.message) for event in found]

    def _stream(self, view: View, url: str) -> Iterator[Message]:
        with self._http.stream("GET", url) as response:
            assert response.status_code == 200
            for data in response.iter_raw():
                yield from view.feed(data)


def problem(snapshot: dict[str, Any]) -> str:
    """The type of the problem that a failed operation has, without its prefix."""
    assert snapshot["state"] == "failed", snapshot
    assert snapshot["result"] is None
    return problem_slug(snapshot["error"])


def problem_slug(document: dict[str, Any]) -> str:
    """The type of a problem, without its prefix."""
    type: str = document["type"]
    assert type.startswith("urn:progress:problem:")
    return type.removeprefix("urn:progress:problem:")


def is_at_work(message: Message, step: str) -> bool:
    """Whether that step has something done, and not all of it."""
    if not isinstance(message, ProgressEvent) or message.step is None:
        return False
    now = message.step
    return now.id == step and 0 < now.completed < (now.total or 0)


def states(messages: list[Message]) -> list[str]:
    """The states an operation went through."""
    return [message.state.value for message in messages if isinstance(message, StateEvent)]


async def ended(app: Progress, id: str) -> Snapshot:
    """Wait for the end of an operation in this process."""
    journal = app.bus.journal(id)
    with anyio.fail_after(SECONDS):
        await wait_for_end(app.hub, journal, SECONDS)
    return journal.snapshot
