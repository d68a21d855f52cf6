"""What the engine writes to a ledger, and what the next run and a reader find in it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bulkdelete.errors import LedgerError
from bulkdelete.ledger import DurableLedger, Totals, UnrecordedLedger, open_ledger, read_ledger
from bulkdelete.records import Batch, Ended, Fate, Outcome, RowFate, StoredRange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

IDENTITY = {"table_id": "673af861ed69656ac0895b07", "base_url": "https://altatech.ai"}
SET_ASIDE = {"i": Fate.INVALID, "h": Fate.HELD, "d": Fate.DUPLICATE}


def batch_of(first_row: int, kinds: str) -> Batch:
    """A batch whose rows are records (r), invalid (i), held (h) or duplicate (d)."""
    numbered = list(enumerate(kinds, first_row))
    rows = [row for row, kind in numbered if kind == "r"]
    set_aside = tuple(
        RowFate(row, SET_ASIDE[kind], "a reason", f"record {row}", "ids.csv", row + 2)
        for row, kind in numbered
        if kind != "r"
    )
    return Batch(
        first_row,
        first_row + len(kinds),
        [f"id{row}" for row in rows],
        rows,
        first_row.to_bytes(16, "big"),
        set_aside,
        (range(len(rows)),) if rows else (),
    )


def outcome(batch: Batch, fate: Fate, span: range | None = None, **more: object) -> Outcome:
    """The outcome of *batch*, or of the records *span* of it."""
    span = range(len(batch.records)) if span is None else span
    row = batch.rows[span.start]
    more.setdefault("attempts", 1)
    if fate is Fate.REJECTED:
        more.setdefault("row_fate", RowFate(row, fate, "refused", batch.records[span.start], code=40000))
    whole = len(span) == len(batch.records)
    return Outcome(batch, row, batch.rows[span.stop - 1] + 1, len(span), fate, whole, **more)


@asynccontextmanager
async def opened(path: Path, ended: Ended | None = Ended.COMPLETE) -> AsyncIterator[DurableLedger]:
    """The ledger, closed at the end; with *ended* None as after a kill."""
    ledger = await open_ledger(path, IDENTITY, version="1.2.3")
    try:
        yield ledger
    finally:
        await ledger.close(ended)


async def stored(ledger: DurableLedger) -> list[StoredRange]:
    return [stored async for stored in ledger.ranges()]


def columns_of(path: Path, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


async def test_an_acknowledged_batch_is_finished_in_the_next_run(tmp_path):
    async with opened(tmp_path / "a.db") as ledger:
        batch = batch_of(0, "rrr")
        await ledger.intend(batch)
        assert (await ledger.count()).unresolved == 3
        await ledger.record(outcome(batch, Fate.ACKNOWLEDGED))
    async with opened(tmp_path / "a.db") as ledger:
        assert ledger.totals == Totals(rows=3, batches=1, acknowledged=3)
        assert await stored(ledger) == [StoredRange(0, 3, 3, batch.digest, finished=True)]


async def test_a_batch_without_a_result_is_open_and_in_doubt_in_the_next_run(tmp_path):
    async with opened(tmp_path / "a.db", None) as ledger:
        batch = batch_of(0, "rirhd")
        await ledger.intend(batch)
    async with opened(tmp_path / "a.db") as ledger:
        assert ledger.totals == Totals(rows=5, batches=1, invalid=1, held=1, duplicate=1, unresolved=2)
        (found,) = await stored(ledger)
        assert found.ambiguous
        assert not found.finished
        assert found.set_aside_rows == {1, 3, 4}


@pytest.mark.parametrize("ended", [None, Ended.CANCELLED, Ended.FAULT])
async def test_a_batch_that_was_broken_off_after_a_part_without_a_result_is_in_doubt_in_the_next_run(ended, tmp_path):
    """Another part of it may have been in flight."""
    async with opened(tmp_path / "a.db", ended) as ledger:
        batch = batch_of(0, "rrrr")
        await ledger.intend(batch)
        await ledger.record(outcome(batch, Fate.UNRESOLVED, range(1)))
    async with opened(tmp_path / "a.db", Ended.SIGNAL) as ledger:
        assert (await stored(ledger))[0].ambiguous


async def test_a_queued_batch_that_never_left_is_pending_and_not_in_doubt(tmp_path):
    async with opened(tmp_path / "a.db") as ledger:
        batch = batch_of(0, "rr")
        await ledger.intend(batch)
        await ledger.record(outcome(batch, Fate.PENDING, attempts=0))
    async with opened(tmp_path / "a.db") as ledger:
        assert ledger.totals == Totals(rows=2, batches=1, pending=2)
        assert not (await stored(ledger))[0].ambiguous


async def test_a_batch_without_records_is_settled_by_its_intent(tmp_path):
    async with opened(tmp_path / "a.db") as ledger:
        await ledger.intend(batch_of(0, "iii"))
        assert await ledger.count() == Totals(rows=3, batches=1, invalid=3)
        assert (await stored(ledger))[0].finished


async def test_parts_settle_a_batch_when_they_cover_its_records(tmp_path):
    batch = batch_of(0, "rriirr")
    async with opened(tmp_path / "a.db") as ledger:
        await ledger.intend(batch)
        await ledger.record(outcome(batch, Fate.ACKNOWLEDGED, range(3)))
        (half,) = await stored(ledger)
        assert half == replace(half, finished=False, settled=(range(5),), set_aside_rows=frozenset({2, 3}))
        await ledger.record(outcome(batch, Fate.REJECTED, range(3, 4)))
        (found,) = await stored(ledger)
        assert found.finished
        assert await ledger.count() == Totals(rows=6, batches=1, acknowledged=3, rejected=1, invalid=2)
    with read_ledger(tmp_path / "a.db") as reader:
        assert [(row.row, row.fate) for row in reader.failures()] == [
            (2, Fate.INVALID),
            (3, Fate.INVALID),
            (5, Fate.REJECTED),
        ]


async def test_a_batch_of_one_record_can_be_rejected_whole(tmp_path):
    async with opened(tmp_path / "a.db") as ledger:
        batch = batch_of(0, "r")
        await ledger.intend(batch)
        await ledger.record(outcome(batch, Fate.REJECTED))
        assert await ledger.count() == Totals(rows=1, batches=1, rejected=1)
        assert (await stored(ledger))[0].finished


async def test_the_parts_of_an_earlier_run_and_of_this_one_settle_a_batch_together(tmp_path):
    batch = batch_of(0, "rrrr")
    async with opened(tmp_path / "a.db", None) as ledger:
        await ledger.intend(batch)
        await ledger.record(outcome(batch, Fate.ACKNOWLEDGED, range(1, 3)))
    again = replace(batch, spans=(range(1), range(3, 4)), stored=True, ambiguous=True)
    async with opened(tmp_path / "a.db") as ledger:
        await ledger.intend(again)
        await ledger.record(outcome(again, Fate.ACKNOWLEDGED, range(1)))
        await ledger.record(outcome(again, Fate.REJECTED, range(3, 4)))
        assert await ledger.count() == Totals(rows=4, batches=1, acknowledged=3, rejected=1)
        assert (await stored(ledger))[0].finished


async def test_unresolved_wins_over_pending_and_keeps_its_answer(tmp_path):
    batch = batch_of(0, "rrrr")
    async with opened(tmp_path / "a.db") as ledger:
        await ledger.intend(batch)
        lost = outcome(
            batch, Fate.UNRESOLVED, range(2), code=50000, http_status=502, request_id="q1", message="x" * 999
        )
        await ledger.record(lost)
        await ledger.record(outcome(batch, Fate.PENDING, range(2, 4), message="asked to stop"))
        assert await ledger.count() == Totals(rows=4, batches=1, unresolved=4)
    with read_ledger(tmp_path / "a.db") as reader:
        (left,) = reader.open_ranges()
    assert (left.stored.first_row, left.fate, left.code) == (0, Fate.UNRESOLVED, 50000)
    assert (left.message, left.request_id) == ("x" * 300, "q1")


async def test_a_batch_that_was_left_can_be_sent_again_until_it_is_acknowledged(tmp_path):
    batch = batch_of(0, "rr")
    async with opened(tmp_path / "a.db") as ledger:
        await ledger.intend(batch)
        await ledger.record(outcome(batch, Fate.UNRESOLVED, attempts=8, code=50000, message="no", ambiguous=True))
    async with opened(tmp_path / "a.db") as ledger:
        assert (await stored(ledger))[0].ambiguous
        again = replace(batch, stored=True, ambiguous=True)
        await ledger.intend(again)
        await ledger.record(outcome(again, Fate.ACKNOWLEDGED, attempts=2))
        assert await ledger.count() == Totals(rows=2, batches=1, acknowledged=2)
    narrow = columns_of(tmp_path / "a.db", "SELECT attempts, ambiguous, code, message FROM batch")
    assert narrow == [(10, 1, None, None)]


async def test_after_a_kill_the_unresolved_parts_of_a_batch_leave_the_rest_of_it_in_doubt(tmp_path):
    batch = batch_of(0, "rrrr")
    async with opened(tmp_path / "a.db", None) as ledger:
        await ledger.intend(batch)
        await ledger.record(outcome(batch, Fate.UNRESOLVED, range(2), ambiguous=False))
    async with opened(tmp_path / "a.db") as ledger:
        assert (await stored(ledger))[0].ambiguous


async def test_ranges_come_in_row_order_over_many_pages(tmp_path):
    async with opened(tmp_path / "a.db") as ledger:
        await asyncio.gather(*[ledger.intend(batch_of(2 * index, "ri")) for index in range(2_345)])
        found = await stored(ledger)
    assert [(one.first_row, one.end_row) for one in found] == [(2 * index, 2 * index + 2) for index in range(2_345)]
    assert all(one.set_aside_rows == {one.first_row + 1} for one in found)


async def test_facts_are_kept_and_replaced(tmp_path):
    async with opened(tmp_path / "a.db") as ledger:
        await ledger.remember("source_rows", "10")
        await ledger.remember("source_rows", "12")
    async with opened(tmp_path / "a.db") as ledger:
        assert ledger.facts["source_rows"] == "12"
        assert ledger.facts["identity.table_id"] == IDENTITY["table_id"]


async def test_every_run_is_on_record_the_last_one_first(tmp_path):
    async with opened(tmp_path / "a.db", None):
        pass
    ledger = await open_ledger(tmp_path / "a.db", IDENTITY, version="1.2.3")
    await ledger.close(Ended.LIMIT, "enough \udcff", requests=7, retries=2)
    with read_ledger(tmp_path / "a.db") as reader:
        last, first = reader.runs()
    assert (last.ended, last.requests, last.retries, last.version) == ("limit", 7, 2, "1.2.3")
    assert last.reason == "enough \\udcff"
    assert last.ended_ms is not None
    assert last.ended_ms >= last.started_ms
    assert (first.ended, first.ended_ms) == (None, None)


@pytest.mark.parametrize(
    "write",
    [
        lambda ledger, batch: ledger.intend(batch),
        lambda ledger, batch: ledger.intend(replace(batch, stored=True)),
        lambda ledger, batch: ledger.intend(batch_of(9, "r")),
        lambda ledger, batch: ledger.intend(replace(batch_of(2, "rr"), records=["one"])),
        lambda ledger, batch: ledger.intend(replace(batch_of(2, "rr"), stored=True)),
        lambda ledger, batch: ledger.record(outcome(batch, Fate.ACKNOWLEDGED)),
        lambda ledger, batch: ledger.record(outcome(batch, Fate.UNRESOLVED)),
        lambda ledger, batch: ledger.record(outcome(batch, Fate.ACKNOWLEDGED, range(1))),
        lambda ledger, batch: ledger.record(outcome(batch_of(2, "r"), Fate.ACKNOWLEDGED)),
        lambda ledger, batch: ledger.record(outcome(batch_of(2, "r"), Fate.REJECTED, row_fate=None)),
    ],
    ids=[
        "an intent twice",
        "a finished range again",
        "a gap",
        "a range that does not add up",
        "a stored range that is not there",
        "a second acknowledgement",
        "an acknowledged batch left",
        "a part of an acknowledged batch",
        "an outcome without an intent",
        "rejected without a reason",
    ],
)
async def test_a_write_that_does_not_fit_stops_the_ledger_and_changes_nothing(tmp_path, write):
    async with opened(tmp_path / "a.db") as ledger:
        batch = batch_of(0, "rr")
        await ledger.intend(batch)
        await ledger.record(outcome(batch, Fate.ACKNOWLEDGED))
        with pytest.raises(LedgerError, match="fault"):
            await write(ledger, batch)
        with pytest.raises(LedgerError):
            await ledger.count()
    async with opened(tmp_path / "a.db") as ledger:
        assert ledger.totals == Totals(rows=2, batches=1, acknowledged=2)


async def test_a_whole_answer_for_a_batch_with_settled_parts_is_refused(tmp_path):
    async with opened(tmp_path / "a.db") as ledger:
        batch = batch_of(0, "rr")
        await ledger.intend(batch)
        await ledger.record(outcome(batch, Fate.ACKNOWLEDGED, range(1)))
        with pytest.raises(LedgerError, match="fault"):
            await ledger.record(outcome(batch, Fate.ACKNOWLEDGED))


async def test_a_stored_range_with_another_digest_is_never_opened_again(tmp_path):
    async with opened(tmp_path / "a.db", None) as ledger:
        await ledger.intend(batch_of(0, "rr"))
    async with opened(tmp_path / "a.db") as ledger:
        with pytest.raises(LedgerError, match="fault"):
            await ledger.intend(replace(batch_of(0, "rr"), stored=True, digest=bytes(16)[:-1] + b"\xff"))


async def test_what_is_queued_at_the_close_is_committed_though_nobody_awaits_it(tmp_path):
    async with opened(tmp_path / "a.db") as ledger:
        for index in range(500):
            ledger.intend(batch_of(index, "r")).cancel()
    with read_ledger(tmp_path / "a.db") as reader:
        assert reader.totals().rows == 500


async def test_after_the_close_nothing_is_taken_and_a_second_close_is_harmless(tmp_path):
    ledger = await open_ledger(tmp_path / "a.db", IDENTITY)
    await asyncio.gather(ledger.close(Ended.COMPLETE), ledger.close(Ended.FAULT))
    with pytest.raises(LedgerError, match="closed"):
        ledger.intend(batch_of(0, "r"))
    with read_ledger(tmp_path / "a.db") as reader:
        assert [run.ended for run in reader.runs()] == ["complete"]


async def test_a_cancelled_close_still_closes_before_it_raises(tmp_path):
    ledger = await open_ledger(tmp_path / "a.db", IDENTITY)
    for index in range(500):
        ledger.intend(batch_of(index, "r"))
    closing_task = asyncio.create_task(ledger.close(Ended.CANCELLED))
    await asyncio.sleep(0)
    closing_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing_task
    with read_ledger(tmp_path / "a.db") as reader:
        assert reader.running() is None
        assert reader.totals().rows == 500


async def test_a_cancelled_opening_lets_go_of_the_lock(tmp_path):
    opening = asyncio.create_task(open_ledger(tmp_path / "a.db", IDENTITY))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    async with opened(tmp_path / "a.db"):
        pass


async def test_the_writer_outlives_a_loop_that_is_closed_without_a_word(tmp_path):
    def abandoned() -> None:
        async def leave() -> None:
            ledger = await open_ledger(tmp_path / "a.db", IDENTITY)
            for index in range(2_000):
                ledger.intend(batch_of(index, "r"))

        asyncio.run(leave())

    await asyncio.to_thread(abandoned)
    async with asyncio.timeout(20):
        while True:
            with read_ledger(tmp_path / "a.db") as reader:
                if reader.running() is None:
                    break
            await asyncio.sleep(0.005)
    async with opened(tmp_path / "a.db") as ledger:
        assert ledger.totals.rows == 2_000


async def test_a_call_without_a_ledger_counts_the_same(tmp_path):
    async with opened(tmp_path / "a.db") as durable:
        unrecorded = UnrecordedLedger()
        for ledger in (durable, unrecorded):
            first, second, third, fourth = (
                batch_of(0, "rrih"),
                batch_of(4, "rrrd"),
                batch_of(8, "ii"),
                batch_of(10, "rr"),
            )
            for batch in (first, second, third, fourth):
                await ledger.intend(batch)
            await ledger.record(outcome(first, Fate.ACKNOWLEDGED))
            await ledger.record(outcome(second, Fate.REJECTED, range(1)))
            await ledger.record(outcome(second, Fate.PENDING, range(1, 3)))
        assert await unrecorded.count() == await durable.count()
        assert [one async for one in unrecorded.ranges()] == []
        assert unrecorded.path is None
        assert unrecorded.facts == {}
        await unrecorded.close(Ended.COMPLETE)
