"""Caps over a scripted API: never more records than allowed, whatever is asked twice; and time that is over."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkdelete.records import Ended
from bulkdelete.sources import from_iterable
from tests.api_model import INTERNAL, ApiModel
from tests.properties import often
from tests.unit.test_engine_holds import IDS, INVALID, ROWS, fates, job
from tests.unit.test_job_canary import job as canary_job
from tests.unit.test_job_waiting import Answers

SMALL = {"batch": {"size": 3}}
TEN = [f"{number + 10**17}" for number in range(10)]


@given(
    ROWS,
    st.integers(1, 9),
    st.integers(0, 80),
    st.builds(ApiModel, st.sets(IDS, max_size=3), st.floats(0, 0.3), st.integers(0, 9)),
)
@settings(max_examples=often(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_more_records_than_max_records_leave_whatever_is_retried_or_split(rows, size, most, api):
    report = asyncio.run(job(api, rows, batch={"size": size}, stop={"max_failures": 10_000, "max_records": most}).run())
    assert report.balanced
    assert report.acknowledged + report.rejected + report.unresolved + report.pending <= most
    assert len({one for request in api.requests for one in request}) <= most
    if report.ended is Ended.COMPLETE:
        assert report.rows == len(rows)
        assert api.acknowledged == set(rows) - INVALID - api.poisoned
    else:
        assert report.ended is Ended.MAX_RECORDS
        assert report.rows < len(rows)


@pytest.mark.parametrize(
    ("expect", "ended", "acknowledged", "said"),
    [
        (10, Ended.COMPLETE, 10, ""),
        (11, Ended.UNEXPECTED, 10, "the source held 10 rows with a record, and 11 were expected"),
        (9, Ended.UNEXPECTED, 9, "more rows with a record than the 9 expected, and nothing more was sent"),
        (8, Ended.UNEXPECTED, 6, "more rows with a record than the 8 expected"),
    ],
)
async def test_what_can_be_read_once_and_has_no_ledger_is_counted_as_it_is_sent(expect, ended, acknowledged, said):
    api = ApiModel()
    report = await job(api, [*TEN, "a b"], **SMALL, stop={"expect": expect}).run()
    assert (report.ended, report.acknowledged) == (ended, acknowledged)
    assert said in report.reason


async def test_what_is_counted_as_it_is_sent_counts_what_a_survey_counts():
    twice = [*TEN[:2], TEN[0], *TEN[2:], "a b"]
    for size in (2, 3, 20):
        report = await job(ApiModel(), twice, None, [TEN[4:6]], batch={"size": size}, stop={"expect": 11}).run()
        assert report.ended is Ended.COMPLETE
        report = await job(ApiModel(), twice, None, [TEN[4:6]], batch={"size": size}, stop={"expect": 10}).run()
        assert report.ended is Ended.UNEXPECTED


async def _approve(report) -> bool:
    return report.balanced


async def _in_many_runs(api, records, ledger, sizes, **sections) -> set[Ended]:
    endings = []
    while not endings or endings[-1] is Ended.LIMIT:
        size = sizes[len(endings) % len(sizes)]
        report = await canary_job(api, records, ledger, _approve, batch={"size": size}, **sections).run()
        endings.append(report.ended)
    assert report.balanced
    return set(endings)


@given(
    st.lists(st.one_of(st.integers(0, 30).map(lambda one: f"{one + 10**17}"), st.sampled_from(sorted(INVALID)))),
    st.sets(st.integers(0, 30).map(lambda one: f"{one + 10**17}"), max_size=4),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.tuples(st.none() | st.integers(9, 30), st.none() | st.integers(1, 30)),
    st.sampled_from([("max_records", -1), ("expect", -1), ("expect", 1)]),
)
@settings(max_examples=often(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_job_that_the_survey_lets_through_never_stops_for_what_it_counts(records, held, sizes, limits, wrong):
    limit, canary = limits
    found = [one for one in records if one not in INVALID]
    caps = {"expect": len(found), "max_records": sum(one not in held for one in found), "limit": limit}
    canaried = {} if canary is None else {"canary": {"records": canary}}
    with tempfile.TemporaryDirectory() as folder:
        api = ApiModel()
        path = Path(folder) / "purge.db"
        endings = asyncio.run(_in_many_runs(api, records, path, sizes, held=list(held), stop=caps, **canaried))
        assert endings <= {Ended.COMPLETE, Ended.LIMIT}
        assert api.acknowledged == set(found) - held
        name, by = wrong
        if caps[name] + by >= 0:
            stop = {name: caps[name] + by, "limit": limit}
            nothing = ApiModel()
            path = Path(folder) / "other.db"
            endings = asyncio.run(_in_many_runs(nothing, records, path, sizes, held=list(held), stop=stop, **canaried))
            assert (len(endings), nothing.requests) == (1, [])
            assert endings <= {Ended.MAX_RECORDS, Ended.UNEXPECTED}


async def test_the_smaller_cap_is_the_one_that_is_named():
    report = await job(ApiModel(), TEN, **SMALL, stop={"expect": 9, "max_records": 3}).run()
    assert (report.ended, fates(report)) == (Ended.MAX_RECORDS, {"acknowledged": 3})
    assert "max_records, 3, is reached" in report.reason


async def test_records_on_hold_are_expected_though_they_are_not_sent():
    report = await job(ApiModel(), TEN, None, [TEN[:4]], **SMALL, stop={"expect": 10, "max_records": 6}).run()
    assert (report.ended, fates(report)) == (Ended.COMPLETE, {"acknowledged": 6, "held": 4})


async def test_time_that_is_over_leaves_the_rest_pending_and_the_next_run_goes_on(tmp_path):
    api = ApiModel(hang_from=3)
    stopped = job(
        api,
        TEN,
        tmp_path / "purge.db",
        batch={"size": 1},
        flow={"concurrency": 1, "cancel_grace_seconds": 0},
        stop={"max_duration_seconds": 1.5},
    )
    task = asyncio.create_task(stopped.run())
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        while stopped._sweeps._engine is None or stopped._sweeps._engine.ended is Ended.COMPLETE:
            await asyncio.sleep(0.01)
        task.cancel()  # the request that hangs
        with pytest.raises(asyncio.CancelledError):
            await task
    assert stopped._sweeps._engine.ended is Ended.DURATION
    assert len(api.requests) == 3
    api.hang_from = None
    assert fates(await job(api, TEN, tmp_path / "purge.db").run()) == {"acknowledged": 10}


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (Ended.DURATION, "max_duration_seconds, 0.1, is over; nothing was sent in this run"),
        (Ended.SIGNAL, "SIGTERM received"),
    ],
)
async def test_a_hold_list_that_never_ends_is_not_waited_for(tmp_path, ended, said):
    async def endless():
        yield "1"
        await asyncio.Event().wait()

    api = ApiModel()
    seconds = 0.1 if ended is Ended.DURATION else None
    waiting = job(api, TEN, tmp_path / "purge.db", stop={"max_duration_seconds": seconds})
    waiting._order = replace(waiting._order, ledger=None, holds=(from_iterable(endless()),))
    task = asyncio.create_task(waiting.run())
    await asyncio.sleep(0)
    if ended is Ended.SIGNAL:
        waiting.stop("SIGTERM received")
    async with asyncio.timeout(20):
        report = await task
    assert (report.ended, report.rows, api.requests) == (ended, 0, [])
    assert report.reason == said


async def test_a_limit_that_a_later_stored_batch_never_fits_into_needs_a_person_also_where_something_is_sent_again(
    tmp_path,
):
    """What an outage leaves unresolved is sent in each run, and the batch behind it in none."""
    records = [f"{number + 10**17}" for number in range(50)]

    async def run(**sections):
        quick = {"flow": {"concurrency": 1}, "retry": {"max_attempts": 1}}
        return await job(Answers(INTERNAL), records, tmp_path / "purge.db", **{**quick, **sections}).run()

    for size, limit in ((10, 10), (40, 50)):
        assert (await run(batch={"size": size}, stop={"limit": limit})).remaining
    report = await run(batch={"size": 10}, stop={"limit": 20})
    assert (report.ended, report.requests > 0) == (Ended.LIMIT_TOO_SMALL, True)
    assert "with a limit of 40 or more" in report.reason
    assert "nothing was sent" not in report.reason
