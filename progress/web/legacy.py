"""`/legacy/{kind}`: for clients that can do nothing but hold one HTTP/1.1 connection."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from urllib.parse import quote

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.delivery.interim import Ratio, Teller, follow
from progress.delivery.polling import wait_for_end
from progress.errors import FieldError, InvalidParams
from progress.hub import Hub
from progress.runner.created import created
from progress.settings import Settings

from .interims import interims
from .prefer import responds_async, wait
from .problems import ProblemDocument
from .processing import tell_of
from .requests import StartRequest, body, prefix, unless_gone
from .resource import operation_headers, operation_json
from .starting import Starts

__all__ = ["Legacy"]

_STATUS = {"cancelled": 409, "shutdown": 503, "timeout": 504, "stalled": 504}
"""Of what has not succeeded, by the slug of its problem; else 500."""

_RESPOND_ASYNC = "respond-async"

_URN = "urn:progress:problem:"


class Legacy:
    """Runs a kind on the connection that asks for it, with interims for who wants them."""

    def __init__(self, hub: Hub, starts: Starts, settings: Settings) -> None:
        self._hub = hub
        self._starts = starts
        self._settings = settings

    async def run(self, request: Request) -> Response:
        """`POST`, `COPY` or `MOVE`: the kind's own answer; or 202 once the hold time is over.

        A client that leaves does not stop the operation.
        """
        content = await body(request, self._settings.limits)
        asked = StartRequest(kind=request.path_params["kind"], params=Raw(content or b"{}"))
        try:
            journal, _ = await self._starts.start(request, content, asked)
        except InvalidParams as error:
            raise _at_the_root(error) from error
        tell_of(journal, self._hub.counts)
        seconds, applied = self._hold(request)
        ways = interims(request.scope, self._settings)
        teller = None if ways is None else Teller(ways, self._hub.counts)
        if seconds and self._hub.refusal is None:
            await unless_gone(request, partial(self._follow, request, journal, seconds, teller))
        ratio = Ratio() if teller is None else teller.ratio
        if teller is not None and teller.count:
            applied.append("processing")
        return _final(request, journal.snapshot, ratio, applied)

    async def _follow(
        self,
        request: Request,
        journal: Journal,
        seconds: float,
        teller: Teller | None,
    ) -> None:
        if teller is None:
            await wait_for_end(self._hub, journal, seconds)
            return
        location = f"{prefix(request.scope)}/operations/{journal.snapshot.id}"
        with suppress(ConnectionResetError):  # whoever waits for that is told by the server, too
            await follow(teller, self._hub, journal, location, seconds)

    def _hold(self, request: Request) -> tuple[float, list[str]]:
        """How long to hold the connection, and what preference says so."""
        fields = request.headers.getlist("prefer")
        longest = self._settings.timing.hold
        rather_not = [_RESPOND_ASYNC] if responds_async(fields) else []
        asked = wait(fields)
        if asked is not None:
            seconds = min(asked, longest)
            return seconds, [*rather_not, f"wait={seconds:g}"]
        return (0.0 if rather_not else longest), rather_not


def _final(request: Request, snapshot: Snapshot, ratio: Ratio, applied: list[str]) -> Response:
    mounted = prefix(request.scope)
    headers = operation_headers(mounted, snapshot)
    headers["progress"] = ratio.of(snapshot).decode("ascii")
    if snapshot.ended:  # it was quicker
        applied = [one for one in applied if one != _RESPOND_ASYNC]
    if applied:
        headers["preference-applied"] = ", ".join(applied)
    if not snapshot.ended:
        headers["location"] = f"{mounted}/operations/{snapshot.id}"
        content = operation_json(mounted, snapshot)
        return Response(content, 202, headers, "application/json")
    del headers["etag"]  # that of the operation's own document
    if snapshot.state != "succeeded":
        status, problem = _problem(snapshot)
        return Response(problem, status, headers, "application/problem+json")
    result, status = bytes(snapshot.result), 200
    if (made := created(snapshot.result)) is not None:
        headers["location"] = quote(made[0], safe="/:?#[]@!$&'()*+,;=%~")
        result, status = bytes(made[1]), 201
    if result != b"null":
        return Response(result, status, headers, "application/json")
    return Response(status_code=201 if made else 204, headers=headers)


def _problem(snapshot: Snapshot) -> tuple[int, bytes]:
    error = snapshot.error
    if error is None:  # it was cancelled, or its process is gone
        state = snapshot.state
        type, title = f"{_URN}{state}", f"The operation was {state}"
        detail = "what it had done until then stands; start it again if that was not meant"
    else:
        type, title, detail = error.type, error.title, error.detail
    status = _STATUS.get(type.removeprefix(_URN), 500)
    return status, msgspec.json.encode(ProblemDocument(type, title, status, detail))


def _at_the_root(error: InvalidParams) -> InvalidParams:
    """Here the body is the parameters."""
    fields = [FieldError(at.replace("#/params", "#", 1), detail) for at, detail in error.errors]
    return InvalidParams(error.detail.replace(" at #/params", " at #"), tuple(fields))
