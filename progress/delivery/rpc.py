"""JSON-RPC 2.0 (https://www.jsonrpc.org/specification): calls in, answers out. It does no I/O."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from progress.core.frames import encode

__all__ = ["Call", "RpcError", "failure", "parse", "result"]

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
DOMAIN_ERROR = -32000
"""The first of those that are for servers to define (§5.1); `data` is a problem (RFC 9457)."""

_NULL = Raw(b"null")


class Call(Struct):
    """One call; without an `id` it is a notification and gets no answer (§4.1)."""

    jsonrpc: str
    method: str
    params: Raw = Raw(b"{}")
    id: Raw | UnsetType = UNSET


class _Error(Struct):
    code: int
    message: str
    data: object


class RpcError(Exception):
    """What goes into an answer's `error`."""

    def __init__(self, code: int, message: str, data: object = UNSET, id: Raw = _NULL) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.id = id
        """Of what was no call, if one was found."""


def parse(text: str) -> Call:
    """Read one call.

    Raises:
        RpcError: it is not JSON, or not a call.
    """
    try:
        call = _decoder.decode(text)
    except msgspec.ValidationError as error:
        _check_syntax(text)
        raise RpcError(INVALID_REQUEST, _not_a_call(text, str(error)), id=_id(text)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(error) from error
    if call.jsonrpc != "2.0":
        raise RpcError(INVALID_REQUEST, 'say "jsonrpc": "2.0"', id=_id(text))
    if not isinstance(call.id, UnsetType) and not _may_be_id(call.id):
        raise RpcError(INVALID_REQUEST, "an id is a string, a number or null")
    return call


def result(value: object, call: Call) -> bytes | None:
    """The answer to a call, if it wants one."""
    if isinstance(call.id, UnsetType):
        return None
    return encode({"jsonrpc": "2.0", "result": value, "id": call.id})


def failure(error: RpcError, call: Call | None) -> bytes | None:
    """The answer to a call that went wrong, if it wants one, or to what was no call."""
    id = error.id if call is None else call.id
    if isinstance(id, UnsetType):
        return None
    content = _Error(error.code, error.message, error.data)
    return encode({"jsonrpc": "2.0", "error": content, "id": id})


def _check_syntax(text: str) -> None:
    """What does not fit is noticed before its end: that may not be JSON."""
    try:
        msgspec.json.decode(text, type=Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(error) from error


def _not_json(error: Exception) -> RpcError:
    return RpcError(PARSE_ERROR, f"this is not JSON: {error}")


def _not_a_call(text: str, detail: str) -> str:
    if text.lstrip().startswith("["):
        return "batches are not served: send one call in each message"
    return f"this is not a call: {detail}"


def _id(text: str) -> Raw:
    """The id of what is not a call otherwise (§5: null where it cannot be told)."""
    try:
        id = msgspec.json.decode(text, type=dict[str, Raw]).get("id", _NULL)
    except (msgspec.DecodeError, RecursionError):
        return _NULL
    return id if _may_be_id(id) else _NULL


def _may_be_id(id: Raw) -> bool:
    return bytes(id)[:1] in b'"-0123456789n'


_decoder = msgspec.json.Decoder(Call)
