"""Whether an attempt may leave now, and what its end does to the next."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.limiter.adapting import Adaptive, SampleKind
from bulkdelete.limiter.budgeting import AT_FIRST
from bulkdelete.limiter.fixed import Fixed
from bulkdelete.limiter.steering import TICK_SECONDS, Steering
from tests.flow.doors import midnight

SUCCESS, REFUSED, FAILED = SampleKind.SUCCESS, SampleKind.REFUSED, SampleKind.FAILED


def steering(limit: int = 4, **others) -> Steering:
    return Steering(Fixed(limit), random=Random(1).random, **others)


def send(subject: Steering, now: float, times: int = 1, *, retry: bool = False) -> list[float]:
    return [subject.may_send(now, retry=retry) for _ in range(times)]


def broken(began: float = 0.0) -> Steering:
    """Return one whose breaker has just opened, at *began* + 1.75, with nothing in flight."""
    subject = steering(limit=4)
    for number in range(8):
        now = began + number / 4
        assert send(subject, now) == [0.0]
        subject.answered(now, now, FAILED)
    assert subject.breaker.is_open
    return subject


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "retry", "answer", "abandon"]),
        st.sampled_from([SUCCESS, REFUSED, FAILED, None]),
        st.floats(0, 20),
        st.none() | st.floats(0, 100),
        st.integers(0, 100),
    ),
    max_size=200,
)


@given(STEPS, st.integers(1, 9) | st.none())
def test_never_more_than_the_limit_is_admitted_and_one_probe_while_the_breaker_is_open(steps, concurrency):
    limit = (
        Adaptive(ceiling=9, random=Random(1).random, wall_clock=midnight) if concurrency is None else Fixed(concurrency)
    )
    subject = Steering(limit, random=Random(1).random)
    now, flights, probes = 0.0, [], 0
    for action, kind, gap, pause_seconds, which in steps:
        now += gap
        if action in {"send", "retry"}:
            was_open, before = subject.breaker.is_open, len(flights)
            if subject.may_send(now, retry=action == "retry") == 0:
                assert was_open or before < subject.limit
                assert subject.pause_seconds(now) <= TICK_SECONDS
                flights.append((now, was_open))
        elif flights:
            sent_at, _ = flights.pop(which % len(flights))
            if action == "abandon":
                subject.abandoned(sent_at)
            else:
                subject.answered(now, sent_at, kind, pause_seconds)
        assert subject.in_flight == len(flights)
        since = subject.breaker.open_since
        probes = 0 if since is None else sum(was_open and sent_at > since for sent_at, was_open in flights)
        assert probes <= 1


@given(STEPS)
def test_it_never_says_a_time_that_passes_without_effect(steps):
    subject = Steering(Adaptive(random=Random(1).random, wall_clock=midnight), random=Random(1).random)
    now, flights = 0.0, []
    for action, kind, gap, pause_seconds, which in steps:
        now += gap
        if action in {"send", "retry"}:
            asked = 0
            while 0 < (wait := subject.may_send(now, retry=action == "retry")) < math.inf:
                now += wait
                asked += 1
                assert asked <= 3
            if wait == 0:
                flights.append(now)
            else:
                assert flights
        elif flights:
            subject.answered(now, flights.pop(which % len(flights)), kind, pause_seconds)


def test_an_attempt_beyond_the_limit_waits_for_an_answer():
    subject = steering(limit=2)
    assert send(subject, 0.0, times=3) == [0.0, 0.0, math.inf]
    subject.answered(0.2, 0.0, SUCCESS)
    assert send(subject, 0.2, times=2) == [0.0, math.inf]


@given(st.floats(0.1, 10_000), st.floats(0, 1e6), st.integers(0, 2**32))
def test_a_pause_wakes_exactly_at_its_time_and_admits_again(seconds, now, seed):
    subject = Steering(Fixed(3), random=Random(seed).random)
    assert send(subject, now) == [0.0]
    subject.answered(now, now, REFUSED, seconds)
    wait = subject.may_send(now, retry=False)
    assert seconds * 0.999 <= wait <= min(seconds * 1.051, seconds + 30.001)
    assert subject.state(now) == "pause"
    assert subject.may_send(now + wait * 0.999, retry=False) > 0
    assert send(subject, now + wait, times=4) == [0.0, 0.0, 0.0, math.inf]


@given(st.floats(0.001, 0.099))
def test_a_pause_of_a_moment_is_kept_and_the_next_ones_are_longer_as_where_nothing_is_said(seconds):
    subject, now, pauses = steering(), 0.0, []
    for _ in range(12):
        wait = subject.may_send(now, retry=False)
        now += wait
        assert wait == 0 or send(subject, now) == [0.0]
        subject.answered(now, now, REFUSED, seconds)
        pauses.append(subject.pause_seconds(now))
    assert min(pauses) >= seconds
    assert max(pauses) > 0.5
    assert subject.breaker.is_open


def test_a_long_pause_leaves_the_limit_and_the_breaker_alone():
    subject = Steering(Adaptive(start=40, random=Random(1).random, wall_clock=midnight), random=Random(1).random)
    sent = send(subject, 1.0, times=40)
    assert sent == [0.0] * 40
    for number in range(40):
        subject.answered(3.0 + number / 10, 1.0, REFUSED, 60.0)
    assert subject.limit == 40
    assert not subject.breaker.is_open


def test_a_short_pause_is_kept_and_cuts():
    subject = Steering(Adaptive(start=40, random=Random(1).random, wall_clock=midnight), random=Random(1).random)
    send(subject, 1.0)
    subject.answered(1.2, 1.0, REFUSED, 1.0)
    assert subject.limit < 40
    assert subject.pause_seconds(1.2) >= 1.0


@pytest.mark.parametrize(("seconds", "is_cut"), [(1.0, True), (60.0, False)])
def test_a_failure_that_says_how_long_pauses_and_one_goes_first(seconds, is_cut):
    limit = Adaptive(start=40, random=Random(1).random, wall_clock=midnight)
    subject = Steering(limit, random=Random(1).random)
    send(subject, 1.0)
    subject.answered(1.2, 1.0, FAILED, seconds)
    assert (subject.limit < 40) == is_cut
    assert subject.state(1.2) == "pause"
    assert subject.pause_seconds(1.2) >= seconds
    assert send(subject, 70.0, times=2) == [0.0, math.inf]
    subject.answered(70.1, 70.0, FAILED, seconds)
    assert subject.state(70.1) == "outage"


def test_refusals_without_a_time_pause_longer_and_longer_and_one_goes_first():
    subject, now, pauses = steering(limit=8), 0.0, []
    for _ in range(7):
        assert send(subject, now) == [0.0]
        subject.answered(now, now, REFUSED)
        pauses.append(subject.pause_seconds(now))
        now += pauses[-1]
    assert pauses[0] == pytest.approx(0.1, rel=0.06)
    assert pauses == sorted(pauses) or max(pauses) < 0.3
    assert send(subject, now + 60, times=2) == [0.0, math.inf]
    subject.answered(now + 60, now + 60, SUCCESS)
    assert send(subject, now + 60, times=8) == [0.0] * 8


def test_many_failures_in_a_row_let_single_probes_through_further_and_further_apart():
    subject, now, waits = broken(), 1.75, []
    while now < 600:
        wait = subject.may_send(now, retry=True)
        waits.append(wait)
        now += wait
        assert subject.may_send(now, retry=True) == 0
        assert subject.may_send(now, retry=False) == math.inf
        subject.answered(now, now, FAILED)
    assert 0.75 <= waits[0] <= 1.25
    assert 25 <= max(waits) <= 75
    assert len(waits) < 110
    assert subject.state(now) == "outage"
    assert not subject.breaker.gave_up


def test_the_first_success_closes_the_breaker():
    subject = broken()
    assert send(subject, 10.0) == [0.0]
    subject.answered(10.2, 10.0, SUCCESS)
    assert not subject.breaker.is_open
    assert send(subject, 10.2, times=5) == [0.0] * 4 + [math.inf]


def test_a_refusal_of_the_records_shows_that_the_server_is_there():
    subject = broken()
    assert send(subject, 10.0) == [0.0]
    subject.answered(10.2, 10.0, None)
    assert not subject.breaker.is_open


def test_a_probe_that_was_cancelled_makes_room_for_another():
    subject = broken()
    assert send(subject, 10.0, times=2) == [0.0, math.inf]
    subject.abandoned(10.0)
    assert send(subject, 20.0) == [0.0]


def test_what_was_sent_before_it_opened_and_fails_now_is_no_probe():
    subject = steering(limit=30)
    assert send(subject, 0.0, times=30) == [0.0] * 30
    for number in range(25):
        subject.answered(1 + number / 10, 0.0, FAILED)
    assert subject.breaker.is_open
    assert send(subject, 5.0, times=2) == [0.0, math.inf]
    subject.answered(5.1, 0.0, FAILED)
    assert send(subject, 9.0) == [math.inf]


def test_an_outage_of_more_than_its_most_is_given_up():
    subject = Steering(Fixed(4), random=Random(1).random, max_outage_seconds=100)
    now = 0.0
    while not subject.breaker.gave_up:
        wait = subject.may_send(now, retry=False)
        now += wait
        if wait == 0:
            subject.answered(now + 0.1, now, FAILED)
            now += 0.1
    assert 100 < now < 125


def test_failures_that_fall_between_successes_do_not_open_it():
    subject = steering(limit=2)
    for number in range(2000):
        now = number / 10
        assert send(subject, now) == [0.0]
        subject.answered(now, now, SUCCESS if number % 4 == 0 else FAILED)
    assert not subject.breaker.is_open


def test_retries_may_not_become_most_of_what_is_sent():
    subject, first, retries = steering(limit=10), 0, 0
    for number in range(20_000):
        now = number / 100
        if subject.may_send(now, retry=True) == 0:
            retries += 1
            subject.answered(now, now, FAILED if number % 20 else None)
        if number % 2 == 0 and subject.may_send(now, retry=False) == 0:
            first += 1
            subject.answered(now, now, FAILED if number % 20 else None)
    assert retries <= 0.2 * first + 200 + AT_FIRST


def test_a_retry_without_a_token_waits_in_line_while_first_attempts_go():
    subject = steering(limit=99)
    for _ in range(int(AT_FIRST)):
        assert send(subject, 0.0, retry=True) == [0.0]
    wait = subject.may_send(0.0, retry=True)
    assert 0 < wait <= 1
    assert subject.state(0.0) == "retries"
    assert send(subject, 0.0) == [0.0]
    assert send(subject, wait, retry=True) == [0.0]
    assert subject.state(wait + 2) == "server"


class TwoThenAMinute:
    def __init__(self) -> None:
        self.spent: list[float] = []

    def wait_seconds(self, now: float) -> float:
        return max(0.0, self.spent[-2] + 60 - now) if len(self.spent) >= 2 else 0.0

    def spend(self, now: float) -> None:
        self.spent.append(now)


def test_a_quota_is_asked_before_everything_that_leaves_and_told_of_it():
    quota = TwoThenAMinute()
    subject = steering(limit=9, quota=quota)
    assert send(subject, 1.0, times=3) == [0.0, 0.0, 60.0]
    assert quota.spent == [1.0, 1.0]
    assert subject.state(1.0) == "quota"
    assert send(subject, 61.0) == [0.0]


def test_a_snapshot_is_where_a_resume_starts():
    assert steering(limit=12).snapshot() == 12
