"""When nobody waits any longer: an outage, or a pause, is longer than the settings allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkdelete.errors import OutageTooLong, PauseTooLong
from bulkdelete.quotas import WHILE_SAVING_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.limiter.steering import Steering
    from bulkdelete.settings import FlowSettings


class Patience:
    """How long who waits for a permit goes on waiting; *wall_clock* (Unix seconds) dates when to come back."""

    def __init__(self, settings: FlowSettings, wall_clock: Callable[[], float]) -> None:
        self._settings = settings
        self._wall_clock = wall_clock

    def problem(self, now: float, steering: Steering, quota_seconds: float, last_failure: str) -> Exception | None:
        """Return why nobody waits for *steering*, or *quota_seconds* for a quota; ``None`` where it is worth it."""
        most = self._settings.max_pause_seconds
        if steering.breaker.gave_up:
            what = "refusals" if steering.breaker.is_refusing else "failures"
            seconds = self._settings.max_outage_seconds
            named = f"; the last failure: {last_failure}" if last_failure else ""
            return OutageTooLong(f"nothing but {what} came back for {seconds:.0f} s (max_outage_seconds){named}")
        if self._settings.wait:
            return None
        since = steering.refused_since
        so_far = 0.0 if since is None else now - since
        asked = max(steering.pause_seconds(now), quota_seconds)
        if asked <= WHILE_SAVING_SECONDS or so_far + asked <= most:
            return None
        by_api = steering.pause_seconds(now) >= asked or not self._settings.quotas
        who = "the API asks for" if by_api else "the quota wants"
        after = f", after {so_far:.0f} s of pauses in a row" if so_far >= 1 else ""
        return PauseTooLong(
            f"{who} a pause of {asked:.0f} s{after}; max_pause_seconds is {most:.0f}", self._wall_clock() + asked
        )
