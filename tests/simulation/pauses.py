"""The pauses that answers ask a client for: whoever asks to send after one was heard waits until its end.

So does a later client with the same ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ROUNDING_SECONDS = 1e-5
KEPT_WITHIN_SECONDS = 3.0
"""So long after a pause was heard of it is on disk: a turn of the ledger's thread or two, as slow as they may be."""


@dataclass
class Pauses:
    """What was asked for, for all who share one limiter or one ledger; times are the world's."""

    until: float = 0.0
    """When the last of them ends, also of earlier clients."""
    _heard: list[tuple[float, float]] = field(default_factory=list)

    def ask(self, now: float, seconds: float) -> None:
        """Note that the client hears *now* that nobody is to send for so many *seconds*."""
        self.until = max(self.until, now + seconds)
        self._heard = [pause for pause in self._heard if pause[1] > now] + [(now, now + seconds)]

    def broken_by(self, began: float, now: float) -> str:
        """Return which pause a request breaks that arrives *now*, if any.

        It *began* when whoever sends it was let go. What had been let go by the time of the answer may still arrive.
        """
        for heard_at, until in self._heard:
            if heard_at < began and now < until - ROUNDING_SECONDS:
                return (
                    f"{began - heard_at:.6f} s after a pause was asked for, arrived {until - now:.6f} s before its end"
                )
        return ""

    def forget(self, since: float) -> None:
        """Note that no later client can know of what was heard *since* then: no ledger tells of it."""
        self._heard = [pause for pause in self._heard if pause[0] < since]
