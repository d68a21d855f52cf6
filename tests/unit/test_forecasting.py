"""How long requests take at a quota."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.errors import SettingsError
from bulkdelete.forecasting import PLANS, Quota, read_quota, unhindered_seconds


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
