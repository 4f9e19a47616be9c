"""Starting, listing, polling and cancelling operations, and their kinds."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlencode

from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from progress.bus import Bus
from progress.core.cursor import Cursor
from progress.core.event import State
from progress.core.filter import Filter
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.delivery.polling import wait_for_change, wait_for_end
from progress.errors import Busy, Draining
from progress.hub import Hub
from progress.runner import Runner
from progress.runner.codec import decode
from progress.settings import Settings

from .access import Access
from .prefer import responds_async, wait
from .requests import (
    StartRequest,
    body,
    choices,
    labels,
    none_match,
    number,
    place,
    prefix,
    unless_gone,
)
from .resource import json_response, operation_headers, operation_json
from .starting import Starts

__all__ = ["Operations"]

_JSON = "application/json"
_PAGE = 50
_LONGEST_PAGE = 500


class Operations:
    """The endpoints under `/operations`, and `/kinds`."""

    def __init__(
        self,
        bus: Bus,
        runner: Runner,
        hub: Hub,
        access: Access,
        starts: Starts,
        settings: Settings,
    ) -> None:
        self.starts = starts
        self._bus = bus
        self._runner = runner
        self._hub = hub
        self._access = access
        self._settings = settings

    async def start(self, request: Request) -> Response:
        """`POST /operations`: 202, or with `Prefer: wait=N` 200 if it ends in time."""
        content = await body(request, self._settings.limits)
        journal, first = await self.starts.start(request, content, decode(content, StartRequest))
        seconds = self._wait(request)
        if seconds is not None and self._hub.refusal is None:
            await unless_gone(request, partial(wait_for_end, self._hub, journal, seconds))
        headers = {"location": f"{prefix(request.scope)}/operations/{journal.snapshot.id}"}
        if seconds is not None and journal.snapshot.ended:
            headers["preference-applied"] = f"wait={seconds}"
            return _respond(request, journal.snapshot, 200, headers)
        if responds_async(request.headers.getlist("prefer")):
            headers["preference-applied"] = "respond-async"
        return _respond(request, first, 202, headers)

    async def show(self, request: Request) -> Response:
        """`GET /operations/{id}`: with `If-None-Match` 304, or a long poll (`Prefer: wait=N`)."""
        journal = await self._access.journal(request, "read", request.path_params["id"])
        headers: dict[str, str] = {}
        seconds = self._wait(request) if request.method != "HEAD" else None
        if seconds is not None and _matches(request, journal) and not journal.snapshot.ended:
            if self._hub.refusal is not None:
                raise Draining if self._hub.draining else Busy("too many wait already; poll")
            await unless_gone(request, partial(wait_for_change, self._hub, journal, seconds))
            if not _matches(request, journal):
                headers["preference-applied"] = f"wait={seconds}"
        status = 304 if _matches(request, journal) else 200
        return _respond(request, journal.snapshot, status, headers)

    async def cancel(self, request: Request) -> Response:
        """`POST /operations/{id}/cancel`: 202, and 409 once it has ended."""
        journal = await self._access.journal(request, "cancel", request.path_params["id"])
        self._runner.cancel(journal.snapshot.id)
        return _respond(request, journal.snapshot, 202, {})

    async def list(self, request: Request) -> Response:
        """`GET /operations`: newest first, a page at a time."""
        await self._access.check(request, "list")
        limit = number(request, "limit", _PAGE, _LONGEST_PAGE)
        states = choices(request, "state", State)
        wanted = Filter(
            kinds=frozenset(request.query_params.getlist("kind")), labels=labels(request)
        )
        head = self._bus.head  # before the first await: a stream from here misses nothing
        journals = list(self._bus.journals())
        if (page := place(request, "page")) is not None:
            journals = [journal for journal in journals if journal.born < page.n]
        found: list[Journal] = []
        more = False
        for journal in journals:
            if not wanted.matches(journal) or (states and journal.snapshot.state not in states):
                continue
            if await self._access.may_read(request, journal.snapshot):
                more = len(found) == limit
                if more:
                    break
                found.append(journal)
        last = Cursor(head.epoch, found[-1].born) if more else None
        return json_response(
            {
                "operations": [
                    Raw(operation_json(prefix(request.scope), journal.snapshot))
                    for journal in found
                ],
                "next": None if last is None else _next(request, last),
                "cursor": head,
            }
        )

    async def kinds(self, request: Request) -> Response:
        """`GET /kinds`: what may be started, with the JSON Schema of its parameters."""
        await self._access.check(request, "list")
        kinds = [
            {"kind": kind.name, "description": kind.description, "params": kind.schema}
            for kind in self._runner.kinds
        ]
        return json_response({"kinds": kinds})

    def _wait(self, request: Request) -> int | None:
        seconds = wait(request.headers.getlist("prefer"))
        return None if seconds is None else min(seconds, int(self._settings.timing.wait))


def _respond(
    request: Request, snapshot: Snapshot, status: int, headers: dict[str, str]
) -> Response:
    mounted = prefix(request.scope)
    headers = {**headers, **operation_headers(mounted, snapshot)}
    if status == 304:
        return Response(status_code=304, headers=headers)
    return Response(operation_json(mounted, snapshot), status, headers=headers, media_type=_JSON)


def _matches(request: Request, journal: Journal) -> bool:
    return none_match(request, f'"{journal.snapshot.cursor}"')


def _next(request: Request, last: Cursor) -> str:
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "page"]
    return f"{prefix(request.scope)}/operations?{urlencode([*query, ('page', str(last))])}"
