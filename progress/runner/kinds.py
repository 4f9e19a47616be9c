"""Kinds: operation functions, with the JSON Schema of their parameters from the signature."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from progress.errors import KindError, UnknownKind

from . import codec

__all__ = ["Bounds", "Function", "Kind", "Kinds"]

Function = Callable[..., object]
"""An operation function: `def` or `async def`, its first parameter the reporter."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What operations of a kind may take; None means no bound. Times are seconds."""

    limit: int | None = None
    """How many of this kind run at the same time."""
    timeout: float | None = None
    """How long it may run."""
    stall: float | None = None
    """How long it may report nothing."""

    @property
    def limits_time(self) -> bool:
        """Whether somebody has to look at the clock."""
        return self.timeout is not None or self.stall is not None


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A registered operation function."""

    name: str
    function: Function
    is_async: bool
    """Whether it runs in the event loop; else it has a worker thread."""
    params: type[Struct]
    schema: Mapping[str, object]
    description: str
    bounds: Bounds
    is_external: bool = False
    """Whether somebody else runs it, and reports."""

    def validate(self, params: bytes | Raw) -> tuple[Raw, dict[str, object]]:
        """Read parameters: as JSON with the defaults filled in, and as keyword arguments.

        Raises:
            Malformed, InvalidParams: with pointers from `#/params`.
        """
        values = codec.decode(params, self.params, at="#/params")
        return codec.to_raw(values), {
            name: getattr(values, name) for name in values.__struct_fields__
        }


class Kinds:
    """The registered kinds, by name."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind] = {}

    def __iter__(self) -> Iterator[Kind]:
        """In the order in which they were registered; what runs elsewhere is the last."""
        return iter(sorted(self._kinds.values(), key=lambda kind: kind.is_external))

    def __getitem__(self, name: str) -> Kind:
        """Find one.

        Raises:
            UnknownKind: with the names there are.
        """
        try:
            return self._kinds[name]
        except KeyError:
            known = ", ".join(sorted(self._kinds)) or "none yet"
            raise UnknownKind(f"there is no kind {name[:64]!r}; there are: {known}") from None

    def register(
        self, function: Function, name: str | None, bounds: Bounds, is_external: bool = False
    ) -> None:
        """Make a function a kind; of what runs elsewhere it only has the parameters.

        Raises:
            KindError: its name is taken or cannot be, or a parameter has no JSON form.
        """
        if not callable(function):
            raise KindError(f"write @app.operation(name={function!r}), with the function below it")
        name = name or str(getattr(function, "__name__", ""))
        kind = _from_function(function, name, bounds, is_external)
        if kind.name in self._kinds:
            raise KindError(f"there is a kind {kind.name!r} already; pass name=…")
        for bound, value in asdict(bounds).items():
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise KindError(f"{kind.name}: {bound} has to be above 0, or None for no bound")
        self._kinds[kind.name] = kind


def _from_function(function: Function, name: str, bounds: Bounds, is_external: bool) -> Kind:
    if not _NAME.fullmatch(name):
        raise KindError(f"{name!r} cannot name a kind: letters, digits, `_.-`; pass name=…")
    plain = inspect.unwrap(function.func if isinstance(function, partial) else function)
    if not inspect.isroutine(plain):
        plain = vars(type(plain)).get("__call__", plain)
    plain = getattr(plain, "__func__", plain)  # of a method
    if not inspect.isfunction(plain):
        raise KindError(f"{name}: register a function, not a {type(function).__name__}")
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise KindError(f"{name}: it has to return its result; report.output sends parts of it")
    reporter, *parameters = inspect.signature(function).parameters.values() or (None,)
    if reporter is None or reporter.kind not in (
        reporter.POSITIONAL_ONLY,
        reporter.POSITIONAL_OR_KEYWORD,
    ):
        raise KindError(f"{name}: its first parameter has to be the reporter")
    if any(_is_reporter(parameter) for parameter in parameters) or _is_data(reporter):
        raise KindError(f"{name}: its first parameter has to be the reporter, not {reporter}")
    try:
        fields = [_field(parameter, plain.__globals__) for parameter in parameters]
        params = msgspec.defstruct(
            name, fields, kw_only=True, frozen=True, forbid_unknown_fields=True
        )
        shown = [_field(parameter, plain.__globals__, codec.shown) for parameter in parameters]
        schema = _schema(msgspec.defstruct(name, shown, kw_only=True, forbid_unknown_fields=True))
    except (TypeError, ValueError, NotImplementedError, NameError) as error:
        raise KindError(f"{name}: a parameter has no JSON form: {error}") from error
    return Kind(
        name=name,
        function=function,
        is_async=inspect.iscoroutinefunction(plain),
        params=params,
        schema=schema,
        description=inspect.getdoc(plain) or "",
        bounds=bounds,
        is_external=is_external,
    )


def _is_reporter(parameter: inspect.Parameter) -> bool:
    hint = parameter.annotation
    return (hint if isinstance(hint, str) else getattr(hint, "__name__", "")) == "Reporter"


def _is_data(parameter: inspect.Parameter) -> bool:
    hint = parameter.annotation
    name = hint if isinstance(hint, str) else getattr(hint, "__name__", "")
    return name.partition("[")[0] in {"bool", "dict", "float", "int", "list", "str", "Path"}


_Field: TypeAlias = tuple[str, Any] | tuple[str, Any, Any]


def _field(
    parameter: inspect.Parameter,
    names: dict[str, object],
    show: Callable[[object], object] = lambda default: default,
) -> _Field:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise TypeError(f"{parameter} has to be a named parameter")
    hint = parameter.annotation
    if hint is parameter.empty:
        hint = Any
    elif isinstance(hint, str):  # one by one: the reporter's and the result's need not be there
        hint = eval(hint, names)
    if parameter.default is parameter.empty:
        return parameter.name, hint
    return parameter.name, hint, show(parameter.default)


def _schema(params: type[Struct]) -> dict[str, object]:
    """JSON Schema of one object that stands for itself: definitions inside, no outer `$ref`."""
    (top,), definitions = msgspec.json.schema_components(
        (params,), schema_hook=codec.schema_type, ref_template="#/$defs/{name}"
    )
    own = definitions.pop(top["$ref"].rpartition("/")[2])
    return {**own, "$defs": definitions} if definitions else own
