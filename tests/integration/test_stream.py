"""The outcomes of a job as they come: they are the report's, they wait for their reader, and nothing is left behind."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from bulkdelete import BulkDeleter, Ended, FatalAnswer, Fate, Settings, SourceError
from bulkdelete.emulator import Emulator, Faults
from bulkdelete.errors import CancelledElsewhere
from bulkdelete.ledger import read_ledger
from bulkdelete.records import FATES
from tests.properties import often

NO_LOOK = {"sanity_check": False}
TABLE_ID = "673af861ed69656ac0895b07"


def ids(count: int, first: int = 0) -> list[str]:
    return [str(10**17 + first + number) for number in range(count)]


@pytest.fixture
async def emulator():
    async with Emulator() as emulator:
        emulator.load(TABLE_ID, ids(3000))
        yield emulator


def deleter(emulator, *, size: int = 10, **sections) -> BulkDeleter:
    plain = {"base_url": emulator.base_url, "batch": {"size": size}, "flow": {"concurrency": 3}}
    retry = {"first_backoff_seconds": 0.001, "max_attempts": 3}
    chosen = Settings.from_mapping({**plain, "retry": retry, "source": NO_LOOK, "holds": NO_LOOK, **sections})
    return BulkDeleter(api_key=emulator.api_key, settings=chosen)


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("bulkdelete")]


async def read(outcomes) -> None:
    async with outcomes:
        async for _ in outcomes:
            pass


def tasks_left() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("bulkdelete")]


async def test_every_row_has_its_outcome_and_together_they_are_the_report(emulator):
    emulator.poison(TABLE_ID, ids(1, first=25))
    rows = [*ids(60), "not an id", *ids(2, first=58), *ids(7, first=100)]
    async with (
        deleter(emulator) as shared,
        shared.stream(TABLE_ID, rows, holds=ids(2, first=30)) as outcomes,
    ):
        seen = [outcome async for outcome in outcomes]
    assert outcomes.report.ended is Ended.COMPLETE
    counted = Counter()
    for outcome in seen:
        counted[outcome.fate] += outcome.records
        assert len(outcome.which) == outcome.records
    assert {fate: counted[fate] for fate in Fate} == {fate: getattr(outcomes.report, fate) for fate in FATES}
    assert counted == {"acknowledged": 64, "rejected": 1, "invalid": 1, "held": 2, "duplicate": 2}
    assert [record for one in seen if one.fate is Fate.REJECTED for record in one.which] == ids(1, first=25)
    assert sorted(record for one in seen if one.fate is Fate.ACKNOWLEDGED for record in one.which) == sorted(
        {*ids(60), *ids(7, first=100)} - {*ids(2, first=30), *ids(1, first=25)}
    )


@examples(max_examples=often(60))
@given(
    rows=st.lists(st.sampled_from([*ids(20), "no id", "5.4e+17"]), max_size=40),
    held=st.sets(st.sampled_from(ids(20)), max_size=4),
    error_rate=st.sampled_from([0, 0.3]),
    durable=st.booleans(),
)
def test_whatever_the_rows_and_the_answers_are_the_outcomes_add_up_to_the_report(
    tmp_path_factory, rows, held, error_rate, durable
):
    async def play() -> None:
        async with Emulator(faults=Faults(seed=7, internal_error_rate=error_rate)) as emulator:
            emulator.load(TABLE_ID, ids(20))
            emulator.poison(TABLE_ID, ids(2, first=5))
            ledger = tmp_path_factory.mktemp("stream") / "purge.db" if durable else None
            stop = {"max_failures": 1000}
            async with deleter(emulator, size=len(rows) % 7 + 1, splitting={"stop_when_wholly_wrong": False}) as shared:
                seen = Counter()
                async with shared.stream(TABLE_ID, rows, holds=list(held) or None, ledger=ledger, **stop) as outcomes:
                    async for outcome in outcomes:
                        seen[outcome.fate] += outcome.records
                report = outcomes.report
                assert report.rows == len(rows)
                assert {fate: seen[fate] for fate in FATES} == {fate: getattr(report, fate) for fate in FATES}

    asyncio.run(play())


async def test_the_job_waits_for_its_reader(emulator):
    async with deleter(emulator, size=1) as shared, shared.stream(TABLE_ID, ids(300)) as outcomes:
        await anext(outcomes)
        before = -1
        while emulator.requests != before:  # until it sends no more
            before = emulator.requests
            await asyncio.sleep(0.05)
        assert before < 60
        assert outcomes.snapshot().requests == before
        assert sum([1 async for _ in outcomes]) == 299
        assert emulator.requests == 300


async def test_a_reader_that_stops_early_cancels_the_rest_and_what_is_done_is_known(emulator, tmp_path):
    ledger = tmp_path / "purge.db"
    async with deleter(emulator) as shared:
        async with shared.stream(TABLE_ID, ids(1000), ledger=ledger) as outcomes:
            async for outcome in outcomes:
                assert outcome.fate is Fate.ACKNOWLEDGED
                break
        assert not tasks_left()
        report = outcomes.report
        assert (report.ended, report.reason) == (Ended.CANCELLED, "nobody reads its outcomes any more")
        assert report.balanced
        assert 0 < report.acknowledged < 1000
        with read_ledger(ledger) as reader:
            assert reader.totals().acknowledged == report.acknowledged
        assert emulator.requests * 10 == report.acknowledged
        assert (await shared.delete(TABLE_ID, ids(1000), ledger=ledger)).acknowledged == 1000


async def test_what_a_reader_raises_arrives_unwrapped_and_leaves_nothing_behind(emulator):
    async with deleter(emulator) as shared:
        outcomes = shared.stream(TABLE_ID, ids(1000))

        async def read() -> None:
            async with outcomes:
                async for outcome in outcomes:
                    raise ZeroDivisionError(outcome)

        with pytest.raises(ZeroDivisionError):
            await read()
        assert not tasks_left()
        assert outcomes.report.ended is Ended.CANCELLED


async def test_a_reader_that_is_cancelled_leaves_nothing_behind(emulator):
    emulator.faults = Faults(latency_seconds=0.05)
    async with deleter(emulator) as shared:
        outcomes = shared.stream(TABLE_ID, ids(1000))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(read(outcomes), 0.2)
        assert not tasks_left()
        assert outcomes.report.balanced
        assert outcomes.report.unresolved == 0  # what was in flight was given the time to end


async def test_a_second_cancel_ends_the_grace(emulator):
    emulator.faults = Faults(latency_seconds=30)
    flow = {"concurrency": 3, "cancel_grace_seconds": 60}
    async with deleter(emulator, flow=flow) as shared:
        task = asyncio.create_task(read(shared.stream(TABLE_ID, ids(100))))
        while not emulator.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert not tasks_left()


async def test_what_ends_the_job_is_raised_where_the_outcomes_end_with_the_report(emulator):
    emulator.faults = Faults(script=["ok", "ok", "403106"])
    async with deleter(emulator, flow={"concurrency": 1}) as shared:
        outcomes = shared.stream(TABLE_ID, ids(100))
        with pytest.raises(FatalAnswer) as raised:
            await read(outcomes)
        assert raised.value.report == outcomes.report
    assert outcomes.report.acknowledged == 10 * emulator.answers[0]


async def test_an_error_that_the_reader_did_not_see_is_raised_when_the_block_ends(emulator):
    def breaking():
        yield from ids(5)
        raise OSError("the cursor is gone")

    async with deleter(emulator) as shared:
        outcomes = shared.stream(TABLE_ID, breaking())

        async def look_away() -> None:
            async with outcomes:
                while outcomes.report is None:
                    await asyncio.sleep(0.01)

        with pytest.raises(SourceError):
            await look_away()


async def cancelled_check(_) -> bool:
    waiting = asyncio.get_running_loop().create_future()
    waiting.cancel()
    return await waiting


async def test_a_check_that_somebody_else_cancels_ends_no_stream_as_if_it_were_complete(emulator, tmp_path):
    async with deleter(emulator, canary={"records": 10}) as shared:
        outcomes = shared.stream(TABLE_ID, ids(100), ledger=tmp_path / "a.db", check=cancelled_check)
        with pytest.raises(CancelledElsewhere, match=r"the check was cancelled by somebody else.*again") as raised:
            await read(outcomes)
        assert (raised.value.report.acknowledged, raised.value.report.ended) == (10, Ended.FAULT)
        with pytest.raises(ExceptionGroup) as group:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(shared.delete(TABLE_ID, ids(100), ledger=tmp_path / "b.db", check=cancelled_check))
        assert group.group_contains(CancelledElsewhere)


@pytest.mark.parametrize("is_read", [True, False])
async def test_a_stream_whose_task_somebody_else_cancels_says_so(emulator, is_read):
    emulator.faults = Faults(latency_seconds=0.2)
    async with deleter(emulator) as shared:
        outcomes = shared.stream(TABLE_ID, ids(100))

        async def look() -> None:
            async with outcomes:
                [task] = [task for task in asyncio.all_tasks() if task.get_name() == "bulkdelete stream"]
                while not emulator.requests:
                    await asyncio.sleep(0.01)
                task.cancel()
                if is_read:
                    async for _ in outcomes:
                        pass
                await asyncio.wait({task})

        with pytest.raises(CancelledElsewhere, match="the task of the stream was cancelled") as raised:
            await look()
        assert raised.value.report == outcomes.report
        assert raised.value.report.balanced
    assert not tasks_left()


async def test_a_stream_is_entered_once_and_read_inside(emulator):
    async with deleter(emulator) as shared:
        outcomes = shared.stream(TABLE_ID, ids(5))
        with pytest.raises(RuntimeError, match="async with"):
            await anext(outcomes)
        async with outcomes:
            assert [one.records async for one in outcomes] == [5]
        with pytest.raises(RuntimeError, match="another one"):
            await outcomes.__aenter__()
