"""The OpenAPI 3.1 document, from the same types that the wire is made of."""

from __future__ import annotations

from importlib.metadata import version

import msgspec

from progress.core.cursor import Cursor
from progress.core.frames import Message
from progress.core.operation import Snapshot
from progress.runner.kinds import Kinds

from .problems import ProblemDocument
from .requests import StartRequest

__all__ = ["document"]

_JSON = "application/json"


def document(kinds: Kinds) -> dict[str, object]:
    """Describe all routes, and what each kind takes."""
    types = (Snapshot, Message, ProblemDocument, StartRequest)
    (snapshot, message, problem, start), components = msgspec.json.schema_components(
        types, schema_hook=_schema, ref_template="#/components/schemas/{name}"
    )
    components["StartRequest"]["properties"]["kind"] = {"enum": [kind.name for kind in kinds]}
    components["StartRequest"]["properties"]["params"] = {
        "anyOf": [{"title": kind.name, **kind.schema} for kind in kinds]
    }
    errors = {"default": _answer("what went wrong, and what to do", problem, "problem+json")}
    stream = _answer("events, one to a `data:` line", message, None)
    shown = {"200": _answer("its present state, with `links`", snapshot), **errors}
    return {
        "openapi": "3.1.0",
        "info": {"title": "progress", "version": version("progress-server")},
        "components": {"schemas": components},
        "paths": {
            "/operations": {
                "get": {
                    "summary": "List operations, newest first",
                    "parameters": [
                        *(_query(name) for name in ("state", "kind", "label")),
                        _query("limit", many=False),
                        _query("page", many=False),
                    ],
                    "responses": {"200": _answer("one page", None), **errors},
                },
                "post": {
                    "summary": "Start an operation",
                    "parameters": [_header("Prefer")],
                    "requestBody": {"required": True, "content": {_JSON: {"schema": start}}},
                    "responses": {"202": _answer("started", snapshot), **shown},
                },
            },
            "/operations/{id}": {
                "parameters": [_id()],
                "get": {
                    "summary": "Show an operation, or wait for its next event",
                    "parameters": [_header("If-None-Match"), _header("Prefer")],
                    "responses": {"304": {"description": "nothing new"}, **shown},
                },
            },
            "/operations/{id}/cancel": {
                "parameters": [_id()],
                "post": {
                    "summary": "Cancel an operation",
                    "responses": {"202": _answer("it is being stopped", snapshot), **errors},
                },
            },
            "/operations/{id}/events": {
                "parameters": [_id()],
                "get": {
                    "summary": "Stream one operation until it ends",
                    "parameters": _resumable("types"),
                    "responses": {
                        "200": stream,
                        "204": {"description": "you have seen its end"},
                        **errors,
                    },
                },
            },
            "/events": {
                "get": {
                    "summary": "Stream all operations that match",
                    "parameters": _resumable("operation", "kind", "label", "types"),
                    "responses": {"200": stream, **errors},
                }
            },
            "/kinds": _plain("List the kinds, with the JSON Schema of their parameters"),
            "/healthz": _plain("Say that the process lives"),
            "/readyz": _plain("Say whether operations can be started"),
            "/openapi.json": _plain("This document"),
        },
    }


def _schema(type: type) -> dict[str, object]:
    if type is Cursor:
        return {"type": "string", "pattern": "^[0-9]+-[0-9]+$"}
    if type is msgspec.Raw:
        return {}
    raise NotImplementedError(type)


def _answer(description: str, schema: object, kind: str | None = "json") -> dict[str, object]:
    media_type = "text/event-stream" if kind is None else f"application/{kind}"
    return {"description": description, "content": {media_type: {"schema": schema or {}}}}


def _plain(summary: str) -> dict[str, object]:
    return {"get": {"summary": summary, "responses": {"200": _answer(summary, None)}}}


def _query(name: str, many: bool = True) -> dict[str, object]:
    text = {"type": "string"}
    schema = {"type": "array", "items": text} if many else text
    return {"name": name, "in": "query", "schema": schema}


def _header(name: str) -> dict[str, object]:
    return {"name": name, "in": "header", "schema": {"type": "string"}}


def _id() -> dict[str, object]:
    return {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def _resumable(*filters: str) -> list[dict[str, object]]:
    after = (_query("after", many=False), _header("Last-Event-ID"))
    return [*(_query(name) for name in filters), *after]
