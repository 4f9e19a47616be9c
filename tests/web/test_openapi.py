"""`GET /kinds` and `GET /openapi.json`: what may be started, and how, for machines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest

from progress import Progress
from tests.support.web import finish, in_process

JSON = "application/json"


@pytest.fixture(scope="module")
def document(client: httpx2.Client) -> Any:
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == JSON
    return answer.json()


def kinds(client: httpx2.Client) -> dict[str, Any]:
    return {kind["kind"]: kind for kind in client.get("/kinds").json()["kinds"]}


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method not in ("parameters", "summary", "description", "servers"):
                yield path, method, operation


def references(node: object, base: object) -> Iterator[tuple[str, object]]:
    """Yield each `$ref` with the schema resource it is relative to (JSON Schema 2020-12 §8.2)."""
    if isinstance(node, dict):
        base = node if "$id" in node else base
        if isinstance(node.get("$ref"), str):
            yield node["$ref"], base
        for value in node.values():
            yield from references(value, base)
    elif isinstance(node, list):
        for value in node:
            yield from references(value, base)


def resolve(reference: str, base: Any) -> Any:
    assert reference.startswith("#/"), reference
    for part in reference[2:].split("/"):
        base = base[unquote(part).replace("~1", "/").replace("~0", "~")]
    return base


def test_kinds(client: httpx2.Client) -> None:
    found = kinds(client)
    assert {"count", "wait", "thread", "resize"} <= set(found)
    assert found["count"] == {
        "kind": "count",
        "description": "Count, and log each number.",
        "params": {
            "type": "object",
            "title": "count",
            "properties": {
                "to": {"type": "integer", "default": 3},
                "interval": {"type": "number", "default": 0.01},
            },
            "required": [],
            "additionalProperties": False,
        },
    }
    assert found["flood"]["params"]["required"] == ["lines"]


def test_kinds_with_rich_parameters(client: httpx2.Client) -> None:
    schema = kinds(client)["resize"]["params"]
    assert schema["required"] == ["files", "crop"]
    assert schema["properties"]["files"]["items"] == {"type": "string", "format": "path"}
    assert set(schema["properties"]["mode"]["enum"]) == {"fast", "fine"}
    crop = resolve(schema["properties"]["crop"]["$ref"], schema)
    assert crop["properties"]["width"] == {"type": "integer", "minimum": 1}
    assert crop["required"] == ["width"]
    assert [resolve(*found) for found in references(schema, schema)]


def test_shape(document: Any) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"]
    assert re.match(r"\d+\.\d+", document["info"]["version"])
    assert set(document) <= {"openapi", "info", "servers", "paths", "components", "tags"}
    assert document["servers"] == [{"url": "/"}]


def test_paths_are_the_routes(document: Any) -> None:
    routes = {str(getattr(route, "path", "")) for route in Progress().routes}
    assert set(document["paths"]) == {path.replace(":path}", "}") for path in routes}


def test_methods_are_those_allowed(client: httpx2.Client, document: Any) -> None:
    described: dict[str, set[str]] = {}
    for path, method, _ in operations(document):
        described.setdefault(path, set()).add(method.upper())
    for path, methods in described.items():
        allowed = set(client.options(re.sub(r"\{\w+\}", "x", path)).headers["allow"].split(", "))
        assert methods == allowed - {"HEAD", "OPTIONS", "COPY", "MOVE"}, path  # OpenAPI has no more


def test_every_operation_is_described(document: Any) -> None:
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["responses"], where
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|default", status), where
            assert response["description"], where
            for media_type, content in response.get("content", {}).items():
                assert re.fullmatch(r"\w+/[\w.+-]+", media_type), where
                assert isinstance(content["schema"], dict), where


def test_parameters(document: Any) -> None:
    for path, item in document["paths"].items():
        for method in set(item) - {"parameters"}:
            parameters = [*item.get("parameters", []), *item[method].get("parameters", [])]
            keys = [(parameter["in"], parameter["name"]) for parameter in parameters]
            assert len(set(keys)) == len(keys), path
            in_path = {name for place, name in keys if place == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path))
            for parameter in parameters:
                assert parameter["in"] in ("query", "header", "path")
                assert parameter["schema"]
                assert parameter.get("required", False) is (parameter["in"] == "path")


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/operations", {"state", "kind", "label", "limit", "page"}),
        ("/operations/{id}", {"If-None-Match", "Prefer"}),
        ("/operations/{id}/events", {"types", "after", "Last-Event-ID", "Prefer"}),
        ("/events", {"operation", "kind", "label", "types", "after", "Last-Event-ID", "Prefer"}),
    ],
)
def test_parameters_of_reading(document: Any, path: str, names: set[str]) -> None:
    found = document["paths"][path]["get"]["parameters"]
    assert {parameter["name"] for parameter in found} == names


def test_references_lead_somewhere(document: Any) -> None:
    found = list(references(document, document))
    assert len(found) > 10
    for reference, base in found:
        assert isinstance(resolve(reference, base), dict)


def test_start_describes_each_kind(client: httpx2.Client, document: Any) -> None:
    content = document["paths"]["/operations"]["post"]["requestBody"]["content"]
    assert list(content) == [JSON]
    start = resolve(content[JSON]["schema"]["$ref"], document)
    assert set(start["properties"]) == {"kind", "params", "labels", "webhook"}
    assert start["required"] == ["kind"]
    assert start["properties"]["kind"]["enum"] == list(kinds(client))
    titles = [schema["title"] for schema in start["properties"]["params"]["anyOf"]]
    assert titles == list(kinds(client))


def test_answers_are_what_is_described(client: httpx2.Client, document: Any) -> None:
    schema = document["paths"]["/operations/{id}"]["get"]["responses"]["200"]["content"][JSON]
    snapshot = resolve(schema["schema"]["$ref"], document)
    shown = finish(client, "count")
    assert set(snapshot["properties"]) | {"links"} == set(shown) | {"links"}
    assert set(snapshot["required"]) <= set(shown)
    problems = document["paths"]["/operations"]["post"]["responses"]["default"]["content"]
    assert list(problems) == ["application/problem+json"]


def test_reports_are_described(document: Any) -> None:
    post = document["paths"]["/operations/{id}/events"]["post"]
    [(media_type, content)] = post["requestBody"]["content"].items()
    assert media_type == "application/x-ndjson"
    line = resolve(content["schema"]["$ref"], document)
    assert line["discriminator"]["propertyName"] == "type"
    assert set(line["discriminator"]["mapping"]) == {
        *("progress", "step", "log", "output", "succeeded", "failed", "cancelled")
    }
    for one in line["anyOf"]:
        assert "type" in resolve(one["$ref"], document)["required"]
    answer = post["responses"]["200"]["content"][JSON]["schema"]["$ref"]
    assert set(resolve(answer, document)["required"]) == {"taken", "cursor", "cancel_requested"}


async def test_without_kinds_of_ones_own() -> None:
    async with in_process(Progress()) as client:
        [kind] = (await client.get("/kinds")).json()["kinds"]
        document = (await client.get("/openapi.json")).json()
    assert (kind["kind"], set(kind["params"]["properties"])) == ("external", {"label", "lease"})
    start = document["components"]["schemas"]["StartRequest"]["properties"]
    assert start["kind"]["enum"] == ["external"]
