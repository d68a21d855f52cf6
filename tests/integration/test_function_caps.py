"""Caps of a call on what a function gives, or a source of one's own, whose records are others at another reading."""

from __future__ import annotations

import asyncio
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkdelete import BulkDeleter, LedgerFolder, LedgerState, Settings, SourceChanged, SourceRefused
from bulkdelete.emulator import Emulator, Faults
from bulkdelete.records import Ended
from tests.integration.test_functions import IDS, TABLE_ID, Archive
from tests.properties import often

SETTINGS = Settings.from_mapping(
    {
        "batch": {"size": 10},
        "ledger": {"synchronous": "normal"},
        "retry": {"max_attempts": 1},
        "flow": {"concurrency": 1},
        "splitting": {"stop_when_wholly_wrong": False},
    }
)
CANARY = SETTINGS.model_copy(update={"canary": SETTINGS.canary.model_copy(update={"records": 10})})
MORE = [*IDS, *(str(int(IDS[-1]) + 7919 * number) for number in range(1, 16))]
OTHER = "it gives others each time it is read"


class Query:
    """Gives the first so many of ``MORE`` and then *aside*: at each reading as many as come next, and the last anew."""

    def __init__(self, *counts: int, aside: tuple[str, ...] = ()) -> None:
        self._counts = list(counts)
        self._aside = aside
        self.readings = 0

    def __call__(self) -> list[str]:
        self.readings += 1
        count = self._counts.pop(0) if len(self._counts) > 1 else self._counts[0]
        return [*MORE[:count], *self._aside]


class Changing(Archive):
    """A source of one's own whose records are those of a query."""

    def __init__(self, *counts: int) -> None:
        super().__init__([])
        self._query = Query(*counts)

    async def blocks(self):
        self._ids = self._query()
        async for rows in super().blocks():
            yield rows


@pytest.fixture
async def emulator():
    async with Emulator(record_requests=True) as emulator:
        emulator.load(TABLE_ID, MORE)
        yield emulator


@pytest.fixture
async def deleter(emulator):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=SETTINGS) as deleter:
        yield deleter


@pytest.fixture
def ledger(tmp_path):
    return LedgerFolder(tmp_path).path_for("erase")


async def approve(report) -> bool:
    return report.balanced


KINDS = pytest.mark.parametrize("kind", [Query, Changing])
WHERE = pytest.mark.parametrize("durable", [True, False], ids=["ledger", "no ledger"])


@KINDS
@pytest.mark.parametrize("count", [45, 25, 31, 29])
async def test_other_rows_than_expected_at_a_resume_send_nothing(emulator, deleter, ledger, kind, count):
    first = await deleter.delete(TABLE_ID, kind(30), ledger=ledger, limit=20, expect=30)
    assert (first.ended, first.acknowledged) == (Ended.LIMIT, 20)
    again = await deleter.delete(TABLE_ID, kind(count), ledger=ledger, expect=30)
    assert (again.ended, again.acknowledged, emulator.requests) == (Ended.UNEXPECTED, 20, 2)
    assert f"the source holds {count} rows with a record, and 30 are expected: nothing was sent" in again.reason
    last = await deleter.delete(TABLE_ID, kind(30), ledger=ledger, expect=30)
    assert (last.ended, last.acknowledged) == (Ended.COMPLETE, 30)


@KINDS
@WHERE
async def test_rows_that_come_after_the_count_are_not_sent(emulator, deleter, ledger, kind, durable):
    where = {"ledger": ledger if durable else None, "expect": 30}
    report = await deleter.delete(TABLE_ID, kind(30, 30, 45), **where)
    assert (report.ended, report.acknowledged, report.rows) == (Ended.UNEXPECTED, 30, 30)
    assert "more rows with a record than the 30 expected, and nothing more was sent" in report.reason
    assert OTHER in report.reason
    assert list(emulator.remaining(TABLE_ID)) == MORE[30:]


@KINDS
@WHERE
async def test_a_batch_that_holds_the_row_beyond_is_not_sent(emulator, deleter, ledger, kind, durable):
    report = await deleter.delete(TABLE_ID, kind(25, 25, 26), ledger=ledger if durable else None, expect=25)
    assert (report.ended, report.acknowledged) == (Ended.UNEXPECTED, 20)
    assert list(emulator.remaining(TABLE_ID)) == MORE[20:]


@KINDS
@WHERE
async def test_rows_that_are_gone_after_the_count_are_told(emulator, deleter, ledger, kind, durable):
    report = await deleter.delete(TABLE_ID, kind(30, 30, 25), ledger=ledger if durable else None, expect=30)
    assert (report.ended, report.acknowledged) == (Ended.UNEXPECTED, 25)
    assert "the source held 25 rows with a record, and 30 were expected" in report.reason
    assert OTHER in report.reason


async def test_a_job_that_fell_short_is_not_complete_and_goes_on_once_all_are_there(emulator, deleter, ledger):
    await deleter.delete(TABLE_ID, Query(30, 30, 25), ledger=ledger, expect=30)
    [kept] = await LedgerFolder(ledger.parent).ledgers()
    assert (kept.state, kept.last_ended) == (LedgerState.NO_SOURCE, Ended.UNEXPECTED)
    with pytest.raises(SourceRefused, match="make the call again"):
        await deleter.resume(ledger)
    last = await deleter.delete(TABLE_ID, Query(30), ledger=ledger, expect=30)
    assert (last.ended, last.acknowledged, emulator.requests) == (Ended.COMPLETE, 30, 4)


@pytest.mark.parametrize("records", [lambda: Query(30, 30, 25), lambda: iter(MORE[:25])], ids=["function", "iterator"])
async def test_failures_do_not_hide_that_rows_are_missing(emulator, deleter, records):
    emulator.poison(TABLE_ID, MORE[24:25])
    report = await deleter.delete(TABLE_ID, records(), expect=30, max_failures=0)
    assert (report.rejected, report.remaining) == (1, 0)
    assert report.ended is not Ended.COMPLETE


@pytest.mark.parametrize(
    ("last", "ended", "sent"), [(31, "unexpected", 30), (29, "unexpected", 29), (30, "complete", 30)]
)
async def test_a_resume_counts_what_it_sends_together_with_what_was_sent(deleter, ledger, last, ended, sent):
    await deleter.delete(TABLE_ID, Query(30), ledger=ledger, limit=10, expect=30)
    report = await deleter.delete(TABLE_ID, Query(30, last), ledger=ledger, expect=30)
    assert (report.ended, report.acknowledged) == (ended, sent)


async def test_invalid_rows_do_not_count_while_those_on_hold_and_duplicates_do(deleter, ledger):
    aside = ("a b", MORE[20], "5.4e+17", MORE[41])  # as a batch, from row 20 on
    how = {"ledger": ledger, "holds": [MORE[3], MORE[41]], "expect": 27}
    for limit in (9, 20, None):
        report = await deleter.delete(TABLE_ID, Query(25, aside=aside), limit=limit, **how)
    assert report.ended is Ended.COMPLETE
    assert (report.acknowledged, report.held, report.duplicate, report.invalid) == (24, 2, 1, 2)


async def test_a_row_that_fits_into_no_body_does_not_count_at_a_resume_either(emulator, ledger):
    small = {"size": 10, "max_body_bytes": 4096, "max_id_characters": 4096}
    small = SETTINGS.model_copy(update={"batch": Settings.from_mapping({"batch": small}).batch})
    longest = "7" * 4096
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=small) as deleter:
        for limit in (10, None):
            query = Query(5, aside=(longest, *MORE[5:20]))
            report = await deleter.delete(TABLE_ID, query, ledger=ledger, limit=limit, expect=20)
    assert (report.ended, report.acknowledged, report.invalid) == (Ended.COMPLETE, 20, 1)


async def test_what_no_answer_came_for_is_counted_before_it_is_sent_again(emulator, deleter, ledger):
    emulator.faults = Faults(internal_error_rate=1.0)
    left = await deleter.delete(TABLE_ID, Query(30), ledger=ledger, max_failures=100)
    assert left.unresolved == 30
    emulator.faults = Faults()
    refused = await deleter.delete(TABLE_ID, Query(20, 20, 30), ledger=ledger, expect=20)
    assert (refused.ended, refused.acknowledged, refused.unresolved) == (Ended.UNEXPECTED, 20, 10)
    last = await deleter.delete(TABLE_ID, Query(30), ledger=ledger, expect=30)
    assert (last.ended, last.acknowledged) == (Ended.COMPLETE, 30)


async def test_max_records_is_compared_with_what_there_is_at_each_resume(emulator, deleter, ledger):
    await deleter.delete(TABLE_ID, Query(30), ledger=ledger, limit=10, max_records=30)
    refused = await deleter.delete(TABLE_ID, Query(31), ledger=ledger, max_records=30)
    assert (refused.ended, refused.acknowledged, emulator.requests) == (Ended.MAX_RECORDS, 10, 1)
    assert "the source holds 31 rows to send, and max_records is 30: nothing was sent in this run" in refused.reason
    late = await deleter.delete(TABLE_ID, Query(30, 31), ledger=ledger, max_records=30)
    assert (late.ended, late.acknowledged) == (Ended.MAX_RECORDS, 30)


async def test_max_records_bounds_what_is_sent_again_too(emulator, deleter, ledger):
    emulator.faults = Faults(internal_error_rate=1.0)
    await deleter.delete(TABLE_ID, Query(30), ledger=ledger, max_failures=100)
    emulator.faults = Faults()
    refused = await deleter.delete(TABLE_ID, Query(20, 20, 30), ledger=ledger, max_records=20)
    assert (refused.ended, refused.acknowledged, refused.unresolved) == (Ended.MAX_RECORDS, 20, 10)


@pytest.mark.parametrize(("rest", "sent"), [(31, 30), (29, 29)])
async def test_the_rest_after_a_canary_is_counted_together_with_it(emulator, ledger, rest, sent):
    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=CANARY) as deleter:
        query = Query(30, 30, 30, rest)
        report = await deleter.delete(TABLE_ID, query, ledger=ledger, check=approve, expect=30)
        assert (report.ended, report.acknowledged, query.readings) == (Ended.UNEXPECTED, sent, 4)
        last = await deleter.delete(TABLE_ID, Query(30), ledger=ledger, check=approve, expect=30)
        assert (last.ended, last.acknowledged) == (Ended.COMPLETE, 30)


async def test_a_canary_in_whose_reading_rows_are_missing_is_not_asked_about(emulator, ledger):
    asked = []

    async def check(report) -> bool:
        asked.append(report)
        return True

    async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=CANARY) as deleter:
        report = await deleter.delete(TABLE_ID, Query(30, 30, 9), ledger=ledger, check=check, expect=30)
        assert (report.ended, report.acknowledged, asked) == (Ended.UNEXPECTED, 9, [])


async def play(readings, expect, size, limit, *, durable) -> None:
    """Make the call anew until it ends otherwise than by its limit; *readings* are the rows of one after another."""
    chosen = Settings.from_mapping({"batch": {"size": size}, "ledger": {"synchronous": "normal"}})
    query = Query(*readings)
    with TemporaryDirectory() as folder:
        async with Emulator(record_requests=True) as emulator:
            emulator.load(TABLE_ID, MORE)
            how = {"ledger": LedgerFolder(folder).path_for("erase") if durable else None, "expect": expect}
            async with BulkDeleter(base_url=emulator.base_url, api_key=emulator.api_key, settings=chosen) as deleter:
                ended, sent = Ended.LIMIT, 0
                while ended is Ended.LIMIT:
                    asked, before, began = emulator.requests, sent, query.readings
                    try:
                        report = await deleter.delete(TABLE_ID, query, limit=limit if durable else None, **how)
                        ended = report.ended
                    except SourceChanged as changed:
                        report, ended = changed.report, None
                    sent = report.acknowledged
                    assert sent <= expect
    counts = [readings[min(one, len(readings) - 1)] for one in range(began, query.readings)]
    counted = counts[0 if before else 1]  # the first rows are looked at until some are sent
    if counted != expect:
        assert (ended, emulator.requests) == (Ended.UNEXPECTED, asked)
    elif counts[-1] < before:
        assert (ended, emulator.requests) == (None, asked)
    else:
        assert ended is (Ended.COMPLETE if counts[-1] == expect else Ended.UNEXPECTED)
        assert sent == expect or ended is Ended.UNEXPECTED


@given(st.data(), st.integers(1, 5), st.booleans(), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=often(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_each_reading_gives_only_as_many_rows_as_expected_are_complete_and_none_beyond_is_sent(
    data, expect, durable, size, limit
):
    other = st.one_of(st.just(expect), st.just(expect), st.integers(1, 6))
    asyncio.run(play(data.draw(st.lists(other, min_size=1, max_size=12)), expect, size, limit, durable=durable))
