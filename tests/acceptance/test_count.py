"""``run --count``: what the API counts before and after, in the report and no more than it proves."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bulkdelete.emulator import Emulator, Switches
from tests.acceptance.command import CANARY_KEY, TABLE_ID, Command, fates, finished, ids, write_csv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path


@pytest.mark.parametrize("page_answer", ["plain", "wrapped"])
async def test_the_report_shows_the_tables_records_before_and_after(tmp_path, page_answer):
    async with Emulator(switches=Switches(page_answer=page_answer)) as emulator:
        emulator.add_key(CANARY_KEY)
        emulator.load(TABLE_ID, ids(2_600))
        write_csv(tmp_path / "ids.csv", [*ids(2_500), *ids(10, first=700_000_000_000_000_000)])
        words = ("run", "ids.csv", "--table-id", TABLE_ID, "--base-url", emulator.base_url, "--ledger", "purge.db")
        done = await Command(tmp_path, *words, "--yes", "--count").run()
        assert done.code == 0, done.stderr
        assert "table before    2,600 records" in done.stdout
        assert "table after     100 records: 2,500 fewer" in done.stdout
        assert "acknowledged  2,510" in done.stdout  # ten were not there, and the API does not say so
        assert emulator.requests == 5


async def closed() -> web.Response:
    return web.Response(status=503, headers={"Retry-After": "1"})


async def full() -> web.Response:
    return web.Response(status=429, headers={"Retry-After": "60"})


async def silent() -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


class Api:
    """Acknowledges every delete, and counts 5 records once; from then on a count is answered as *then* says."""

    def __init__(self, then: Callable[[], Awaitable[web.Response]], *, counts: int = 1) -> None:
        self._then = then
        self._counts = counts
        self.asked = 0

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        if not request.path.endswith("/page"):
            return web.json_response({"code": 0, "message": "OK"})
        self.asked += 1
        if self.asked <= self._counts:
            return web.json_response({"records": [], "total_count": 5})
        return await self._then()

    def purge(self, folder: Path, *more: object) -> Command:
        write_csv(folder / "ids.csv", ids(50))
        words = ("run", "ids.csv", "--table-id", TABLE_ID, "--base-url", self.base_url, "--ledger", "purge.db")
        return Command(folder, *words, "--batch-size", 10, "--yes", "--json", "--count", *more)

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(30):
            while self.asked < times:
                await asyncio.sleep(0.02)


@pytest.fixture
async def serve() -> AsyncIterator:
    servers = []

    async def start(api: Api) -> Api:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", api.answer)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        api.base_url = str(server.make_url("")).rstrip("/")
        return api

    yield start
    for server in servers:
        await server.close()


async def test_an_outage_while_the_table_is_counted_before_the_first_delete_ends_the_run_as_any_other(tmp_path, serve):
    api = await serve(Api(closed, counts=0))
    done = await api.purge(tmp_path, "--max-outage", 2).run()
    assert (done.code, done.report["ended"], done.report["acknowledged"]) == (75, "outage", 0), done.everything


async def test_an_outage_while_the_table_is_counted_after_the_last_delete_harms_no_run(tmp_path, serve):
    api = await serve(Api(closed))
    for _ in range(2):
        done = await api.purge(tmp_path, "--max-outage", 2).run()
        assert (done.code, done.report["ended"], fates(done.report)) == (0, "complete", {"acknowledged": 50})
        assert "were not counted: 'nothing but failures came back for 2 s" in done.stderr
        assert (done.report["total_count_before"], done.report["total_count_after"]) == (5, None)


@pytest.mark.parametrize("then", [full, silent])
async def test_a_signal_ends_the_count_after_the_last_delete_and_what_is_done_is_complete(tmp_path, serve, then):
    api = await serve(Api(then))
    async with api.purge(tmp_path).started() as process:
        await api.until_asked(2)
        await asyncio.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            done = await finished(process)
    assert (done.code, done.report["ended"], fates(done.report)) == (0, "complete", {"acknowledged": 50}), done.stderr
    assert done.report["total_count_after"] is None


@pytest.mark.parametrize("then", [full, silent])
async def test_the_duration_ends_the_count_after_the_last_delete_and_what_is_done_is_complete(tmp_path, serve, then):
    api = await serve(Api(then))
    done = await api.purge(tmp_path, "--max-duration", 2).run()
    assert (done.code, done.report["ended"], fates(done.report)) == (0, "complete", {"acknowledged": 50}), done.stderr
    assert 2 <= done.report["elapsed_seconds"] < 5


async def test_a_run_whose_duration_is_over_does_not_count_any_more(tmp_path, serve):
    api = await serve(Api(full))
    done = await api.purge(tmp_path, "--max-duration", 2, "--requests-per-minute", 2).run()
    assert (done.code, done.report["ended"], done.report["acknowledged"]) == (75, "duration", 10), done.stderr
    assert done.report["elapsed_seconds"] < 5
    assert api.asked == 1


@pytest.mark.parametrize("stops", ["signal", "duration"])
async def test_the_count_before_the_first_delete_heeds_a_stop_while_it_is_on_its_way(tmp_path, serve, stops):
    api = await serve(Api(silent, counts=0))
    async with api.purge(tmp_path, *(("--max-duration", 1) if stops == "duration" else ())).started() as process:
        await api.until_asked(1)
        if stops == "signal":
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            done = await finished(process)
    assert (done.code, done.report["ended"]) == ((143, "signal") if stops == "signal" else (75, "duration"))
    assert not done.report["rows"]
