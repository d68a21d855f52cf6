"""A durable call that ended early and is gone on with from its ledger alone, against the real emulator."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkdelete import (
    BulkDeleter,
    Ended,
    Filter,
    HoldsRefused,
    LedgerFolder,
    LedgerLocked,
    LedgerMismatch,
    LedgerState,
    LedgerStorageError,
    Settings,
    SettingsError,
    SourceChanged,
    SourceError,
    SourceRefused,
    open_source,
)
from bulkdelete.emulator import Emulator
from bulkdelete.ledger import open_ledger, read_ledger
from bulkdelete.ledger.facts import SPOOL
from bulkdelete.settings import SourceSettings

TABLE_ID = "673af861ed69656ac0895b07"
SETTINGS = Settings.from_mapping({"batch": {"size": 10}, "ledger": {"synchronous": "normal"}})


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        emulator.create_table(TABLE_ID, unique_columns=("email",))
        emulator.load(TABLE_ID, ids(30), values=[{"email": f"{number}@example.com"} for number in range(30)])
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=SETTINGS) as deleter:
        yield deleter


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "erase.db"


def ids(count: int) -> list[str]:
    return [str(541_278_230_707_963_208 + number) for number in range(count)]


def image(folder: Path) -> dict[str, bytes]:
    """The files of a ledger that nobody writes, without what a lock or a reader leaves."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith((".lock", "-shm"))}


async def test_a_copy_that_takes_the_place_of_another_is_there_durably_before_the_ledger_knows_it(
    deleter, ledger, monkeypatch
):
    spool, seen = ledger.with_name("erase.db.spool"), []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        what = Path(f"/proc/self/fd/{descriptor}").readlink()
        seen.append((what, spool.read_bytes() if what == ledger.parent and spool.exists() else b""))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    await deleter.delete(TABLE_ID, iter(ids(3)), ledger=ledger, max_records=2)
    before = spool.read_bytes()
    assert seen[-1] == (ledger.parent, before)
    await deleter.delete(TABLE_ID, iter(ids(20)[10:]), ledger=ledger, max_records=2)  # the first was refused
    assert before != spool.read_bytes()
    assert seen[-1] == (ledger.parent, spool.read_bytes())
    assert (spool.with_name("erase.db.spool.new.partial"), b"") in [(what, said) for what, said in seen]


async def breaking(records: list[str]):
    for record in records:
        yield record
    raise OSError("the database is gone")


async def test_a_resume_of_what_was_only_kept_has_the_limit_of_its_deleter(emulator, ledger):
    limited = Settings.from_mapping({"stop": {"limit": 5}})
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=limited) as careful:
        await careful.delete(TABLE_ID, iter(ids(20)), ledger=ledger, limit=0)
        report = await careful.resume(ledger)
        assert (report.ended.value, report.acknowledged) == ("limit", 5)
        assert (await careful.resume(ledger, limit=None)).acknowledged == 20


async def test_a_limit_of_0_keeps_the_records_and_a_resume_needs_nothing_else(emulator, deleter, ledger):
    kept = await deleter.delete(TABLE_ID, iter(ids(20)), ledger=ledger, limit=0)
    assert (kept.ended.value, kept.rows, emulator.requests) == ("limit", 0, 0)
    report = await deleter.resume(ledger)
    assert (report.ended.value, report.acknowledged) == ("complete", 20)
    assert list(emulator.remaining(TABLE_ID)) == ids(30)[20:]
    again = await deleter.delete(TABLE_ID, iter(ids(20)), ledger=ledger, limit=0)
    assert (again.ended.value, again.acknowledged, again.requests) == ("complete", 20, 0)


async def test_a_call_with_an_iterable_goes_on_from_its_copy(emulator, deleter, ledger):
    records = [*ids(24), Filter("email", "25@example.com"), 7, "nan"]
    first = await deleter.delete(TABLE_ID, iter(records), ledger=ledger, limit=10)
    assert (first.acknowledged, first.ended.value) == (10, "limit")
    report = await deleter.resume(ledger, limit=None)
    assert (report.rows, report.acknowledged, report.invalid, report.settled_before) == (27, 25, 2, 10)
    assert list(emulator.remaining(TABLE_ID)) == [ids(30)[24], *ids(30)[26:]]
    assert [len(request.entries) for request in emulator.log] == [10, 10, 5]
    assert not ledger.with_name("erase.db.spool").exists()


@pytest.mark.parametrize("several", [False, True])
async def test_a_call_with_files_goes_on_with_the_same_columns_and_options(
    emulator, deleter, tmp_path, monkeypatch, several
):
    folder, ledger = tmp_path / "in", tmp_path / "erase.db"
    folder.mkdir()
    for name, part in [("a.csv", ids(30)[:15]), ("b.csv", ids(30)[15:])] if several else [("a.csv", ids(30))]:
        rows = [f"{number};{record}" for number, record in enumerate(part)]
        (folder / name).write_bytes("\n".join(["n;id", *rows]).encode("utf-16"))
    reading = SourceSettings(column="id", delimiter=";", encoding="utf-16")
    monkeypatch.chdir(tmp_path)
    source = open_source(["in"] if several else "in/a.csv", reading)
    assert (await deleter.delete(TABLE_ID, source, ledger="erase.db", limit=10)).acknowledged == 10
    monkeypatch.chdir("/")
    report = await deleter.resume(ledger, limit=None)
    assert (report.rows, report.acknowledged, report.settled_before) == (30, 30, 10)
    assert emulator.count(TABLE_ID) == 0


async def test_a_complete_job_gives_its_report_and_neither_reads_nor_sends(emulator, deleter, ledger, tmp_path):
    (tmp_path / "ids.txt").write_text("\n".join([*ids(5), "nan"]))
    first = await deleter.delete(TABLE_ID, open_source(tmp_path / "ids.txt"), ledger=ledger)
    (tmp_path / "ids.txt").unlink()
    again = await deleter.resume(ledger)
    assert (again.rows, again.acknowledged, again.invalid, again.requests) == (6, 5, 1, 0)
    assert (again.ended.value, again.settled_before, again.ledger_run) == ("complete", 6, 2)
    assert (first.requests, emulator.requests) == (1, 1)
    assert (await deleter.delete(TABLE_ID, ids(3), ledger=tmp_path / "b.db")).ended.value == "complete"
    assert (await deleter.resume(tmp_path / "b.db")).acknowledged == 3
    assert (await deleter.delete(TABLE_ID, [], ledger=tmp_path / "c.db")).ended.value == "complete"
    assert (await deleter.resume(tmp_path / "c.db")).rows == 0


async def test_the_caps_of_the_call_hold_for_its_resume(emulator, deleter, ledger):
    refused = await deleter.delete(TABLE_ID, ids(30), ledger=ledger, max_records=20)
    assert refused.ended.value == "max_records"
    again = await deleter.resume(ledger)
    assert (again.ended.value, emulator.requests) == ("max_records", 0)
    assert (await deleter.resume(ledger, expect=29)).ended.value == "unexpected"
    allowed = await deleter.resume(ledger, max_records=30, expect=None)
    assert (allowed.acknowledged, allowed.ended.value) == (30, "complete")


async def test_records_that_were_never_copied_whole_must_be_given_again(emulator, deleter, ledger):
    with pytest.raises(SourceError, match="the database is gone"):
        await deleter.delete(TABLE_ID, breaking(ids(20)), ledger=ledger)
    before = image(ledger.parent)
    with pytest.raises(SourceRefused, match=r"nothing of this job was ever sent.*Make the call again with its records"):
        await deleter.resume(ledger)
    assert image(ledger.parent) == before
    assert emulator.requests == 0
    assert (await deleter.delete(TABLE_ID, ids(20), ledger=ledger)).acknowledged == 20


async def test_records_that_a_later_call_was_to_replace_are_not_sent(emulator, deleter, ledger):
    wrong = await deleter.delete(TABLE_ID, ids(30), ledger=ledger, max_records=20)
    assert wrong.ended.value == "max_records"
    with pytest.raises(SourceError, match="the database is gone"):
        await deleter.delete(TABLE_ID, breaking(ids(15)), ledger=ledger)
    assert (ledger.parent / "erase.db.spool").exists()
    with pytest.raises(SourceRefused, match="nothing of this job was ever sent"):
        await deleter.resume(ledger)
    assert emulator.requests == 0


async def test_a_complete_job_of_no_rows_is_not_complete_once_another_call_began(deleter, ledger):
    await deleter.delete(TABLE_ID, [], ledger=ledger)
    with pytest.raises(SourceError, match="the database is gone"):
        await deleter.delete(TABLE_ID, breaking(ids(15)), ledger=ledger)
    with pytest.raises(SourceRefused, match="Make the call again"):
        await deleter.resume(ledger)


NIGHTS = {"list": ids, "function": lambda count: lambda: iter(ids(count))}


@pytest.mark.parametrize("kind", NIGHTS)
@pytest.mark.parametrize("is_accepted", [True, False])
async def test_a_complete_job_of_no_rows_goes_on_where_it_was_once_there_are_some(deleter, ledger, kind, is_accepted):
    nothing = await deleter.delete(TABLE_ID, NIGHTS[kind](0), ledger=ledger)
    assert (nothing.ended, nothing.rows) == (Ended.COMPLETE, 0)
    for limit in ([0] if is_accepted else []) + [10, 10]:
        cut = await deleter.delete(TABLE_ID, NIGHTS[kind](30), ledger=ledger, limit=limit)
        assert cut.ended is Ended.LIMIT
    if kind == "list":
        assert (await deleter.resume(ledger, limit=5)).acknowledged == 25
    last = await deleter.delete(TABLE_ID, NIGHTS[kind](30), ledger=ledger)
    assert (last.ended, last.acknowledged) == (Ended.COMPLETE, 30)
    with pytest.raises(SourceChanged):
        await deleter.delete(TABLE_ID, NIGHTS[kind](31), ledger=ledger)


async def test_a_ledger_that_an_earlier_version_left_as_if_its_source_had_no_rows_goes_on(deleter, ledger):
    await deleter.delete(TABLE_ID, ids(30), ledger=ledger, limit=10)
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("INSERT INTO job VALUES ('source_rows', '0')")
    assert (await deleter.resume(ledger, limit=None)).acknowledged == 30


async def refused_then_begun(deleter, ledger, refused: list[str], given: list[str], **caps):
    first = await deleter.delete(TABLE_ID, refused, ledger=ledger, **caps)
    assert first.ended in {Ended.UNEXPECTED, Ended.MAX_RECORDS}
    begun = await deleter.delete(TABLE_ID, given, ledger=ledger, limit=1)
    assert (begun.ended, begun.acknowledged) == (Ended.LIMIT, 1)


@pytest.mark.parametrize("expect", [3, 5])
async def test_expect_is_not_compared_with_a_count_of_records_that_were_refused_before(deleter, ledger, expect):
    await refused_then_begun(deleter, ledger, ids(3), ids(15)[10:], expect=4)
    report = await deleter.delete(TABLE_ID, ids(15)[10:], ledger=ledger, expect=expect)
    assert (report.ended, report.acknowledged) == ((Ended.UNEXPECTED, 1) if expect == 3 else (Ended.COMPLETE, 5))


@pytest.mark.parametrize("most", [2, 4])
async def test_max_records_is_not_compared_with_a_count_of_records_that_were_refused_before(deleter, ledger, most):
    await refused_then_begun(deleter, ledger, ids(5), ids(13)[10:], max_records=4)
    report = await deleter.delete(TABLE_ID, ids(13)[10:], ledger=ledger, max_records=most)
    assert (report.ended, report.acknowledged) == ((Ended.MAX_RECORDS, 1) if most == 2 else (Ended.COMPLETE, 3))


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("is_there", [True, False])
async def test_a_file_that_is_gone_or_changed_is_an_error_and_nothing_is_sent(
    emulator, deleter, ledger, begun, is_there
):
    path = ledger.with_name("ids.txt")
    path.write_text("\n".join(ids(20)))
    await deleter.delete(TABLE_ID, open_source(path), ledger=ledger, **({"limit": 10} if begun else {"expect": 3}))
    sent = emulator.requests
    assert sent == begun
    if is_there:
        path.write_text("\n".join(ids(19)))
    else:
        path.unlink()
    words = "source content" if is_there else "cannot be read again"
    with pytest.raises(
        LedgerMismatch if is_there else SourceRefused, match=rf"(?s){words}.*othing (was sent|that is settled)"
    ):
        await deleter.resume(ledger, limit=None, expect=None)
    assert emulator.requests == sent


@pytest.mark.parametrize("begun", [True, False])
async def test_a_copy_that_is_gone_or_changed_is_an_error_and_nothing_is_sent(emulator, deleter, ledger, begun):
    await deleter.delete(TABLE_ID, iter(ids(20)), ledger=ledger, **({"limit": 10} if begun else {"expect": 3}))
    spool = ledger.with_name("erase.db.spool")
    kept = spool.read_bytes()
    spool.write_bytes(kept.replace(b"3208", b"3299"))
    with pytest.raises(SourceChanged, match="was changed since"):
        await deleter.resume(ledger, limit=None, expect=None)
    spool.unlink()
    with pytest.raises(SourceRefused, match="is gone"):
        await deleter.resume(ledger, limit=None, expect=None)
    assert emulator.requests == begun
    spool.write_bytes(kept)
    assert (await deleter.resume(ledger, limit=None, expect=None)).acknowledged == 20


async def test_another_base_url_is_refused(emulator, deleter, ledger):
    await deleter.delete(TABLE_ID, iter(ids(20)), ledger=ledger, expect=3)
    before = image(ledger.parent)
    async with BulkDeleter(base_url="http://127.0.0.1:9", api_key="key") as other:
        with pytest.raises(LedgerMismatch, match=r"is at http://127.0.0.1:\d+, and this deleter is for .*:9\. Nothing"):
            await other.resume(ledger)
    assert image(ledger.parent) == before


async def test_hold_lists_may_not_be_forgotten_and_the_words_say_what_to_give(emulator, deleter, ledger):
    first = await deleter.delete(TABLE_ID, iter(ids(20)), ledger=ledger, holds=[ids(20)[15]], limit=10)
    assert first.acknowledged == 10
    with pytest.raises(HoldsRefused, match="holds="):
        await deleter.resume(ledger, limit=None)
    report = await deleter.resume(ledger, holds=[ids(20)[15]], limit=None)
    assert (report.acknowledged, report.held) == (19, 1)
    assert ids(20)[15] in set(emulator.remaining(TABLE_ID))


async def test_a_ledger_that_is_written_now_is_locked(deleter, ledger):
    await deleter.delete(TABLE_ID, iter(ids(20)), ledger=ledger, limit=10)
    with read_ledger(ledger) as reader:
        facts = reader.facts
    identity = {key.removeprefix("identity."): value for key, value in facts.items() if key.startswith("identity.")}
    writer = await open_ledger(ledger, identity)
    with pytest.raises(LedgerLocked):
        await deleter.resume(ledger)
    await writer.close(None)
    assert (await deleter.resume(ledger, limit=None)).acknowledged == 20


async def test_what_is_no_ledger_is_refused_and_none_is_made(deleter, tmp_path):
    (tmp_path / "ids.txt").write_text("\n".join(ids(3)))
    with pytest.raises(LedgerMismatch, match="no ledger"):
        await deleter.resume(tmp_path / "nothing.db")
    with pytest.raises(LedgerMismatch, match="no ledger"):
        await deleter.resume(tmp_path / "ids.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["ids.txt"]


async def test_a_ledger_that_went_between_the_look_and_the_run_is_not_made_anew(deleter, ledger):
    await deleter.delete(TABLE_ID, iter(ids(20)), ledger=ledger, limit=10)
    job = await deleter.resumed_job(ledger)
    ledger.unlink()
    with pytest.raises(LedgerMismatch, match="no ledger here any more"):
        await job.run()
    assert not ledger.exists()


@pytest.mark.parametrize("is_file", [True, False])
async def test_a_job_that_another_completed_between_the_look_and_the_run_gives_its_report(
    emulator, deleter, ledger, tmp_path, is_file
):
    (tmp_path / "ids.txt").write_text("\n".join(ids(20)))
    await deleter.delete(TABLE_ID, open_source(tmp_path / "ids.txt") if is_file else ids(20), ledger=ledger, limit=0)
    job = await deleter.resumed_job(ledger)
    assert (await deleter.resume(ledger)).ended is Ended.COMPLETE
    asked = emulator.requests
    report = await job.run()
    assert (report.ended, report.acknowledged, emulator.requests) == (Ended.COMPLETE, 20, asked)
    kept = await LedgerFolder(tmp_path).ledger("erase")
    assert (kept.state, kept.last_ended) == (LedgerState.COMPLETE, "complete")


async def test_a_damaged_ledger_and_an_unknown_setting_are_refused(deleter, ledger):
    await deleter.delete(TABLE_ID, iter(ids(20)), ledger=ledger, limit=10)
    with pytest.raises(SettingsError, match="limit"):
        await deleter.resume(ledger, limt=1)
    data = bytearray(ledger.read_bytes())
    data[4096 : 2 * 4096] = bytes(4096)
    ledger.write_bytes(data)
    with pytest.raises(LedgerStorageError, match="damaged"):
        await deleter.resume(ledger)


@pytest.mark.parametrize(
    "key", ["resume_at_unix_seconds", "total_count_before", "hold_lists", "held_records", "canary_began", "surveyed"]
)
async def test_a_fact_that_is_no_longer_a_number_is_damage_and_nothing_is_sent(emulator, deleter, ledger, key):
    await deleter.delete(TABLE_ID, iter(ids(20)), ledger=ledger, limit=10)
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO job VALUES (?, '[7')", (key,))
    sent = emulator.requests
    with pytest.raises(LedgerStorageError, match=r"damaged.*Nothing was sent"):
        await deleter.resume(ledger, limit=None)
    assert emulator.requests == sent


async def test_a_resumed_job_can_be_looked_at_and_stopped_and_resumed_again(emulator, deleter, ledger):
    await deleter.delete(TABLE_ID, iter(ids(30)), ledger=ledger, limit=10)
    job = await deleter.resumed_job(ledger, limit=None)
    job.stop("the service ends")
    report = await job.run()
    assert (report.ended.value, report.reason) == ("signal", "the service ends")
    assert job.snapshot().acknowledged == 10
    report = await deleter.resume(ledger, limit=None)
    assert (report.acknowledged, emulator.count(TABLE_ID)) == (30, 0)


async def test_a_cancelled_resume_leaves_what_can_be_resumed(emulator, deleter, ledger):
    await deleter.delete(TABLE_ID, iter(ids(30)), ledger=ledger, limit=10)
    task = asyncio.create_task(deleter.resume(ledger, limit=None))
    async with asyncio.timeout(20):
        while emulator.requests < 2:
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await deleter.resume(ledger, limit=None)).acknowledged == 30


async def test_a_canary_needs_its_check_again(emulator, ledger):
    settings = Settings.from_mapping({**SETTINGS.model_dump(), "canary": {"records": 10}})
    asked = []

    async def no(report):
        asked.append(report.acknowledged)
        return len(asked) > 1

    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=settings) as deleter:
        assert (await deleter.delete(TABLE_ID, iter(ids(20)), ledger=ledger, check=no)).ended.value == "canary"
        with pytest.raises(SettingsError, match="check"):
            await deleter.resume(ledger)
        assert (await deleter.resume(ledger, check=no)).acknowledged == 20
    assert asked == [10, 10]


async def test_a_resume_that_is_refused_may_be_made_again(emulator, deleter, ledger):
    refused = await deleter.delete(TABLE_ID, iter(ids(20)), ledger=ledger, holds=[ids(20)[15]], expect=3)
    assert refused.ended.value == "unexpected"
    with pytest.raises(HoldsRefused):
        await deleter.resume(ledger)
    with pytest.raises(HoldsRefused, match="holds="):
        await deleter.resume(ledger)
    assert (await deleter.resume(ledger, holds=[ids(20)[15]], expect=20)).acknowledged == 19


async def test_what_a_run_was_told_is_kept_for_the_next_resume(deleter, ledger):
    await deleter.delete(TABLE_ID, iter(ids(30)), ledger=ledger, max_records=29, max_failures=3)
    with read_ledger(ledger) as reader:
        kept = [event.detail["stop"] for event in reader.events() if event.kind == "settings"]
        assert json.loads(json.dumps(kept[-1]))["max_failures"] == 3
        assert SPOOL in reader.facts
    await deleter.resume(ledger, max_records=28)
    assert "max_records is 28" in (await deleter.resume(ledger)).reason
