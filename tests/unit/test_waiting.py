"""What the headers ask to wait: Retry-After in both of its forms, and the rate limit's reset in both of its units."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete.quotas import SKEW_SECONDS, Told
from bulkdelete.waiting import told, wait_seconds

NOW = 1_795_500_000.0
A_YEAR = 366 * 86_400.0
RESET = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW) + 100)}


def wait(**headers: str) -> float | None:
    return wait_seconds({name.replace("_", "-"): value for name, value in headers.items()}, NOW)


@pytest.mark.parametrize(
    ("value", "seconds"), [("0", 0.0), ("7", 7.0), (" 7 ", 7.0), ("1.5", 1.5), ("86400", 86_400.0)]
)
def test_retry_after_is_a_number_of_seconds(value, seconds):
    assert wait(Retry_After=value) == seconds


def test_retry_after_is_a_date():
    assert wait(Retry_After=formatdate(NOW + 90, usegmt=True)) == 90


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Tokyo"])
def anywhere(request):
    with pytest.MonkeyPatch.context() as there:
        there.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("anywhere")
def test_a_date_without_a_zone_is_in_utc_wherever_the_machine_is():
    dates = [time.asctime(time.gmtime(NOW + 90)), formatdate(NOW + 90)]  # the second ends in -0000
    assert [wait(Retry_After=date) for date in dates] == [90, 90]
    assert wait(Retry_After=dates[0], Date=time.asctime(time.gmtime(NOW + 30))) == 60
    assert told({**RESET, "Date": dates[0]}, NOW).reset_in_seconds == 10


def test_the_server_s_own_clock_is_its_now():
    skewed = NOW + 3600
    headers = {"Date": formatdate(skewed, usegmt=True)}
    assert wait(Retry_After=formatdate(skewed + 90, usegmt=True), **headers) == 90
    assert wait(X_RateLimit_Remaining="0", X_RateLimit_Reset=str(int(skewed) + 90), **headers) == 90
    assert wait(Retry_After="7", **headers) == 7


def test_a_date_of_the_past_asks_for_no_wait_and_never_for_a_negative_one():
    assert wait(Retry_After=formatdate(NOW - 90, usegmt=True)) == 0


@pytest.mark.parametrize("reset", [str(int(NOW) + 60), str((int(NOW) + 60) * 1000), f"{NOW + 60:.1f}"])
def test_a_used_up_limit_is_waited_for_until_its_reset_in_seconds_or_milliseconds(reset):
    assert wait(X_RateLimit_Limit="1000", X_RateLimit_Remaining="0", X_RateLimit_Reset=reset) == 60


@pytest.mark.parametrize("remaining", ["1", "999", "", "-1", "none"])
def test_a_limit_that_is_not_used_up_asks_for_nothing(remaining):
    assert wait(X_RateLimit_Remaining=remaining, X_RateLimit_Reset=str(int(NOW) + 60)) is None


@pytest.mark.parametrize("reset", ["", "soon", str(int(NOW) - 1), "-60", "0", "60"])
def test_a_reset_that_is_unreadable_or_past_asks_for_nothing(reset):
    assert wait(X_RateLimit_Remaining="0", X_RateLimit_Reset=reset) is None


def test_retry_after_goes_before_the_reset():
    assert wait(Retry_After="7", X_RateLimit_Remaining="0", X_RateLimit_Reset=str(int(NOW) + 60)) == 7
    assert wait(Retry_After="whenever", X_RateLimit_Remaining="0", X_RateLimit_Reset=str(int(NOW) + 60)) == 60


@pytest.mark.parametrize(
    "value",
    ["", "-5", "+5", "1e3", "nan", "inf", "Infinity", "0x10", "1_000", "٣", "²", "5 s", "Wed", "9" * 16, ".", "1.2.3"],
)
def test_what_is_neither_a_number_nor_a_date_asks_for_nothing(value):
    assert wait(Retry_After=value) is None


def test_no_wait_is_longer_than_a_year():
    assert wait(Retry_After="999999999999999") == A_YEAR
    assert wait(Retry_After=formatdate(NOW + 10 * A_YEAR, usegmt=True)) == A_YEAR


def test_no_header_asks_for_nothing():
    assert wait() is None
    assert wait(Date=formatdate(NOW, usegmt=True)) is None


HEADER = st.one_of(st.text(max_size=40), st.text("0123456789.:-+ ,GMTWedOct", max_size=40), st.dates().map(str))
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Date", "X-RateLimit-Remaining", "X-RateLimit-Reset"]), HEADER | st.just("0")
)


@given(HEADERS)
def test_no_header_whatever_breaks_the_reading_or_asks_for_more_than_a_year(headers):
    asked = wait_seconds(headers, NOW)
    assert asked is None or 0 <= asked <= A_YEAR


@given(st.datetimes(), st.sampled_from(["-0000", "+0000", "GMT", "EST", "+9999", "-2400", "", "+99999999"]))
def test_no_date_whatever_breaks_the_reading(date, zone):
    for name in ("Retry-After", "Date"):
        text = f"{date:%a, %d %b} {date.year:04d} {date:%H:%M:%S} {zone}"
        asked = wait_seconds({name: text}, NOW)
        assert asked is None or 0 <= asked <= A_YEAR


def tell(remaining: str = "7", reset: str = str(int(NOW) + 60), limit: str | None = "100", date: float | None = NOW):
    headers = {"X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": reset}
    headers |= {} if limit is None else {"X-RateLimit-Limit": limit}
    return told(headers | ({} if date is None else {"Date": formatdate(date, usegmt=True)}), NOW)


@pytest.mark.parametrize("reset", [str(int(NOW) + 60), str((int(NOW) + 60) * 1000), f" {NOW + 60:.1f} "])
def test_an_answer_tells_how_many_requests_remain_until_a_reset_in_seconds_or_milliseconds(reset):
    assert tell(reset=reset) == Told(7, 100, NOW + 60, 60.0, dated=True)


def test_the_reset_is_counted_by_the_date_of_the_answer_and_without_one_by_our_clock_with_a_margin():
    assert tell(reset=str(int(NOW) + 5060), date=NOW + 5000) == Told(7, 100, NOW + 5060, 60.0, dated=True)
    assert tell(date=None) == Told(7, 100, NOW + 60, 60.0 + SKEW_SECONDS, dated=False)
    assert tell(reset=str(int(NOW)), date=None) == Told(7, 100, NOW, SKEW_SECONDS, dated=False)


def test_more_requests_than_the_limit_cannot_remain():
    assert tell(remaining="101").remaining == 100
    assert tell(remaining="101", limit=None).remaining == 101
    assert tell(remaining="101", limit="many").limit is None


@pytest.mark.parametrize(
    "reset", ["", "soon", "0", "60", "-60", str(int(NOW)), str(int(NOW) - 1), str(int(NOW + A_YEAR) + 1), "9" * 10_000]
)
def test_a_reset_that_is_unreadable_past_or_years_away_tells_nothing(reset):
    assert tell(reset=reset) is None


@pytest.mark.parametrize("remaining", ["", "-1", "nan", "inf", "1e3", "none", "9" * 16, "9" * 10_000, "\u0663", "."])
def test_what_is_no_number_of_requests_tells_nothing(remaining):
    assert tell(remaining=remaining) is None


def test_an_answer_without_the_headers_tells_nothing():
    assert told({}, NOW) is None
    assert told({"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "3"}, NOW) is None
    assert told({"X-RateLimit-Limit": "100", "X-RateLimit-Reset": str(int(NOW) + 60)}, NOW) is None


@given(HEADERS)
def test_what_is_told_is_never_less_than_no_request_nor_further_away_than_a_year(headers):
    said = told(headers, NOW)
    assert said is None or (said.remaining >= 0 and 0 < said.reset_in_seconds <= A_YEAR)
