"""No text of a user's can end a line of the stream, forge an event, or change a field."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from progress.core.cursor import Cursor
from progress.core.event import (
    LogEvent,
    OperationProgress,
    OutputEvent,
    Problem,
    ProgressEvent,
    State,
    StateEvent,
    StepProgress,
    StepState,
)
from progress.core.frames import Bye, Frame, Gap, Message, Missed, Ping, decode, encode
from tests.support.sse import Parser

HOSTILE = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(["\r", "\n", "\r\n", "\0", "\ufeff", "\u2028", "id: 9-9", "data: x", "é"])
    ).map("".join),
)
CURSOR = Cursor(1_000, 42)


def messages(text: str) -> list[Message]:
    progress = OperationProgress(message=text, unit=text)
    step = StepProgress(
        id=text,
        parent=text,
        label=text,
        weight=1.0,
        state=StepState.RUNNING,
        completed=1.0,
        total=None,
        unit=text,
        fraction=None,
        message=text,
        rate=None,
        eta=None,
    )
    problem = Problem(type=text, title=text, detail=text)
    output = Raw(msgspec.json.encode({text: text}))
    return [
        LogEvent(cursor=CURSOR, operation=text, time=text, level="info", message=text, step=text),
        ProgressEvent(cursor=CURSOR, operation=text, time=text, progress=progress, step=step),
        OutputEvent(cursor=CURSOR, operation=text, time=text, data=output),
        StateEvent(cursor=CURSOR, operation=text, time=text, state=State.FAILED, error=problem),
        Gap(operation=text, reason="trimmed", missed=Missed(log=3)),
        Ping(cursor=CURSOR),
        Bye(reason="complete", reconnect=False),
    ]


@given(HOSTILE)
def test_one_message_is_one_event(text: str) -> None:
    for message in messages(text):
        frame = Frame(message)
        [event] = Parser().feed(frame.sse)
        assert event.type == frame.type
        assert event.last_event_id == ("" if isinstance(message, Gap | Bye) else str(CURSOR))
        assert decode(event.data.encode()) == message
        head, _, _ = frame.sse.partition(b"data: ")
        assert frame.sse.count(b"\n") == head.count(b"\n") + 2
        assert b"\r" not in frame.sse
        assert b"\0" not in frame.sse


@given(HOSTILE, st.data())
def test_events_arrive_however_the_bytes_are_cut(text: str, data: st.DataObject) -> None:
    stream = b"".join(Frame(message).sse for message in messages(text))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    parser, found = Parser(), 0
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += len(parser.feed(stream[start:end]))
    assert found == len(messages(text))


@pytest.mark.parametrize("raw", [b"{\n}", b"[1,\r2]", b"1\0"])
def test_raw_json_that_is_not_one_line_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="line break"):
        encode(OutputEvent(operation="o", time="t", data=Raw(raw)))


def test_a_frame_is_encoded_once() -> None:
    frame = Frame(Ping(cursor=CURSOR))
    assert frame.sse is frame.sse
    assert frame.sse == b'event: ping\nid: 1000-42\ndata: {"type":"ping","cursor":"1000-42"}\n\n'
