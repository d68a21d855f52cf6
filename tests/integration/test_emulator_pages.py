"""``POST /v1/database/records/page``: a table's records a page at a time, and how many there are."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from bulkdelete.emulator import Emulator, Faults, Switches
from tests.integration.asking import TABLE_ID, Answer, ask, by_email, by_id, ids

PAGE_PATH = "/v1/database/records/page"
NOON = 1_767_268_800.0
LOADED = ids(5)
VALUES = [
    {"email": f"{number}@example.com", "city": city} for number, city in enumerate(["Ulm", "Bonn", "Köln", "Bonn", 7])
]


@pytest.fixture
async def emulator():
    async with Emulator(clock=lambda: NOON, record_requests=True) as emulator:
        emulator.load(TABLE_ID, LOADED, values=VALUES)
        yield emulator


async def ask_page(emulator: Emulator, *, key: str | None = None, **asked: Any) -> Answer:
    asked = {"table_id": TABLE_ID, "page": 1, "page_size": 100, **asked}
    headers = {"Authorization": f"Bearer {key or emulator.api_key}"}
    body = {name: value for name, value in asked.items() if value is not ...}
    async with (
        aiohttp.ClientSession() as session,
        session.post(emulator.base_url + PAGE_PATH, json=body, headers=headers) as response,
    ):
        return Answer(response.status, response.headers, await response.text())


async def listed(emulator: Emulator, **asked: Any) -> tuple[list[str], int]:
    page = (await ask_page(emulator, **asked)).json
    return [record["id"] for record in page["records"]], page["total_count"]


async def test_a_page_holds_the_records_with_their_values_and_times_and_how_many_there_are(emulator):
    answer = await ask_page(emulator, page_size=1)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json == {
        "table_info": {"table_id": TABLE_ID, "unique_columns": ["email"]},
        "records": [{"id": LOADED[0], "value": VALUES[0], "created_at": NOON * 1000, "updated_at": NOON * 1000}],
        "total_count": 5,
    }


async def test_pages_follow_each_other_and_beyond_the_last_there_is_none(emulator):
    pages = [await listed(emulator, page=page, page_size=2) for page in (1, 2, 3, 4, 2**53)]
    assert pages == [(LOADED[:2], 5), (LOADED[2:4], 5), (LOADED[4:], 5), ([], 5), ([], 5)]


async def test_the_answer_can_be_wrapped(emulator):
    plain = await ask_page(emulator)
    emulator.switches = Switches(page_answer="wrapped")
    assert (await ask_page(emulator)).json == {"code": 0, "message": "OK", "data": plain.json}


async def test_a_filter_finds_the_one_record(emulator):
    assert await listed(emulator, filter={"email": "3@example.com"}) == ([LOADED[3]], 1)
    assert await listed(emulator, filter={"email": "3@example.com"}, page=2) == ([], 1)
    assert await listed(emulator, filter={"email": "nobody"}) == ([], 0)


async def test_a_keyword_finds_the_records_that_hold_it_in_any_column(emulator):
    assert await listed(emulator, keyword="Bonn") == ([LOADED[1], LOADED[3]], 2)
    assert await listed(emulator, keyword="Bonn", page=2, page_size=1) == ([LOADED[3]], 2)
    assert await listed(emulator, keyword="öl") == ([LOADED[2]], 1)
    assert await listed(emulator, keyword="7") == ([LOADED[4]], 1)
    assert await listed(emulator, keyword="email") == ([], 0)
    assert await listed(emulator, keyword="Bonn", filter={"email": "1@example.com"}) == ([LOADED[1]], 1)
    assert await listed(emulator, keyword="Bonn", filter={"email": "0@example.com"}) == ([], 0)
    assert await listed(emulator, keyword="", filter=None) == (LOADED, 5)


@pytest.mark.parametrize(
    "asked",
    [
        {"page": 0},
        {"page": ...},
        {"page": 1.0},
        {"page": True},
        {"page": "1"},
        {"page": 2**53 + 1},
        {"page_size": 0},
        {"page_size": 101},
        {"page_size": ...},
        {"keyword": 0},
        {"table_id": ...},
        {"filter": {}},
        {"filter": {"city": "Bonn"}},
        {"filter": {"email": ["0@example.com"]}},
        {"filter": "email"},
    ],
    ids=str,
)
async def test_what_is_no_question_is_invalid(emulator, asked):
    assert (await ask_page(emulator, **asked)).json == {"code": 40000, "message": "Invalid parameters"}


async def test_a_filter_on_a_column_that_is_not_unique_can_find_nothing(emulator):
    emulator.switches = Switches(other_columns="ignored")
    assert await listed(emulator, filter={"city": "Bonn"}) == ([], 0)


async def test_who_may_ask_is_checked_as_for_a_delete(emulator):
    emulator.add_key("of another", tables=["f" * 24])
    emulator.switches = Switches(error_status="envelope")
    answers = [
        await ask_page(emulator, key="of nobody"),
        await ask_page(emulator, table_id="e" * 24),
        await ask_page(emulator, key="of another"),
    ]
    assert [answer.json["error"]["code"] for answer in answers] == ["40127", "403106", "403131"]
    assert [answer.status for answer in answers] == [401, 403, 403]


async def test_the_total_follows_every_load_and_every_delete(emulator):
    emulator.load(TABLE_ID, [*LOADED, "a", "a"])
    assert (await listed(emulator))[1] == 6
    emulator.load(TABLE_ID, ["a", "b"], values=[{"email": "a"}, {"email": "b"}])
    assert (await listed(emulator))[1] == 7
    with pytest.raises(ValueError, match="nothing was loaded"):
        emulator.load(TABLE_ID, ["c", "d"], values=[{"email": "c"}, {"email": "c"}])
    assert (await ask(emulator, by_id("a", "a", "no such", LOADED[0]) + by_email("b", "b"))).code == 0
    assert (await ask(emulator, by_id("no such"))).code == 0
    assert (await listed(emulator))[1] == 4 == emulator.count(TABLE_ID) == len(list(emulator.remaining(TABLE_ID)))


async def test_the_total_and_the_times_survive_a_restart(tmp_path):
    times = [NOON]
    async with Emulator(tmp_path / "emulator.db", clock=lambda: times[-1]) as emulator:
        emulator.load(TABLE_ID, ["1", "2", "3"])
        times.append(NOON + 1)
        emulator.load(TABLE_ID, ["1"], values=[{"email": "one"}])
        await ask(emulator, by_id("3"))
    async with Emulator(tmp_path / "emulator.db") as emulator:
        page = (await ask_page(emulator)).json
    assert page["total_count"] == 2
    first, second = page["records"]
    assert (first["created_at"], first["updated_at"]) == (NOON * 1000, (NOON + 1) * 1000)
    assert (second["value"], second["updated_at"]) == ({}, NOON * 1000)


async def test_a_page_is_a_request_for_the_limits_the_faults_and_the_log(emulator):
    emulator.faults = Faults(script=["50000", "ok", "applied_then_50000"])
    emulator.switches = Switches(requests_per_hour=3)
    answers = [await ask_page(emulator), await ask_page(emulator), await ask(emulator, by_id(LOADED[0]))]
    assert [answer.json.get("code") for answer in answers] == [50000, None, 50000]
    refused = await ask_page(emulator)
    assert (refused.status, refused.headers["X-RateLimit-Remaining"]) == (429, "0")
    assert [logged.path for logged in emulator.log] == [PAGE_PATH, PAGE_PATH, "/v2/database/delete/record", PAGE_PATH]
    assert [logged.answer for logged in emulator.log] == [50000, 0, 50000, "429"]
    assert (emulator.log[1].table_id, emulator.log[1].entries, list(emulator.log[1].applied)) == (TABLE_ID, [], [])


async def test_a_page_waits_in_the_same_line_as_deletes(emulator):
    emulator.faults = Faults(latency_seconds=0.1)
    emulator.switches = Switches(capacity=1)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.gather(ask_page(emulator), ask(emulator, by_id("1")))
    assert loop.time() - begun >= 0.2


@pytest.mark.no_cover  # long, and reaches nothing that others do not
async def test_counting_a_million_records_takes_no_longer_than_counting_ten():
    loop = asyncio.get_running_loop()

    async def seconds(emulator: Emulator, records: int) -> float:
        begun = loop.time()
        assert await listed(emulator, page_size=1) == ([str(10**17)], records)
        return loop.time() - begun

    fastest = []
    for records in (10, 1_000_000):
        async with Emulator() as emulator:
            emulator.load(TABLE_ID, map(str, range(10**17, 10**17 + records)))
            fastest.append(min([await seconds(emulator, records) for _ in range(20)]))
    assert fastest[1] < 5 * fastest[0]
