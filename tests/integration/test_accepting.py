"""What a call with ``limit=0`` was told is kept is neither lost nor replaced, whatever is done with its ledger."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bulkdelete import (
    BulkDeleter,
    Ended,
    HoldsRefused,
    LedgerFolder,
    LedgerMismatch,
    SourceChanged,
    SourceError,
    SourceRefused,
    open_source,
)
from bulkdelete.emulator import Emulator, Faults
from bulkdelete.ledger import read_ledger
from tests.integration.accepting import STEPS
from tests.integration.test_resuming import SETTINGS, TABLE_ID, breaking, ids, image

ROOT = Path(__file__).parents[2]
OTHER_TABLE = "673af861ed69656ac0895b08"
ACCEPTED, OTHERS = ids(20), ids(30)[20:]


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        for table_id in (TABLE_ID, OTHER_TABLE):
            emulator.load(table_id, ACCEPTED + OTHERS)
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=SETTINGS) as deleter:
        yield deleter


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "erase.db"


def given(kind: str, records: list[str], ledger: Path):
    if kind == "list":
        return [*records]
    if kind == "iterator":
        return iter(records)
    path = ledger.with_name(f"{records[0]}.txt")
    path.write_text("\n".join(records))
    return open_source(path)


async def accept(deleter, ledger, kind="iterator", **more):
    report = await deleter.delete(TABLE_ID, given(kind, ACCEPTED, ledger), ledger=ledger, limit=0, **more)
    assert (report.ended, report.rows, report.requests) == (Ended.LIMIT, 0, 0)


async def assert_sent(emulator, deleter, ledger, records=ACCEPTED):
    """See that a resume sends *records*, and that nothing else was or is sent."""
    assert emulator.requests == 0
    [kept] = await LedgerFolder(ledger.parent).ledgers()
    assert (kept.state, kept.why) == ("resumable", "")
    report = await deleter.resume(ledger)
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, len(records))
    assert [entry["record_id"] for request in emulator.log for entry in request.entries] == records
    assert {request.table_id for request in emulator.log} == {TABLE_ID}


@pytest.mark.parametrize("kind", ["list", "iterator", "file"])
@pytest.mark.parametrize("how", [{"limit": 0}, {}])
async def test_other_records_are_refused_once_some_are_accepted(emulator, deleter, ledger, kind, how):
    await accept(deleter, ledger, kind)
    refused, words = (LedgerMismatch, "source content") if kind == "file" else (SourceChanged, "does not hold")
    for _ in range(2):
        with pytest.raises(refused, match=rf"(?s){words}.*Nothing was sent.*resume.*another ledger"):
            await deleter.delete(TABLE_ID, given(kind, OTHERS, ledger), ledger=ledger, **how)
    await assert_sent(emulator, deleter, ledger)
    with pytest.raises(refused):
        await deleter.delete(TABLE_ID, given(kind, OTHERS, ledger), ledger=ledger, **how)


@pytest.mark.parametrize("kind", ["list", "file"])
async def test_another_table_or_kind_of_source_is_refused_once_records_are_accepted(emulator, deleter, ledger, kind):
    await accept(deleter, ledger, kind)
    before = image(ledger.parent)
    with pytest.raises(LedgerMismatch, match=rf"(?s)table_id: {OTHER_TABLE}.*Nothing was sent.*resume.*another ledger"):
        await deleter.delete(OTHER_TABLE, given(kind, ACCEPTED, ledger), ledger=ledger, limit=0)
    other = "file" if kind == "list" else "list"
    with pytest.raises(LedgerMismatch, match="source kind"):
        await deleter.delete(TABLE_ID, given(other, ACCEPTED, ledger), ledger=ledger, limit=0)
    assert {name: data for name, data in image(ledger.parent).items() if name in before} == before
    await assert_sent(emulator, deleter, ledger)


@pytest.mark.parametrize("kind", ["list", "iterator", "file"])
async def test_the_same_records_are_accepted_again(emulator, deleter, ledger, kind):
    for _ in range(3):
        await accept(deleter, ledger, kind)
    await assert_sent(emulator, deleter, ledger)
    again = await deleter.delete(TABLE_ID, given(kind, ACCEPTED, ledger), ledger=ledger, limit=0)
    assert (again.ended, again.acknowledged, again.requests) == (Ended.COMPLETE, 20, 0)


async def test_the_same_records_bring_back_a_copy_that_is_gone(emulator, deleter, ledger):
    await accept(deleter, ledger)
    ledger.with_name("erase.db.spool").unlink()
    with pytest.raises(SourceChanged):
        await deleter.delete(TABLE_ID, OTHERS, ledger=ledger, limit=0)
    with pytest.raises(SourceRefused, match="is gone"):
        await deleter.delete(TABLE_ID, [], ledger=ledger, limit=0)
    with pytest.raises(SourceRefused, match="is gone"):
        await deleter.resume(ledger)
    await accept(deleter, ledger)
    await assert_sent(emulator, deleter, ledger)


async def test_an_accepted_file_that_was_changed_is_refused_until_it_is_as_it_was(emulator, deleter, ledger):
    await accept(deleter, ledger, "file")
    path = ledger.with_name(f"{ACCEPTED[0]}.txt")
    path.write_text("\n".join(OTHERS))
    with pytest.raises(LedgerMismatch, match="Give the job as it was"):
        await deleter.resume(ledger)
    given("file", ACCEPTED, ledger)
    await assert_sent(emulator, deleter, ledger)


@pytest.mark.parametrize("records", [ACCEPTED, OTHERS])
async def test_a_call_that_is_cancelled_while_it_copies_leaves_what_was_accepted(emulator, deleter, ledger, records):
    reading = asyncio.Event()

    async def endless():
        for record in records[:5]:
            yield record
        reading.set()
        await asyncio.Event().wait()

    await accept(deleter, ledger)
    task = asyncio.create_task(deleter.delete(TABLE_ID, endless(), ledger=ledger, limit=0))
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await assert_sent(emulator, deleter, ledger)


async def test_a_call_that_breaks_or_is_refused_before_its_copy_leaves_what_was_accepted(emulator, deleter, ledger):
    await accept(deleter, ledger, holds=[OTHERS[0]])
    with pytest.raises(SourceError, match="the database is gone"):
        await deleter.delete(TABLE_ID, breaking(ACCEPTED), ledger=ledger, holds=[OTHERS[0]])
    with pytest.raises(HoldsRefused):
        await deleter.delete(TABLE_ID, ACCEPTED, ledger=ledger)
    report = await deleter.resume(ledger, holds=[OTHERS[0]])
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, 20)


async def killed(emulator: Emulator, folder: Path, records: list[str]) -> list[Path]:
    """Return copies of the folder "template", in each of which a call with *records* was killed at another step."""
    words = [sys.executable, "-m", "tests.integration.accepting", folder / "template", folder / "place"]
    (folder / "place").mkdir()
    await asyncio.to_thread(
        subprocess.run, [*words, emulator.base_url, *records], check=True, timeout=60, cwd=ROOT, stderr=subprocess.PIPE
    )
    folders = sorted((folder / "place").iterdir())
    assert {folder.name.rpartition(" ")[0] for folder in folders} == set(STEPS)
    assert len(folders) > 20
    return folders


async def assert_resumed(emulator, deleter, ledger):
    before = emulator.requests
    report = await deleter.resume(ledger)
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, len(ACCEPTED)), ledger
    assert [entry["record_id"] for request in emulator.log[before:] for entry in request.entries] == ACCEPTED


@pytest.mark.parametrize("records", [ACCEPTED, OTHERS])
async def test_a_call_that_is_killed_at_any_step_leaves_what_was_accepted(emulator, deleter, tmp_path, records):
    (tmp_path / "template").mkdir()
    await accept(deleter, tmp_path / "template" / "erase.db")
    for folder in await killed(emulator, tmp_path, records):
        await assert_resumed(emulator, deleter, folder / "erase.db")
    assert list(emulator.remaining(TABLE_ID)) == OTHERS


def is_accepted(ledger: Path) -> bool:
    if not ledger.exists():
        return False
    with read_ledger(ledger) as reader:
        return "accepted" in reader.facts


async def test_a_first_call_that_is_killed_at_any_step_may_be_made_again_and_is_only_resumed_once_it_is_accepted(
    emulator, deleter, tmp_path
):
    (tmp_path / "template").mkdir()
    kept = 0
    for folder in await killed(emulator, tmp_path, ACCEPTED):
        ledger = folder / "erase.db"
        if is_accepted(ledger):
            kept += 1
        else:
            for how in ({"limit": 0}, {}):
                with pytest.raises((SourceRefused, LedgerMismatch)):
                    await deleter.resume(ledger, **how)
            await accept(deleter, ledger)
        with pytest.raises(SourceChanged):
            await deleter.delete(TABLE_ID, OTHERS, ledger=ledger, limit=0)
        await assert_resumed(emulator, deleter, ledger)
    assert kept >= len(STEPS), "those that were not killed"


@pytest.mark.parametrize("kind", ["list", "file"])
async def test_what_a_call_did_not_accept_is_not_resumed_though_its_records_are_there(emulator, deleter, ledger, kind):
    capped = await deleter.delete(TABLE_ID, given(kind, ACCEPTED, ledger), ledger=ledger, limit=0, max_records=19)
    assert capped.ended is Ended.MAX_RECORDS
    with pytest.raises(SourceRefused, match="Make the call again"):
        await deleter.resume(ledger, max_records=20)
    [kept] = await LedgerFolder(ledger.parent).ledgers()
    assert str(kept.state) == "never begun"
    capped = await deleter.delete(TABLE_ID, given(kind, ACCEPTED, ledger), ledger=ledger, max_records=19)
    assert capped.ended is Ended.MAX_RECORDS
    assert (await deleter.resume(ledger, max_records=20)).acknowledged == 20


@pytest.mark.parametrize("kind", ["list", "file"])
async def test_accepted_records_whose_file_or_copy_is_gone_have_no_source_until_it_is_back(
    emulator, deleter, ledger, kind
):
    await deleter.delete(TABLE_ID, given(kind, ACCEPTED, ledger), ledger=ledger, limit=0)
    [kept] = await LedgerFolder(ledger.parent).ledgers()
    assert (str(kept.state), kept.why) == ("resumable", "")
    source = ledger.with_name("erase.db.spool") if kind == "list" else ledger.with_name(f"{ACCEPTED[0]}.txt")
    source.rename(away := source.with_name("away"))
    [kept] = await LedgerFolder(ledger.parent).ledgers()
    assert str(kept.state) == "no source"
    assert "To go on, put it back as it was" in kept.why
    away.rename(source)
    assert (await deleter.resume(ledger)).acknowledged == len(ACCEPTED)


async def test_a_call_that_was_refused_may_be_corrected(emulator, deleter, ledger):
    rows = [str(number) for number in range(1, 200)]
    with pytest.raises(SourceRefused, match="does not look like"):
        await deleter.delete(OTHER_TABLE, rows, ledger=ledger, limit=0)
    capped = await deleter.delete(TABLE_ID, ACCEPTED + OTHERS, ledger=ledger, limit=0, max_records=20)
    assert capped.ended is Ended.MAX_RECORDS
    with pytest.raises(SourceError, match="the database is gone"):
        await deleter.delete(TABLE_ID, breaking(ACCEPTED), ledger=ledger, limit=0)
    with pytest.raises(SourceRefused, match="Make the call again"):
        await deleter.resume(ledger)
    await accept(deleter, ledger, max_records=20)
    with pytest.raises(SourceChanged):
        await deleter.delete(TABLE_ID, ACCEPTED + OTHERS, ledger=ledger, limit=0)
    await assert_sent(emulator, deleter, ledger)


EMPTY = {"list": list, "set": set, "iterator": lambda: iter(()), "empty file": None}


@pytest.mark.parametrize("kind", EMPTY)
@pytest.mark.parametrize("limits", [(0, 0), (0, None), (None, 0), (None, None)])
async def test_a_refused_call_that_is_corrected_to_no_records_sends_and_accepts_none(
    emulator, deleter, ledger, kind, limits
):
    def records(given: list[str]):
        if kind != "empty file":
            return given or EMPTY[kind]()
        ledger.with_name("ids.txt").write_text("".join(f"{one}\n" for one in given))
        return open_source(ledger.with_name("ids.txt"))

    capped = await deleter.delete(TABLE_ID, records(ACCEPTED), ledger=ledger, expect=19, limit=limits[0])
    assert capped.ended is Ended.UNEXPECTED
    none = await deleter.delete(TABLE_ID, records([]), ledger=ledger, limit=limits[1])
    assert (none.ended, none.rows, none.requests) == (Ended.COMPLETE, 0, 0)
    again = await deleter.resume(ledger)
    assert (again.ended, again.rows, emulator.requests) == (Ended.COMPLETE, 0, 0)
    assert (await deleter.delete(TABLE_ID, records(OTHERS), ledger=ledger)).acknowledged == len(OTHERS)
    assert list(emulator.remaining(TABLE_ID)) == ACCEPTED


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("limit", [0, None])
async def test_a_refused_call_is_not_corrected_by_a_generator_that_is_used_up(
    emulator, deleter, ledger, is_async, limit
):
    async def others():
        for record in OTHERS:
            yield record

    generator = others() if is_async else (record for record in OTHERS)
    assert [one async for one in generator] if is_async else [*generator]
    capped = await deleter.delete(TABLE_ID, ACCEPTED, ledger=ledger, expect=19, limit=limit)
    assert capped.ended is Ended.UNEXPECTED
    with pytest.raises(SourceRefused, match=r"read to its end .*Nothing was sent\. Pass a new one"):
        await deleter.delete(TABLE_ID, generator, ledger=ledger, limit=limit)
    with pytest.raises(SourceRefused, match="Make the call again"):
        await deleter.resume(ledger)
    assert emulator.requests == 0


async def test_a_call_of_no_records_accepts_none(emulator, deleter, ledger):
    nothing = await deleter.delete(TABLE_ID, [], ledger=ledger, limit=0)
    assert (nothing.ended, nothing.rows) == (Ended.COMPLETE, 0)
    await accept(deleter, ledger)
    ledger.with_name("erase.db.spool").unlink()
    with pytest.raises(SourceRefused, match="is gone"):
        await deleter.delete(TABLE_ID, [], ledger=ledger)


async def test_what_a_function_gives_is_not_kept_and_not_accepted(emulator, deleter, ledger):
    for table_id in (OTHER_TABLE, TABLE_ID):
        kept = await deleter.delete(table_id, lambda: iter(ACCEPTED), ledger=ledger, limit=0)
        assert kept.ended is Ended.LIMIT
    with pytest.raises(SourceRefused, match="function"):
        await deleter.resume(ledger)
    await accept(deleter, ledger)
    await assert_sent(emulator, deleter, ledger)


async def test_a_ledger_of_an_earlier_version_does_not_say_what_was_accepted(emulator, deleter, ledger):
    await deleter.delete(TABLE_ID, OTHERS, ledger=ledger, limit=0)
    with closing(sqlite3.connect(ledger)) as connection, connection:
        assert connection.execute("DELETE FROM job WHERE key = 'accepted'").rowcount == 1
    [kept] = await LedgerFolder(ledger.parent).ledgers()
    assert str(kept.state) == "resumable"
    await accept(deleter, ledger)
    await assert_sent(emulator, deleter, ledger)


async def test_hold_lists_of_a_later_call_count_and_none_is_forgotten_or_may_shrink(emulator, deleter, ledger):
    held = ACCEPTED[:3]
    await accept(deleter, ledger)
    await accept(deleter, ledger, holds=held[:1])
    await accept(deleter, ledger, holds=held)
    with pytest.raises(HoldsRefused, match=r"holds="):
        await deleter.delete(TABLE_ID, ACCEPTED, ledger=ledger, limit=0)
    for call in (
        deleter.resume(ledger, holds=held[:2]),
        deleter.delete(TABLE_ID, ACCEPTED, ledger=ledger, holds=held[1:]),
    ):
        with pytest.raises(HoldsRefused, match="held 3 records back in the run before, and hold 2 now"):
            await call
    report = await deleter.resume(ledger, holds=[*held, OTHERS[0]])
    assert (report.ended, report.acknowledged, report.held) == (Ended.COMPLETE, 17, 3)


async def test_what_is_accepted_waits_for_no_time_that_the_api_has_named(emulator, deleter, ledger):
    emulator.faults = Faults(script=("429",), retry_after_seconds=3600)
    await accept(deleter, ledger)
    assert (await deleter.resume(ledger)).ended is Ended.QUOTA
    with pytest.raises(SourceChanged):
        await deleter.delete(TABLE_ID, OTHERS, ledger=ledger, limit=0)
    again = await deleter.delete(TABLE_ID, ACCEPTED, ledger=ledger, limit=0)
    assert (again.ended, again.requests) == (Ended.LIMIT, 0)
    assert (await deleter.resume(ledger)).ended is Ended.QUOTA
    assert emulator.requests == 1


async def test_a_refused_call_does_not_move_where_accepted_records_are_read_from(emulator, deleter, ledger):
    await accept(deleter, ledger, "file")
    copy = ledger.with_name("copy.txt")
    copy.write_bytes(ledger.with_name(f"{ACCEPTED[0]}.txt").read_bytes())
    with pytest.raises(HoldsRefused, match="is empty"):
        await deleter.delete(TABLE_ID, open_source(copy), ledger=ledger, holds=[])
    copy.unlink()
    await assert_sent(emulator, deleter, ledger)


async def test_of_a_file_that_was_changed_it_says_what_a_resume_needs(emulator, deleter, ledger):
    await accept(deleter, ledger, "file")
    path = ledger.with_name(f"{ACCEPTED[0]}.txt")
    was = path.read_bytes()
    path.write_text("\n".join(OTHERS))
    with pytest.raises(LedgerMismatch, match="were accepted, and a resume sends them once its file is as it was"):
        await deleter.delete(TABLE_ID, open_source(path), ledger=ledger)
    path.write_bytes(was)
    await assert_sent(emulator, deleter, ledger)
