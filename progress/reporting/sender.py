"""The thread that sends what is reported, whatever becomes of the server. The work never waits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from math import inf
from random import uniform
from threading import Event, Thread
from time import monotonic, sleep
from typing import NamedTuple

from .away import Away
from .posting import AwayFor, Gone, Place, Refused, Rejected, Started, Took

__all__ = ["Sender", "Subject"]

_logger = logging.getLogger("progress")

_PACE = 0.1
"""Seconds between two posts: who watches sees no more than that anyway."""

_BACKOFF = 0.5
_LONGEST_BACKOFF = 30.0
_LAST_BACKOFF = 1.0
"""Seconds, doubling, before the next try while the server is away; each waits a random part. The
last one is for when it is to come to its end."""


class Subject(NamedTuple):
    """What is started, where nothing is there yet."""

    label: str
    lease: float
    labels: Mapping[str, str]


class Sender(Thread):
    """Sends lines until the operation has ended, or for so long after that as it is given."""

    def __init__(
        self, away: Away, place: Place, subject: Subject, cancel: Callable[[], None]
    ) -> None:
        """`cancel` is called once, in this thread, when the operation is asked to stop."""
        super().__init__(name="progress reporting", daemon=True)
        self._away = away
        self._place = place
        self._subject = subject
        self._cancel = cancel
        self._is_ours = not place.id
        self._was_there = False
        self._has_refused = False
        self._failures = 0
        self._posted_at = -inf
        self._deadline: float | None = None
        self._closing = Event()

    def run(self) -> None:
        """Send what there is, and that it lives."""
        try:
            while not self._is_over():
                self._pause(self._go_on())
        finally:
            self._place.close()

    def close(self, within: float) -> None:
        """Wait until all is sent, but not for more seconds than that; say what was not taken."""
        if self._deadline is None:
            self._deadline = monotonic() + within
        self._closing.set()
        self._away.news.set()
        self.join(within + _PACE)
        self._away.give_up()
        if self._away.dropped:
            _logger.warning("%s has not taken %d reports", self._place.url, self._away.dropped)

    def _is_over(self) -> bool:
        if self._deadline is not None and monotonic() >= self._deadline:
            return True
        return self._away.is_done

    def _go_on(self) -> float:
        """Do one thing; return the seconds until the next one, if there is no news before."""
        if not self._place.id:
            return self._start()
        lines = self._away.batch()
        renewed = self._posted_at + self._subject.lease / 3
        if not lines and monotonic() < renewed:
            return renewed - monotonic()
        self._posted_at = monotonic()
        answer = self._place.report(lines)
        match answer:
            case Took(taken=taken, cancel_requested=cancel_requested):
                self._recovered()
                self._away.taken(taken)
                if cancel_requested and not self._away.stopping:
                    self._away.stop("cancelled")
                    self._cancel()
            case Refused(taken=taken, detail=detail):
                self._recovered()
                self._away.taken(taken)
                self._away.refused(detail)
                return self._refused(detail)
            case Gone(detail=detail) if self._is_ours:
                return self._start_over(detail)
            case Gone(detail=detail) | Rejected(detail=detail):
                return self._give_up(detail)
            case AwayFor():
                self._posted_at = -inf
                return self._back_off(answer)
        return self._subject.lease / 3

    def _start(self) -> float:
        match answer := self._place.start(*self._subject):
            case Started(id=id):  # it has recovered when it takes a report
                if self._was_there:
                    _logger.warning("it goes on as %s", self._place.url)
                self._was_there = True
                self._away.id = id
                return 0.0
            case Rejected(detail=detail) if self._was_there:
                return self._back_off(AwayFor(detail))
            case Rejected(detail=detail):
                return self._give_up(detail)
            case AwayFor():
                return self._back_off(answer)

    def _start_over(self, detail: str) -> float:
        """The server was restarted, perhaps, or has heard nothing for too long."""
        _logger.warning("%s is gone (%s): starting it again", self._place.url, detail)
        self._place.id = ""
        self._posted_at = -inf
        self._away.start_over()
        return self._back_off(None)

    def _refused(self, detail: str) -> float:
        """What was not taken is counted; the first one says why."""
        if not self._has_refused:
            _logger.warning("%s has not taken a report: %s", self._place.url, detail)
        self._has_refused = True
        return 0.0

    def _give_up(self, detail: str) -> float:
        _logger.warning("%s takes no reports: %s", self._place.url, detail)
        self._deadline = monotonic()
        return 0.0

    def _back_off(self, answer: AwayFor | None) -> float:
        if answer is not None and not self._failures:
            _logger.warning(
                "%s cannot be reported to (%s); the work goes on", self._place.url, answer.detail
            )
        window = min(_BACKOFF * 2**self._failures, _LONGEST_BACKOFF)
        self._failures = min(self._failures + 1, 10)
        seconds = max(uniform(0, window), 0.0 if answer is None else answer.seconds)
        self._sleep(seconds)
        return 0.0

    def _recovered(self) -> None:
        self._failures = 0

    def _pause(self, seconds: float) -> None:
        """Wait for news, but first a moment, so that there is more of it to send at once."""
        if not seconds:
            return
        self._closing.wait(_PACE)
        if self._away.is_quiet and not self._closing.is_set():
            self._away.news.wait(seconds)
            self._away.news.clear()

    def _sleep(self, seconds: float) -> None:
        """Wait, in any case; less where it is to come to its end: then each second counts."""
        if self._deadline is None:
            self._closing.wait(seconds)
        else:
            sleep(max(min(seconds, _LAST_BACKOFF, self._deadline - monotonic()), 0.0))
