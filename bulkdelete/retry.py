"""When an attempt is made again, and how long to wait before. The only user of tenacity.

Full jitter (a random wait between 0 and an exponentially growing bound) is the form that clears contention soonest:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/. tenacity is entered only after a first
attempt failed, with a fresh object each time: one ``AsyncRetrying`` shared by tasks counts their attempts together.
"""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from bulkdelete.records import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkdelete.records import Verdict
    from bulkdelete.settings import RetrySettings

RETRIED: Final = frozenset({VerdictKind.RETRY, VerdictKind.UNKNOWN})
ATTEMPTS_AT_UNKNOWN: Final = 3
"""A code that nobody knows is tried twice more."""
TOO_SLOW_AFTER: Final = 2
"""A batch whose answer did not come in time so often is too slow: sent again as it is, it would only add load."""


class Attempted(NamedTuple):
    """One attempt: its verdict, its request id, how long it was on the wire, and the answer's body.

    ``in_outage``: the server was taken to be down; ``alone``: nothing else was on the wire or waited to be.
    """

    verdict: Verdict
    request_id: str
    seconds: float
    answer: bytes = b""
    in_outage: bool = False
    alone: bool = True

    def __repr__(self) -> str:  # some servers echo the key
        return f"<Attempted {self.request_id}: {self.verdict}>"

    @property
    def counts(self) -> bool:
        """Whether it counts against its batch: not where the server said how long it is down.

        In an outage that it says nothing of, only what nobody else would have been sent for.
        """
        return not self.verdict.retry_after_seconds and (self.alone or not self.in_outage)


@dataclass(frozen=True, slots=True)
class Settled:
    """The last of *attempts* attempts. ``ambiguous``: one of the others, or this one unanswered, may have applied.

    ``too_slow``: the answer did not come in time again and again, and fewer records at once may be answered.
    """

    last: Attempted
    attempts: int
    ambiguous: bool
    too_slow: bool = False


class _AgainError(Exception):
    """An attempt that may be made again."""


class Retry:
    """The policy: how often, how long, and how long between. ``random`` gives numbers in [0, 1)."""

    def __init__(self, settings: RetrySettings, random: Callable[[], float] = random.random) -> None:
        self._settings = settings
        self._random = random

    async def until_settled(
        self,
        attempt: Callable[[], Awaitable[Attempted]],
        sleep: Callable[[float], Awaitable[None]],
        *,
        may_be_split: bool = False,
    ) -> Settled:
        """Call *attempt* until its verdict is final or the attempts or the time are used up.

        Time is what attempts and backoff took; what an attempt waited for its permit is not counted. An attempt made
        while the server was taken to be down uses none of them up, and the next one follows when it is let go. With
        *may_be_split* it ends early where answers do not come in time, be the server taken to be down or not. What
        *attempt* or *sleep* raise goes through.
        """
        first = await attempt()
        if first.verdict.kind not in RETRIED:
            return Settled(first, 1, first.verdict.ambiguous)
        return await self._again(first, attempt, sleep, may_be_split=may_be_split)

    async def _again(
        self,
        first: Attempted,
        attempt: Callable[[], Awaitable[Attempted]],
        sleep: Callable[[float], Awaitable[None]],
        *,
        may_be_split: bool,
    ) -> Settled:
        made: list[Attempted] = []

        async def step() -> None:
            made.append(await attempt() if made else first)
            if made[-1].verdict.kind in RETRIED:
                raise _AgainError

        def used_up(state: RetryCallState) -> bool:
            is_slow = may_be_split and _is_too_slow(made)
            return is_slow or self._used_up(made, state.idle_for + state.upcoming_sleep)

        def backoff_seconds(_: RetryCallState) -> float:
            return self._backoff_seconds(made)

        with contextlib.suppress(_AgainError):
            await AsyncRetrying(
                retry=retry_if_exception_type(_AgainError),
                wait=backoff_seconds,
                stop=used_up,
                sleep=sleep,
                reraise=True,
            )(step)
        too_slow = may_be_split and made[-1].verdict.timed_out and _is_too_slow(made)
        return Settled(made[-1], len(made), any(one.verdict.ambiguous for one in made), too_slow)

    def _backoff_seconds(self, made: list[Attempted]) -> float:
        settings = self._settings
        if not made[-1].counts:
            return 0.0
        bound = settings.first_backoff_seconds * 2.0 ** min(sum(one.counts for one in made) - 1, 60)
        return self._random() * min(bound, settings.max_backoff_seconds)

    def _used_up(self, made: list[Attempted], waited_seconds: float) -> bool:
        counted = [one for one in made if one.counts]
        unknown = sum(one.verdict.kind is VerdictKind.UNKNOWN for one in counted)
        most = self._settings.max_attempts
        spent = sum(one.seconds for one in counted) + waited_seconds
        return len(counted) >= most or unknown >= ATTEMPTS_AT_UNKNOWN or spent > self._settings.max_elapsed_seconds


def _is_too_slow(made: list[Attempted]) -> bool:
    last = made[-TOO_SLOW_AFTER:]  # also those made in an outage: it may be nothing but batches that are too slow
    return len(last) == TOO_SLOW_AFTER and all(one.verdict.timed_out for one in last)
