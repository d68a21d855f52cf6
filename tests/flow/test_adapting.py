"""How many may be in flight, whatever was seen before."""

from __future__ import annotations

import time
import timeit
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkdelete.limiter.adapting import Adaptive, Sample, SampleKind
from bulkdelete.limiter.fixed import Fixed
from tests.flow.doors import Ours, midnight
from tests.flow.lab import Lab
from tests.flow.servers import Server
from tests.properties import often

FLOORS = st.integers(1, 8)
CEILINGS = st.integers(8, 128)
HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(SampleKind),
        st.floats(0, 60),  # since the answer before
        st.floats(0, 60),  # on the wire
        st.integers(1, 128),
    ),
    max_size=300,
)


def fed(adaptive: Adaptive, history) -> float:
    """Feed *history*; return its end, in seconds."""
    now = 0.0
    for kind, gap, latency, in_flight in history:
        now += gap
        adaptive.take(Sample(now, now - latency, kind, in_flight))
    return now


def served(adaptive: Adaptive, began: float, seconds: float, latency_seconds: float) -> None:
    """Let a healthy server of endless capacity answer everything, always as late."""
    now = began
    while now < began + seconds:
        flight = adaptive.limit
        for _ in range(flight):
            adaptive.take(Sample(now + latency_seconds, now, SampleKind.SUCCESS, flight))
        now += latency_seconds


@given(FLOORS, CEILINGS, st.none() | st.floats(0, 1000), HISTORIES)
def test_the_limit_stays_within_its_bounds_whatever_the_history(floor, ceiling, start, history):
    adaptive = Adaptive(floor=floor, ceiling=ceiling, start=start, random=Random(1).random, wall_clock=midnight)
    now = 0.0
    for kind, gap, latency, in_flight in history:
        now += gap
        adaptive.take(Sample(now, now - latency, kind, in_flight))
        assert floor <= adaptive.limit <= ceiling
        assert floor <= adaptive.snapshot() <= ceiling


REFUSED_AND_FAILED = [
    (SampleKind.SUCCESS, 1.2114560357613406, 0.0, 1),
    (SampleKind.REFUSED, 10.915635857047887, 0.0, 1),
    (SampleKind.SUCCESS, 1.2114560357613406, 0.0, 1),
    (SampleKind.REFUSED, 50.465321664749744, 0.0, 1),
    (SampleKind.FAILED, 3.4366312199067792, 0.0, 1),
]


@settings(max_examples=often(12))
@given(HISTORIES, st.sampled_from([0.05, 0.2, 1.0]), st.booleans())
@example(REFUSED_AND_FAILED, 1.0, False)  # noqa: FBT003 - as the strategy gives it
def test_no_history_makes_it_stick_at_its_floor_while_the_server_is_healthy(history, latency_seconds, is_after_outage):
    adaptive = Adaptive(ceiling=16, random=Random(1).random, wall_clock=midnight)
    now = fed(adaptive, history)
    if is_after_outage:
        adaptive.start_over(now)
    served(adaptive, now + 61, seconds=900, latency_seconds=latency_seconds)
    then = adaptive.limit
    served(adaptive, now + 961, seconds=60, latency_seconds=latency_seconds)
    assert max(then, adaptive.limit) >= 8  # at any moment it may be looking, at a quarter of the limit


@pytest.mark.parametrize("share", [0.0, 0.3])
@given(st.integers(0, 2**32))
@settings(max_examples=often(8))
def test_failures_by_chance_do_not_keep_it_down(share, seed):
    dice = Random(seed)
    door = Ours(dice)
    lab = Lab(Server(capacity=200, error_share=share), [door], seed)
    lab.at(0, lab.jobs[0].go_on)
    lab.run(60)
    assert door.limit >= 32


def test_it_climbs_to_its_ceiling_within_seconds_where_nothing_speaks_against_it():
    adaptive = Adaptive(ceiling=64, random=Random(1).random, wall_clock=midnight)
    served(adaptive, 0.0, seconds=10, latency_seconds=0.2)
    assert adaptive.limit == 64


def test_a_refusal_cuts_once_for_all_that_was_in_flight():
    adaptive = Adaptive(start=50, random=Random(1).random, wall_clock=midnight)
    for number in range(30):
        adaptive.take(Sample(10 + number / 1000, 9.9, SampleKind.REFUSED, 50))
    assert adaptive.limit == 44


def test_a_constant_timeout_is_not_a_stable_latency():
    adaptive = Adaptive(start=32, random=Random(1).random, wall_clock=midnight)
    served(adaptive, 0.0, seconds=10, latency_seconds=0.2)
    before = adaptive.limit
    for flight in range(6):
        for _ in range(adaptive.limit):
            adaptive.take(Sample(30.0 + 10 * flight, 20.01 + 10 * flight, SampleKind.FAILED, adaptive.limit))
    assert adaptive.limit < 0.6 * before


def test_latency_that_rises_with_the_load_is_load():
    door = Ours(Random(1))
    lab = Lab(Server(capacity=8, beyond="thrash"), [door], seed=1)
    lab.at(0, lab.jobs[0].go_on)
    lab.run(300)
    assert 5 <= door.limit <= 11


def test_a_resume_starts_where_the_run_before_was():
    assert Adaptive(start=23.7, random=Random(1).random, wall_clock=midnight).limit == 23


def test_a_resume_looks_at_the_latency_without_load_before_it_trusts_what_it_sees():
    adaptive = Adaptive(start=32, random=Random(1).random, wall_clock=midnight)
    served(adaptive, 0.0, seconds=0.4, latency_seconds=0.2)
    assert adaptive.limit == 8
    served(adaptive, 0.4, seconds=2, latency_seconds=0.2)
    assert adaptive.limit == 32


def test_after_an_outage_it_begins_at_a_quarter_and_is_back_within_seconds():
    adaptive = Adaptive(ceiling=64, random=Random(1).random, wall_clock=midnight)
    served(adaptive, 0.0, seconds=10, latency_seconds=0.2)
    adaptive.start_over(100.0)
    assert adaptive.limit == 16
    served(adaptive, 100.0, seconds=3, latency_seconds=0.2)
    assert adaptive.limit == 64


def test_a_fixed_number_stays():
    fixed = Fixed(7)
    fixed.take(Sample(1.0, 0.5, SampleKind.REFUSED, 7))
    fixed.start_over(2.0)
    assert (fixed.limit, fixed.snapshot()) == (7, 7.0)


def test_learning_from_an_attempt_costs_less_than_twenty_plain_calls():
    adaptive = Adaptive(start=16, random=Random(1).random, wall_clock=midnight)
    samples = [Sample(n / 80, n / 80 - 0.2, SampleKind.SUCCESS, 16) for n in range(20_000)]
    spent = dict.fromkeys(SampleKind, 0.0)

    def plain(sample: Sample) -> None:
        spent[sample.kind] = spent[sample.kind] + sample.now

    def cost(call) -> float:
        return min(timeit.repeat(lambda: [call(one) for one in samples], timer=time.process_time, number=1, repeat=5))

    assert cost(adaptive.take) < 20 * cost(plain)


def looks(began: float, until: float) -> set[int]:
    """Return the seconds of the day in which a job at a healthy server goes down to look."""
    now, seen, found = began, 0, set()
    adaptive = Adaptive(ceiling=16, random=Random(1).random, wall_clock=lambda: now)
    while now < until:
        served(adaptive, now, seconds=0.1, latency_seconds=0.1)
        now += 0.1
        if adaptive.limit < seen:
            found.add(int(now))
        seen = adaptive.limit
    return found


def test_jobs_look_at_the_same_moments_of_the_day_whenever_they_began():
    first, late = looks(3.0, 600), looks(177.7, 600)
    assert {240, 360, 480} <= first & late
    assert {second % 60 for second in first | late} <= {0, 15, 30, 45}
