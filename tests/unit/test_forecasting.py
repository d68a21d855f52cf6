"""How long requests take at a quota."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.errors import SettingsError
from bulkdelete.forecasting import PLANS, Quota, read_quota, seconds_until_done, unhindered_seconds
from bulkdelete.quotas import SECONDS, Moment, Quotas, Told


def test_ten_million_ids_take_ten_hours_on_professional_and_a_hundred_days_on_free():
    professional, free = PLANS
    assert professional.seconds(10_000) == 10 * 3600
    assert free.seconds(10_000) == 100 * 86_400


@given(st.integers(1, 10**6), st.sampled_from(["second", "minute", "hour", "day"]), st.integers(0, 10**6))
def test_what_fits_into_one_window_waits_for_nothing_and_more_requests_never_take_less(requests, unit, more):
    quota = Quota(requests, unit)
    assert quota.seconds(requests) == 0
    assert quota.seconds(requests + more) <= quota.seconds(requests + more + 1)
    assert read_quota(f"{requests}/{unit}") == quota


@pytest.mark.parametrize("text", ["", "1000", "0/hour", "-1/hour", "1000/week", "1e3/hour", "1000 / hour"])
def test_what_is_no_quota_is_refused_with_an_example(text):
    with pytest.raises(SettingsError, match="1000/hour"):
        read_quota(text)


def test_without_a_quota_permits_share_the_latency():
    assert unhindered_seconds(1_000, 16, 0.2) == pytest.approx(12.5)
    assert unhindered_seconds(3, 16, 0.2) == pytest.approx(0.2)
    assert unhindered_seconds(0, 16, 0.2) == 0


NOW = Moment(1_795_500_000.0, 0.0)
HOUR = {"hour": 1000}
LIMITS = st.dictionaries(st.sampled_from(list(SECONDS)), st.integers(1, 30), min_size=1)


def after(seconds: float) -> Moment:
    return Moment(NOW.unix + seconds, seconds)


def spent_at(limits: dict[str, int], times: list[float]) -> Quotas:
    quotas = Quotas(limits, None)
    for seconds in times:
        quotas.left(quotas.spend(after(seconds)), after(seconds))
    return quotas


def brute_force_seconds(requests: int, limits: dict[str, int], spent: Quotas | None, now: Moment) -> float:
    """Send one request after the other, as early as the list of all those before it allows."""
    sends = {
        unit: [
            left - SECONDS[unit] for left, count in (spent.releases(unit, now) if spent else ()) for _ in range(count)
        ]
        for unit in limits
    }
    seconds = 0.0
    for _ in range(requests):
        seconds = max(
            [seconds, *(sends[u][-n] + SECONDS[u] for u, n in limits.items() if len(sends[u]) >= n)],
        )
        for times in sends.values():
            times.append(seconds)
    return seconds


@pytest.mark.parametrize(
    ("requests", "limits", "seconds"),
    [
        (0, HOUR, 0),
        (1000, HOUR, 0),
        (1001, HOUR, 3600),
        (10_000, HOUR, 9 * 3600),
        (10_000, {"day": 100}, 99 * 86_400),
        (10_000, {"minute": 10, "hour": 1000}, 999 * 60),
        (10_000, {"minute": 60, "hour": 1000}, 9 * 3600 + 16 * 60),
        (2400, {"second": 1, "hour": 1000, "day": 1200}, 86_400 + 3600 + 199),
        (10**12, {"second": 10**6}, 10**6 - 1),
        (10**9, {}, 0),
    ],
)
def test_the_last_request_leaves_after_the_pauses_that_the_quotas_make(requests, limits, seconds):
    assert seconds_until_done(requests, limits, None, NOW) == seconds


def test_what_was_spent_is_waited_for_first():
    quotas = spent_at(HOUR, [0] * 400 + [600] * 600)
    assert seconds_until_done(1, HOUR, quotas, after(600)) == 3000
    assert seconds_until_done(400, HOUR, quotas, after(600)) == 3000
    assert seconds_until_done(401, HOUR, quotas, after(600)) == 3600
    assert seconds_until_done(1001, HOUR, quotas, after(600)) == 3000 + 3600
    assert seconds_until_done(1000, HOUR, quotas, after(9000)) == 0


def test_more_spent_than_a_limit_allows_now_is_waited_for_first():
    quotas = spent_at(HOUR, [0] * 400 + [600] * 600)
    assert seconds_until_done(1, {"hour": 500}, quotas, after(600)) == 3600
    assert seconds_until_done(500, {"hour": 500}, quotas, after(600)) == 3600
    assert seconds_until_done(501, {"hour": 500}, quotas, after(600)) == 7200


def test_a_limit_that_was_not_set_yet_counts_what_the_day_holds():
    quotas = spent_at(HOUR, [0] * 10)
    assert seconds_until_done(1, {"minute": 10}, quotas, after(20)) == 40
    assert seconds_until_done(1, {"day": 10}, quotas, after(5000)) == 86_400 - 5000


def test_the_word_of_the_server_is_waited_for():
    quotas = spent_at({}, [0, 0])
    quotas.ended(1, Told(5, 1000, NOW.unix + 700, 700.0, dated=True), NOW)
    assert seconds_until_done(4, HOUR, quotas, NOW) == 0
    assert seconds_until_done(5, HOUR, quotas, NOW) == 700


def test_what_the_server_allows_each_window_returns_at_its_resets_as_far_as_the_window_is_known():
    quotas = spent_at({}, [0, 0])
    quotas.ended(1, Told(5, 20, NOW.unix + 700, 700.0, dated=True), NOW)
    quotas.ended(2, Told(4, 20, NOW.unix + 700, 700.0, dated=True), NOW)
    assert seconds_until_done(4, {}, quotas, NOW) == 0
    assert seconds_until_done(24, {}, quotas, NOW) == 700
    assert seconds_until_done(25, {}, quotas, NOW) == 2 * 700
    quotas.spend(after(710))
    quotas.ended(3, Told(19, 20, NOW.unix + 1700, 990.0, dated=True), after(710))
    assert seconds_until_done(19 + 20 * 9, {}, quotas, after(710)) == 990 + 8 * 1000


def test_a_server_that_does_not_say_how_much_it_allows_is_waited_for_once():
    quotas = spent_at({}, [0])
    quotas.ended(1, Told(5, None, NOW.unix + 700, 700.0, dated=True), NOW)
    assert seconds_until_done(5000, {}, quotas, NOW) == 700


def test_what_the_server_said_to_an_earlier_process_is_waited_for_each_window():
    quotas = spent_at({}, [0])
    quotas.ended(1, Told(0, 20, NOW.unix + 700, 700.0, dated=True), NOW)
    again = Quotas.restored({}, None, quotas.snapshot(clean=True), after(100))
    assert seconds_until_done(180, {}, again, after(100)) == pytest.approx(600 + 8 * 599)


def test_while_the_server_is_silent_its_limit_is_taken_to_return_each_window():
    quotas = spent_at({}, [0])
    quotas.ended(1, Told(0, 20, NOW.unix + 50, 50.0, dated=True), NOW)
    quotas.wait_seconds(after(51))
    assert seconds_until_done(20, {}, quotas, after(51)) == 0
    assert seconds_until_done(200, {}, quotas, after(51)) == pytest.approx(49 + 8 * 50)


@given(st.integers(1, 200), LIMITS)
def test_the_forecast_is_what_sending_would_take(requests, limits):
    forecast = seconds_until_done(requests, limits, None, NOW)
    assert forecast == pytest.approx(brute_force_seconds(requests, limits, None, NOW))


SPENT = st.lists(st.sampled_from([0.0, 0.0, 0.3, 2.0, 50.0, 900.0]), max_size=40)


@given(st.integers(1, 200), st.sampled_from(list(SECONDS)), st.integers(1, 30), SPENT)
def test_the_forecast_of_one_limit_counts_what_was_spent_exactly(requests, unit, limit, gaps):
    now = after(sum(gaps))
    quotas = spent_at({unit: limit}, [sum(gaps[:number]) for number in range(len(gaps))])
    forecast = seconds_until_done(requests, {unit: limit}, quotas, now)
    assert forecast == pytest.approx(brute_force_seconds(requests, {unit: limit}, quotas, now))


@given(st.integers(1, 200), LIMITS, SPENT)
def test_the_forecast_of_several_limits_is_never_late_nor_earlier_than_each_of_them_allows(requests, limits, gaps):
    now = after(sum(gaps))
    quotas = spent_at(limits, [sum(gaps[:number]) for number in range(len(gaps))])
    forecast = seconds_until_done(requests, limits, quotas, now)
    assert forecast <= brute_force_seconds(requests, limits, quotas, now) + 1e-6
    for unit, limit in limits.items():
        assert forecast >= brute_force_seconds(requests, {unit: limit}, quotas, now) - 1e-6


@pytest.mark.parametrize("limits", [{"minute": 60, "hour": 1000}, {"second": 5, "hour": 1000, "day": 10_000}])
@pytest.mark.parametrize("spent", [1, 59, 437, 999])
def test_the_forecast_at_a_plan_s_limits_with_something_spent_is_right_to_2_percent(limits, spent):
    quotas = spent_at(limits, [number * 1.7 for number in range(spent)])
    now = after(spent * 1.7)
    for requests in (700, 2000, 5000):
        exact = brute_force_seconds(requests, limits, quotas, now)
        assert 0.98 * exact <= seconds_until_done(requests, limits, quotas, now) <= exact + 1e-6


@given(st.integers(1, 10**6), st.sampled_from(list(SECONDS)), st.integers(1, 10**7))
def test_a_quota_spread_evenly_is_never_earlier_and_at_most_a_window_later(limit, unit, requests):
    forecast = seconds_until_done(requests, {unit: limit}, None, NOW)
    spread = Quota(limit, unit).seconds(requests)
    assert forecast <= spread * (1 + 1e-12)
    assert spread <= (forecast + SECONDS[unit]) * (1 + 1e-12)
