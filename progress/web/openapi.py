"""The OpenAPI 3.1 document, from the same types that the wire is made of."""

from __future__ import annotations

from importlib.metadata import version
from typing import TypeAlias

import msgspec

from progress.core.cursor import Cursor
from progress.core.frames import Message
from progress.core.operation import Snapshot
from progress.core.report import Line, Taken
from progress.runner.kinds import Kinds

from .deliveries import DeliveryList
from .problems import ProblemDocument
from .reports import NDJSON
from .requests import StartRequest

__all__ = ["document"]

_Object: TypeAlias = dict[str, object]

_EVENTS = "events, one to a `data:` line; `Prefer: wait=N` ends them with the news, or after N s"


def document(kinds: Kinds, prefix: str) -> _Object:
    """Describe all routes, mounted under `prefix`, and what each kind takes."""
    return {
        "openapi": "3.1.0",
        "servers": [{"url": prefix or "/"}],
        "info": {"title": "progress", "version": version("progress-server")},
        "components": {"schemas": _schemas(kinds)},
        "paths": {
            "/operations": {"get": _list(), "post": _start()},
            "/operations/{id}": _under("id", get=_show()),
            "/operations/{id}/cancel": _under(
                "id", post=_route("Cancel an operation", {"202": _json("it stops", "Snapshot")})
            ),
            "/operations/{id}/deliveries": _under("id", get=_deliveries()),
            "/operations/{id}/deliveries/{delivery}/retry": _under("id", "delivery", post=_retry()),
            "/operations/{id}/events": _under(
                "id", get=_stream("Stream one operation", "types"), post=_report()
            ),
            "/events": {
                "get": _stream("Stream all that match", "operation", "kind", "label", "types")
            },
            "/ws": {"get": _route("Open a WebSocket", {"101": {"description": "JSON-RPC 2.0"}})},
            "/legacy/{kind}": _under("kind", post=_hold()),
            "/kinds": _plain("List the kinds, with the JSON Schema of their parameters"),
            "/healthz": _plain("Say that the process lives"),
            "/readyz": {"get": _ready()},
            "/metrics": {"get": _route("Figures for Prometheus", {"200": _file("text/plain")})},
            "/openapi.json": _plain("This document"),
            "/": {"get": _route("The page", {"200": _file("text/html")})},
            "/static/{path}": _under("path", get=_static()),
        },
    }


def _schemas(kinds: Kinds) -> _Object:
    types = (Snapshot, Message, ProblemDocument, StartRequest, DeliveryList, Taken, Line)
    (_, message, *_, line), components = msgspec.json.schema_components(
        types, schema_hook=_schema, ref_template="#/components/schemas/{name}"
    )
    start = components["StartRequest"]["properties"]
    start["kind"] = {"enum": [kind.name for kind in kinds]}
    # An id of its own makes the definitions inside it local (JSON Schema 2020-12 §8.2.1).
    start["params"] = {
        "anyOf": [{"$id": f"urn:progress:kind:{kind.name}", **kind.schema} for kind in kinds]
    }
    return {**components, "Message": message, "Line": line}


def _schema(type: type) -> _Object:
    if type is Cursor:
        return {"type": "string", "pattern": "^[0-9]+-[0-9]+$"}
    if type is msgspec.Raw:
        return {}
    raise NotImplementedError(type)


def _list() -> _Object:
    page = [_query("limit", many=False), _query("page", many=False)]
    return _route(
        "List operations, newest first",
        {"200": _json("one page", None)},
        [*map(_query, ("state", "kind", "label")), *page],
    )


def _start() -> _Object:
    answers: _Object = {
        "202": _json("started; its state and `links`", "Snapshot"),
        "200": _json("it ended within `Prefer: wait=N`", "Snapshot"),
    }
    content = {"application/json": {"schema": _ref("StartRequest")}}
    route = _route("Start an operation", answers, [_header("Prefer"), _header("Idempotency-Key")])
    return {**route, "requestBody": {"required": True, "content": content}}


def _hold() -> _Object:
    answers: _Object = {
        "200": _json("what it returned", None),
        "201": {"description": "it made what `Location` says"},
        "204": {"description": "it returned nothing"},
        "202": _json("it goes on; see `Location`", "Snapshot"),
    }
    params = {"$ref": "#/components/schemas/StartRequest/properties/params"}
    content = {"application/json": {"schema": params}}
    headers = [_header("Prefer"), _header("Idempotency-Key")]
    route = _route("Run a kind on this connection; COPY and MOVE, too", answers, headers)
    return {**route, "requestBody": {"required": True, "content": content}}


def _show() -> _Object:
    answers: _Object = {
        "200": _json("its state and `links`", "Snapshot"),
        "304": {"description": "nothing new since `If-None-Match`"},
    }
    headers = [_header("If-None-Match"), _header("Prefer")]
    return _route("Show an operation, or wait for its next event", answers, headers)


def _deliveries() -> _Object:
    return _route("List its webhook deliveries", {"200": _json("newest first", "DeliveryList")})


def _retry() -> _Object:
    return _route("Send one again that was given up", {"202": _json("it goes out", "Delivered")})


def _stream(summary: str, *filters: str) -> _Object:
    events = {"text/event-stream": {"schema": _ref("Message")}}
    answers: _Object = {
        "200": {"description": _EVENTS, "content": events},
    }
    if not filters[1:]:
        answers["204"] = {"description": "nothing can come after that `Last-Event-ID`"}
    after = [_query("after", many=False), _header("Last-Event-ID"), _header("Prefer")]
    return _route(summary, answers, [*map(_query, filters), *after])


def _ready() -> _Object:
    answers: _Object = {
        "200": _json("they can", None),
        "503": _json("not now: `status` and `detail` say why", None),
    }
    return _route("Say whether operations can be started", answers)


def _report() -> _Object:
    route = _route("Report of an `external` operation", {"200": _json("all lines stand", "Taken")})
    content = {NDJSON: {"schema": _ref("Line")}}
    description = "lines, of which this is one; each counts as soon as it has come"
    return {**route, "requestBody": {"description": description, "content": content}}


def _static() -> _Object:
    answers: _Object = {
        "200": _file("text/javascript"),
        "304": {"description": "what `If-None-Match` names is still right"},
    }
    return _route("A file of the page or of the SDK", answers, [_header("If-None-Match")])


def _plain(summary: str) -> _Object:
    return {"get": _route(summary, {"200": _json(summary, None)})}


def _route(summary: str, answers: _Object, parameters: list[_Object] | None = None) -> _Object:
    problem = {"application/problem+json": {"schema": _ref("ProblemDocument")}}
    default = {"description": "what went wrong, and what to do", "content": problem}
    return {
        "summary": summary,
        "parameters": parameters or [],
        "responses": {**answers, "default": default},
    }


def _under(*parameters: str, **routes: _Object) -> _Object:
    return {"parameters": [*map(_path, parameters)], **routes}


def _path(name: str) -> _Object:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _file(media_type: str) -> _Object:
    return {"description": "the file", "content": {media_type: {"schema": {}}}}


def _json(description: str, schema: str | None) -> _Object:
    content = {"application/json": {"schema": _ref(schema) if schema else {}}}
    return {"description": description, "content": content}


def _ref(name: str) -> _Object:
    return {"$ref": f"#/components/schemas/{name}"}


def _query(name: str, many: bool = True) -> _Object:
    text = {"type": "string"}
    schema = {"type": "array", "items": text} if many else text
    return {"name": name, "in": "query", "schema": schema}


def _header(name: str) -> _Object:
    return {"name": name, "in": "header", "schema": {"type": "string"}}
