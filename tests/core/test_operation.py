"""The state table, and the fold over transcripts that every client's fold has to pass too."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import msgspec
import pytest

from progress.core.cursor import Cursor
from progress.core.event import State, StateEvent
from progress.core.frames import decode, encode
from progress.core.operation import ENDED, TRANSITIONS, check, fold
from progress.errors import ReportError
from tests.support.snapshots import TIME, snapshot
from tests.support.sse import Dispatched
from tests.support.view import View

FIRST = Cursor(1, 1)
TRANSCRIPTS = sorted((Path(__file__).parents[1] / "transcripts").glob("*.json"))


def test_terminal_states() -> None:
    assert {"succeeded", "failed", "cancelled", "lost"} == ENDED


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_transitions(before: State, after: State) -> None:
    event = StateEvent(cursor=Cursor(1, 2), operation="o", time=TIME, state=after)
    if after in TRANSITIONS[before]:
        check(snapshot(state=before, cursor=FIRST), event)
        folded = fold(snapshot(state=before, cursor=FIRST), event)
        assert folded.state is after
        assert (folded.finished_at is not None) == (after in ENDED)
        assert folded.progress.position is None
    else:
        with pytest.raises(ReportError):
            check(snapshot(state=before, cursor=FIRST), event)


def test_first_event_says_the_state_that_it_is_in() -> None:
    event = StateEvent(cursor=Cursor(1, 1), operation="o", time=TIME, state=State.QUEUED)
    fresh = snapshot()
    check(fresh, event)
    assert fold(fresh, event).progress.position == 1


def test_a_reader_folds_what_is_left_to_it() -> None:
    """The `running` in between was trimmed: it goes from queued to cancelling."""
    event = StateEvent(cursor=Cursor(1, 9), operation="o", time=TIME, state=State.CANCELLING)
    assert fold(snapshot(cursor=FIRST), event).state is State.CANCELLING


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    """Messages in, what a client holds out: data, for clients in any language."""
    for case in json.loads(path.read_text()):
        view = View()
        for id, message in case["messages"]:
            view.take(Dispatched(message["type"], json.dumps(message), id))
        held = {id: msgspec.json.decode(encode(found)) for id, found in view.snapshots.items()}
        assert held == case["held"], case["name"]
        lossless = [msgspec.json.decode(encode(event)) for event in view.lossless.values()]
        assert lossless == case["lossless"], case["name"]


def test_there_are_transcripts() -> None:
    assert TRANSCRIPTS


def test_decoding_what_was_encoded() -> None:
    event = StateEvent(cursor=Cursor(1, 2), operation="o", time=TIME, state=State.RUNNING)
    assert decode(encode(event)) == event
