"""The emulator's limits: what they count, what they answer, and what their headers say; by a clock that tests set."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager

import pytest

from bulkdelete import BulkDeleter
from bulkdelete.emulator import Emulator, Faults, Switches
from bulkdelete.quotas import Moment, Quotas, Told
from bulkdelete.waiting import told, wait_seconds
from tests.integration.asking import TABLE_ID, ask, ask_or_lose, by_id, ids

NOON = 1_767_268_800.0  # Thu, 01 Jan 2026 12:00:00 GMT
DAY_END = NOON + 12 * 3_600


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def limited(faults: Faults | None = None, **switches):
    async with Emulator(faults=faults or Faults(), switches=Switches(**switches), clock=Clock()) as emulator:
        emulator.load(TABLE_ID, ids(20))
        yield emulator


async def codes(emulator: Emulator, requests: int, key: str | None = None) -> list[int | str]:
    answers = [await ask(emulator, by_id("1"), key=key) for _ in range(requests)]
    return [answer.code if answer.text.startswith("{") else str(answer.status) for answer in answers]


@pytest.mark.parametrize(
    ("limit", "refused", "left_of_the_window_seconds"),
    [
        ({"requests_per_minute": 3}, 40008, 59),
        ({"requests_per_hour": 3}, "429", 3_599),
        ({"requests_per_day": 3}, "429", 12 * 3_600 - 1),
    ],
)
async def test_a_window_lets_through_its_requests_and_refuses_more_until_the_next(
    limit, refused, left_of_the_window_seconds
):
    async with limited(**limit) as emulator:
        assert await codes(emulator, 5) == [0, 0, 0, refused, refused]
        emulator.clock.now += left_of_the_window_seconds
        assert await codes(emulator, 1) == [refused]
        emulator.clock.now += 1
        assert await codes(emulator, 4) == [0, 0, 0, refused]


async def test_a_refused_request_is_not_counted_and_applies_nothing():
    async with limited(requests_per_minute=1, requests_per_hour=2) as emulator:
        assert [await ask_or_lose(emulator, by_id(record)) for record in ids(4)] == [0, 40008, 40008, 40008]
        assert list(emulator.remaining(TABLE_ID)) == ids(20)[1:]
        emulator.clock.now += 60
        assert await codes(emulator, 2) == [0, "429"]


async def test_each_key_has_a_limit_of_its_own_and_an_unknown_key_none():
    async with limited(requests_per_hour=2) as emulator:
        emulator.add_key("another")
        assert await codes(emulator, 3) == [0, 0, "429"]
        assert await codes(emulator, 3, "another") == [0, 0, "429"]
        assert await codes(emulator, 3, "of nobody") == [40127] * 3


async def test_every_answer_says_how_many_requests_are_left_and_until_when():
    async with limited(requests_per_hour=2, error_status="http") as emulator:
        emulator.clock.now = NOON + 600.5
        first, second, third = [await ask(emulator, entries) for entries in (by_id("1"), [], [])]
    assert [answer.status for answer in (first, second, third)] == [200, 400, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in (first, second, third)] == ["1", "0", "0"]
    for answer in (first, second, third):
        assert answer.headers["X-RateLimit-Limit"] == "2"
        assert answer.headers["X-RateLimit-Reset"] == str(int(NOON) + 3_600)
        assert answer.headers["Date"] == "Thu, 01 Jan 2026 12:10:00 GMT"
    assert "Retry-After" not in second.headers
    assert third.headers["Retry-After"] == "3000"


@pytest.mark.parametrize(
    ("switches", "reset", "retry_after"),
    [
        ({}, "1767268860", "60"),
        ({"reset_unit": "milliseconds"}, "1767268860000", "60"),
        ({"retry_after": "date"}, "1767268860", "Thu, 01 Jan 2026 12:01:00 GMT"),
        ({"retry_after": "none"}, "1767268860", None),
        ({"rate_limit_headers": False}, None, "60"),
        ({"rate_limit_headers": False, "retry_after": "none"}, None, None),
    ],
)
async def test_the_headers_come_in_the_form_asked_for_and_the_client_can_read_them(switches, reset, retry_after):
    async with limited(requests_per_minute=1, **switches) as emulator:
        await ask(emulator, by_id("1"))
        refused = await ask(emulator, by_id("1"))
    assert refused.code == 40008
    assert refused.headers.get("X-RateLimit-Reset") == reset
    assert refused.headers.get("Retry-After") == retry_after
    assert wait_seconds(refused.headers, time.time()) == (60 if reset or retry_after else None)


@pytest.mark.parametrize("unit", ["seconds", "milliseconds"])
async def test_the_client_reads_of_every_answer_what_remains_and_until_when_by_the_server_s_clock(unit):
    async with limited(requests_per_hour=3, reset_unit=unit) as emulator:
        emulator.clock.now = NOON + 600
        answers = [await ask(emulator, by_id("1")) for _ in range(4)]
    said = [told(answer.headers, time.time()) for answer in answers]
    assert said == [Told(left, 3, NOON + 3_600, 3_000.0, dated=True) for left in (2, 1, 0, 0)]


async def test_a_client_that_heeds_what_it_reads_is_refused_nothing_and_goes_on_after_the_reset():
    quotas = Quotas({}, None)
    async with limited(requests_per_minute=3, requests_per_hour=5, reset_unit="milliseconds") as emulator:
        for _ in range(8):
            clock = emulator.clock
            clock.now += quotas.wait_seconds(Moment(clock.now, clock.now))
            number = quotas.spend(Moment(clock.now, clock.now))
            answer = await ask(emulator, by_id("1"))
            quotas.ended(number, told(answer.headers, clock.now), Moment(clock.now, clock.now))
            assert answer.code == 0
    assert clock.now == pytest.approx(NOON + 3_600, abs=0.01)


async def test_without_a_limit_there_are_no_headers_and_none_for_an_unknown_key():
    async with limited() as emulator:
        assert not [name for name in (await ask(emulator, by_id("1"))).headers if name.startswith("X-RateLimit")]
        emulator.switches = Switches(requests_per_day=1)
        refused = await ask(emulator, by_id("1"), key="of nobody")
        assert not [name for name in refused.headers if name.startswith("X-RateLimit")]


async def test_of_several_limits_the_headers_tell_of_the_scarcest_and_of_those_reached_the_last_to_reset():
    async with limited(requests_per_minute=2, requests_per_day=3) as emulator:
        answers = [await ask(emulator, by_id("1")) for _ in range(3)]
        assert [answer.headers["X-RateLimit-Limit"] for answer in answers] == ["2", "2", "2"]
        assert answers[2].code == 40008
        emulator.clock.now += 60
        answers = [await ask(emulator, by_id("1")) for _ in range(2)]
        assert [answer.headers["X-RateLimit-Limit"] for answer in answers] == ["3", "3"]
        assert answers[1].status == 429
        assert answers[1].headers["X-RateLimit-Reset"] == str(int(DAY_END))


@pytest.mark.parametrize(("body", "text"), [("text", "Too Many Requests"), ("json", '{"code": 40008')])
async def test_the_429_of_a_limit_has_the_body_asked_for(body, text):
    async with limited(requests_per_hour=1, too_many_requests_body=body) as emulator:
        await ask(emulator, by_id("1"))
        refused = await ask(emulator, by_id("1"))
        assert refused.status == 429
        assert refused.text.startswith(text)


async def test_a_request_that_a_fault_strikes_counts_and_one_over_the_limit_meets_no_fault():
    async with limited(Faults(script=["50000", "drop_before", "502", "drop_after"]), requests_per_hour=2) as emulator:
        answers = [await ask_or_lose(emulator, by_id(record)) for record in ids(4)]
        assert answers == [50000, "dropped", "429", "429"]
        assert emulator.count(TABLE_ID) == 20
        assert emulator.answers == {50000: 1, "dropped": 1, "429": 2}


async def test_a_429_that_is_a_fault_has_its_own_wait_beside_the_headers_of_the_limit():
    async with limited(Faults(script=["429"], retry_after_seconds=7), requests_per_hour=9) as emulator:
        refused = await ask(emulator, by_id("1"))
        assert (refused.headers["Retry-After"], refused.headers["X-RateLimit-Remaining"]) == ("7", "8")


async def test_a_limit_that_is_set_lower_while_it_runs_counts_what_was_before():
    async with limited(requests_per_hour=9) as emulator:
        assert await codes(emulator, 3) == [0, 0, 0]
        emulator.switches = Switches(requests_per_hour=2)
        assert await codes(emulator, 1) == ["429"]
        emulator.switches = Switches(requests_per_hour=4)
        assert await codes(emulator, 2) == [0, "429"]


@pytest.mark.parametrize(
    "limit",
    [
        {"requests_per_minute": 2},
        {"requests_per_minute": 2, "retry_after": "none", "reset_unit": "milliseconds"},
        {"requests_per_hour": 2, "retry_after": "date"},
    ],
)
async def test_the_client_waits_for_the_next_window_and_goes_on(limit):
    began, window_end = time.time(), NOON + 3_600

    def clock() -> float:
        return window_end - 0.2 + time.time() - began

    async with Emulator(switches=Switches(**limit), clock=clock) as emulator:
        emulator.load(TABLE_ID, ids(4_000))
        async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
            report = await deleter.delete(TABLE_ID, ids(4_000))
        assert (report.acknowledged, emulator.count(TABLE_ID)) == (4_000, 0)
        assert emulator.answers[0] == 4
        assert emulator.answers[40008] + emulator.answers["429"] == 0  # obeyed before it is hit
