"""Who may send next, and when: all who share the limiter wait in line for what :class:`Steering` decides."""

from __future__ import annotations

import asyncio
import math
import random
import time
from typing import TYPE_CHECKING

from bulkdelete.forecasting import seconds_until_done
from bulkdelete.hub import Hub
from bulkdelete.limiter.adapting import Adaptive
from bulkdelete.limiter.changes import Changes
from bulkdelete.limiter.fixed import Fixed
from bulkdelete.limiter.keepers import Keepers
from bulkdelete.limiter.kept import LEAST_WAIT_SECONDS, QuotaDoor, number
from bulkdelete.limiter.lines import Lines, Waiter
from bulkdelete.limiter.patience import Patience
from bulkdelete.limiter.permits import Permit, Turns
from bulkdelete.limiter.steering import Steering
from bulkdelete.quotas import Quotas

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkdelete.limiter.gauging import SampleKind
    from bulkdelete.limiter.keepers import Keeper
    from bulkdelete.limiter.lines import Line
    from bulkdelete.quotas import Told
    from bulkdelete.settings import FlowSettings
    from bulkdelete.stopping import Stop


class Limiter:
    """Admits attempts, those of several calls by turns, and retries in a line of their own. Times are the event loop's.

    *wall_clock* (Unix seconds) dates what outlives the process; *random_number* gives numbers in [0, 1). What changes
    is told to *hub*.
    """

    def __init__(
        self,
        settings: FlowSettings,
        wall_clock: Callable[[], float] = time.time,
        random_number: Callable[[], float] = random.random,
        hub: Hub | None = None,
    ) -> None:
        self._settings = settings
        self._wall_clock = wall_clock
        self._patience = Patience(settings, wall_clock)
        self._random = random_number
        self._quota = QuotaDoor(Quotas(settings.quotas, None), wall_clock)
        self._steering = self._steering_from(None)
        self._changes = Changes(Hub() if hub is None else hub, self.limit)
        self._lines: Lines[Permit] = Lines()
        self._turns = Turns(self._let_go)
        self._timer: asyncio.TimerHandle | None = None
        self._left_at = 0.0
        """When somebody gave a permit back, or left without one, last."""
        self._last_failure = ""
        self._is_fresh = True
        self._keepers = Keepers(settings, self._quota, self._idle_seconds, self._let_go)

    @property
    def in_flight(self) -> int:
        """Attempts on the wire now."""
        return self._steering.in_flight

    @property
    def limit(self) -> int:
        """How many attempts may be on the wire."""
        return self._steering.limit

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._lines)

    @property
    def pause_seconds(self) -> float:
        """How long nobody sends because the API or a quota wants it so, from now on; 0 without a pause."""
        now = asyncio.get_running_loop().time()
        return max(self._steering.pause_seconds(now), self._quota.wait_seconds(now))

    @property
    def state(self) -> str:
        """What limits the job now: ``server``, ``pause``, ``quota``, ``outage`` or ``retries``."""
        state = self._steering.state(asyncio.get_running_loop().time())
        return "pause" if state == "quota" and not self.has_quotas else state  # the API told of it

    def quota_seconds(self, requests: int) -> float:
        """Return how long so many *requests* take at least by the quotas, our own and those that the API told of."""
        now = self._quota.moment(asyncio.get_running_loop().time())
        return seconds_until_done(requests, self._settings.quotas, self._quota.quotas, now)

    async def acquire(self, stop: Stop, *, retry: bool = False, size: int = 0) -> Permit:
        """Return a permit; *retry*: an attempt for the same records failed before.

        Calls, told apart by whose *stop* it is, take turns; one call gets its permits in the order of asking. In
        an outage, small requests, of *size* bytes, get their turn too.

        Raises:
            PauseTooLong: the pause is longer than ``max_pause_seconds``.
            OutageTooLong: nothing but failures came back for ``max_outage_seconds``.
            StopAsked: the job was asked to stop meanwhile.

        """
        stop.check()
        self._is_fresh = False
        if not self._lines and (permit := self._at_once(retry=retry)):
            return permit
        mine: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        waiter = Waiter(mine, stop.whose, size, retry)
        if self._lines.add(waiter):  # else those before it could not go either
            self._let_go()
        if not mine.done():
            stop.wake(mine)
        try:
            permit = await mine
        except BaseException:
            if mine.done() and not mine.cancelled() and mine.exception() is None:
                self.abandon(mine.result())
            else:
                self._lines.leave(waiter)
                self._left_at = asyncio.get_running_loop().time()
            raise
        finally:
            stop.forget(mine)
            mine.cancel()
            del mine, waiter  # or it and the traceback of what it raises would keep each other in memory
        try:
            stop.check()
        except Exception:  # it was asked after the permit was given
            self.abandon(permit, left=False)
            raise
        return permit

    def answered(
        self, permit: Permit, kind: SampleKind | None, pause_seconds: float | None = None, failure: str = ""
    ) -> None:
        """Give *permit* back: its attempt ended as *kind* says; the API asks everybody to wait *pause_seconds*.

        *failure* says in words, which name no ids, what went wrong, if anything did.
        """
        self._left_at = now = asyncio.get_running_loop().time()
        self._last_failure = failure or self._last_failure
        self._steering.answered(now, permit.sent_at, kind, pause_seconds)
        self._changes.answered(now, self._steering, self._last_failure)
        if pause := self._steering.pause_seconds(now):
            self._quota.paused_for(pause, now)
            self._keepers.wake()
        self._gave_back(now)

    def left(self, permit: Permit) -> None:
        """Take note that the attempt of *permit* leaves now: until then its quotas count it, whatever the time."""
        if self._quota.quotas.is_leaving(permit.number):
            self._quota.quotas.left(permit.number, self._quota.moment(asyncio.get_running_loop().time()))
            self._keepers.wake()

    def heard(self, permit: Permit, told: Told | None, *, left: bool = True) -> None:
        """Take note, before *permit* is given back, of what the answer's headers say of the API's limits, if anything.

        Unless it *left*, the API has certainly not counted the request.
        """
        self.left(permit)
        now = asyncio.get_running_loop().time()
        self._quota.quotas.ended(permit.number, told, self._quota.moment(now), left=left)

    def abandon(self, permit: Permit, *, left: bool = True) -> None:
        """Give *permit* back: its attempt was cancelled, and tells nothing; or it certainly never *left*."""
        self.heard(permit, None, left=left)
        self._steering.abandoned(permit.sent_at)
        self._left_at = now = asyncio.get_running_loop().time()
        self._gave_back(now)

    def take_over(self, limit: str | None, spent: str | None, *, heeds_told: bool = True) -> Keeper:
        """Begin where an earlier process was, which kept its *limit* and what it had *spent* of its quotas.

        From then on little leaves that the keeper which is returned was not told to be kept, until it ends. A limiter
        that was used already knows a better limit; what was spent counts in any case. Without *heeds_told* what the
        API told that process of its limits is forgotten.
        """
        keeper = self._keepers.open(spent, heeds_told=heeds_told)
        if self._is_fresh and limit is not None:
            self._steering = self._steering_from(number(limit))
            self._changes.limit_is(self.limit)
        return keeper

    @property
    def last_good_limit(self) -> float:
        """Where a resume may start."""
        return self._steering.snapshot()

    @property
    def has_quotas(self) -> bool:
        """Whether there are quotas of our own to keep to."""
        return self._keepers.has_quotas

    def _steering_from(self, start: float | None) -> Steering:
        settings = self._settings
        limit = (
            Adaptive(
                floor=settings.min_concurrency,
                ceiling=settings.max_concurrency,
                start=start,
                random=self._random,
                wall_clock=self._wall_clock,
            )
            if settings.concurrency == "adaptive"
            else Fixed(settings.concurrency)
        )
        return Steering(
            limit,
            random=self._random,
            quota=self._quota,
            max_outage_seconds=settings.max_outage_seconds,
            waits=settings.wait,
        )

    def _gave_back(self, now: float) -> None:
        if not self._steering.in_flight:
            self._keepers.nothing_is_in_flight(now)
        self._let_go()

    def _idle_seconds(self, now: float) -> float:
        return self._steering.idle_seconds(now)

    def _at_once(self, *, retry: bool) -> Permit | None:
        """Return a permit where nobody need wait for one, or ``None``."""
        now = asyncio.get_running_loop().time()
        if not (self._steering.in_flight or retry):  # a retry was waiting for its time
            self._steering.was_idle(now, now - self._left_at)
        if self._turns.are_given or self._steering.breaker.is_open or self._steering.may_send(now, retry=retry) > 0:
            return None
        self._turns.give()
        return Permit(now, self._quota.number, in_outage=False, alone=self.in_flight == 1)

    def _let_go(self) -> None:
        """Give permits to all who may have one, and look again when the next may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._lines:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        wait = min(self._serve(now, self._lines.retries), self._serve(now, self._lines.firsts))
        if wait < math.inf:
            quota_seconds = self._quota.wait_seconds(now)
            if problem := self._patience.problem(now, self._steering, quota_seconds, self._last_failure):
                self._lines.refuse(problem)
                self._left_at = now
            elif self._changes.hub:
                self._changes.quota_wants(now, quota_seconds)
            self._timer = loop.call_later(max(wait, LEAST_WAIT_SECONDS), self._let_go)

    def _serve(self, now: float, line: Line[Permit]) -> float:
        """Serve *line* as far as it goes; return after how long its first may be served, infinity if nobody knows."""
        in_outage = self._steering.breaker.is_open
        while waiter := self._lines.probe() if in_outage else line.head():
            if self._turns.are_given:
                break
            wait = self._steering.may_send(now, retry=waiter.retry)
            if wait > 0:
                return wait
            self._turns.give()
            self._lines.take(waiter, as_probe=in_outage)
            alone = self.in_flight == 1 and not self._lines.has_any
            waiter.turn.set_result(Permit(now, self._quota.number, in_outage, alone))
        return math.inf
