"""What is gauged of a server: what came back lately, the share that fails anyway, and the latency without load."""

from __future__ import annotations

import math
from enum import Enum, auto
from typing import Final, NamedTuple

WINDOW_SECONDS: Final = 1.0
LONGEST_WINDOW_SECONDS: Final = 30.0
LEAST_LATENCY_SECONDS: Final = 0.001
"""The clock of some event loops, uvloop's among them, counts whole milliseconds."""
FEWEST_ANSWERS: Final = 5
ENOUGH_ANSWERS: Final = 20
FEWEST_FAILURES: Final = 4
REMEMBERED_ANSWERS: Final = 200.0
MOST_NOISE: Final = 0.5
NOISE_FOR_A_CUT: Final = 0.07
NOISE_FOR_GROWTH: Final = 0.035
DOUBT_OF_ONE: Final = 0.5
RISE: Final = math.log(1.05)
"""By how much the latency without load may rise at a time: what else makes it longer is another client, and jobs that
take each other's load for the server's own drive each other up."""
HARDLY_A_DOUBT: Final = 0.05
LITTLE_DOUBT: Final = 0.15
RISEN: Final = math.log(1.5)
USUAL: Final = 1.5
"""What is as much as so many standard deviations above the known share of failures is learnt from at any limit."""
FAR: Final = 0.4
TOLERANCE: Final = math.log(1.75)
"""Latency may be so many times that without load. A server whose latency grows as 1 + (n / capacity)^k does most when
it is k / (k - 1) times: 2 for a square, 1.5 for a cube."""
SCALE: Final = 0.3
SCALED_AT: Final = 24.0
FEWEST_SCALED: Final = 9.0
"""The tolerance is for a limit of 24, and shrinks with a root of it: the larger of two jobs gives way first, as in
Swift (G. Kumar et al., SIGCOMM 2020, "flow scaling")."""


class SampleKind(Enum):
    """What an attempt's end tells of the server's load."""

    SUCCESS = auto()
    REFUSED = auto()
    FAILED = auto()


class Sample(NamedTuple):
    """One attempt's end at *now*, sent at *sent_at* (seconds of one clock), *in_flight* with all others then."""

    now: float
    sent_at: float
    kind: SampleKind
    in_flight: int

    @property
    def log_of_latency(self) -> float:
        """The logarithm of how many seconds it took; what took less than a clock can tell took as long as that."""
        return math.log(max(self.now - self.sent_at, LEAST_LATENCY_SECONDS))


class Window:
    """What came back since the last judgement, of what was sent since the last change of the limit."""

    __slots__ = (
        "began",
        "busiest",
        "earliest_end",
        "failures",
        "latest_end",
        "logs",
        "needed",
        "slow_failures",
        "squares",
        "successes",
    )

    def __init__(self, now: float, limit: float) -> None:
        self.began = now
        self.earliest_end = now + WINDOW_SECONDS
        self.latest_end = now + LONGEST_WINDOW_SECONDS
        self.needed = max(FEWEST_ANSWERS, min(ENOUGH_ANSWERS, int(2 * limit)), int(limit))
        self.successes = 0
        self.failures = 0
        self.slow_failures = 0
        self.logs = 0.0
        self.squares = 0.0
        self.busiest = 0

    @property
    def answers(self) -> int:
        """How many came back."""
        return self.successes + self.failures

    def tells_enough(self, now: float) -> bool:
        """Whether enough came back, or it has lasted so long that what came back must do."""
        return self.successes + self.failures >= self.needed or now >= self.latest_end

    @property
    def prompt_failures(self) -> int:
        """How many failed without taking long: what takes long fails of overload, or of a timeout."""
        return self.failures - self.slow_failures


class Noise:
    """The share of attempts that fail whatever the load is; learnt where the load is light."""

    __slots__ = ("_failures", "_weight")

    def __init__(self) -> None:
        self._failures = 0.3
        self._weight = 10.0

    def learn(self, failures: int, answers: int) -> None:
        """Add what was seen; of what is older, no more than the last answers are kept."""
        kept = min(1.0, REMEMBERED_ANSWERS / (self._weight + answers))
        self._failures = (self._failures + failures) * kept
        self._weight = (self._weight + answers) * kept

    def forget(self, failures: int, answers: int) -> None:
        """Take what was seen for all that is known."""
        self._failures, self._weight = float(failures), float(answers)

    @property
    def share(self) -> float:
        """The share, within bounds."""
        return min(MOST_NOISE, max(0.01, self._failures / self._weight))

    def is_exceeded(self, failures: int, answers: int, deviations: float) -> bool:
        """Whether so many failures are more than noise, by so many standard *deviations* and a margin."""
        return (
            failures >= FEWEST_FAILURES
            and failures / answers > self.share + NOISE_FOR_A_CUT + deviations * self._deviation(answers)
        )

    def is_usual(self, failures: int, answers: int) -> bool:
        """Whether so many failures are what is known, or fewer."""
        return failures / answers <= self.share + USUAL * self._deviation(answers)

    def leaves_room(self, failures: int, answers: int) -> bool:
        """Whether so many failures may be noise alone."""
        return failures / answers <= self.share + NOISE_FOR_GROWTH + self._deviation(answers)

    def _deviation(self, answers: int) -> float:
        share = self.share
        return math.sqrt(share * (1 - share) * (1 / answers + 1 / self._weight) + 1 / self._weight**2)


class Latency:
    """Means of logarithms: a load makes all latencies so many times longer, and a few very long ones say little."""

    __slots__ = ("_before_rise", "base", "doubt", "last", "recent")

    def __init__(self) -> None:
        self.base = math.inf
        self.last = self.doubt = 0.0
        self.recent = math.inf
        self._before_rise = math.inf

    def take(self, window: Window) -> None:
        """Learn the latencies of *window*, which has successes."""
        successes = window.successes
        self.last = window.logs / successes
        variance = max(0.0, window.squares / successes - self.last**2)
        self.doubt = math.sqrt(variance / (successes - 1)) if successes > 1 else DOUBT_OF_ONE
        weight = 1.0 if math.isinf(self.recent) else successes / (successes + FEWEST_ANSWERS)
        self.recent = self.last if weight == 1.0 else self.recent + weight * (self.last - self.recent)

    def lower(self) -> None:
        """Take the latency of late for that without load where it is surely less: the least of many is too little."""
        self.base = min(self.base, self.recent + max(0.0, self.doubt - HARDLY_A_DOUBT))

    def rebase(self, at_most: float = math.inf) -> None:
        """Take the last window's for the latency without load, *at_most* so much more than it was."""
        self.recent = self.last
        self.lower()
        self.base = max(self.base, min(self.last, self.base + at_most))

    def give_way(self) -> None:
        """Take the last window's for the latency without load, a little of it: it may be another client's load."""
        self._before_rise = min(self._before_rise, self.base)
        self.rebase(at_most=RISE)

    def take_back_the_rise(self, tolerated: float) -> None:
        """Go back to what was known before, if the latency of late is *tolerated* by it: so another client it was."""
        if self.recent - self._before_rise <= tolerated:
            self.base = min(self.base, self._before_rise)
            self._before_rise = math.inf

    @property
    def seconds(self) -> float:
        """The latency of late; 0 where none is known."""
        return 0.0 if math.isinf(self.recent) else math.exp(self.recent)

    @property
    def rise(self) -> float:
        """The logarithm of how many times the last window's latency is that without load."""
        return self.last - self.base if math.isfinite(self.base) else 0.0

    @property
    def has_risen(self) -> bool:
        """Whether it is half as long again as without load: of late, or in a last window that leaves little doubt."""
        return self.excess > RISEN or (self.doubt < LITTLE_DOUBT and self.rise > RISEN)

    @property
    def sure_excess(self) -> float:
        """:attr:`excess`, less what may be chance where answers are few or scatter widely."""
        return self.excess if self.doubt < LITTLE_DOUBT else self.excess - self.doubt

    @property
    def excess(self) -> float:
        """The logarithm of how many times the latency is that without load."""
        return self.recent - self.base if math.isfinite(self.base) else 0.0


class Trial:
    """Cuts in a row: from which limit, and what was seen before they went far enough to help."""

    __slots__ = ("latency", "limit", "share")

    def __init__(self, limit: float, latency: float) -> None:
        self.limit = limit
        self.latency = latency
        self.share = 0.0

    def has_gone_far(self, limit: float) -> bool:
        """Whether *limit* is so far down that a server's overload would have eased."""
        return limit <= FAR * self.limit


def tolerance(limit: float) -> float:
    """Return the logarithm of how many times the latency may be that without load, at *limit* in flight."""
    return TOLERANCE + SCALE * math.log(SCALED_AT / max(limit, FEWEST_SCALED))
