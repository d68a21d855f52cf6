"""When an attempt is made again, how long after, and when no more."""

from __future__ import annotations

import asyncio
import random
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.records import Verdict, VerdictKind
from bulkdelete.retry import Attempted, Retry
from bulkdelete.settings import RetrySettings
from tests.virtual_time import run

pytestmark = pytest.mark.virtual_time

KIND = VerdictKind
FINAL = [kind for kind in VerdictKind if kind not in {KIND.RETRY, KIND.UNKNOWN}]


def now() -> float:
    return asyncio.get_running_loop().time()


class Calls:
    """Attempts that take *seconds* and end in *verdicts*, the last of them again and again."""

    def __init__(self, *verdicts, seconds: float = 0.0) -> None:
        self.verdicts = list(verdicts)
        self.seconds = seconds
        self.began: list[float] = []
        self.slept: list[float] = []

    async def make(self) -> Attempted:
        self.began.append(now())
        await asyncio.sleep(self.seconds)
        verdict = self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]
        if isinstance(verdict, BaseException):
            raise verdict
        if not isinstance(verdict, Verdict):
            verdict = Verdict(verdict, ambiguous=verdict in {KIND.RETRY, KIND.UNKNOWN})
        return Attempted(verdict, f"request {len(self.began)}", self.seconds)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(seconds)

    async def settle(self, *, jitter=random.random, **settings):
        return await Retry(RetrySettings(**settings), jitter).until_settled(self.make, self.sleep)


@pytest.mark.parametrize("failures", range(8))
async def test_an_attempt_that_fails_k_times_and_then_succeeds_is_settled_by_its_success(failures):
    calls = Calls(*[KIND.RETRY] * failures, KIND.ACKNOWLEDGED)
    settled = await calls.settle()
    assert settled.last.verdict.kind is KIND.ACKNOWLEDGED
    assert settled.last.request_id == f"request {failures + 1}"
    assert settled.attempts == len(calls.began) == failures + 1
    assert len(calls.slept) == failures
    assert settled.ambiguous == (failures > 0)


@pytest.mark.parametrize("most", [1, 2, 8, 30])
async def test_the_attempts_are_bounded(most):
    calls = Calls(KIND.RETRY)
    settled = await calls.settle(max_attempts=most, max_elapsed_seconds=1e9)
    assert settled.attempts == len(calls.began) == most
    assert settled.last.verdict.kind is KIND.RETRY
    assert len(calls.slept) == most - 1


@pytest.mark.parametrize("kind", FINAL)
async def test_what_is_final_is_never_tried_again(kind):
    for verdicts in ([kind], [KIND.RETRY, KIND.RETRY, kind]):
        calls = Calls(*verdicts)
        settled = await calls.settle()
        assert settled.last.verdict.kind is kind
        assert settled.attempts == len(calls.began) == len(verdicts)


async def test_an_answer_that_nobody_knows_is_tried_three_times():
    calls = Calls(KIND.UNKNOWN)
    assert (await calls.settle()).attempts == len(calls.began) == 3
    assert (await Calls(KIND.UNKNOWN).settle(max_attempts=2)).attempts == 2
    assert (await Calls(KIND.UNKNOWN, KIND.UNKNOWN, KIND.ACKNOWLEDGED).settle()).attempts == 3


@pytest.mark.parametrize("before", [0, 1, 3])
async def test_a_cancellation_goes_through_at_once(before):
    calls = Calls(*[KIND.RETRY] * before, asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await calls.settle()
    assert len(calls.began) == before + 1


async def test_a_cancellation_during_backoff_goes_through_at_once():
    calls = Calls(KIND.RETRY)
    task = asyncio.create_task(calls.settle(first_backoff_seconds=30, jitter=lambda: 0.9))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (len(calls.began), now()) == (1, 1)


@pytest.mark.parametrize("before", [0, 1, 3])
async def test_what_an_attempt_raises_goes_through_as_it_is(before):
    problem = LookupError("what went wrong")
    calls = Calls(*[KIND.RETRY] * before, problem)
    with pytest.raises(LookupError) as raised:
        await calls.settle()
    assert raised.value is problem
    assert len(calls.began) == before + 1


async def test_what_the_sleep_raises_goes_through_as_it_is():
    async def refuse(seconds: float) -> None:
        raise LookupError("asked to stop")

    calls = Calls(KIND.RETRY)
    with pytest.raises(LookupError, match="asked to stop"):
        await Retry(RetrySettings()).until_settled(calls.make, refuse)
    assert len(calls.began) == 1


async def test_concurrent_batches_do_not_count_each_other_s_attempts():
    retry = Retry(RetrySettings(max_attempts=3))
    batches = [Calls(KIND.RETRY, KIND.RETRY, KIND.ACKNOWLEDGED, seconds=0.05) for _ in range(60)]
    settled = await asyncio.gather(*(retry.until_settled(calls.make, calls.sleep) for calls in batches))
    assert [one.last.verdict.kind for one in settled] == [KIND.ACKNOWLEDGED] * 60
    assert [one.attempts for one in settled] == [3] * 60


# --- backoff


@given(
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=12),
    st.floats(0, 10),
    st.floats(0, 60),
    st.integers(2, 12),
)
def test_the_wait_before_retry_n_is_fully_jittered(dice, first, longest, most):
    rolls = count()

    def roll() -> float:
        return dice[next(rolls) % len(dice)]

    calls = Calls(KIND.RETRY)
    limits = {"first_backoff_seconds": first, "max_backoff_seconds": longest, "max_elapsed_seconds": 1e9}
    run(calls.settle(jitter=roll, max_attempts=most, **limits))
    bounds = [min(first * 2**n, longest) for n in range(most - 1)]
    assert calls.slept == pytest.approx([dice[n % len(dice)] * bound for n, bound in enumerate(bounds)])


async def test_the_waits_spread_over_the_whole_of_their_range():
    waits = []
    for _ in range(400):
        calls = Calls(KIND.RETRY, KIND.ACKNOWLEDGED)
        await calls.settle(first_backoff_seconds=8)
        waits += calls.slept
    assert all(0 <= wait <= 8 for wait in waits)
    assert all(sum(start <= wait < start + 2 for wait in waits) > 50 for start in (0, 2, 4, 6))


async def test_a_hundred_attempts_overflow_nothing():
    calls = Calls(KIND.RETRY)
    assert (await calls.settle(max_attempts=100, max_elapsed_seconds=1e12)).attempts == 100
    assert max(calls.slept) <= 30


@given(st.floats(0.1, 500), st.floats(0, 100), st.floats(0, 1, exclude_max=True), st.integers(2, 100))
def test_no_retry_begins_after_the_time_is_used_up(longest, seconds, die, most):
    calls = Calls(KIND.RETRY, seconds=seconds)
    run(calls.settle(jitter=lambda: die, max_attempts=most, max_elapsed_seconds=longest, first_backoff_seconds=1))
    assert calls.began[0] == 0
    assert all(began <= longest + 1e-6 for began in calls.began[1:])
    assert all(later - earlier <= seconds + 30 + 1e-6 for earlier, later in pairwise(calls.began))


async def test_what_an_attempt_waited_for_its_permit_is_no_elapsed_time():
    calls = Calls(KIND.RETRY)

    async def after_a_long_pause() -> Attempted:
        await asyncio.sleep(10_000)
        return await calls.make()

    settings = RetrySettings(max_attempts=5, max_elapsed_seconds=900)
    assert (await Retry(settings).until_settled(after_a_long_pause, calls.sleep)).attempts == 5
