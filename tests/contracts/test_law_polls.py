"""The law holds for who only ever polls: with `Prefer: wait`, and each time with its last id."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from progress.core.cursor import Cursor
from progress.core.journal import Journal
from progress.delivery.polling import Question
from tests.support.sinks import MemorySink, PollSink

from .test_law import Law

pytestmark = pytest.mark.slow("hundreds of random programs: 5 to 15 s, as the machine is")


class PollingLaw(Law):
    """Its clients wait for news, or for none."""

    def sink(self, room: int, journal: Journal | None, after: Cursor | None) -> MemorySink:
        return PollSink(room, Question(journal, after, None if room % 3 == 0 else 0.0))

    @rule(data=st.data())
    def time_is_over(self, data: st.DataObject) -> None:
        """It ends without news."""
        if connected := self._connected():
            client = data.draw(st.sampled_from(connected))
            client.sink.close("complete")
            client.take(len(client.sink.data), self.hub)


TestPollingLaw = PollingLaw.TestCase
TestPollingLaw.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
