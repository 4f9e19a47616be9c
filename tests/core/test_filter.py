"""Filters: what is wanted, and who shares it."""

from __future__ import annotations

import gc
from weakref import ref

from progress.core.filter import EVERYTHING, Filter, shared


def test_state_events_are_always_wanted() -> None:
    assert Filter(types=frozenset({"log"})).types == {"log", "state"}


def test_equal_ones_are_one() -> None:
    """What a stream is shown of a turn is kept by the filter's identity."""
    ours = shared(Filter(kinds=frozenset({"copy"}), types=frozenset({"log"})))
    assert shared(Filter(kinds=frozenset({"copy"}), types=frozenset({"state", "log"}))) is ours
    assert shared(Filter(kinds=frozenset({"copy"}))) is not ours
    assert shared(Filter()) is EVERYTHING


def test_one_that_nobody_has_is_gone() -> None:
    """Clients choose them, so they must not pile up."""
    gone = ref(shared(Filter(labels=frozenset({("owner", "ada")}))))
    gc.collect()
    assert gone() is None
