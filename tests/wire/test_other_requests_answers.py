"""An answer that is not one to the request it is read for: there before it, or before the request was whole."""

from __future__ import annotations

import asyncio

import pytest

from bulkdelete import BulkDeleter, Settings
from tests.acceptance.command import CANARY_KEY, TABLE_ID, ids
from tests.wire.between import length_of, whole
from tests.wire.listening import listening

RECORDS = ids(2_000)


@pytest.mark.parametrize("late", [b"", whole(), whole(status="408 Request Timeout"), b"\0garbage"])
async def test_what_arrives_on_an_idle_connection_is_no_answer_to_the_next_request(tmp_path, late):
    heard: list[bytes] = []
    idle = asyncio.Event()
    spilled = asyncio.Event()

    async def spilling(reader, writer):
        """Answer once, and again while nobody asks; of what is asked then nothing is done."""
        head = await reader.readuntil(b"\r\n\r\n")
        heard.append(head + await reader.readexactly(length_of(head)))
        writer.write(whole())
        if len(heard) > 1:
            return
        await idle.wait()
        writer.write(late)
        await writer.drain()
        spilled.set()
        await reader.read(1)

    async with listening(spilling) as port:
        settings = Settings.from_mapping(
            {"base_url": f"http://127.0.0.1:{port}", "retry": {"first_backoff_seconds": 0}}
        )
        async with BulkDeleter(settings=settings, api_key=CANARY_KEY) as deleter:
            await deleter.delete(TABLE_ID, RECORDS[:1])
            idle.set()
            await spilled.wait()
            for _ in range(20):  # the loop reads what came
                await asyncio.sleep(0)
            report = await deleter.delete(TABLE_ID, RECORDS[1:2], ledger=tmp_path / "purge.db")
    assert report.acknowledged == 1
    assert RECORDS[1].encode() in heard[-1], "acknowledged by an answer that was there before the request"
    assert len(heard) == 2


async def test_an_answer_before_the_request_was_whole_acknowledges_nothing(tmp_path):
    long_ids = [str(number) * 4_000 for number in range(1, 9)] * 125
    long_ids = [f"{number:04}{text[:3_990]}" for number, text in enumerate(long_ids)]
    calm = False

    async def hasty(reader, writer):
        """Say OK to the head alone, the first time; then take requests whole."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if not calm:
                writer.transport.pause_reading()
                writer.write(whole())
                await asyncio.sleep(60)
            body = await reader.readexactly(length_of(head))
            taken.append(len(body))
            writer.write(whole())

    taken: list[int] = []
    async with listening(hasty, most_bytes=2**14) as port:
        settings = Settings.from_mapping(
            {
                "base_url": f"http://127.0.0.1:{port}",
                "batch": {"max_id_characters": 4_096},
                "retry": {"first_backoff_seconds": 0},
                "flow": {"max_outage_seconds": 0.5},
            }
        )
        async with BulkDeleter(settings=settings, api_key=CANARY_KEY) as deleter:
            report = await deleter.delete(TABLE_ID, long_ids, ledger=tmp_path / "purge.db", max_failures=10_000)
            assert (report.acknowledged, report.unresolved) == (0, 1_000), report
        calm = True
        async with BulkDeleter(settings=settings, api_key=CANARY_KEY) as deleter:
            report = await deleter.delete(TABLE_ID, long_ids, ledger=tmp_path / "purge.db")
    assert report.acknowledged == 1_000
    assert sum(taken) > 3_990_000


async def test_a_refusal_before_the_request_was_whole_is_heard(tmp_path):
    long_ids = [f"{number:04}{'7' * 3_990}" for number in range(1_000)]
    lengths: list[int] = []

    async def small(reader, writer):
        """Refuse what is longer than a MiB before it has come, as a server in front of others does."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lengths.append(length_of(head))
            if lengths[-1] > 2**20:
                writer.write(whole(b"too large", "413 Request Entity Too Large"))
                await writer.drain()
                await reader.read()
                return
            await reader.readexactly(lengths[-1])
            writer.write(whole())

    async with listening(small) as port:
        settings = Settings.from_mapping(
            {"base_url": f"http://127.0.0.1:{port}", "batch": {"max_id_characters": 4_096}, "flow": {"concurrency": 1}}
        )
        async with BulkDeleter(settings=settings, api_key=CANARY_KEY) as deleter:
            report = await deleter.delete(TABLE_ID, long_ids, ledger=tmp_path / "purge.db")
    assert report.acknowledged == 1_000
    assert sum(length > 2**20 for length in lengths) == 1
