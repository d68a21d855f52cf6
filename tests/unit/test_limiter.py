"""Who may send, and when: a limit, one pause that everybody keeps, quotas, and outages."""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.errors import OutageTooLong, PauseTooLong
from bulkdelete.limiter import Limiter, Permit
from bulkdelete.limiter.gauging import Sample, SampleKind
from bulkdelete.quotas import Told
from bulkdelete.settings import FlowSettings
from bulkdelete.stopping import Stop, StopAsked
from tests.virtual_time import run

pytestmark = pytest.mark.virtual_time

WALL_CLOCK = 1_795_500_000.0


def limiter_with(**settings) -> Limiter:
    return Limiter(FlowSettings(**{"concurrency": 16, **settings}), lambda: WALL_CLOCK + now(), lambda: 0.0)


def now() -> float:
    return asyncio.get_running_loop().time()


async def enter(
    limiter: Limiter, stop: Stop | None = None, seconds: float = 0.0, kind: SampleKind | None = SampleKind.SUCCESS
) -> float:
    """Hold a permit for *seconds*; return when it was given."""
    permit = await limiter.acquire(stop or Stop())
    try:
        await asyncio.sleep(seconds)
    except BaseException:
        limiter.abandon(permit)
        raise
    limiter.heard(permit, None)
    limiter.answered(permit, kind)
    return permit.sent_at


async def refuse(limiter: Limiter, seconds: float | None = None) -> None:
    """Send, and be refused at once."""
    give_back(limiter, await limiter.acquire(Stop()), SampleKind.REFUSED, seconds)


def give_back(limiter: Limiter, permit: Permit, kind: SampleKind, seconds: float | None = None) -> None:
    limiter.heard(permit, None)
    limiter.answered(permit, kind, seconds)


async def test_who_has_gone_away_waits_no_more_and_leaves_the_others_alone():
    limiter = limiter_with(concurrency=1)
    first = await limiter.acquire(Stop())
    second, gone = (asyncio.create_task(limiter.acquire(Stop())) for _ in range(2))
    await asyncio.sleep(0)
    assert limiter.waiting == 2
    gone.cancel()
    await asyncio.wait({gone})
    assert limiter.waiting == 1
    give_back(limiter, first, SampleKind.SUCCESS)
    assert (await second).alone


async def test_who_is_asked_to_stop_between_a_permit_and_its_turn_sends_nothing_and_gives_it_back():
    limiter, stop = limiter_with(concurrency=1), Stop()
    first = await limiter.acquire(Stop())
    waiting = asyncio.create_task(limiter.acquire(stop))
    await asyncio.sleep(0)
    give_back(limiter, first, SampleKind.SUCCESS)
    stop.ask()
    with pytest.raises(StopAsked):
        await waiting
    assert limiter.in_flight == 0


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), max_size=30))
def test_permits_are_never_exceeded_and_none_is_lost(permits, comers):
    async def crowd() -> None:
        limiter = limiter_with(concurrency=permits)
        most = 0

        async def come(after: int, hold: int, *, breaks: bool) -> None:
            nonlocal most
            await asyncio.sleep(after)
            coming = asyncio.create_task(enter(limiter, seconds=hold))
            await asyncio.sleep(1)
            most = max(most, limiter.in_flight)
            if breaks:
                coming.cancel()
            await coming

        await asyncio.gather(*(come(a, h, breaks=b) for a, h, b in comers), return_exceptions=True)
        assert most <= permits
        assert limiter.in_flight == limiter.waiting == 0
        given = await asyncio.gather(*(enter(limiter, seconds=1) for _ in range(permits)))
        assert len(set(given)) == 1

    run(crowd())


async def test_permits_are_given_in_the_order_of_asking():
    limiter = limiter_with(concurrency=1)
    given = await asyncio.gather(*(enter(limiter, seconds=1) for _ in range(5)))
    assert given == [0, 1, 2, 3, 4]


async def test_a_pause_holds_everybody_and_ends_for_everybody():
    limiter = limiter_with(concurrency=4)
    await refuse(limiter, 30)
    assert limiter.pause_seconds == 30
    assert limiter.state == "pause"
    given = await asyncio.gather(*(enter(limiter) for _ in range(12)))
    assert given == pytest.approx([30] * 12)
    assert limiter.pause_seconds == 0


async def test_a_pause_does_not_end_what_is_in_flight():
    limiter = limiter_with(concurrency=2)
    flying = asyncio.create_task(enter(limiter, seconds=5))
    await asyncio.sleep(1)
    await refuse(limiter, 60)
    assert limiter.in_flight == 1
    await flying
    assert now() == 5


async def test_a_pause_that_begins_while_one_waits_in_line_is_kept_also_by_that_one():
    limiter = limiter_with(concurrency=1)
    permit = await limiter.acquire(Stop())
    in_line = asyncio.create_task(enter(limiter))
    await asyncio.sleep(2)
    give_back(limiter, permit, SampleKind.REFUSED, 60)
    assert await in_line == pytest.approx(62)


async def test_a_pause_that_is_lengthened_while_it_is_kept_is_kept_to_its_new_end():
    limiter = limiter_with()
    late = await limiter.acquire(Stop())
    await refuse(limiter, 10)
    waiting = asyncio.create_task(enter(limiter))
    await asyncio.sleep(5)
    give_back(limiter, late, SampleKind.REFUSED, 20)
    assert await waiting == pytest.approx(25)


async def test_a_shorter_hint_does_not_shorten_a_pause():
    limiter = limiter_with()
    late = await limiter.acquire(Stop())
    await refuse(limiter, 60)
    give_back(limiter, late, SampleKind.REFUSED, 1)
    assert limiter.pause_seconds == 60


async def refused_again(limiter: Limiter, times: int, hint: float | None = None) -> list[float]:
    """Be refused *times*, each time by an attempt made as soon as it may be; return how long each pause was."""
    pauses = []
    for _ in range(times):
        permit = await limiter.acquire(Stop())
        await asyncio.sleep(0.1)
        give_back(limiter, permit, SampleKind.REFUSED, hint)
        pauses.append(limiter.pause_seconds)
    return pauses


async def test_pauses_without_a_hint_begin_short_and_never_pass_a_minute():
    pauses = await refused_again(limiter_with(max_pause_seconds=3600), 40)
    assert pauses[0] <= 1
    assert max(pauses) == pytest.approx(60)
    assert pauses[9] > pauses[0]


async def test_an_answer_that_is_no_refusal_makes_the_next_pause_short_again():
    limiter = limiter_with()
    first, *_, last = await refused_again(limiter, 8)
    assert last > first
    await enter(limiter)
    assert (await refused_again(limiter, 1))[0] == pytest.approx(first)


async def test_pauses_of_less_than_a_second_in_a_row_are_not_worth_a_word():
    limiter = limiter_with(max_pause_seconds=900)
    await refuse(limiter, 0.2)
    await refuse(limiter, 2_104)
    with pytest.raises(PauseTooLong) as refused:
        await enter(limiter)
    assert str(refused.value) == "the API asks for a pause of 2104 s; max_pause_seconds is 900"


@pytest.mark.parametrize("hint", [None, 0, 0.0, 0.001, 0.05, 0.09])
async def test_refusals_for_ever_end_and_nobody_is_hammered(hint):
    limiter = limiter_with(max_pause_seconds=900)
    with pytest.raises(PauseTooLong, match="of pauses in a row"):
        await refused_again(limiter, 100, hint)
    assert 300 < now() <= 961


@pytest.mark.parametrize(("longest", "hint"), [(900, 901), (0, 0.1), (0, 60)])
async def test_a_longer_pause_than_allowed_is_refused_with_the_time_to_come_back(longest, hint):
    limiter = limiter_with(max_pause_seconds=longest)
    await refuse(limiter, hint)
    with pytest.raises(PauseTooLong, match=f"max_pause_seconds is {longest}") as refused:
        await enter(limiter)
    assert "of pauses in a row" not in str(refused.value)
    assert refused.value.until_unix_seconds == pytest.approx(WALL_CLOCK + hint)
    assert now() == 0
    assert limiter.in_flight == 0


async def test_who_waits_waits_out_a_pause_of_any_length():
    limiter = limiter_with(max_pause_seconds=900, wait=True)
    await refuse(limiter, 86_400)
    assert await enter(limiter) == pytest.approx(86_400)


async def test_a_pause_of_just_the_allowed_length_is_kept():
    limiter = limiter_with(max_pause_seconds=900)
    await refuse(limiter, 900)
    assert await enter(limiter) == pytest.approx(900)


async def test_pauses_between_which_the_api_answers_do_not_count_together():
    limiter = limiter_with(max_pause_seconds=900)
    for _ in range(10):
        await refused_again(limiter, 1, 600)
        await enter(limiter)
    assert now() > 6000


async def give_up_waiting(limiter: Limiter, after: float) -> None:
    """Wait for a permit, and be cancelled."""
    waiting = asyncio.create_task(limiter.acquire(Stop()))
    await asyncio.sleep(after)
    waiting.cancel()
    await asyncio.wait({waiting})


@pytest.mark.parametrize("last", ["refused", "left the line", "abandoned"])
async def test_time_in_which_nobody_waits_or_sends_is_no_pause_in_a_row(last):
    limiter = limiter_with(max_pause_seconds=900)
    await refuse(limiter, 1)
    if last == "left the line":
        await give_up_waiting(limiter, 0.5)
    elif last == "abandoned":
        await asyncio.sleep(2)
        limiter.abandon(await limiter.acquire(Stop()))
    await asyncio.sleep(86_400)
    await refuse(limiter, 600)
    assert await enter(limiter) == now() >= 87_000


async def test_time_in_which_somebody_waits_or_sends_counts_among_pauses_in_a_row_also_around_idle_time():
    limiter = limiter_with(max_pause_seconds=900)
    await refuse(limiter, 100)
    await give_up_waiting(limiter, 50)
    await asyncio.sleep(3600)
    permit = await limiter.acquire(Stop())
    await asyncio.sleep(150)
    limiter.abandon(permit)
    await asyncio.sleep(3600)
    permit, other = await limiter.acquire(Stop()), await limiter.acquire(Stop())
    await asyncio.sleep(200)
    limiter.abandon(other)
    give_back(limiter, permit, SampleKind.REFUSED, 600)
    with pytest.raises(PauseTooLong, match="600 s, after 400 s of pauses in a row"):
        await enter(limiter)


async def test_time_in_which_nobody_waited_is_left_out_once_also_where_two_come_back_at_once():
    limiter = limiter_with(max_pause_seconds=900)
    await refuse(limiter, 300)
    await enter(limiter, kind=SampleKind.REFUSED)
    await refuse(limiter, 5000)
    await asyncio.sleep(1000)
    told = await asyncio.gather(enter(limiter), enter(limiter), return_exceptions=True)
    assert [str(one) for one in told] == [
        "the API asks for a pause of 4000 s, after 300 s of pauses in a row; max_pause_seconds is 900"
    ] * 2


async def test_everybody_learns_of_a_pause_that_is_too_long_also_those_in_line():
    limiter = limiter_with(concurrency=2, max_pause_seconds=10)
    await refuse(limiter, 3600)
    errors = await asyncio.gather(*(enter(limiter) for _ in range(7)), return_exceptions=True)
    assert [type(error) for error in errors] == [PauseTooLong] * 7
    assert now() == 0


async def test_a_stop_wakes_those_who_keep_a_pause_and_those_in_line_at_once():
    limiter, stop = limiter_with(concurrency=2), Stop()
    await refuse(limiter, 600)
    waiting = [asyncio.create_task(enter(limiter, stop)) for _ in range(7)]
    await asyncio.sleep(5)
    stop.ask()
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in errors] == [StopAsked] * 7
    assert now() == pytest.approx(5)


async def test_the_stop_of_one_job_does_not_wake_another():
    limiter, stop = limiter_with(concurrency=4), Stop()
    await refuse(limiter, 60)
    other = asyncio.create_task(enter(limiter))
    stopped = asyncio.create_task(enter(limiter, stop))
    await asyncio.sleep(1)
    stop.ask()
    with pytest.raises(StopAsked):
        await stopped
    assert await other == pytest.approx(60)


async def test_after_a_stop_no_permit_is_given():
    limiter, stop = limiter_with(), Stop()
    stop.ask()
    with pytest.raises(StopAsked):
        await enter(limiter, stop)
    assert limiter.in_flight == 0


async def test_a_cancelled_waiter_leaves_its_permit_to_others():
    limiter = limiter_with(concurrency=1)
    await refuse(limiter, 60)
    waiting = [asyncio.create_task(enter(limiter)) for _ in range(3)]
    await asyncio.sleep(1)
    waiting[0].cancel()
    waiting[2].cancel()
    assert await waiting[1] == pytest.approx(60)
    assert await enter(limiter) == pytest.approx(60)


# --- outages


async def fail(limiter: Limiter, *, retry: bool = False) -> bool:
    """Send, and get nothing but a failure; return whether the attempt counts against its batch."""
    permit = await limiter.acquire(Stop(), retry=retry)
    await asyncio.sleep(0.3)
    give_back(limiter, permit, SampleKind.FAILED)
    return not permit.in_outage


async def fail_for_ever(limiter: Limiter) -> None:
    while True:
        await fail(limiter)


async def test_in_an_outage_few_attempts_are_made_and_most_count_for_nothing():
    limiter = limiter_with(concurrency=4)
    counted = []
    while now() < 600:
        counted += await asyncio.gather(*(fail(limiter) for _ in range(4)))
    assert sum(counted) <= 20
    assert counted[-1] is False
    assert limiter.state == "outage"
    assert len(counted) < 150


async def test_one_success_ends_an_outage():
    limiter = limiter_with(concurrency=2)
    while await fail(limiter):
        pass
    await enter(limiter)
    assert limiter.state != "outage"
    before = now()
    await asyncio.gather(*(enter(limiter, seconds=1) for _ in range(4)))
    assert now() - before == pytest.approx(2)


async def test_an_outage_that_is_too_long_ends_with_an_error_for_everybody():
    limiter = limiter_with(concurrency=2, max_outage_seconds=600)
    with pytest.raises(OutageTooLong, match="600 s"):
        await fail_for_ever(limiter)
    assert 600 < now() < 800
    with pytest.raises(OutageTooLong):
        await enter(limiter)


async def test_time_in_which_nobody_waits_or_sends_is_no_outage():
    limiter = limiter_with(concurrency=2, max_outage_seconds=600)
    while limiter.state != "outage":
        await fail(limiter)
    for hour in range(1, 25):  # a hiccup each, and nothing else
        await asyncio.sleep(3600 * hour - now())
        await fail(limiter)
    began = now()
    await enter(limiter)
    assert now() - began < 10
    assert limiter.state != "outage"


async def test_an_outage_is_too_long_when_those_who_tried_did_so_for_so_long_in_all():
    limiter = limiter_with(concurrency=2, max_outage_seconds=60)

    async def fail_for_ten_seconds_of_each_hour() -> None:
        for hour in range(24):
            await asyncio.sleep(3600 * hour - now())
            while now() < 3600 * hour + 10:
                await fail(limiter)

    with pytest.raises(OutageTooLong, match="60 s"):
        await fail_for_ten_seconds_of_each_hour()
    assert 5 * 3600 < now() < 8 * 3600


async def test_a_backoff_is_no_time_in_which_nobody_wants_to_send():
    limiter = limiter_with(concurrency=2, max_outage_seconds=600)

    async def fail_and_back_off() -> None:
        while now() < 3600:
            await fail(limiter, retry=now() > 0)
            await asyncio.sleep(30)

    with pytest.raises(OutageTooLong):
        await fail_and_back_off()
    assert 600 < now() < 900


async def test_failures_of_which_each_comes_long_after_the_last_one_are_an_outage_too():
    limiter = limiter_with(concurrency=2)
    for _ in range(5):
        assert limiter.state != "outage"
        await asyncio.sleep(60)
        await fail(limiter)
    assert limiter.state == "outage"
    assert await enter(limiter) - now() <= 2


async def fail_after(limiter: Limiter, *pauses: float | None) -> float:
    """Be refused with each of *pauses*, and then fail until nobody waits; return when nothing but failures began."""
    for pause in pauses:
        await refuse(limiter, pause)
    await fail(limiter)
    began = now()
    with pytest.raises(OutageTooLong, match=r"^nothing but failures came back for 600 s \(max_outage_seconds\)$"):
        await fail_for_ever(limiter)
    return now() - began


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("pauses", [(None,), (1,), (300,), (None,) * 12])
async def test_what_the_api_once_asked_for_makes_an_outage_no_longer(wait, pauses):
    limiter = limiter_with(concurrency=1, max_outage_seconds=600, wait=wait)
    assert 600 <= await fail_after(limiter, *pauses) < 700


@pytest.mark.parametrize("pauses", [(None,) * 300, (3600,), (*(None,) * 12, 3600)])
async def test_for_who_waits_an_outage_is_shorter_by_no_more_than_a_probe_s_pause_for_what_the_api_asked_for(pauses):
    limiter = limiter_with(concurrency=1, max_outage_seconds=600, wait=True)
    assert 540 <= await fail_after(limiter, *pauses) < 700


@pytest.mark.parametrize("failures", [1, 3])
@pytest.mark.parametrize("pause", [None, 1, 30, 60, 3600])
async def test_for_who_waits_an_outage_counts_all_but_the_pauses_that_refusals_among_its_failures_ask_for(
    pause, failures
):
    limiter, asked = limiter_with(concurrency=1, max_outage_seconds=600, wait=True), 0.0

    async def fail_and_refuse() -> None:
        nonlocal asked
        while True:
            for _ in range(failures):
                await fail(limiter)
            await refuse(limiter, pause)
            asked += pause or 0

    with pytest.raises(OutageTooLong, match="nothing but failures"):
        await fail_and_refuse()
    assert 600 <= now() - asked < 720


@pytest.mark.no_cover  # long, and reaches nothing that others do not
@pytest.mark.parametrize("pause", [None, 0.05, 1, 60])
async def test_for_who_waits_refusals_alone_end_no_outage_also_where_it_began_with_failures(pause):
    limiter = limiter_with(concurrency=1, max_outage_seconds=600, wait=True)
    while now() < 500:
        await fail(limiter)
    while now() < 86_400:
        await refuse(limiter, pause)
    await enter(limiter)
    assert limiter.state == "server"


async def test_a_refusal_in_an_outage_is_waited_for_and_says_nothing_of_pauses_in_a_row():
    limiter = limiter_with(concurrency=1, max_pause_seconds=60)
    await refuse(limiter)
    while now() < 120:
        await fail(limiter)
    assert limiter.state == "outage"
    await refuse(limiter, 20)
    assert limiter.state == "pause"
    await enter(limiter)
    assert now() > 140


# --- quotas


async def test_a_quota_is_never_overrun_and_used_as_far_as_it_goes():
    limiter = limiter_with(requests_per_minute=10)
    given = await asyncio.gather(*(enter(limiter) for _ in range(35)))
    for first, last in zip(given, given[10:], strict=False):
        assert last - first >= 60
    assert given[9] == 0
    assert given[-1] < 3 * 61


async def test_a_quota_that_wants_a_long_pause_ends_the_run_with_the_time_to_come_back():
    limiter = limiter_with(requests_per_hour=5, max_pause_seconds=900)
    await asyncio.gather(*(enter(limiter) for _ in range(5)))
    with pytest.raises(PauseTooLong, match="the quota wants a pause of 36"):
        await enter(limiter)
    assert limiter.state == "quota"


async def test_what_the_server_says_remains_is_kept_to_before_it_refuses():
    limiter = limiter_with()
    permit = await limiter.acquire(Stop())
    limiter.heard(permit, Told(3, 100, WALL_CLOCK + 50, 50.0, dated=True))
    limiter.answered(permit, SampleKind.SUCCESS)
    given = sorted(await asyncio.gather(*(enter(limiter) for _ in range(5))))
    assert given[:3] == [0, 0, 0]
    assert given[3:] == pytest.approx([50, 50], abs=0.01)


async def test_what_was_spent_is_known_to_the_next_process_and_what_may_have_been_too():
    first = limiter_with(requests_per_hour=1000, wait=True)
    keeper = first.take_over(None, None)
    keeper.keep(keeper.spent_so_far())
    await asyncio.gather(*(enter(first) for _ in range(10)))
    kept = json.dumps(keeper.spent_so_far())
    keeper.keep(json.loads(kept))
    await asyncio.gather(*(enter(first) for _ in range(5)))  # of these the kept snapshot says nothing

    second, sent = limiter_with(requests_per_hour=1000, wait=True), 0
    keeper = second.take_over("3.5", kept)
    with suppress(TimeoutError):
        while True:
            keeper.keep(keeper.spent_so_far())
            await asyncio.wait_for(enter(second), 0.1)
            sent += 1
    assert sent == 1000 - 10 - 10


@pytest.mark.parametrize("clean", [False, True])
async def test_the_rest_of_a_pause_is_kept_by_the_next_process_unless_it_heeds_nothing_that_the_api_told(clean):
    first = limiter_with()
    keeper = first.take_over(None, None)
    await refuse(first, 600)
    await asyncio.sleep(100)
    kept = json.dumps(keeper.spent_so_far(clean=clean))
    await asyncio.sleep(50)
    second, patient, hasty = limiter_with(max_pause_seconds=400), limiter_with(), limiter_with()
    second.take_over(None, kept)
    with pytest.raises(PauseTooLong, match="the API asks for a pause of 450 s; max_pause_seconds is 400"):
        await enter(second)
    hasty.take_over(None, kept, heeds_told=False)
    assert await enter(hasty) == 150
    keeper = patient.take_over(None, kept)
    assert patient.state == "pause"
    again = json.dumps(keeper.spent_so_far())
    assert await enter(patient) == pytest.approx(600, abs=0.01)
    late = limiter_with()
    late.take_over(None, again)
    assert await enter(late) == now()


@pytest.mark.parametrize("step_seconds", [-3600, 3600])
async def test_a_pause_is_kept_by_its_length_whatever_is_done_to_the_clock(step_seconds):
    step = 0.0

    def clock() -> float:
        return WALL_CLOCK + now() + step

    first = Limiter(FlowSettings(concurrency=16), clock, lambda: 0.0)
    keeper = first.take_over(None, None)
    await refuse(first, 100)
    step = step_seconds
    await asyncio.sleep(40)
    second = Limiter(FlowSettings(concurrency=16), clock, lambda: 0.0)
    second.take_over(None, json.dumps(keeper.spent_so_far()))
    assert await enter(second) == pytest.approx(100, abs=0.01)
    await enter(first)
    third = Limiter(FlowSettings(concurrency=16), clock, lambda: 0.0)
    third.take_over(None, json.dumps(keeper.spent_so_far()))
    assert await enter(third) == now()


async def test_a_pause_is_news_to_keep_once_and_a_moment_is_none():
    limiter = limiter_with()
    keeper = limiter.take_over(None, None)
    before = keeper.spent_so_far()
    waiting = asyncio.create_task(keeper.until_spent(before))
    await refuse(limiter, 1)
    await asyncio.sleep(0)
    assert not waiting.done()
    await refuse(limiter, 30)
    await asyncio.wait_for(waiting, 0.001)
    kept = keeper.spent_so_far()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(keeper.until_spent(kept), 29)


async def test_nothing_more_than_the_allowance_leaves_that_is_not_kept():
    limiter = limiter_with(requests_per_hour=1000, concurrency=4)
    keeper = limiter.take_over(None, None)
    waiting = [asyncio.create_task(enter(limiter)) for _ in range(100)]
    await asyncio.sleep(10)
    assert sum(task.done() for task in waiting) == 0  # not even a first snapshot is kept
    keeper.keep(keeper.spent_so_far())
    await asyncio.sleep(10)
    assert sum(task.done() for task in waiting) == 10
    keeper.ends()
    await asyncio.gather(*waiting)


@pytest.mark.parametrize("kept", ["", "[]", "null", "{", '{"version": 1}'])
async def test_a_snapshot_that_cannot_be_read_counts_as_everything_spent(kept):
    limiter = limiter_with(requests_per_hour=5)
    keeper = limiter.take_over("many", kept)
    keeper.keep(keeper.spent_so_far())
    with pytest.raises(PauseTooLong):
        await enter(limiter)


async def test_an_adaptive_limit_begins_low_and_a_resume_where_it_was():
    assert limiter_with(concurrency="adaptive").limit <= 2
    limiter = limiter_with(concurrency="adaptive")
    limiter.take_over("20.0", None)
    assert limiter.limit == 20
    assert limiter.last_good_limit == 20


def test_a_latency_too_short_for_a_clock_of_whole_milliseconds_is_that_of_a_millisecond():
    logs = [Sample(now, 5.0, SampleKind.SUCCESS, 1).log_of_latency for now in (5.0, 5.0004, 5.001, 5.002)]
    assert [round(math.exp(log), 6) for log in logs] == [0.001, 0.001, 0.001, 0.002]
