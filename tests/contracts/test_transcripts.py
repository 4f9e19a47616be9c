"""The transcripts pass on WebSocket, too: the same messages in frames, cut anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from progress.core.frames import Frame, Joined, decode, encode
from tests.support.sockets import SocketReader
from tests.support.view import View

TRANSCRIPTS = sorted((Path(__file__).parents[1] / "transcripts").glob("*.json"))


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path, size: int) -> None:
    for case in json.loads(path.read_text()):
        frames = [Frame(decode(json.dumps(message).encode())) for _, message in case["messages"]]
        view = View()
        reader = SocketReader(view)
        reader.waiting.add("a subscription that some of it is the catch-up of")
        data = Joined(frames).websocket
        for start in range(0, len(data), size):
            reader.feed(data[start : start + size])
        held = {id: msgspec.json.decode(encode(found)) for id, found in view.snapshots.items()}
        assert held == case["held"], case["name"]
        lossless = [msgspec.json.decode(encode(event)) for event in view.lossless.values()]
        assert lossless == case["lossless"], case["name"]
