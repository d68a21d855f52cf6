"""Replies that are no plain answer: a byte at a time, huge, without an end, no JSON, empty."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import orjson
import pytest

from bulkdelete import BulkDeleter, Settings
from bulkdelete.emulator import Emulator, Faults, Switches
from tests.integration.asking import PATH, TABLE_ID, ask, by_id, ids

ANSWER = b'{"code": 0, "message": "OK"}'


@pytest.fixture
async def served():
    """Serve two records with the faults asked for."""
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ids(2))

        def with_faults(**faults) -> Emulator:
            emulator.faults = Faults(**faults)
            return emulator

        yield with_faults


def asking(session: aiohttp.ClientSession, emulator: Emulator):
    body = orjson.dumps({"table_id": TABLE_ID, "delete_data": by_id(ids(1)[0])})
    headers = {"Authorization": f"Bearer {emulator.api_key}"}
    return session.post(emulator.base_url + PATH, data=body, headers=headers)


async def test_a_reply_that_drips_is_the_whole_answer_and_comes_a_byte_at_a_time(served):
    loop = asyncio.get_running_loop()
    emulator = served(script=["drip"], drip_seconds=0.003)
    async with aiohttp.ClientSession() as session, asking(session, emulator) as response:
        assert (response.status, response.content_length) == (200, len(ANSWER))
        begun = loop.time()
        parts = [part async for part in response.content.iter_any()]
    assert b"".join(parts) == ANSWER
    assert loop.time() - begun >= 0.003 * (len(ANSWER) - 2)
    assert len(parts) > 1
    assert emulator.count(TABLE_ID) == 1


async def test_a_huge_reply_is_the_answer_and_then_spaces(served):
    emulator = served(script=["huge"], huge_bytes=300_000)
    answer = await ask(emulator, by_id(ids(1)[0]))
    assert (len(answer.text), answer.headers["Content-Length"], answer.code) == (300_000, "300000", 0)
    assert emulator.count(TABLE_ID) == 1


async def test_a_huge_reply_is_never_shorter_than_the_answer(served):
    assert (await ask(served(script=["huge"], huge_bytes=0), by_id("1"))).text == ANSWER.decode()


@pytest.mark.parametrize("drip_seconds", [0.0, 0.0001])
async def test_an_endless_reply_goes_on_until_the_client_goes_away_and_leaves_no_trace(served, caplog, drip_seconds):
    caplog.set_level(logging.WARNING)
    emulator = served(script=["endless"], drip_seconds=drip_seconds)
    async with aiohttp.ClientSession() as session:
        async with asking(session, emulator) as response:
            assert response.content_length is None
            assert await response.content.readexactly(len(ANSWER) + 20) == ANSWER + b" " * 20
            response.close()
        assert (await ask(emulator, by_id("1"))).code == 0
    assert emulator.count(TABLE_ID) == 1
    assert emulator.answers == {0: 2}
    assert not caplog.records


async def test_an_endless_reply_does_not_hold_up_the_end(caplog):
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        async with Emulator(faults=Faults(script=["endless"], drip_seconds=3_600)) as emulator:
            emulator.load(TABLE_ID, ids(1))
            response = await asking(session, emulator)
            begun = loop.time()
        assert loop.time() - begun < 5
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    assert not caplog.records


async def test_what_is_not_json_or_empty_comes_with_200_and_applies_nothing(served):
    emulator = served(script=["not_json", "empty"])
    text, empty = [await ask(emulator, by_id(ids(1)[0])) for _ in range(2)]
    assert (text.status, text.headers["Content-Type"].split(";")[0], text.text) == (200, "text/plain", "OK")
    assert (empty.status, empty.text, empty.headers["Content-Length"]) == (200, "", "0")
    assert emulator.answers == {"not_json": 1, "empty": 1}
    assert emulator.count(TABLE_ID) == 2


async def test_an_error_drips_as_it_would_have_come(served):
    emulator = served(script=["drip"], drip_seconds=0)
    emulator.switches = Switches(error_status="envelope")
    answer = await ask(emulator, [])
    assert (answer.status, answer.json["error"]["code"]) == (400, "40000")


@pytest.mark.parametrize("drip_seconds", [0, 0.001], ids=["a flood", "drops"])
async def test_the_client_gets_through_all_of_them_and_nothing_is_acknowledged_by_mistake(drip_seconds):
    script = ["not_json", "empty", "huge", "drip", "endless", "ok"]
    patient = {"retry": {"first_backoff_seconds": 0}, "http": {"answer_timeout_seconds": 1}}
    async with Emulator(faults=Faults(script=script, drip_seconds=drip_seconds)) as emulator:
        emulator.load(TABLE_ID, ids(1_500))
        settings = Settings.from_mapping(patient)
        async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=settings) as deleter:
            report = await deleter.delete(TABLE_ID, ids(1_500))
        assert (report.acknowledged, emulator.count(TABLE_ID)) == (1_500, 0)
        assert emulator.requests == 6
