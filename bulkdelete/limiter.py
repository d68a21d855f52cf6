"""How many attempts may be in flight, and the one pause that everybody keeps."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from bulkdelete.errors import PauseTooLong

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.settings import FlowSettings
    from bulkdelete.stopping import Stop

_log = logging.getLogger(__name__)
FIRST_PAUSE_SECONDS: Final = 1.0
"""The pause when the API says "too many requests" without saying for how long; doubled while it goes on saying so."""
MOST_PAUSE_SECONDS: Final = 60.0
"""The longest of those: the API counts requests by the minute."""


class Limiter:
    """A fixed number of permits, one for each attempt in flight, and one pause shared by all who use them.

    Times are the event loop's; *wall_clock* (Unix seconds) only dates :class:`PauseTooLong`.
    """

    def __init__(self, settings: FlowSettings, wall_clock: Callable[[], float] = time.time) -> None:
        self._permits = asyncio.Semaphore(settings.permits)
        self._max_pause_seconds = settings.max_pause_seconds
        self._wall_clock = wall_clock
        self._paused_until = float("-inf")
        self._pause_began = float("-inf")
        self._is_paused = False
        self._streak_began: float | None = None
        self._next_pause_seconds = FIRST_PAUSE_SECONDS
        self.in_flight = 0
        """Attempts on the wire now."""

    @property
    def pause_seconds(self) -> float:
        """How long nobody sends, from now on; 0 without a pause."""
        return max(0.0, self._paused_until - asyncio.get_running_loop().time())

    def permit(self, stop: Stop) -> _Permit:
        """Hold one permit, taken in the order of asking and not during a pause: ``async with limiter.permit(stop):``.

        Raises:
            PauseTooLong: the pause is longer than ``max_pause_seconds``.
            StopAsked: the job was asked to stop meanwhile.

        """
        return _Permit(self, stop)

    async def acquire(self, stop: Stop) -> None:
        """Take one permit; see :meth:`permit`."""
        while True:
            while self._is_paused and (seconds := self.pause_seconds) > 0:
                self._refuse_if_too_long(seconds)
                await stop.sleep(seconds)
            self._is_paused = False
            await self._permits.acquire()
            if stop.asked or self._is_paused:
                self._permits.release()
                stop.check()
                continue
            self.in_flight += 1
            return

    def release(self) -> None:
        """Give one permit back."""
        self.in_flight -= 1
        self._permits.release()

    def pause(self, seconds: float | None, sent_at: float) -> None:
        """Let nobody send for *seconds* from now on; ``None``, or 0, where the API did not say how long.

        *sent_at* is the loop's time at which the refused attempt began: answers to attempts from before the pause
        tell of the same pause and do not lengthen the next one.
        """
        now = asyncio.get_running_loop().time()
        if not seconds:
            if sent_at < self._pause_began:
                return
            seconds = self._next_pause_seconds
            self._next_pause_seconds = min(2 * seconds, MOST_PAUSE_SECONDS)
        if self._streak_began is None:
            self._streak_began = now
        if not self._is_paused:
            _log.warning("the API asks for a pause: nothing is sent for %.1f s", seconds)
        self._pause_began = now
        self._paused_until = max(self._paused_until, now + seconds)
        self._is_paused = True

    def answered(self) -> None:
        """Take note of an answer that was no refusal: the API takes requests again."""
        self._streak_began = None
        self._next_pause_seconds = FIRST_PAUSE_SECONDS

    def _refuse_if_too_long(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        so_far = 0.0 if self._streak_began is None else now - self._streak_began
        if so_far + seconds > self._max_pause_seconds:
            raise PauseTooLong(
                f"the API asks for a pause of {seconds:.0f} s, after {so_far:.0f} s of pauses in a row; "
                f"max_pause_seconds is {self._max_pause_seconds:.0f}",
                self._wall_clock() + seconds,
            )


class _Permit:
    """One permit, held while entered; a class, because a generator per attempt costs three times as much."""

    __slots__ = ("_limiter", "_stop")

    def __init__(self, limiter: Limiter, stop: Stop) -> None:
        self._limiter = limiter
        self._stop = stop

    async def __aenter__(self) -> None:
        await self._limiter.acquire(self._stop)

    async def __aexit__(self, *exception: object) -> None:
        self._limiter.release()
