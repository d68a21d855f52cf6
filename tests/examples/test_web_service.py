"""The web service, in a process of its own with a real port, against the real emulator."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from bulkdelete import BulkDeleteError, BulkDeleter, LedgerFolder, Settings
from bulkdelete.emulator import Emulator, Faults
from tests.examples.processes import KEY, TABLE_ID, ids, script, until_requests
from tests.examples.web_service import Erasures, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.examples.processes import Example

BATCH = 1000
OTHERS = ids(50, first=900_000)


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        emulator.add_key(KEY)
        emulator.load(TABLE_ID, OTHERS)
        yield emulator


@asynccontextmanager
async def service(emulator: Emulator, folder: Path) -> AsyncIterator[tuple[Example, aiohttp.ClientSession]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    async with script("web_service.py", emulator.base_url, folder, port) as example:
        async with asyncio.timeout(30):
            assert b"Running on" in await example.process.stdout.readline()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield example, session


async def posted(session: aiohttp.ClientSession, record_ids: list[str], request_id: str = "42") -> str:
    body = {"request_id": request_id, "table_id": TABLE_ID, "record_ids": record_ids}
    async with session.post("/erasures", json=body) as response:
        assert response.status == 202
        told = await response.json()
    assert response.headers["Location"] == told["status_url"] == f"/erasures/{told['id']}"
    return told["status_url"]


async def told(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url) as response:
        assert response.status == 200
        return await response.json()


async def complete(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while (status := await told(session, url))["state"] != "complete":
            await asyncio.sleep(0.02)
    return status


async def test_no_death_of_the_service_loses_an_erasure_that_was_answered_202(emulator, tmp_path):
    records = ids(20 * BATCH)
    emulator.load(TABLE_ID, records)
    emulator.faults = Faults(latency_seconds=60)
    async with service(emulator, tmp_path) as (example, session):
        url = await posted(session, records)
        example.process.kill()  # at once: whatever was not on disk is lost
        await example.ended()
    assert emulator.count(TABLE_ID) == len(OTHERS) + len(records)

    emulator.faults = Faults(latency_seconds=0.3)
    async with service(emulator, tmp_path) as (example, session):
        await until_requests(emulator, 5)
        status = await told(session, url)
        assert (status["state"], status["rows"] > 0) == ("running", True)
        assert await posted(session, records) == url, "the same request, while it runs"
        example.process.kill()
        await example.ended()
    [killed] = await LedgerFolder(tmp_path).ledgers()
    assert len(OTHERS) < emulator.count(TABLE_ID) < len(OTHERS) + len(records)

    async with service(emulator, tmp_path) as (example, session):
        await until_requests(emulator, emulator.requests + 2)
        example.process.terminate()
        code, said = await example.ended()
        assert (code, "Traceback" in said) == (0, False), said
    [left] = await LedgerFolder(tmp_path).ledgers()
    assert (left.state, left.last_ended) == ("resumable", "cancelled")
    assert left.acknowledged >= killed.acknowledged + 2 * BATCH, "what was in flight was not finished"
    assert emulator.count(TABLE_ID) > len(OTHERS)

    emulator.faults = Faults()
    async with service(emulator, tmp_path) as (_, session):
        status = await complete(session, url)
        assert (status["rows"], status["acknowledged"], status["last_ended"]) == (20_000, 20_000, "complete")
    assert list(emulator.remaining(TABLE_ID)) == OTHERS
    assert {entry["record_id"] for request in emulator.log for entry in request.entries} == set(records)


async def test_the_same_request_is_the_same_erasure_other_records_are_another_and_what_is_none_is_refused(
    emulator, tmp_path
):
    records, more = ids(30), ids(30, first=30)
    good = {"table_id": TABLE_ID, "record_ids": ids(1)}
    bad = [[], {}, {**good, "record_ids": [541278230707963208]}, {**good, "record_ids": []}, {**good, "more": 1}]
    rows = {"table_id": TABLE_ID, "record_ids": [str(number) for number in range(1, 200)]}
    emulator.load(TABLE_ID, records + more)
    async with service(emulator, tmp_path) as (_, session):
        urls = await asyncio.gather(*(posted(session, records) for _ in range(5)))
        assert len(set(urls)) == 1
        assert (await complete(session, urls[0]))["acknowledged"] == 30
        assert list(emulator.remaining(TABLE_ID)) == more + OTHERS
        assert await posted(session, records) == urls[0]
        other = await posted(session, more)
        assert other != urls[0]
        assert (await complete(session, other))["acknowledged"] == 30
        outside = await posted(session, [*records[:1], "nan"], request_id="../../x" * 100)
        assert (await complete(session, outside))["invalid"] == 1
        for body, status in [*((body, 400) for body in bad), (rows, 422), (rows, 422)]:
            async with session.post("/erasures", json=body) as response:
                assert response.status == status, body
        for path in ("0" * 64, "x", "..%2f..%2fetc%2fpasswd", "0" * 300):
            async with session.get(f"/erasures/{path}") as response:
                assert response.status == 404
    assert emulator.requests == 3
    assert list(emulator.remaining(TABLE_ID)) == OTHERS
    assert all(path.parent == tmp_path and path.name[64:67] == ".db" for path in tmp_path.rglob("*"))


async def test_an_erasure_whose_call_ended_otherwise_is_not_accepted(emulator, tmp_path):
    capped = Settings.from_mapping({"stop": {"max_records": 1}})
    async with BulkDeleter(base_url=emulator.base_url, api_key=KEY, settings=capped) as deleter:
        with pytest.raises(BulkDeleteError, match="max_records"):
            await Erasures(deleter, LedgerFolder(tmp_path)).accept(Request(table_id=TABLE_ID, record_ids=ids(2)))
    assert emulator.requests == 0
