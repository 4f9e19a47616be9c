"""How Python values become JSON and back: parameters, results and outputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path, PosixPath, PurePath, PurePosixPath
from typing import TypeVar, cast

import msgspec
from msgspec import Raw

from progress.errors import Failure, FieldError, InvalidParams, Malformed

__all__ = [
    "clean",
    "clip",
    "decode",
    "decode_type",
    "labels",
    "read",
    "schema_type",
    "shown",
    "to_raw",
    "to_raw_within",
]

_T = TypeVar("_T")

_LABEL = 256
"""Characters of a label's name or value."""

_FORMATS: dict[type, str] = {
    Path: "path",
    PosixPath: "path",
    PurePath: "path",
    PurePosixPath: "path",
    IPv4Address: "ipv4",
    IPv6Address: "ipv6",
}
"""Types beyond msgspec's own that are a string in JSON, and their JSON Schema `format`."""

_WHERE = re.compile(r"(?P<detail>.*) - at (?:`key` in )?`\$(?P<steps>[^`]*)`", re.DOTALL)


def decode(data: bytes | Raw, type: type[_T], at: str = "#") -> _T:
    """Read JSON from outside into a type.

    Raises:
        Malformed: it is not JSON, or nests too deeply.
        InvalidParams: it is JSON of another shape; the pointer starts with `at`.
    """
    decoder = msgspec.json.Decoder(type, dec_hook=decode_type)
    return read(decoder, data, at)


def read(decoder: msgspec.json.Decoder[_T], data: bytes | Raw, at: str = "#") -> _T:
    """The same with a decoder that is there already.

    Raises:
        Malformed, InvalidParams: as `decode`.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        pointer, detail = _pointer(str(error))
        raise InvalidParams(
            f"the request does not fit, see `errors`: {detail} at {at}{pointer}",
            (FieldError(at + pointer, detail),),
        ) from error
    except msgspec.DecodeError as error:
        raise Malformed(f"send JSON (RFC 8259): {error}") from error
    except UnicodeDecodeError as error:
        raise Malformed("send JSON in UTF-8 (RFC 8259 §8.1)") from error
    except RecursionError as error:
        raise Malformed("send JSON that nests less deeply") from error


def to_raw(value: object) -> Raw:
    """Write a value of the author's as JSON; lone surrogates become `?`.

    Raises:
        TypeError: something in it has no JSON form.
        ValueError: it contains a `Raw` that is no JSON.
    """
    try:
        data = _encode(value)
    except UnicodeEncodeError:
        data = _encode(_clean_all(msgspec.to_builtins(value, enc_hook=_encode_type)))
    # A Raw inside may have brought anything.
    return msgspec.json.decode(data.decode(), type=Raw)


def to_raw_within(value: object, most: int, what: str) -> Raw:
    """The same with a bound of so many bytes of JSON; `what` it is stands in the message.

    Raises:
        Failure: it is over that (`too-large`).
        TypeError, ValueError: as `to_raw`.
    """
    raw = to_raw(value)
    if len(bytes(raw)) > most:
        raise Failure("too-large", f"{what} has at most {most} bytes of JSON; save it, say where")
    return raw


def labels(given: Mapping[str, object], most: int) -> dict[str, str]:
    """Check the labels of an operation: few and short, as they are compared for every subscriber.

    Raises:
        InvalidParams: they are not.
    """
    if len(given) > most:
        raise _bad_labels(f"an operation has at most {most} labels")
    checked = {}
    for name, value in given.items():
        if not (isinstance(value, str) and 0 < len(name) <= _LABEL >= len(value)):
            raise _bad_labels(f"a label is text of at most {_LABEL} characters, and has a name")
        checked[clean(name)] = clean(value)
    return checked


def clean(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot carry: file names have them (PEP 383)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def clip(text: str, bytes: int) -> str:
    """Cut a text that is longer than so many bytes of UTF-8, and say so in it."""
    text = clean(str(text))
    if len(text) * 4 <= bytes:
        return text
    data = text.encode()
    if len(data) <= bytes:
        return text
    kept = data[:bytes].decode(errors="ignore")
    return f"{kept} … ({len(data) - len(kept.encode())} bytes cut)"


def decode_type(type: type, value: object) -> object:
    """Make one of the types of `_FORMATS` from its string."""
    if type in _FORMATS:
        if not isinstance(value, str):
            raise ValueError(f"Expected `str`, got {value!r}")
        if "\0" in value:
            raise ValueError("a NUL byte cannot stand here")
        return type(value)
    raise NotImplementedError(f"no value of {type!r} can be made from JSON")


def shown(default: object) -> object:
    """A default as the schema shows it."""
    return str(default) if type(default) in _FORMATS else default


def schema_type(type: type) -> dict[str, str]:
    """JSON Schema of one of the types of `_FORMATS`."""
    if type in _FORMATS:
        return {"type": "string", "format": _FORMATS[type]}
    raise NotImplementedError(type)


def _encode(value: object) -> bytes:
    data = msgspec.json.encode(value, enc_hook=_encode_type)
    # Raw JSON inside may be pretty-printed; a frame needs one line.
    return msgspec.json.format(data, indent=-1) if b"\n" in data or b"\r" in data else data


def _encode_type(value: object) -> object:
    if type(value) in _FORMATS:
        return str(value)
    dump = getattr(value, "model_dump", None)
    if dump is not None:  # a pydantic model, which FastAPI's users have
        return cast("Callable[..., object]", dump)(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form; return a dict, a dataclass, a list")


def _clean_all(value: object) -> object:
    match value:
        case str():
            return clean(value)
        case dict():
            return {_clean_all(key): _clean_all(item) for key, item in value.items()}
        case list() | tuple():
            return [_clean_all(item) for item in value]
        case _:
            return value


def _bad_labels(detail: str) -> InvalidParams:
    return InvalidParams(detail, (FieldError("#/labels", detail),))


def _pointer(message: str) -> tuple[str, str]:
    """Turn msgspec's path, e.g. `$.files[0].name`, into a JSON Pointer (RFC 6901)."""
    match = _WHERE.fullmatch(message)
    if match is None:
        return "", message
    known = match["steps"].partition("[...]")[0]  # a key that it does not name
    steps = re.findall(r"\.([^.\[]+)|\[(\d+)\]", known)
    keys = [(name or index).replace("~", "~0").replace("/", "~1") for name, index in steps]
    return "".join(f"/{key}" for key in keys), match["detail"]
