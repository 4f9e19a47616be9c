"""Of one turn: every lossless event, the newest progress of each step, and a bound."""

from __future__ import annotations

from msgspec.structs import replace

from progress.core.cursor import Cursor
from progress.core.event import Event, State
from progress.core.frames import Frame
from progress.core.turn import Turn
from tests.support.events import log, progress, state


def frames(*events: Event) -> list[Frame]:
    return [Frame(replace(event, cursor=Cursor(1, n))) for n, event in enumerate(events, 1)]


def left_of(given: list[Frame], room: int = 10_000) -> list[int] | None:
    turn = Turn(0, room)
    for frame in given:
        turn.add(frame)
    return None if turn.frames is None else [frame.n for frame in turn.frames]


def test_lossless_events_are_all_kept_in_order() -> None:
    given = frames(state("o", State.RUNNING), log("o", "a"), log("o", "a"), log("o", "b"))
    assert left_of(given) == [1, 2, 3, 4]


def test_the_newest_progress_of_each_step_is_kept_where_it_stands() -> None:
    given = frames(
        progress("o", 1), progress("o", 1, "a"), log("o", "x"), progress("o", 2), log("o", "y")
    )
    assert left_of(given) == [2, 3, 4, 5]


def test_no_step_is_taken_for_another_or_for_the_operation() -> None:
    given = frames(*(progress("o", 1, step) for step in (None, "", "a", "1", "o")))
    assert left_of(given) == [1, 2, 3, 4, 5]


def test_a_publisher_that_never_yields_is_not_too_much() -> None:
    given = frames(*(progress("o", n, "a") for n in range(10_000)))
    turn = Turn(0, 2_048)
    for frame in given:
        turn.add(frame)
    assert turn.frames is not None
    assert turn.frames[-1] is given[-1]
    assert len(turn.frames) <= 2


def test_beyond_its_room_there_is_nothing_and_nothing_follows() -> None:
    given = frames(*(log("o", "x" * 500) for _ in range(4)))
    size = sum(len(frame.json) for frame in given)
    assert left_of(given, size) == [1, 2, 3, 4]
    assert left_of(given, size - 1) is None
    assert left_of(frames(*(log("o", "x" * 500) for _ in range(4)), progress("o", 1)), 600) is None


def test_the_progress_of_many_steps_has_a_bound_too() -> None:
    given = frames(*(progress("o", 1, f"step {n}") for n in range(1_000)))
    assert left_of(given[:10], 65_536) == list(range(1, 11))
    assert left_of(given, 65_536) is None
