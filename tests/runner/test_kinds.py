"""Kinds: the JSON Schema of a signature, and what cannot be an operation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct, field

from progress.errors import KindError, UnknownKind
from progress.runner import Kind, Reporter
from progress.runner.kinds import Bounds, Function, Kinds

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTypeCheckers


class Filter(Struct, frozen=True):
    glob: str
    under: Path = field(default_factory=lambda: Path("."))


@dataclass(frozen=True)
class Range:
    low: Annotated[int, Meta(ge=0)]
    high: int = 10


class Mode(Enum):
    FAST = "fast"
    SAFE = "safe"


NO_BOUNDS = Bounds()


def register(function: Function, name: str | None = None, bounds: Bounds = NO_BOUNDS) -> Kind:
    kinds = Kinds()
    kinds.register(function, name, bounds)
    (kind,) = kinds
    return kind


def plain(report: Reporter) -> None: ...
def required(report: Reporter, x: int) -> None: ...
def default(report: Reporter, x: int = 3) -> None: ...
def path(report: Reporter, x: Path) -> None: ...
def path_default(report: Reporter, x: Path = Path("a/b")) -> None: ...
def optional(report: Reporter, x: Path | None = None) -> None: ...
def union(report: Reporter, x: int | str) -> None: ...
def literal(report: Reporter, x: Literal["a", "b"] = "a") -> None: ...
def enum(report: Reporter, x: Mode = Mode.SAFE) -> None: ...
def listed(report: Reporter, x: list[Path]) -> None: ...
def list_default(report: Reporter, x: tuple[str, ...] = ("a",)) -> None: ...
def mapping(report: Reporter, x: dict[str, int]) -> None: ...
def bounded(report: Reporter, x: Annotated[int, Meta(ge=1, le=5, description="how")]) -> None: ...
def anything(report: Reporter, x: Any) -> None: ...  # what a parameter without a hint is, too
def address(report: Reporter, x: IPv4Address) -> None: ...
def keyword(report: Reporter, *, x: bool = False) -> None: ...
def positional(report: Reporter, /, x: bool = False) -> None: ...


SCHEMAS: list[tuple[Function, dict[str, object]]] = [
    (required, {"type": "integer"}),
    (default, {"type": "integer", "default": 3}),
    (path, {"type": "string", "format": "path"}),
    (path_default, {"type": "string", "format": "path", "default": "a/b"}),
    (
        optional,
        {"anyOf": [{"type": "string", "format": "path"}, {"type": "null"}], "default": None},
    ),
    (union, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    (literal, {"enum": ["a", "b"], "default": "a"}),
    (listed, {"type": "array", "items": {"type": "string", "format": "path"}}),
    (list_default, {"type": "array", "items": {"type": "string"}, "default": ["a"]}),
    (mapping, {"type": "object", "additionalProperties": {"type": "integer"}}),
    (bounded, {"type": "integer", "minimum": 1, "maximum": 5, "description": "how"}),
    (anything, {}),
    (address, {"type": "string", "format": "ipv4"}),
    (keyword, {"type": "boolean", "default": False}),
    (positional, {"type": "boolean", "default": False}),
]


@pytest.mark.parametrize(
    ("function", "schema"), SCHEMAS, ids=[function.__name__ for function, _ in SCHEMAS]
)
def test_schema_of_a_parameter(function: Function, schema: dict[str, object]) -> None:
    found = wire(register(function))
    assert found == {
        "title": function.__name__,
        "type": "object",
        "properties": {"x": schema},
        "required": [] if "default" in schema else ["x"],
        "additionalProperties": False,
    }


def test_nothing_but_the_reporter() -> None:
    kind = register(plain)
    assert kind.schema["properties"] == {}
    raw, values = kind.validate(b"{}")
    assert (bytes(raw), values) == (b"{}", {})


def nested(
    report: Reporter,
    filter: Filter,
    range: Range = Range(1),
    more: list[Filter] = [],  # noqa: B006
) -> None:
    """Walk.

    In two paragraphs.
    """


def test_nested_types_are_definitions_that_are_all_there() -> None:
    schema = wire(register(nested))
    assert schema["required"] == ["filter"]
    properties = schema["properties"]
    assert properties["filter"] == {"$ref": "#/$defs/Filter"}
    assert properties["range"] == {"$ref": "#/$defs/Range", "default": {"low": 1, "high": 10}}
    assert properties["more"]["items"] == {"$ref": "#/$defs/Filter"}
    assert schema["$defs"].keys() == {"Filter", "Range"}
    under = {"type": "string", "format": "path"}
    assert schema["$defs"]["Filter"]["properties"]["under"] == under
    assert schema["$defs"]["Range"]["properties"]["low"] == {"type": "integer", "minimum": 0}


def test_description_is_the_docstring() -> None:
    assert register(nested).description == "Walk.\n\nIn two paragraphs."
    assert register(plain).description == ""


def test_validated_parameters_are_filled_in_and_typed() -> None:
    raw, values = register(nested).validate(b'{"filter":{"glob":"*"}}')
    assert values == {"filter": Filter("*"), "range": Range(1, 10), "more": []}
    assert msgspec.json.decode(raw) == {
        "filter": {"glob": "*", "under": "."},
        "range": {"low": 1, "high": 10},
        "more": [],
    }


def test_a_default_is_not_shared_between_operations() -> None:
    kind = register(nested)
    _, first = kind.validate(b'{"filter":{"glob":"*"}}')
    _, second = kind.validate(b'{"filter":{"glob":"*"}}')
    assert first["more"] is not second["more"]


class Worker:
    def work(self, report: Reporter, x: Path) -> None: ...

    async def __call__(self, report: Reporter, x: Path) -> None: ...


async def coroutine(report: Reporter, x: Path) -> None: ...


@pytest.mark.parametrize(
    ("function", "is_async"),
    [
        (path, False),
        (coroutine, True),
        (Worker().work, False),
        (Worker(), True),
        (partial(path), False),
        (partial(coroutine), True),
        (lambda report, x: None, False),
    ],
)
def test_any_callable_can_be_one(function: Function, is_async: bool) -> None:
    kind = register(function, "some")
    assert (kind.name, kind.is_async) == ("some", is_async)
    assert wire(kind)["required"] == ["x"]


def test_result_type_that_only_type_checkers_know() -> None:
    def typed(report: Reporter, x: int) -> OnlyForTypeCheckers:
        raise NotImplementedError

    assert wire(register(typed))["required"] == ["x"]


# What cannot be one


def nothing() -> None: ...
def rest(report: Reporter, *paths: Path) -> None: ...
def options(report: Reporter, **options: int) -> None: ...
def only_keyword(*, report: Reporter) -> None: ...
def no_json(report: Reporter, x: complex) -> None: ...
def callback(report: Reporter, x: Callable[[], int]) -> None: ...
def two_customs(report: Reporter, x: Path | IPv4Address) -> None: ...
def unsafe_default(report: Reporter, x: list[int] = [1]) -> None: ...  # noqa: B006
def unknown(report: Reporter, x: OnlyForTypeCheckers) -> None: ...


def generator(report: Reporter) -> Iterator[int]:
    yield 1


async def async_generator(report: Reporter) -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (nothing, "^nothing: its first parameter has to be the reporter$"),
        (only_keyword, "^only_keyword: .*reporter"),
        (rest, "^rest: .*paths.* has to be a named parameter"),
        (options, "^options: .*options.* has to be a named parameter"),
        (no_json, r"(?s)^no_json: .*complex"),
        (callback, r"(?s)^callback: .*Callable"),
        (two_customs, "^two_customs: .*union"),
        (unsafe_default, r"^unsafe_default: .*\[1\]"),
        (unknown, "^unknown: .*OnlyForTypeCheckers"),
        (generator, "^generator: "),
        (async_generator, "^async_generator: "),
        (lambda report: None, "'<lambda>' cannot name a kind"),
    ],
)
def test_function_that_cannot_be_one(function: Function, match: str) -> None:
    with pytest.raises(KindError, match=match):
        register(function)


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a/b", ".hidden", "-x", "é", "a" * 65, "a\n", "../x", "{id}"]
)
def test_name_that_cannot_be(name: str) -> None:
    with pytest.raises(KindError, match="cannot name a kind"):
        register(partial(plain), name)


@pytest.mark.parametrize("name", ["a", "_", "a-b.c_d", "9", "A" * 64])
def test_name_that_can_be(name: str) -> None:
    assert register(plain, name).name == name


@pytest.mark.parametrize(
    ("bound", "bounds"),
    [
        ("limit", Bounds(limit=0)),
        ("limit", Bounds(limit=-1)),
        ("timeout", Bounds(timeout=0)),
        ("timeout", Bounds(timeout=-0.5)),
        ("timeout", Bounds(timeout=float("nan"))),
        ("stall", Bounds(stall=0)),
    ],
)
def test_bound_that_cannot_be(bound: str, bounds: Bounds) -> None:
    with pytest.raises(KindError, match=f"^plain: {bound} has to be above 0"):
        register(plain, bounds=bounds)


def test_name_that_is_taken() -> None:
    kinds = Kinds()
    kinds.register(plain, None, Bounds())
    with pytest.raises(KindError, match=r"'plain'.*name="):
        kinds.register(default, "plain", Bounds())
    assert kinds["plain"].function is plain
    assert [kind.name for kind in kinds] == ["plain"]


def test_unknown_kind_says_which_there_are() -> None:
    kinds = Kinds()
    with pytest.raises(UnknownKind, match="none yet"):
        kinds["copy"]
    kinds.register(plain, None, Bounds())
    kinds.register(path, None, Bounds())
    with pytest.raises(UnknownKind, match="there is no kind 'copy'; there are: path, plain"):
        kinds["copy"]


def wire(kind: Kind) -> Any:
    """Return the schema as a client reads it."""
    return msgspec.json.decode(msgspec.json.encode(kind.schema))
