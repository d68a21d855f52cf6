"""A server that is too small, as its clients meet it."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bulkdelete import BulkDeleter
from bulkdelete.emulator import Emulator, Faults, Switches
from tests.integration.asking import TABLE_ID, ask, ask_or_lose, by_id, ids

LATENCY_SECONDS = 0.1


async def together(requests: int, **switches) -> tuple[Counter[int | str], float, int]:
    """Delete a record with each of *requests* at once; return the answers, the time it took and what is left."""
    loop = asyncio.get_running_loop()
    faults = Faults(latency_seconds=LATENCY_SECONDS)
    async with Emulator(faults=faults, switches=Switches(**switches)) as emulator:
        emulator.load(TABLE_ID, ids(requests))
        begun = loop.time()
        answers = await asyncio.gather(*(ask_or_lose(emulator, by_id(record)) for record in ids(requests)))
        return Counter(answers), loop.time() - begun, emulator.count(TABLE_ID)


async def test_in_a_queue_all_are_answered_one_after_the_other():
    answers, seconds, left = await together(6, capacity=2)
    assert (answers, left) == ({0: 6}, 0)
    assert seconds >= 3 * LATENCY_SECONDS


@pytest.mark.parametrize(("cliff_answer", "refused"), [("429", "429"), ("50000", 50000)])
async def test_beyond_a_cliff_a_request_is_refused_at_once_without_a_word_of_when_to_come_back(cliff_answer, refused):
    faults = Faults(latency_seconds=3_600, retry_after_seconds=9)
    switches = Switches(capacity=2, beyond_capacity="cliff", cliff_answer=cliff_answer)
    async with Emulator(faults=faults, switches=switches) as emulator:
        emulator.load(TABLE_ID, ids(3))
        served = [asyncio.create_task(ask_or_lose(emulator, by_id(record))) for record in ids(2)]
        async with asyncio.timeout(30):
            while emulator.requests < 2:
                await asyncio.sleep(0)
            answer = await ask(emulator, by_id(ids(3)[2]))
        assert answer.status == (429 if refused == "429" else 200)
        assert "Retry-After" not in answer.headers
        assert emulator.answers == {refused: 1}
        assert emulator.count(TABLE_ID) == 3
    assert await asyncio.gather(*served) == ["dropped"] * 2


async def test_where_it_thrashes_everybody_waits_longer():
    answers, seconds, left = await together(4, capacity=2, beyond_capacity="thrash")
    assert (answers, left) == ({0: 4}, 0)
    assert seconds >= 4 * LATENCY_SECONDS  # two at once is the best it can do, and then each takes twice as long


@pytest.mark.parametrize("beyond", ["queue", "cliff", "thrash"])
async def test_the_client_gets_through_a_server_that_is_too_small(beyond):
    switches = Switches(capacity=4, beyond_capacity=beyond, cliff_answer="50000", thrash_exponent=1)
    async with Emulator(faults=Faults(latency_seconds=0.005), switches=switches) as emulator:
        emulator.load(TABLE_ID, ids(12_000))
        async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
            report = await deleter.delete(TABLE_ID, ids(12_000))
        assert (report.acknowledged, emulator.count(TABLE_ID)) == (12_000, 0)
