"""The whole job over a scripted API: accounting always balances, and a resume equals one uninterrupted run."""

from __future__ import annotations

import asyncio
import resource
import tempfile
from collections import Counter
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkdelete.attempts import Attempts
from bulkdelete.credentials import Credentials
from bulkdelete.errors import AnswerLost, FatalAnswer, LedgerStorageError, SourceError
from bulkdelete.exchange import Reply
from bulkdelete.job import Job
from bulkdelete.ledger import read_ledger
from bulkdelete.limiter import Limiter
from bulkdelete.orders import Order
from bulkdelete.records import FATES, Ended, Fate
from bulkdelete.settings import Settings
from bulkdelete.sources import from_iterable, is_source, open_source
from tests.api_model import ApiModel
from tests.properties import often

TABLE_ID = "673af861ed69656ac0895b07"
QUICK = {
    "retry": {"first_backoff_seconds": 0, "max_attempts": 50},
    "splitting": {"stop_when_wholly_wrong": False},
    "source": {"sanity_check": False},  # made-up ids may well look like another column
    "holds": {"sanity_check": False},
}

rows = st.lists(
    st.one_of(st.integers(0, 400).map(lambda number: f"{number + 10**17}"), st.sampled_from(["", "5.4e+17", "a b"])),
    max_size=120,
)


def job(api, records, ledger=None, **sections) -> Job:
    chosen = Settings.from_mapping({**QUICK, **sections})
    limiter = Limiter(chosen.flow)
    attempts = Attempts(api, limiter, Credentials("key"))
    source = records if is_source(records) else from_iterable(records)
    return Job(Order(TABLE_ID, source, ledger), chosen, attempts, limiter)


def fates(report) -> dict[str, int]:
    assert report.balanced
    return {fate: getattr(report, fate) for fate in FATES if getattr(report, fate)}


@given(rows, st.integers(1, 9), st.floats(0, 0.4), st.integers(0, 99), st.data())
@settings(max_examples=often(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_fates_add_up_and_acknowledged_is_what_the_api_acknowledged(records, size, fault_rate, seed, data):
    poisoned = set(data.draw(st.lists(st.sampled_from(records), max_size=4))) if records else set()
    api = ApiModel(poisoned - {"", "5.4e+17", "a b"}, fault_rate, seed)
    report = asyncio.run(job(api, records, batch={"size": size}, stop={"max_failures": 10_000}).run())
    assert report.rows == len(records)
    assert report.balanced
    assert report.unresolved == report.pending == 0
    assert all(len(request) <= size for request in api.requests)
    assert not api.applied & {"", "5.4e+17", "a b"}
    assert not api.acknowledged & api.poisoned
    valid = set(records) - {"", "5.4e+17", "a b"}
    assert api.acknowledged == valid - api.poisoned


def check_pending(reader, records, api) -> None:
    """Hold where what is pending was in no request that reached the API, unless the same id stands in another row."""
    for stored, fate, *_ in reader.open_ranges():
        if fate is Fate.PENDING:
            left = set(range(stored.first_row, stored.end_row)).difference(*stored.settled)
            assert not [row for row in left if records[row] in api.seen and records.count(records[row]) == 1]


async def _cut_and_resume(records, cut, api, ledger, *, asked=False, **sections):
    """Run with a ledger, dying in the middle of the *cut*-th request, and then again to the end.

    *asked*: it is asked to stop before, as a first signal does.
    """
    api.hang_from = cut
    dying = job(api, records, ledger, flow={"concurrency": 3, "cancel_grace_seconds": 0}, **sections)
    task = asyncio.create_task(dying.run())
    while not task.done() and len(api.requests) < cut:
        await asyncio.sleep(0.001)
    if asked:
        dying.stop("SIGINT received")
        await asyncio.sleep(0.001)
    task.cancel()
    died = False
    try:
        await task
    except asyncio.CancelledError:
        died = True
    api.hang_from = None
    with read_ledger(ledger) as reader:
        check_pending(reader, records, api)
    return died, await job(api, records, ledger, flow={"concurrency": 3}, **sections).run()


@given(rows.filter(bool), st.integers(1, 9), st.integers(1, 40), st.integers(0, 99), st.data())
@settings(max_examples=often(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_job_cut_at_any_request_and_resumed_ends_as_one_uninterrupted_run(records, size, cut, seed, data):
    poisoned = set(data.draw(st.lists(st.sampled_from(records), max_size=3))) - {"", "5.4e+17", "a b"}
    sections = {"batch": {"size": size}, "stop": {"max_failures": 10_000}}
    whole = asyncio.run(job(ApiModel(poisoned, seed=seed), records, **sections).run())
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "purge.db"
        api = ApiModel(poisoned, 0.1, seed)
        asked = data.draw(st.booleans(), "asked to stop before")
        _, resumed = asyncio.run(_cut_and_resume(records, cut, api, ledger, asked=asked, **sections))
        assert fates(resumed) == fates(whole)
        assert api.acknowledged == set(records) - poisoned - {"", "5.4e+17", "a b"}
        with read_ledger(ledger) as reader:
            assert reader.totals().rows == len(records)
            rejected = [one for one in reader.failures() if one.fate == "rejected"]
        assert {one.record for one in rejected} == poisoned
        assert all(records[one.row] == one.record for one in rejected)
        assert len(rejected) == resumed.rejected


async def test_a_source_that_breaks_is_raised_after_what_was_read_is_settled():
    def breaking():
        yield from (f"{number + 10**17}" for number in range(2_500))
        raise OSError(5, "Input/output error")

    api = ApiModel()
    with pytest.raises(SourceError) as raised:
        await job(api, breaking()).run()
    report = raised.value.report
    assert report.ended is Ended.SOURCE_BROKEN
    assert report.balanced
    assert report.acknowledged == len(api.acknowledged) >= 2_000
    assert report.pending == 0


async def test_a_fatal_answer_is_raised_with_the_report_so_far():
    class Gone(ApiModel):
        async def post(self, body, api_key, request_id, path, leaves):
            self.requests.append([])
            return Reply(200, {}, b'{"code": 403106, "message": "Table not found"}')

    api = Gone()
    with pytest.raises(FatalAnswer, match="403106") as raised:
        await job(api, [f"{number + 10**17}" for number in range(5_000)]).run()
    report = raised.value.report
    assert report.ended is Ended.FATAL_ANSWER
    assert report.balanced
    assert report.acknowledged == 0
    assert report.pending + report.unresolved == report.rows > 0
    assert len(api.requests) <= 32


class Always(ApiModel):
    """Answers every request alike, once *after* requests were answered as they should be."""

    def __init__(self, answer: bytes, after: int = 0) -> None:
        super().__init__()
        self.answer = Reply(200, {}, answer)
        self.after = after

    async def post(self, body, api_key, request_id, path, leaves):
        if len(self.requests) < self.after:
            return await super().post(body, api_key, request_id, path, leaves)
        self.requests.append([])
        await asyncio.sleep(0.1)
        return self.answer


UNHEARD_OF = b'{"code": 12345, "message": "what?"}'
DOWN = b'{"code": 50000, "message": "Internal system error"}'


@pytest.mark.virtual_time
async def test_more_batches_out_of_attempts_than_are_kept_for_the_end_end_the_job():
    api = Always(UNHEARD_OF)
    records = [f"{number + 10**17}" for number in range(40_000)]
    report = await job(api, records, flow={"concurrency": 4}).run()
    assert report.ended is Ended.MAX_FAILURES
    assert report.balanced
    assert 20_000 < report.unresolved <= 26_000
    assert len(api.requests) < 100


class Odd(ApiModel):
    """Answers what nobody has heard of to the first *times* requests that hold *record*."""

    def __init__(self, record: str, times: int) -> None:
        super().__init__()
        self.record, self.times = record, times

    async def post(self, body, api_key, request_id, path, leaves):
        if self.times and self.record.encode() in body:
            self.times -= 1
            return Reply(200, {}, UNHEARD_OF)
        return await super().post(body, api_key, request_id, path, leaves)


@pytest.mark.parametrize(("times", "left"), [(3, 0), (6, 1_000)])
@pytest.mark.parametrize("durable", [True, False])
async def test_a_batch_out_of_attempts_is_sent_once_more_at_the_end(tmp_path, durable, times, left):
    records = [f"{number + 10**17}" for number in range(5_000)]
    ledger = tmp_path / "a.db" if durable else None
    report = await job(Odd(records[1_500], times), records, ledger).run()
    assert report.balanced
    assert (report.acknowledged, report.unresolved) == (5_000 - left, left)
    assert report.ended is (Ended.MAX_FAILURES if left else Ended.COMPLETE)
    if durable:
        again = await job(ApiModel(), records, ledger).run()
        assert (again.ended, again.acknowledged) == (Ended.COMPLETE, 5_000)


class OneShardDown(ApiModel):
    """Answers what nobody has heard of to the first three requests for each fifth batch of 100."""

    def __init__(self) -> None:
        super().__init__()
        self.times = Counter()

    async def post(self, body, api_key, request_id, path, leaves):
        first = orjson.loads(body)["delete_data"][0]["record_id"]
        self.times[first] += 1
        if int(first) // 100 % 5 == 4 and self.times[first] <= 3:
            return Reply(200, {}, UNHEARD_OF)
        return await super().post(body, api_key, request_id, path, leaves)


@pytest.mark.virtual_time
async def test_where_a_part_of_the_server_is_down_for_a_while_all_its_batches_are_sent_once_more():
    records = [f"{number + 10**17}" for number in range(40_000)]
    report = await job(OneShardDown(), records, batch={"size": 100}, flow={"concurrency": 16}).run()
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, 40_000)


@pytest.mark.virtual_time
async def test_a_server_that_is_down_is_left_alone_and_the_job_can_be_run_again():
    api = Always(DOWN, after=5)
    records = [f"{number + 10**17}" for number in range(50_000)]
    report = await job(api, records, retry={}, flow={"max_outage_seconds": 600}).run()
    assert report.ended is Ended.OUTAGE
    assert report.balanced
    assert report.acknowledged == 5_000
    assert len(api.requests) < 150


@pytest.mark.virtual_time
async def test_a_single_batch_that_fails_for_ever_runs_out_of_attempts():
    report = await job(Always(DOWN), [f"{number + 10**17}" for number in range(500)], retry={}).run()
    assert report.unresolved == 500
    assert report.requests == 16


async def test_stopping_finishes_what_is_in_flight_and_leaves_the_rest_pending(tmp_path):
    api = ApiModel()
    records = [f"{number + 10**17}" for number in range(20_000)]
    running = job(api, records, tmp_path / "purge.db", flow={"concurrency": 2})
    task = asyncio.create_task(running.run())
    while len(api.requests) < 3:
        await asyncio.sleep(0)
    running.stop("SIGINT received")
    report = await task
    assert report.ended is Ended.SIGNAL
    assert report.balanced
    assert report.unresolved == 0
    assert report.acknowledged == len(api.acknowledged)
    again = await job(api, records, tmp_path / "purge.db").run()
    assert fates(again) == {"acknowledged": 20_000}


async def test_a_timeout_around_the_call_is_kept_and_what_was_in_flight_is_known(tmp_path):
    api = ApiModel(hang_from=2)
    records = [f"{number + 10**17}" for number in range(5_000)]
    running = job(api, records, tmp_path / "purge.db", flow={"concurrency": 2, "cancel_grace_seconds": 0.05})

    bound = asyncio.timeout(None)

    async def end():
        while len(api.requests) < 3 or not running.snapshot().acknowledged:
            await asyncio.sleep(0)
        bound.reschedule(0)

    async def within_the_bound():
        async with bound:
            await running.run()

    ending = asyncio.create_task(end())
    with pytest.raises(TimeoutError):
        await within_the_bound()
    await ending
    with read_ledger(tmp_path / "purge.db") as reader:
        totals = reader.totals()
        assert reader.runs()[0].ended == "cancelled"
    assert totals.acknowledged == 1_000
    assert totals.unresolved > 0
    assert len(asyncio.all_tasks()) == 1


async def test_a_file_of_one_batch_that_is_wholly_refused_is_wholly_wrong():
    records = [f"{number + 10**17}" for number in range(1_000)]
    api = ApiModel(set(records))
    report = await job(api, records, splitting={}).run()
    assert report.ended is Ended.WHOLLY_WRONG
    assert "column" in report.reason
    assert (report.rejected, report.unresolved) == (5, 995)
    assert len(api.requests) == 10


async def test_a_few_refused_records_are_no_wholly_wrong_file():
    records = [f"{number + 10**17}" for number in range(3)]
    report = await job(ApiModel(set(records)), records, splitting={}).run()
    assert (report.ended, report.rejected) == (Ended.COMPLETE, 3)


async def test_a_fault_of_ours_ends_the_job_and_is_raised_and_the_ledger_can_go_on(tmp_path):
    class Faulty(ApiModel):
        async def post(self, body, api_key, request_id, path, leaves):
            raise ZeroDivisionError("a fault")

    records = [f"{number + 10**17}" for number in range(3_000)]
    with pytest.raises(ZeroDivisionError):
        await job(Faulty(), records, tmp_path / "purge.db").run()
    with read_ledger(tmp_path / "purge.db") as reader:
        assert reader.runs()[0].ended == "fault"
    assert fates(await job(ApiModel(), records, tmp_path / "purge.db").run()) == {"acknowledged": 3_000}


async def test_a_report_holds_the_first_thousand_failures():
    report = await job(ApiModel(), ["nan"] * 1_500).run()
    assert report.invalid == 1_500
    assert [one.row for one in report.failures] == list(range(1_000))


async def test_a_full_disk_stops_the_sending_and_the_report_still_adds_up(tmp_path):
    records = [f"{number + 10**17}" for number in range(50_000)]
    api = ApiModel()
    (tmp_path / "ids.txt").write_text("\n".join(records))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(LedgerStorageError) as raised:
            await job(api, open_source(tmp_path / "ids.txt"), tmp_path / "purge.db", batch={"size": 10}).run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    report = raised.value.report
    assert report.ended is Ended.STORAGE
    assert report.balanced
    assert 0 < report.acknowledged <= len(api.acknowledged)
    assert fates(await job(api, open_source(tmp_path / "ids.txt"), tmp_path / "purge.db").run()) == {
        "acknowledged": 50_000
    }


@pytest.mark.no_cover  # long, and reaches nothing that others do not
@pytest.mark.parametrize("durable", [True, False])
async def test_one_wholly_refused_batch_in_a_good_file_is_found_to_its_last_record_in_one_run(tmp_path, durable):
    records = [f"{number + 10**17}" for number in range(10_000)]
    api = ApiModel(set(records[4_000:5_000]))
    ledger = tmp_path / "a.db" if durable else None
    sections = {"splitting": {}, "stop": {"max_failures": 1_000}, "flow": {"concurrency": 4}}
    report = await job(api, records, ledger, **sections).run()
    assert (report.ended, report.acknowledged, report.rejected) == (Ended.COMPLETE, 9_000, 1_000)
    assert len(api.requests) < 1_400


class Large(ApiModel):
    """Refuses bodies of more than *most_bytes* as too large."""

    most_bytes = 3_000

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[int] = []

    async def post(self, body, api_key, request_id, path, leaves):
        self.bodies.append(len(body))
        if len(body) > self.most_bytes:
            return Reply(413, {}, b"<html>Request Entity Too Large</html>")
        return await super().post(body, api_key, request_id, path, leaves)


async def test_a_body_that_is_too_large_makes_later_ones_smaller_and_is_no_poison():
    api = Large()
    records = [f"{number + 10**17:018}" + "x" * 82 for number in range(2_000)]
    report = await job(api, records, batch={"size": 100}, flow={"concurrency": 1}).run()
    assert (report.ended, report.acknowledged, report.rejected) == (Ended.COMPLETE, 2_000, 0)
    assert api.bodies[0] > 10_000
    assert max(api.bodies[-20:]) <= 6_000


class Slow(ApiModel):
    """Answers no request of more than *most_records* in time."""

    most_records = 300

    async def post(self, body, api_key, request_id, path, leaves):
        if body.count(b"record_id") > self.most_records:
            self.requests.append([])
            raise AnswerLost("no answer within 60 s", timed_out=True)
        return await super().post(body, api_key, request_id, path, leaves)


async def test_a_batch_that_times_out_again_and_again_is_sent_in_smaller_parts_and_is_no_poison():
    api = Slow()
    records = [f"{number + 10**17}" for number in range(3_000)]
    report = await job(api, records, flow={"concurrency": 2}).run()
    assert (report.ended, report.acknowledged, report.rejected) == (Ended.COMPLETE, 3_000, 0)
    assert len(api.requests) == 3 * (2 + 4)
