"""What changes of the flow, noticed, logged and told: the limit, pauses and outages."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Final

from bulkdelete.events import LimitChanged, OutageBegan, OutageEnded, PauseBegan
from bulkdelete.quotas import WHILE_SAVING_SECONDS

if TYPE_CHECKING:
    from typing import Literal

    from bulkdelete.hub import Hub
    from bulkdelete.limiter.steering import Steering

_log = logging.getLogger(__name__)
_OUTAGE: Final = "an outage begins: nothing but failures comes back"
_REFUSALS: Final = "the API refuses everything, and is asked now and then"
LEAST_LONGER_SECONDS: Final = 0.001
"""A pause that becomes longer by less is the same: sums of times round."""


class Changes:
    """Tells *hub* what changes; times are the event loop's."""

    def __init__(self, hub: Hub, limit: int) -> None:
        self.hub = hub
        self._limit = limit
        self._in_outage = False
        self._until: dict[str, float] = {}

    def limit_is(self, limit: int) -> None:
        """Take note of how many attempts may be on the wire."""
        if limit != self._limit:
            before, self._limit = self._limit, limit
            if self.hub:
                self.hub.tell(LimitChanged(limit, before))

    def answered(self, now: float, steering: Steering, failure: str) -> None:
        """Take note that *steering* has learned from an answer; the last *failure* was this one."""
        if steering.breaker.is_open is not self._in_outage:
            self._in_outage = steering.breaker.is_open
            self._tell_of_outage(steering, failure)
        if (pause := steering.pause_seconds(now)) > 0 and self._lasts_longer("api", now, pause):
            _log.warning("the API asks for a pause: nothing is sent for %.1f s", pause)
        self.limit_is(steering.limit)

    def quota_wants(self, now: float, seconds: float) -> None:
        """Take note that those who wait in line do so at least *seconds* because of a quota."""
        if seconds > WHILE_SAVING_SECONDS:
            self._lasts_longer("quota", now, seconds)

    def _tell_of_outage(self, steering: Steering, failure: str) -> None:
        if self._in_outage:
            what = _REFUSALS if steering.breaker.is_refusing else _OUTAGE
            _log.warning("%s%s", what, f"; the last failure: {failure}" if failure else "")
        if self.hub:
            self.hub.tell(OutageBegan(failure) if self._in_outage else OutageEnded())

    def _lasts_longer(self, by: Literal["api", "quota"], now: float, seconds: float) -> bool:
        """Tell where nobody sends for longer than was known; return whether a pause begins."""
        before = max(0.0, self._until.get(by, -math.inf) - now)
        if seconds <= before + LEAST_LONGER_SECONDS:
            return False
        self._until[by] = now + seconds
        if self.hub:
            self.hub.tell(PauseBegan(by, seconds, before))
        return before == 0
