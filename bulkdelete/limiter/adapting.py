"""How many attempts may be in flight, found by itself: no number of anybody's has to be known.

Additive increase and multiplicative decrease (D.-M. Chiu, R. Jain, 1989), judged by windows, as Vector's adaptive
concurrency does (https://vector.dev/blog/adaptive-request-concurrency/), and told by three things: refusals; failures
beyond the share that the server fails whatever is asked of it; and latency beyond what it is without load. That latency
is a minimum that is measured anew now and then at a quarter of the limit, by all jobs at the same moment: a baseline
that follows the load absorbs an overload in a job of hours, and one that takes another job's load for the server's own
slowness takes that job's share. A cut must help: where failures or latency stay as they were with far less in flight,
they are the server's own, and the limit comes back.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from bulkdelete.limiter import gauging
from bulkdelete.limiter.gauging import Latency, Noise, Sample, SampleKind, Trial, Window, tolerance
from bulkdelete.limiter.looking import FEW, REGAINING, REGAINING_FEW, REGAINING_REFUSED, REGAINING_SLOW, Ground, Looks

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Adaptive", "Sample", "SampleKind"]

CUT: Final = 0.88
DEEPEST_CUT: Final = 0.7
ROOM: Final = math.log(0.91)
CAREFUL_FROM: Final = 8.0
RESTORED: Final = 0.9
STILL_AS_MANY: Final = 0.6
STILL_AS_SLOW: Final = math.log(0.85)
SLOWER: Final = math.log(1.1)
EARLY: Final = 5.0
IN_TIME: Final = 3.0
"""So many standard deviations make failures an overload: before a window's end, where one looks often, and at it."""
HURRIED_LIMIT: Final = 4
RISE_SECONDS: Final = 7.0
"""How often the latency without load may rise where cuts do not help."""
FAR_TOO_SLOW: Final = math.log(4.0)
"""No other client makes a latency so many times longer for long; where cuts do not help, it is the server's own."""
HELD: Final = 3
"""After so many windows with too many failures to grow and too few to cut, a look shows which of them are noise."""


class Adaptive:
    """The limit of attempts in flight, from *floor* to *ceiling*; fed with every attempt's end that tells of load.

    Without *start* it begins at the floor and doubles; *start* is where an earlier run's :meth:`snapshot` was.
    *random* gives numbers in [0, 1), *wall_clock* Unix seconds.
    """

    def __init__(
        self,
        *,
        floor: int = 1,
        ceiling: int = 64,
        start: float | None = None,
        random: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._floor, self._ceiling = float(floor), float(ceiling)
        self._random = random
        self._limit = self._bounded(self._floor if start is None else start)
        self._good = self._limit
        self._climbing_to = self._ceiling if start is None else 0.0
        self._changed_at = -math.inf
        self._ground = Ground(self._limit)
        self._looks = Looks(wall_clock, is_due=start is not None)
        self._looking_from: float | None = None
        self._loaded = 0.0
        self._trial: Trial | None = None
        self._held = 0
        self._rise_at = -math.inf
        self._noise = Noise()
        self._latency = Latency()
        self._window = Window(-math.inf, self._limit)

    @property
    def limit(self) -> int:
        """How many attempts may be in flight."""
        return int(self._limit)

    def snapshot(self) -> float:
        """Return the last limit at which all was well."""
        return self._good

    def take(self, sample: Sample) -> None:
        """Learn from one attempt's end; one that was sent before the last change of the limit says nothing."""
        if sample.sent_at < self._changed_at:
            return
        now, kind = sample.now, sample.kind
        window = self._window
        if window.began == -math.inf:
            window = self._window = Window(sample.sent_at, self._limit)
            self._hurry()
        if kind is SampleKind.SUCCESS:
            window.successes += 1
            log = sample.log_of_latency
            window.logs += log
            window.squares += log * log
        elif kind is SampleKind.REFUSED:
            self._cut(CUT, REGAINING_REFUSED, now)
            return
        else:
            window.failures += 1
            if sample.log_of_latency > self._latency.base + 2 * gauging.TOLERANCE:
                window.slow_failures += 1
            if self._fails_early(window):
                self._failed(window, now)
                return
        if now >= self._looks.at and self._may_look() and self._looks.is_due(now, self._latency.seconds):
            self._look(now)
            return
        if sample.in_flight > window.busiest:  # noqa: PLR1730 - twice as fast as max(), on every attempt
            window.busiest = sample.in_flight
        if now >= window.earliest_end and window.tells_enough(now):
            self._judge(window, now)

    def start_over(self, now: float) -> None:
        """Begin again at a quarter of what was good, after an outage; fast, but not beyond it."""
        self._climbing_to = self._good
        self._trial = self._looking_from = None
        self._looks.begin_anew(now)
        self._change(self._good / 4, now)

    def _fails_early(self, window: Window) -> bool:
        trial, answers = self._trial, window.successes + window.failures
        if answers < gauging.ENOUGH_ANSWERS and trial is not None and trial.has_gone_far(self._limit):
            return False
        return self._noise.is_exceeded(window.failures, answers, EARLY)

    def _failed(self, window: Window, now: float) -> None:
        """Cut, unless less in flight has not helped: then so many fail whatever is asked of the server."""
        trial, share = self._trial, window.failures / window.answers
        if trial is None:
            trial = self._trial = Trial(self._limit, self._latency.last)
        if not trial.has_gone_far(self._limit):
            trial.share = max(trial.share, share)
        has_not_helped = trial.has_gone_far(self._limit) and share >= STILL_AS_MANY * trial.share
        may_be_noise = share <= gauging.MOST_NOISE and 2 * window.slow_failures <= window.failures
        if may_be_noise and (has_not_helped or self._limit <= self._floor):
            self._noise.forget(window.prompt_failures, window.answers)
            self._restore(now)
            return
        if self._limit <= self._floor:
            self._noise.learn(window.prompt_failures, window.answers)
            self._window = Window(now, self._limit)
            return
        self._cut(CUT, REGAINING, now)

    def _judge(self, window: Window, now: float) -> None:
        latency = self._latency
        if window.successes:
            latency.take(window)
        self._ground.answered(window.answers)
        if self._looking_from is not None:
            self._looked(window, now)
        elif self._noise.is_exceeded(window.failures, window.answers, IN_TIME):
            self._failed(window, now)
        elif latency.sure_excess > tolerance(self._limit):
            self._slow(now)
        else:
            self._well(window, now)

    def _slow(self, now: float) -> None:
        """Cut, unless less in flight has not helped: then the server has become slower by itself."""
        latency, trial = self._latency, self._trial
        if trial is not None and trial.has_gone_far(self._limit) and latency.last <= trial.latency + STILL_AS_SLOW:
            trial = None  # it has helped so far
        if trial is None:
            trial = self._trial = Trial(self._limit, latency.last)
            has_not_helped = self._limit <= self._floor
        else:
            has_not_helped = trial.has_gone_far(self._limit) or self._limit <= self._floor
            if has_not_helped and latency.last > latency.base + FAR_TOO_SLOW:
                latency.rebase()
                self._looks.begin_anew(now)
                self._restore(now)
                return
        if has_not_helped:
            self._give_way(now)
            return
        factor = max(DEEPEST_CUT, min(CUT, math.exp(tolerance(self._limit) - latency.excess)))
        latency.recent += math.log(factor)
        self._cut(factor, REGAINING_FEW if self._limit < FEW else REGAINING_SLOW, now)

    def _give_way(self, now: float) -> None:
        """Take the latency for the server's own, little by little: it may also be another client's load."""
        if now >= self._rise_at:
            self._latency.give_way()
            self._rise_at = now + RISE_SECONDS
        self._window = Window(now, self._limit)

    def _well(self, window: Window, now: float) -> None:
        latency, noise = self._latency, self._noise
        self._trial = None
        latency.take_back_the_rise(tolerance(self._limit) + ROOM)
        if latency.excess <= tolerance(self._limit) + ROOM:
            self._good = self._limit
        if window.successes:
            latency.lower()
        is_light = self._climbing_to or self._limit <= max(self._floor, 0.5 * self._ground.top)
        if is_light or noise.is_usual(window.failures, window.answers):
            noise.learn(window.prompt_failures, window.answers)
        self._held = 0 if noise.leaves_room(window.prompt_failures, window.answers) else self._held + 1
        if self._held >= HELD and self._may_look():
            self._look(now)
            self._window.needed = gauging.ENOUGH_ANSWERS
        elif window.busiest >= 0.8 * int(self._limit) and noise.leaves_room(window.failures, window.answers):
            self._grow(window, now)
        else:
            self._window = Window(now, self._limit)

    def _may_look(self) -> bool:
        idle = self._looking_from is None and self._trial is None
        return idle and not self._climbing_to and self._limit > self._floor

    def _look(self, now: float) -> None:
        """Go down to a quarter of the limit; what is sent while what was sent before still drains says little."""
        self._looking_from, self._loaded = self._limit, self._latency.recent
        self._change(self._limit / 4, now)
        self._changed_at = now + self._latency.seconds

    def _looked(self, window: Window, now: float) -> None:
        """Take what was measured at a quarter of the limit for the latency without load, and go back.

        Where it is as long as it was with four times as many, the server has become slower by itself. Else a rise may
        be another client's load, and little of it is taken at a time.
        """
        latency = self._latency
        self._looks.looked(now)
        if window.successes >= gauging.FEWEST_ANSWERS:
            is_own = latency.last - latency.doubt >= self._loaded + STILL_AS_SLOW
            if is_own and latency.excess > SLOWER:
                latency.rebase()
                self._looks.begin_anew(now)
            else:
                latency.rebase(at_most=gauging.RISE)
        if self._held:
            self._noise.forget(window.prompt_failures, window.answers)
        else:
            self._noise.learn(window.prompt_failures, window.answers)
        self._held = 0
        back, self._looking_from = self._looking_from, None
        self._change(back or self._limit, now)

    def _hurry(self) -> None:
        """At the first steps of the climb little depends on one window, and a slow server gives few answers."""
        if self._limit <= HURRIED_LIMIT:
            self._window.needed = int(self._limit)

    def _grow(self, window: Window, now: float) -> None:
        if self._climbing_to:
            if not self._latency.has_risen and self._limit < self._climbing_to:
                factor = 1.5 if self._limit >= CAREFUL_FROM and self._latency.seconds > 1 else 2.0
                self._change(min(factor * self._limit, self._climbing_to), now)
                self._hurry()
                return
            self._climbing_to = 0.0
            self._ground.top = self._limit
        elif self._ground.is_new(self._limit):
            self._climbing_to = self._ceiling
        if self._latency.excess > tolerance(self._limit) + ROOM:
            if self._limit <= self._floor:
                self._give_way(now)
            self._window = Window(now, self._limit)
            return
        seconds = (now - window.began) * (0.5 + self._random())  # not in step with other clients
        self._change(self._ground.grown(self._limit, seconds, self._latency.seconds), now)

    def _cut(self, factor: float, regaining: int, now: float) -> None:
        """Go down by *factor*, and by one attempt at the least; a look at the latency without load is over.

        The limit may come back after *regaining* answers; sooner where it was reached by doubling.
        """
        if self._looking_from is not None:
            self._limit, self._looking_from = self._looking_from, None
            self._looks.plan(now)
        self._ground.lost(self._limit, REGAINING_REFUSED if self._climbing_to else regaining)
        self._climbing_to = 0.0
        self._change(min(factor * self._limit, math.floor(self._limit) - 0.01), now)

    def _restore(self, now: float) -> None:
        """Take back the cuts that did not help."""
        before = 0.0 if self._trial is None else self._trial.limit
        self._trial = None
        self._ground.forget()
        self._change(max(self._limit, RESTORED * before), now)

    def _change(self, limit: float, now: float) -> None:
        limit = self._bounded(limit)
        if limit != self._limit:
            self._limit, self._changed_at = limit, now
        self._window = Window(now, limit)

    def _bounded(self, limit: float) -> float:
        return max(self._floor, min(limit, self._ceiling))
