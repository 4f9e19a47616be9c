"""The parser that the tests read streams with, by the same data as the SDK's (tests/js)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.support.sse import Parser

CASES = msgspec.json.decode((Path(__file__).parents[1] / "js" / "sse-format.json").read_bytes())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000_000])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_format(case: dict[str, object], size: int) -> None:
    data = str(case["input"]).encode(str(case.get("encoding", "utf-8")))
    parser = Parser()
    events = [
        {"type": event.type, "data": event.data, "id": event.last_event_id}
        for start in range(0, len(data), size)
        for event in parser.feed(data[start : start + size])
    ]
    assert events == case["events"]
    assert parser.retry == case["retry"]
    assert parser.last_event_id == case["lastEventId"]
