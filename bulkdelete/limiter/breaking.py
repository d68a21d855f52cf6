"""Many failures in a row open the breaker: then single probes, further and further apart, until one succeeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bulkdelete.limiter.gauging import SampleKind

if TYPE_CHECKING:
    from collections.abc import Callable

FEWEST_IN_A_ROW: Final = 5
MOST_IN_A_ROW: Final = 20
SILENCE_SECONDS: Final = 1.0
"""Failures open it only where nothing has succeeded for so long: of a flight, those beyond a capacity fail first."""
FIRST_PAUSE_SECONDS: Final = 1.0
MOST_PAUSE_SECONDS: Final = 60.0
SHARE_OF_OUTAGE: Final = 1 / 16
"""A pause is this share of the outage so far, and so what is waited beyond its end is in proportion to it."""


class Breaker:
    """Closed, it watches; open, it lets one probe at a time through.

    A probe is a real batch, for only that shows that batches are taken. Pauses begin at 1 s, grow up to 60 s, and
    are spread by a quarter each way, so that clients do not come back together. Who *waits* for as long as the server
    refuses leaves out of an outage the pauses that refusals ask for, and what lies between two of them: only a failure
    ends it. Times are seconds of one clock; *random* gives numbers in [0, 1).
    """

    def __init__(self, *, max_outage_seconds: float = 1800.0, waits: bool = False, random: Callable[[], float]) -> None:
        self._max_outage_seconds = max_outage_seconds
        self._waits = waits
        self._random = random
        self._in_a_row = 0
        self._first_failure_at = 0.0
        self._open_while_asked_since = 0.0
        self._answered_at = 0.0
        """When the last answer came, or the pause ends that a refusal asked for; idle time after it is added."""
        self._probe_at = 0.0
        self.open_since: float | None = None
        """When it opened; ``None`` while it is closed."""
        self.is_probing = False
        """Whether a probe is on the wire."""
        self.is_refusing = False
        """Whether the last that came back was a refusal."""
        self.gave_up = False
        """Whether the outage, idle time left out, is longer than ``max_outage_seconds``; the caller stops the job."""

    @property
    def is_open(self) -> bool:
        """Whether the server is taken to be down; what is sent now does not count against a batch."""
        return self.open_since is not None

    def take(self, kind: SampleKind, now: float, limit: int, *, is_told: bool = False) -> None:
        """Learn how an attempt ended, of *limit* that may be in flight; while it is open this ends the probe.

        *is_told*: the server itself said that it is down, and not many such failures are needed.
        """
        self.is_probing = False
        self.is_refusing = kind is SampleKind.REFUSED
        self._answered_at = max(self._answered_at, now)
        if kind is SampleKind.SUCCESS:
            self._in_a_row = 0
            self.open_since = None
            self.gave_up = False
        elif self.open_since is not None:
            if not (self._waits and self.is_refusing):
                self.gave_up = now - self._open_while_asked_since > self._max_outage_seconds
        else:
            self._count(now, 1 if is_told else max(FEWEST_IN_A_ROW, min(2 * limit, MOST_IN_A_ROW)))

    def refused(self, now: float, pause_seconds: float) -> None:
        """Take note that the server refuses, and lets nobody send for *pause_seconds*: it is there."""
        if self._waits:
            if not self.is_refusing:  # what was waited until now was for a failure
                self._answered_at = max(self._answered_at, now)
            until = max(self._answered_at, now + pause_seconds)
            self._open_while_asked_since += until - self._answered_at
            self._answered_at = until
        self.is_refusing = True

    def wait_seconds(self, now: float) -> float:
        """Return how long to wait before sending; 0 means now, and of a probe that none is on the wire."""
        if self.open_since is None:
            return 0.0
        return float("inf") if self.is_probing else max(0.0, self._probe_at - now)

    def begin_probe(self, now: float) -> None:
        """Take note that the probe leaves; the next pause runs from here, also while an answer is waited for."""
        self.is_probing = True
        self._pause(now)

    def end_probe(self) -> None:
        """Take note that the probe ended without telling anything: another may leave."""
        self.is_probing = False

    def was_idle(self, now: float, seconds: float) -> None:
        """Take note that for *seconds*, up to *now*, nobody wanted to send: nothing failed meanwhile.

        Nor did anything succeed, and so it does not shorten the silence that opens it.
        """
        uncounted = min(seconds, max(0.0, now - self._answered_at))
        self._open_while_asked_since += uncounted
        self._answered_at += uncounted
        latest = max(self._first_failure_at, now - SILENCE_SECONDS)
        self._first_failure_at = min(self._first_failure_at + seconds, latest)

    def _count(self, now: float, enough: int) -> None:
        if not self._in_a_row:
            self._first_failure_at = now
        self._in_a_row += 1
        if self._in_a_row >= enough and now - self._first_failure_at >= SILENCE_SECONDS:
            self.open_since, self._open_while_asked_since = now, self._answered_at
            self._pause(now)

    def _pause(self, now: float) -> None:
        outage_seconds = now - self._first_failure_at
        seconds = min(max(FIRST_PAUSE_SECONDS, SHARE_OF_OUTAGE * outage_seconds), MOST_PAUSE_SECONDS)
        self._probe_at = now + seconds * (0.75 + 0.5 * self._random())
