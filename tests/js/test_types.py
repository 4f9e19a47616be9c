"""What the compiler of TypeScript says of static/, of its .d.ts files and of the tests."""

from __future__ import annotations

import re

import pytest

from tests.js.tools import CLIENT, FOLDER, TOOLS, run

pytestmark = pytest.mark.timeout(60)  # the compiler reads all that a browser has

DECLARED = re.compile(r"^export (?:declare )?(?:class|function|const) (\w+)", re.MULTILINE)

NAMES = """
const { default: path } = await import("node:path");
console.log(Object.keys(await import(path.resolve(process.argv[1]))).sort().join(" "));
"""


@pytest.mark.parametrize(
    "project", ["tsconfig.json", "tsconfig.browser.json", "tsconfig.tests.json"]
)
def test_types(project: str) -> None:
    run(TOOLS / "tsc", "--pretty", "false", "--project", FOLDER / project)


def test_what_is_declared_is_there() -> None:
    declared = DECLARED.findall((CLIENT / "index.d.ts").read_text("utf-8"))
    names = run("node", "--input-type=module", "--eval", NAMES, CLIENT / "index.js")
    assert names.split() == sorted(declared)
