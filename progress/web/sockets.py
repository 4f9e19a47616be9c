"""`GET /ws`: who may open a WebSocket, and what its calls do."""

from __future__ import annotations

import logging
from typing import TypeAlias

from msgspec import Raw, Struct
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from progress.core.cursor import Cursor
from progress.core.event import TYPES
from progress.core.filter import EVERYTHING, Filter
from progress.delivery import rpc
from progress.delivery.calls import Calls
from progress.delivery.rpc import Call, RpcError
from progress.delivery.websocket import SUBPROTOCOL, Session, serve
from progress.errors import Busy, Draining, FieldError, InvalidParams, NotRunning, RequestError
from progress.hub import Hub, Permits, Subscription
from progress.runner.codec import decode
from progress.settings import Settings

from .access import Access, Permissions, check_origin
from .problems import deny, problem, upgrade_required
from .requests import StartRequest, prefix
from .resource import operation_json
from .starting import Starter

__all__ = ["Sockets"]

_logger = logging.getLogger("progress")

_PARAMS = "#/params"

_OneOrMore: TypeAlias = str | list[str]


class _Subscribe(Struct, forbid_unknown_fields=True):
    """One operation, or all that match; the same words as in the query of an SSE stream."""

    operation: str | None = None
    kind: _OneOrMore = []
    label: _OneOrMore = []
    after: str | None = None
    types: _OneOrMore = []

    def filter(self) -> Filter:
        """What it asks for.

        Raises:
            InvalidParams: a type or label that cannot be, or a filter beside an operation.
        """
        kinds, given, types = map(_listed, (self.kind, self.label, self.types))
        if not (kinds or given or types):
            return EVERYTHING
        if self.operation is not None and (kinds or given):
            raise _invalid("operation", "it stands alone, without `kind` or `label`")
        if not set(types) <= set(TYPES):
            raise _invalid("types", f"it has to be one of {', '.join(TYPES)}")
        labels = [text.partition(":") for text in given]
        if not all(colon for _, colon, _ in labels):
            raise _invalid("label", "write name:value")
        return Filter(
            kinds=frozenset(kinds),
            labels=frozenset((name, value) for name, _, value in labels),
            types=frozenset(types or TYPES),
        )


class _Unsubscribe(Struct, forbid_unknown_fields=True):
    subscription: str


class _Cancel(Struct, forbid_unknown_fields=True):
    operation: str


class Sockets:
    """The ASGI application at `/ws`."""

    def __init__(self, starter: Starter, hub: Hub, access: Access, settings: Settings) -> None:
        self.starter = starter
        self.runner = starter.runner
        self.hub = hub
        self.access = access
        self.settings = settings
        self.calls: Calls | None = None
        """Where detached connections answer calls, while the application runs."""

    async def ask_for_one(self, request: Request) -> Response:
        """`GET /ws` that asks for no WebSocket: 426."""
        return upgrade_required()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept a WebSocket and serve it."""
        websocket = WebSocket(scope, receive, send)
        try:
            check_origin(websocket, self.settings, self.access.is_guarded)
            if self.calls is None:
                raise NotRunning
            if (bye := self.hub.refuse()) is not None:
                raise Draining if bye.reason == "drain" else Busy("there are too many subscribers")
        except (RequestError, NotRunning) as error:
            await deny(error, scope, receive, send)
            return
        offered = SUBPROTOCOL in scope["subprotocols"]
        await websocket.accept(SUBPROTOCOL if offered else None)
        is_guarded = self.access.is_guarded
        client = _Client(self, websocket if is_guarded else _NOBODY, prefix(scope))
        # The hook is asked inside of the exchange that it is asked for.
        calls = None if is_guarded else self.calls
        await serve(websocket, Session(self.hub, client.answer), self.settings, calls)


_NOBODY = HTTPConnection({"type": "websocket", "headers": []})
"""Where there is no hook nobody looks at the connection: its scope need not be kept."""


class _Client:
    """What the calls of one connection need to know of it."""

    __slots__ = ("_connection", "_count", "_permissions", "_prefix", "_sockets")

    def __init__(self, sockets: Sockets, connection: HTTPConnection, prefix: str) -> None:
        self._sockets = sockets
        self._connection = connection
        self._prefix = prefix
        self._count = 0
        self._permissions: Permissions | None = None

    async def answer(self, session: Session, text: str) -> None:
        """Carry out one message; whatever is wrong with it is answered."""
        call: Call | None = None
        try:
            call = rpc.parse(text)
            answer = await self._carry_out(session, call)
        except RpcError as error:
            answer = rpc.failure(error, call)
        except (RequestError, NotRunning) as error:
            answer = rpc.failure(_as_rpc(error), call)
        except Exception:
            _logger.exception("a WebSocket call failed")
            answer = rpc.failure(RpcError(rpc.INTERNAL_ERROR, "it failed; see the log"), call)
        session.send(answer)

    async def _carry_out(self, session: Session, call: Call) -> bytes | None:
        match call.method:
            case "subscribe":
                await self._subscribe(session, call)
                return None  # the hub answers, once it is caught up
            case "unsubscribe":
                name = decode(call.params, _Unsubscribe, _PARAMS).subscription
                self._sockets.hub.part(session.connection, name)
                return rpc.result({"subscription": name}, call)
            case "start":
                return rpc.result(await self._start(call), call)
            case "cancel":
                return rpc.result(await self._cancel(call), call)
            case _:
                known = "subscribe, unsubscribe, start, cancel"
                detail = f"there is no method {call.method[:64]!r}; there are: {known}"
                raise RpcError(rpc.METHOD_NOT_FOUND, detail)

    async def _subscribe(self, session: Session, call: Call) -> None:
        asked = decode(call.params, _Subscribe, _PARAMS)
        filter = asked.filter()
        after = None if asked.after is None else Cursor.parse(asked.after)
        hub, most = self._sockets.hub, self._sockets.settings.limits.subscriptions
        if session.connection.count >= most:
            raise Busy(f"a connection has at most {most} subscriptions: unsubscribe from one")
        if asked.operation is None:
            await self._sockets.access.check(self._connection, "list")
            subscription = Subscription(filter, permits=self._permits(session))
        else:
            access = self._sockets.access
            journal = await access.journal(self._connection, "read", asked.operation)
            subscription = Subscription(filter, journal)
        self._count += 1
        name = str(self._count)

        def caught_up(head: Cursor) -> bool:
            return session.send(rpc.result({"subscription": name, "cursor": head}, call))

        hub.join(session.connection, name, subscription, after, caught_up)

    async def _start(self, call: Call) -> Raw:
        sockets = self._sockets
        asked = decode(call.params, StartRequest, _PARAMS)
        try:
            draft = await sockets.access.draft(self._connection, sockets.runner, asked)
            journal = sockets.starter.start(draft, asked.webhook)
        except InvalidParams as error:
            raise _inside_params(error) from error
        return Raw(operation_json(self._prefix, journal.snapshot))

    async def _cancel(self, call: Call) -> Raw:
        id = decode(call.params, _Cancel, _PARAMS).operation
        journal = await self._sockets.access.journal(self._connection, "cancel", id)
        return Raw(operation_json(self._prefix, self._sockets.runner.cancel(journal.snapshot.id)))

    def _permits(self, session: Session) -> Permits | None:
        """Ask for all subscriptions of many together."""
        if self._permissions is None:
            self._permissions = self._sockets.access.permissions(self._connection)
            if self._permissions is not None:
                session.ask(self._permissions)
        return self._permissions


def _as_rpc(error: RequestError | NotRunning) -> RpcError:
    code = rpc.INVALID_PARAMS if isinstance(error, InvalidParams) else rpc.DOMAIN_ERROR
    return RpcError(code, error.detail, problem(error))


def _listed(value: _OneOrMore) -> list[str]:
    return [value] if isinstance(value, str) else value


def _inside_params(error: InvalidParams) -> InvalidParams:
    """What `POST /operations` would say of the same, with pointers into the call."""
    fields = [FieldError(_PARAMS + at.removeprefix("#"), detail) for at, detail in error.errors]
    return InvalidParams(error.detail.replace(" at #/", f" at {_PARAMS}/"), tuple(fields))


def _invalid(name: str, detail: str) -> InvalidParams:
    pointer = f"{_PARAMS}/{name}"
    return InvalidParams(f"{detail} at {pointer}", (FieldError(pointer, detail),))
