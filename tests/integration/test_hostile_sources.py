"""Sources that break, lie, change or are not the ones they were: nothing unmeant is sent, nothing ends well wrongly."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace

import pytest

from bulkdelete import BulkDeleter, CredentialsError, Ended, Settings, SourceChanged, SourceError, open_source
from bulkdelete.emulator import Emulator, Faults
from bulkdelete.records import Defect

TABLE_ID = "673af861ed69656ac0895b07"


def ids(count: int, first: int = 541_278_230_707_963_208) -> list[str]:
    return [str(first + 37 * number) for number in range(count)]


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        emulator.load(TABLE_ID, ids(10_000))
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key) as deleter:
        yield deleter


async def test_other_records_on_a_half_done_ledger_are_refused_and_none_of_either_is_sent(emulator, deleter, tmp_path):
    ledger = tmp_path / "purge.db"
    await deleter.delete(TABLE_ID, ids(3_000), ledger=ledger, limit=1_000)
    for others in (ids(2, first=9 * 10**17), iter(ids(2, first=9 * 10**17))):
        with pytest.raises(SourceChanged):
            await deleter.delete(TABLE_ID, others, ledger=ledger)
    assert emulator.requests == 1
    report = await deleter.delete(TABLE_ID, iter(ids(3_000)), ledger=ledger)
    assert report.acknowledged == 3_000


async def test_no_records_at_all_go_on_with_the_copy(deleter, tmp_path):
    await deleter.delete(TABLE_ID, iter(ids(3_000)), ledger=tmp_path / "purge.db", limit=1_000)
    report = await deleter.delete(TABLE_ID, iter(()), ledger=tmp_path / "purge.db")
    assert report.acknowledged == 3_000


async def test_a_copy_left_behind_by_another_ledger_is_neither_used_nor_removed(emulator, deleter, tmp_path):
    ledger = tmp_path / "purge.db"
    await deleter.delete(TABLE_ID, ids(3_000), ledger=ledger, limit=1_000)
    for file in tmp_path.glob("purge.db*"):
        if not file.name.endswith(".spool"):
            file.unlink()
    copy = (tmp_path / "purge.db.spool").read_bytes()
    with pytest.raises(SourceError, match=r"purge\.db\.spool.*not of this ledger.*Nothing was sent.*remove it"):
        await deleter.delete(TABLE_ID, ids(2), ledger=ledger)
    assert (tmp_path / "purge.db.spool").read_bytes() == copy
    (tmp_path / "purge.db.spool").unlink()
    report = await deleter.delete(TABLE_ID, ids(2), ledger=ledger)
    assert (report.rows, report.acknowledged) == (2, 2)
    assert [len(request.entries) for request in emulator.log] == [1_000, 2]


@pytest.mark.parametrize("with_ledger", [True, False])
async def test_an_async_generator_that_is_cancelled_by_somebody_else_is_a_broken_source(deleter, tmp_path, with_ledger):
    async def dying():
        for number, record_id in enumerate(ids(5_000)):
            if number == 3_500:
                raise asyncio.CancelledError
            yield record_id

    with pytest.raises(SourceError, match="3500"):
        await deleter.delete(TABLE_ID, dying(), ledger=tmp_path / "purge.db" if with_ledger else None)


async def test_a_key_function_that_is_cancelled_by_somebody_else_hangs_nobody(emulator):
    async def no_key():
        raise asyncio.CancelledError

    async with BulkDeleter(base_url=emulator.base_url, api_key=no_key) as deleter, asyncio.timeout(20):
        with pytest.raises(Exception) as raised:  # noqa: PT011 - a fault of whoever gave the function
            await deleter.delete(TABLE_ID, ids(10_000) * 10)
    assert not isinstance(raised.value, TimeoutError)


@pytest.mark.parametrize("at", [0.3, 0.5, 0.7, 0.9])
async def test_a_gzip_file_with_one_flipped_bit_is_refused_before_anything_is_sent(emulator, deleter, tmp_path, at):
    packed = bytearray(gzip.compress("\n".join(ids(10_000)).encode()))
    packed[int(len(packed) * at)] ^= 1
    (tmp_path / "ids.txt.gz").write_bytes(packed)
    for ledger in (tmp_path / "purge.db", None):
        with pytest.raises(SourceError):
            await deleter.delete(TABLE_ID, open_source(tmp_path / "ids.txt.gz"), ledger=ledger)
    assert emulator.requests == 0


def sent(emulator):
    return [entry["record_id"] for request in emulator.log for entry in request.entries]


COMMENTS = {
    "too long": ('"see:\n{}\n' + "more\n" * 20_000 + '"', ids(1, first=9 * 10**17)),
    "too long, of a line too long": ('"see:\n' + "more " * 20_000 + '\n{}\n"', ids(1, first=9 * 10**17)),
    "opened by a line too long": ('"' + "more " * 20_000 + '\n{}\n"', ids(1, first=9 * 10**17)),
    "malformed": ('"see "these"","\n{}\n"', ids(1, first=9 * 10**17)),
    "cut off": ('"see:\n{}', []),
}


@pytest.mark.no_cover  # long, and reaches nothing that others do not
@pytest.mark.parametrize("kind", COMMENTS)
async def test_ids_within_a_quoted_comment_are_not_sent_however_it_ends(emulator, deleter, tmp_path, kind):
    comment, after = COMMENTS[kind]
    inside = ids(50)
    rows = [f"{one}," for one in after]
    text = comment.format("\n".join(f"{one},note" for one in inside))
    (tmp_path / "ids.csv").write_text("\n".join(["record_id,n", f"{ids(60)[-1]},", f"{ids(61)[-1]},{text}", *rows]))
    report = await deleter.delete(TABLE_ID, open_source(tmp_path / "ids.csv"), ledger=tmp_path / "purge.db")
    assert sent(emulator) == [ids(60)[-1], *after]
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, 1 + len(after))
    assert report.balanced
    assert report.invalid >= 51


class AsItWasReadBefore:
    """A CSV, of whose quoted field that does not end an earlier version set only the first line aside."""

    def __init__(self, path, lines):
        self._source, self._lines = open_source(path), lines
        for name in "name", "paths", "files", "replayable", "size_bytes", "position_bytes", "rows_read", "identity":
            setattr(self, name, getattr(self._source, name))
        self.parts, self.fingerprint = (self,), self._source.fingerprint

    async def blocks(self):
        async for rows in self._source.blocks():
            read = [
                line.split(",")[0] if isinstance(item, Defect) and '"' not in line else item
                for item, line in zip(rows.items, self._lines[rows.first_row + 1 :], strict=False)
            ]
            yield replace(rows, items=read)


@pytest.mark.parametrize(("limit", "continues"), [(2, True), (3, False), (4, False)])
async def test_a_job_that_took_lines_within_a_quoted_field_for_rows_sends_none_of_them_any_more(
    emulator, tmp_path, limit, continues
):
    inside = ids(6, first=9 * 10**17)
    lines = ["record_id,n", f"{ids(1)[0]},", f"{ids(2)[1]},", f'{ids(3)[2]},"see:', *(f"{one}," for one in inside)]
    path, ledger = tmp_path / "ids.csv", tmp_path / "purge.db"
    path.write_text("\n".join(lines))
    settings = Settings.from_mapping({"base_url": emulator.base_url, "batch": {"size": 1}})
    async with BulkDeleter(settings=settings, api_key=emulator.api_key) as deleter:
        await deleter.delete(TABLE_ID, AsItWasReadBefore(path, lines), ledger=ledger, limit=limit)
        before = sent(emulator)
        assert before == [*ids(2), *inside][:limit]
        if continues:
            report = await deleter.delete(TABLE_ID, open_source(path), ledger=ledger)
            assert (report.acknowledged, report.invalid, report.rows) == (2, 7, 9)
        else:
            with pytest.raises(
                SourceChanged, match=r"rows 2 to 3 .* or read otherwise by an earlier version\. Nothing"
            ):
                await deleter.delete(TABLE_ID, open_source(path), ledger=ledger)
    assert sent(emulator) == before


async def test_a_file_that_is_written_to_while_it_is_read_is_not_followed(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("\n".join(ids(200_000)) + "\n")
    async with Emulator(record_requests=True, faults=Faults(latency_seconds=0.01)) as emulator:
        emulator.load(TABLE_ID, ids(200_000))
        settings = Settings.from_mapping({"base_url": emulator.base_url, "flow": {"concurrency": 2}})
        async with BulkDeleter(settings=settings, api_key=emulator.api_key) as deleter:
            task = asyncio.create_task(deleter.delete(TABLE_ID, open_source(path), ledger=tmp_path / "purge.db"))
            while emulator.requests < 3:
                await asyncio.sleep(0.001)
            with path.open("a") as file:
                file.write("\n".join(ids(500, first=9 * 10**17)))
            with pytest.raises(SourceChanged) as raised:
                await task
        assert raised.value.report.ended is Ended.SOURCE_CHANGED
        assert raised.value.report.balanced
        sent = {entry["record_id"] for request in emulator.log for entry in request.entries}
    assert sent <= set(ids(200_000))


async def test_a_key_that_cannot_be_read_is_not_asked_for_by_every_worker(emulator):
    asked = 0

    async def failing() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.05)
        raise OSError(5, "the vault is sealed")

    async with BulkDeleter(base_url=emulator.base_url, api_key=failing) as deleter:
        with pytest.raises(CredentialsError):
            await deleter.delete(TABLE_ID, ids(10_000))
    assert asked <= 2  # one more may ask before the first one's error has ended the job
    assert emulator.requests == 0


async def test_a_key_that_is_refused_is_not_read_again_for_each_request_of_a_job_that_is_stopping(emulator):
    asked = 0

    async def key() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.2 if asked > 1 else 0)
        return emulator.api_key

    emulator.faults = Faults(latency_seconds=0.3, latency_spread=0.9, unauthorized_after=1)
    settings = Settings.from_mapping({"batch": {"size": 10}, "flow": {"concurrency": 8}})
    async with BulkDeleter(base_url=emulator.base_url, api_key=key, settings=settings) as deleter:
        job = deleter.job(TABLE_ID, ids(1000))
        running = asyncio.create_task(job.run())
        while emulator.requests < 9:
            await asyncio.sleep(0.001)
        job.stop("enough")
        report = await running
    assert (report.ended, report.balanced) == (Ended.SIGNAL, True)
    assert asked <= 2


async def test_a_key_that_is_refused_for_good_is_read_again_once(emulator):
    asked = 0

    def old_key() -> str:
        nonlocal asked
        asked += 1
        return "old"

    async with BulkDeleter(base_url=emulator.base_url, api_key=old_key) as deleter:
        with pytest.raises(Exception, match="40127"):
            await deleter.delete(TABLE_ID, ids(10_000))
    assert asked == 2
