"""Each switch of the emulator: what the API's documents leave open, one way and the other."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from bulkdelete import BulkDeleter
from bulkdelete.emulator import Emulator, Faults, Switches
from tests.integration.asking import TABLE_ID, ask, ask_or_lose, by_email, by_id, ids

LOADED = ids(4)


@asynccontextmanager
async def serving(**switches):
    """Serve four records whose e-mail addresses are 0 to 3."""
    async with Emulator(switches=Switches(**switches), record_requests=True) as emulator:
        emulator.load(TABLE_ID, LOADED, values=[{"email": str(number), "name": "n"} for number in range(4)])
        yield emulator


async def test_an_empty_request_can_be_ok():
    async with serving(empty_request="ok") as emulator:
        assert (await ask(emulator, [])).code == 0
        assert emulator.count(TABLE_ID) == 4


@pytest.mark.parametrize(
    "entries",
    [by_id(LOADED[0], LOADED[0]), by_email("0", "0"), by_email("0") + by_id(LOADED[0])],
    ids=["by id", "by filter", "by both"],
)
async def test_a_record_named_twice_can_be_invalid(entries):
    async with serving(duplicates="40000") as emulator:
        assert (await ask(emulator, entries)).code == 40000
        assert emulator.count(TABLE_ID) == 4
        assert (await ask(emulator, entries[:1])).code == 0
    async with serving() as emulator:
        assert (await ask(emulator, entries)).code == 0
        assert list(emulator.remaining(TABLE_ID)) == LOADED[1:]


async def test_a_filter_on_a_column_that_is_not_unique_can_name_nothing():
    async with serving(other_columns="ignored", unknown_ids="40000") as emulator:
        assert (await ask(emulator, [{"filter": {"name": "n"}}, *by_id(LOADED[0])])).code == 0
        assert list(emulator.remaining(TABLE_ID)) == LOADED[1:]
        assert (await ask(emulator, [{"filter": {"name": "n", "email": "1"}}])).code == 40000
        assert (await ask(emulator, [{"filter": {"name": None}}])).code == 40000


BAD_ENTRIES = {
    "malformed": ({}, {"record_id": 5}),
    "no object": ({}, "x"),
    "a column that is not unique": ({}, {"filter": {"name": "n"}}),
    "poisoned": ({}, {"record_id": LOADED[3]}),
    "poisoned, by filter": ({}, {"filter": {"email": "3"}}),
    "unknown": ({"unknown_ids": "40000"}, {"record_id": "1"}),
    "unknown, by filter": ({"unknown_ids": "40000"}, {"filter": {"email": "9"}}),
    "named twice": ({"duplicates": "40000"}, {"record_id": LOADED[0]}),
}


@pytest.mark.parametrize(("switches", "bad"), BAD_ENTRIES.values(), ids=BAD_ENTRIES)
@pytest.mark.parametrize(("atomicity", "gone"), [("all_or_nothing", 0), ("partial", 2)])
async def test_of_a_bad_batch_nothing_is_applied_or_the_good_entries_are(switches, bad, atomicity, gone):
    async with serving(atomicity=atomicity, **switches) as emulator:
        emulator.poison(TABLE_ID, [LOADED[3]])
        answer = await ask(emulator, [*by_id(LOADED[0]), bad, *by_email("1")])
        assert answer.json == {"code": 40000, "message": "Invalid parameters"}
        assert list(emulator.remaining(TABLE_ID)) == LOADED[gone:]
        assert list(emulator.log[-1].applied) == LOADED[:gone]


async def test_of_too_many_entries_nothing_is_applied_in_any_case():
    async with serving(atomicity="partial", unknown_ids="ignored", duplicates="accepted") as emulator:
        assert (await ask(emulator, by_id(*LOADED, *ids(997, first=10**17)))).code == 40000
        assert emulator.count(TABLE_ID) == 4


async def test_the_good_entries_are_applied_also_where_the_answer_is_lost():
    async with serving(atomicity="partial") as emulator:
        emulator.faults = Faults(script=["drop_after", "applied_then_50000"])
        assert await ask_or_lose(emulator, [*by_id(LOADED[0]), {}]) == "dropped"
        assert await ask_or_lose(emulator, [*by_id(LOADED[1]), {}]) == 50000
        assert list(emulator.remaining(TABLE_ID)) == LOADED[2:]


async def test_other_switches_hold_from_the_next_request_on():
    async with serving() as emulator:
        assert (await ask(emulator, [])).code == 40000
        emulator.switches = Switches(empty_request="ok", error_status="http")
        assert (await ask(emulator, [])).code == 0
        assert (await ask(emulator, [{}])).status == 400


SERVERS = {
    "the likely one": {},
    "partial": {"atomicity": "partial"},
    "partial, strict": {"atomicity": "partial", "unknown_ids": "40000", "duplicates": "40000"},
    "strict": {"unknown_ids": "40000", "duplicates": "40000"},
    "4xx": {"error_status": "http"},
    "envelope": {"error_status": "envelope"},
}


@pytest.mark.parametrize("switches", SERVERS.values(), ids=SERVERS)
async def test_the_client_deletes_what_it_may_on_every_such_server(switches):
    rows = ids(300)
    async with Emulator(switches=Switches(**switches)) as emulator:
        emulator.load(TABLE_ID, rows)
        emulator.poison(TABLE_ID, rows[7:9])
        async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
            report = await deleter.delete(TABLE_ID, rows)
        assert list(emulator.remaining(TABLE_ID)) == rows[7:9]
        assert report.rows == 300
