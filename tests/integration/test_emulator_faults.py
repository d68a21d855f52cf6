"""Every fault of the emulator as a plain client meets it, and the same faults again for the same seed."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from bulkdelete.emulator import Emulator, Fault, Faults, Switches
from tests.integration.asking import PATH, TABLE_ID, ask, ask_or_lose, by_id, ids

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.both_loops


async def answered(faults: Faults, requests: int = 4) -> tuple[list[int | str], list[str]]:
    """Delete one record a request; return how each was answered, and the records that are gone."""
    async with Emulator(faults=faults) as emulator:
        loaded = ids(requests)
        emulator.load(TABLE_ID, loaded)
        answers = [await ask_or_lose(emulator, by_id(record)) for record in loaded]
        remaining = set(emulator.remaining(TABLE_ID))
        assert emulator.requests == requests
        assert emulator.answers.total() == requests
    return answers, [record for record in loaded if record not in remaining]


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("word", "answer", "applied"),
    [
        ("ok", 0, True),
        ("50000", 50000, False),
        ("applied_then_50000", 50000, True),
        ("drop_before", "dropped", False),
        ("drop_after", "dropped", True),
        ("429", "429", False),
        ("40008", 40008, False),
        ("502", "502", False),
        ("40127", 40127, False),
        ("40000", 40000, False),
        ("403106", 403106, False),
        ("403131", 403131, False),
        ("drip", 0, True),
        ("huge", 0, True),
        ("not_json", "200", False),
        ("empty", "200", False),
    ],
)
async def test_a_script_decides_the_first_requests_and_the_rest_is_well(word, answer, applied):
    answers, gone = await answered(Faults(script=[word]), 3)
    assert answers == [answer, 0, 0]
    assert gone == ids(3) if applied else gone == ids(3)[1:]


@pytest.mark.parametrize(
    ("rate", "answer", "applied"),
    [
        ("internal_error_rate", 50000, False),
        ("applied_then_50000_rate", 50000, True),
        ("drop_before_rate", "dropped", False),
        ("drop_after_rate", "dropped", True),
        ("too_many_requests_rate", "429", False),
        ("minute_limit_rate", 40008, False),
        ("bad_gateway_rate", "502", False),
        ("drip_rate", 0, True),
        ("huge_rate", 0, True),
        ("not_json_rate", "200", False),
        ("empty_rate", "200", False),
    ],
)
async def test_a_rate_of_one_strikes_every_request(rate, answer, applied):
    answers, gone = await answered(Faults(**{rate: 1}, drip_seconds=0))
    assert answers == [answer] * 4
    assert gone == (ids(4) if applied else [])


async def test_a_script_runs_word_by_word():
    answers, gone = await answered(Faults(script=["50000", "50000", "drop_after", "429", "502"]), 7)
    assert answers == [50000, 50000, "dropped", "429", "502", 0, 0]
    assert gone == [ids(7)[2], *ids(7)[5:]]


async def test_the_first_fail_and_then_all_is_well():
    answers, gone = await answered(Faults(fail_first=3), 5)
    assert answers == [50000] * 3 + [0] * 2
    assert gone == ids(5)[3:]


async def test_after_some_requests_the_key_is_refused_for_good():
    answers, gone = await answered(Faults(unauthorized_after=2, internal_error_rate=0.0), 4)
    assert answers == [0, 0, 40127, 40127]
    assert gone == ids(4)[:2]


async def test_other_faults_number_the_requests_anew():
    async with Emulator(faults=Faults(script=["50000"])) as emulator:
        emulator.load(TABLE_ID, ids(1))
        answers = [await ask_or_lose(emulator, by_id("1")) for _ in range(2)]
        emulator.faults = Faults(script=["502", "40008"])
        answers += [await ask_or_lose(emulator, by_id("1")) for _ in range(3)]
        assert answers == [50000, 0, "502", 40008, 0]
        assert emulator.answers == {50000: 1, 0: 2, "html": 1, 40008: 1}


async def test_a_refused_request_stays_refused_behind_a_fault_that_applies():
    async with Emulator(faults=Faults(script=["drop_after", "applied_then_50000"])) as emulator:
        emulator.load(TABLE_ID, ids(2))
        emulator.poison(TABLE_ID, ids(1))
        assert [await ask_or_lose(emulator, by_id(*ids(2))) for _ in range(3)] == ["dropped", 50000, 40000]
        assert emulator.count(TABLE_ID) == 2


@pytest.mark.parametrize(
    ("given", "header", "body", "kind", "text"),
    [
        ({}, None, "text", "text/plain", "Too Many Requests"),
        ({"retry_after_seconds": 90}, "90", "text", "text/plain", "Too Many Requests"),
        (
            {"retry_after_seconds": 0.25},
            "0.25",
            "json",
            "application/json",
            '{"code": 40008, "message": "The limit of requests per minute is exceeded"}',
        ),
        ({"retry_after_seconds": 31_000_000}, "31000000", "text", "text/plain", "Too Many Requests"),
    ],
)
async def test_a_429_has_the_header_and_the_body_it_was_asked_for(given, header, body, kind, text):
    faults, switches = Faults(script=["429"], **given), Switches(too_many_requests_body=body)
    async with Emulator(faults=faults, switches=switches) as emulator:
        answer = await ask(emulator, by_id("1"))
        assert (answer.status, answer.text) == (429, text)
        assert answer.headers.get("Retry-After") == header
        assert answer.headers["Content-Type"].startswith(kind)
        assert emulator.answers == {"429": 1}


async def test_a_minute_limit_is_200_with_40008_and_a_bad_gateway_is_html():
    async with Emulator(faults=Faults(script=["40008", "50000", "502"])) as emulator:
        limited, failed, gateway = [await ask(emulator, by_id("1")) for _ in range(3)]
        assert limited.status == 200
        assert limited.text == '{"code": 40008, "message": "The limit of requests per minute is exceeded"}'
        assert failed.text == '{"code": 50000, "message": "Internal system error"}'
        assert (gateway.status, gateway.headers["Content-Type"]) == (502, "text/html")
        assert gateway.text.startswith("<html>")


async def test_an_internal_error_comes_in_the_envelope_too():
    async with Emulator(faults=Faults(script=["50000"]), switches=Switches(error_status="envelope")) as emulator:
        answer = await ask(emulator, by_id("1"))
        assert answer.status == 500
        assert answer.json == {"error": {"code": "50000", "message": "Internal system error", "status": 500}}


async def test_a_request_takes_its_latency_and_is_counted_when_it_arrives():
    loop = asyncio.get_running_loop()
    async with Emulator(faults=Faults(latency_seconds=0.2)) as emulator:
        emulator.load(TABLE_ID, ids(1))
        begun = loop.time()
        asking = asyncio.create_task(ask(emulator, by_id(*ids(1))))
        await until(lambda: emulator.requests == 1)
        assert (emulator.count(TABLE_ID), emulator.answers.total()) == (1, 0)
        assert (await asking).code == 0
        assert loop.time() - begun >= 0.2


async def test_slow_requests_do_not_hold_up_each_other_or_the_end():
    loop = asyncio.get_running_loop()
    async with Emulator(faults=Faults(latency_seconds=3_600)) as emulator:
        emulator.load(TABLE_ID, ids(1))
        asking = [asyncio.create_task(ask_or_lose(emulator, by_id(*ids(1)))) for _ in range(20)]
        await until(lambda: emulator.requests == 20)
        emulator.faults = Faults()
        assert (await ask(emulator, by_id("1"))).code == 0
        begun = loop.time()
    assert loop.time() - begun < 5
    assert await asyncio.gather(*asking) == ["dropped"] * 20


async def test_a_client_that_goes_away_leaves_no_trace_in_the_log(caplog):
    caplog.set_level(logging.WARNING)
    async with Emulator(faults=Faults(latency_seconds=0.05)) as emulator:
        emulator.load(TABLE_ID, ids(1))
        host, port = emulator.base_url.removeprefix("http://").split(":")
        head = f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n".encode()
        for number, sent in enumerate((head + b"half", head + b"x" * 100), 1):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(sent)
            await writer.drain()
            await until(lambda number=number: emulator.requests == number)
            writer.transport.abort()
        await until(lambda: emulator.answers)
        assert (await ask(emulator, by_id("1"))).code == 0
    assert not caplog.records


def struck(faults: Faults, requests: int = 2_000) -> list[Fault]:
    return [faults.strike(number).fault for number in range(requests)]


def test_the_same_seed_gives_the_same_faults_in_any_order_and_another_seed_others():
    faults = Faults(seed=7, internal_error_rate=0.2, drop_after_rate=0.1, latency_seconds=1, latency_spread=0.5)
    again = Faults(seed=7, internal_error_rate=0.2, drop_after_rate=0.1, latency_seconds=1, latency_spread=0.5)
    backwards = [again.strike(number) for number in reversed(range(500))]
    assert [faults.strike(number) for number in range(500)] == backwards[::-1]
    assert struck(faults) != struck(Faults(seed=8, internal_error_rate=0.2, drop_after_rate=0.1))


async def test_two_emulators_with_one_seed_answer_alike():
    faults = {"seed": 11, "internal_error_rate": 0.3, "drop_before_rate": 0.2, "bad_gateway_rate": 0.2}
    first, second = await answered(Faults(**faults), 30), await answered(Faults(**faults), 30)
    assert first == second
    assert {0, 50000, "dropped", "502"} == set(first[0])


def test_rates_come_out_as_asked_for():
    counts = Counter(struck(Faults(internal_error_rate=0.25, bad_gateway_rate=0.05), 20_000))
    assert counts[Fault.INTERNAL_ERROR] == pytest.approx(5_000, rel=0.05)
    assert counts[Fault.BAD_GATEWAY] == pytest.approx(1_000, rel=0.1)
    assert counts[Fault.NONE] == 20_000 - counts[Fault.INTERNAL_ERROR] - counts[Fault.BAD_GATEWAY]


def test_the_latency_is_the_median_and_without_a_spread_the_same_for_all():
    assert {Faults(latency_seconds=0.1).strike(number).latency_seconds for number in range(100)} == {0.1}
    spread = Faults(latency_seconds=0.1, latency_spread=0.5)
    latencies = sorted(spread.strike(number).latency_seconds for number in range(5_001))
    assert latencies[2_500] == pytest.approx(0.1, rel=0.05)
    assert latencies[-1] > 0.3


def test_rates_that_add_up_to_one_in_floating_point_are_accepted():
    assert (
        struck(Faults(internal_error_rate=0.1, drop_after_rate=0.2, bad_gateway_rate=0.7), 100).count(Fault.NONE) == 0
    )
