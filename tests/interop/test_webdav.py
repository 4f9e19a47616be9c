"""cadaver and litmus (Debian has both) on the WebDAV example."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.examples.test_copy import assert_identical
from tests.support.webdav import many, operations, sharing

FILES = 300


def test_cadaver_copies_a_folder(tmp_path: Path) -> None:
    """It does not ask for interims and is sent them: it is known to skip them."""
    many(tmp_path / "share/photos", FILES)
    with sharing(tmp_path / "share", pause=0.01) as server:
        result = subprocess.run(
            ["cadaver", f"http://localhost:{server.port}/dav/"],
            input="set debug http\ncopy photos copied\nmove copied moved\nquit\n",
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": str(tmp_path)},  # where its settings would be
        )
        move, copy = operations(server)
    assert result.returncode == 0
    said = result.stdout + result.stderr
    answers = re.findall(r"< HTTP/1\.1 (.+)", said)
    before = answers[: answers.index("201 Created")]
    assert before.count("102 Processing") in (2, 3)
    assert f"location: /operations/{copy['id']}" in said
    assert "Copying `/dav/photos' to `/dav/copied'" in said
    assert len(re.findall(r"(?m)succeeded\.$", said)) == 2
    assert_identical(tmp_path / "share/photos", tmp_path / "share/moved")
    assert not (tmp_path / "share/copied").exists()
    assert [(o["kind"], o["state"]) for o in (copy, move)] == [
        ("copy", "succeeded"),
        ("move", "succeeded"),
    ]


@pytest.mark.parametrize("pause", [0, 0.2])
@pytest.mark.parametrize("suite", ["basic", "copymove"])
@pytest.mark.slow("pauses long enough for interims")
def test_litmus(tmp_path: Path, suite: str, pause: float) -> None:
    """Its tests pass, with interims in between or not."""
    (tmp_path / "share").mkdir()
    with sharing(tmp_path / "share", pause) as server:
        result = subprocess.run(
            ["litmus", "-k", f"http://localhost:{server.port}/dav/"],
            cwd=tmp_path,  # it leaves logs there
            env={**os.environ, "TESTS": suite},
            capture_output=True,
            text=True,
        )
    assert result.returncode == 0, result.stdout
    [(run, passed, failed)] = re.findall(
        r"of (\d+) tests run: (\d+) passed, (\d+) failed", result.stdout
    )
    assert int(run) == int(passed) > 10
    assert failed == "0"
    interims = (tmp_path / "debug.log").read_text(errors="replace").count("HTTP/1.1 102 ")
    assert bool(interims) == (suite == "copymove" and pause > 0)
