"""A job with a canary, and a job that counts: the same fates as without, and never more sent than was approved of."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkdelete import BulkDeleter, SettingsError, SourceChanged
from bulkdelete.attempts import Attempts
from bulkdelete.canary import Approval, canary_of
from bulkdelete.credentials import Credentials
from bulkdelete.exchange import Reply
from bulkdelete.job import Job
from bulkdelete.ledger import open_ledger, read_ledger
from bulkdelete.ledger.facts import CANARY, COUNT_AFTER
from bulkdelete.limiter import Limiter
from bulkdelete.orders import Order
from bulkdelete.records import Ended
from bulkdelete.reports import CanaryCounts
from bulkdelete.settings import Settings
from bulkdelete.sources import from_iterable
from tests.api_model import INTERNAL, ApiModel
from tests.properties import often
from tests.unit.test_engine import QUICK, TABLE_ID, fates, rows


def job(api, records, ledger, check=None, **sections) -> Job:
    count, held = sections.pop("count", False), sections.pop("held", ())
    chosen = Settings.from_mapping({**QUICK, **sections})
    limiter = Limiter(chosen.flow)
    holds = (from_iterable(held),) if held else ()
    order = Order(TABLE_ID, from_iterable(records), ledger, holds, check=check, count=count)
    return Job(order, chosen, Attempts(api, limiter, Credentials("key")), limiter)


async def approve(report) -> bool:
    assert report.balanced
    return True


def plain_ids(count: int) -> list[str]:
    return [f"{number + 10**17}" for number in range(count)]


@given(rows.filter(bool), st.integers(1, 9), st.integers(1, 60), st.floats(0, 0.3), st.data())
@settings(max_examples=often(50), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_with_an_approved_canary_every_row_ends_as_without_one(records, size, canary, fault_rate, data):
    poisoned = set(data.draw(st.lists(st.sampled_from(records), max_size=3))) - {"", "5.4e+17", "a b"}
    sections = {"batch": {"size": size}, "stop": {"max_failures": 10_000}}
    seen = []

    async def check(report) -> bool:
        seen.append(report)
        return True

    with tempfile.TemporaryDirectory() as folder:
        plain = asyncio.run(job(ApiModel(poisoned), records, Path(folder) / "a.db", **sections).run())
        api = ApiModel(poisoned, fault_rate)
        first = {"canary": {"records": canary}, **sections}
        report = asyncio.run(job(api, records, Path(folder) / "b.db", check, **first).run())
    if "duplicate" not in fates(plain) | fates(report):  # a canary ends a batch early, and a duplicate is of its batch
        assert fates(report) == fates(plain)
    assert api.acknowledged == set(records) - poisoned - {"", "5.4e+17", "a b"}
    assert report.balanced
    for one in seen:
        assert one.ended is Ended.CANARY
        assert one.acknowledged + one.rejected + one.unresolved == one.canary.sent == canary


@given(st.integers(1, 30), st.integers(1, 7), st.integers(1, 30), st.booleans())
@settings(max_examples=often(40), deadline=None)
def test_without_approval_no_record_beyond_the_canary_is_ever_sent(count, size, canary, again):
    async def refuse(report) -> bool:
        return False

    api = ApiModel()
    sections = {"batch": {"size": size}, "canary": {"records": canary}}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2 if again else 1):
            report = asyncio.run(job(api, plain_ids(count), Path(folder) / "a.db", refuse, **sections).run())
    assert api.acknowledged == set(plain_ids(count)[:canary])
    assert report.ended is (Ended.COMPLETE if canary >= count else Ended.CANARY)


async def test_only_true_approves(tmp_path):
    async def vague(report):
        return "yes"

    api = ApiModel()
    report = await job(api, plain_ids(30), tmp_path / "a.db", vague, canary={"records": 10}).run()
    assert report.ended is Ended.CANARY
    assert len(api.acknowledged) == 10


async def test_batches_of_a_canary_go_one_at_a_time(tmp_path):
    class Counting(ApiModel):
        now = most = 0

        async def post(self, *request):
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                return await super().post(*request)
            finally:
                self.now -= 1

    api = Counting()
    most = []

    async def check(report) -> bool:
        most.append(api.most)
        return True

    sections = {"batch": {"size": 5}, "canary": {"records": 50}, "flow": {"concurrency": 8}}
    report = await job(api, plain_ids(500), tmp_path / "a.db", check, **sections).run()
    assert report.acknowledged == 500
    assert most == [1]
    assert api.most > 1


async def test_batches_of_a_canary_that_are_sent_once_more_go_one_at_a_time_too(tmp_path):
    class Failing(ApiModel):
        now = most = 0

        async def post(self, *request):
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                reply = await super().post(*request)
                return INTERNAL if len(self.requests) <= 10 else reply
            finally:
                self.now -= 1

    api = Failing()
    most = []

    async def check(report) -> bool:
        most.append((api.most, report.canary))
        return False

    sections = {"batch": {"size": 5}, "canary": {"records": 50}, "stop": {"max_failures": 1_000}}
    once = {**sections, "retry": {"max_attempts": 1, "first_backoff_seconds": 0}, "flow": {"concurrency": 8}}
    await job(api, plain_ids(500), tmp_path / "a.db", check, **once).run()
    assert len(api.requests) == 20
    assert most == [(1, CanaryCounts(50, 50, 0, 0))]


async def test_a_limit_below_the_canary_ends_the_run_and_a_limit_above_counts_the_canary_in(tmp_path):
    api = ApiModel()
    sections = {"batch": {"size": 5}, "canary": {"records": 20}}
    report = await job(api, plain_ids(50), tmp_path / "a.db", approve, **sections, stop={"limit": 10}).run()
    assert (report.ended, len(api.acknowledged)) == (Ended.LIMIT, 10)
    report = await job(api, plain_ids(50), tmp_path / "a.db", approve, **sections, stop={"limit": 20}).run()
    assert (report.ended, len(api.acknowledged)) == (Ended.LIMIT, 30)
    report = await job(api, plain_ids(50), tmp_path / "a.db", None).run()
    assert (report.ended, len(api.acknowledged)) == (Ended.COMPLETE, 50)


async def test_a_stop_while_the_check_thinks_ends_the_job_without_a_decision(tmp_path):
    thinking = asyncio.Event()

    async def think(report) -> bool:
        thinking.set()
        await asyncio.Event().wait()
        return True

    running = job(ApiModel(), plain_ids(30), tmp_path / "a.db", think, canary={"records": 10})
    task = asyncio.create_task(running.run())
    await thinking.wait()
    running.stop("enough")
    report = await task
    assert (report.ended, report.reason) == (Ended.SIGNAL, "enough")
    with read_ledger(tmp_path / "a.db") as reader:
        assert [event for event in reader.events() if event.kind == "canary"] == []


async def test_max_duration_counts_while_the_check_thinks(tmp_path):
    async def think(report) -> bool:
        await asyncio.Event().wait()
        return True

    sections = {"canary": {"records": 10}, "stop": {"max_duration_seconds": 0.3}}
    report = await job(ApiModel(), plain_ids(30), tmp_path / "a.db", think, **sections).run()
    assert report.ended is Ended.DURATION
    assert report.balanced


async def test_a_check_that_raises_ends_the_job_with_its_error_and_sends_no_more(tmp_path):
    async def broken(report) -> bool:
        raise LookupError("the check is broken")

    api = ApiModel()
    with pytest.raises(LookupError, match="the check is broken"):
        await job(api, plain_ids(30), tmp_path / "a.db", broken, canary={"records": 10}).run()
    assert len(api.acknowledged) == 10


async def test_a_canary_without_a_ledger_or_a_check_is_refused(tmp_path):
    chosen = Settings.from_mapping({"base_url": "http://127.0.0.1:9", "canary": {"records": 10}})
    async with BulkDeleter(api_key="key", settings=chosen) as deleter:
        with pytest.raises(SettingsError, match="needs a ledger"):
            await deleter.delete(TABLE_ID, plain_ids(3), check=approve)
        with pytest.raises(SettingsError, match="and a check"):
            await deleter.delete(TABLE_ID, plain_ids(3), ledger=tmp_path / "a.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fact", "approval"),
    [
        ("7", Approval(7)),
        ('{"sent": 7, "plan": "sha256:1", "of a later version": 1}', Approval(7, "sha256:1")),
        *((damaged, None) for damaged in ("", "x", "true", "null", "[7]", '{"sent": "7"}', '{"sent": 7, "plan": 1}')),
    ],
)
async def test_an_approval_that_cannot_be_read_is_none_and_the_check_is_asked_again(fact, approval, tmp_path):
    assert Approval.kept_as(fact) == approval
    ledger = await open_ledger(tmp_path / "a.db", {"table_id": TABLE_ID}, version="0")
    await ledger.remember(CANARY, fact)
    assert (await canary_of(ledger, 5, "") is None) == (approval is not None)
    await ledger.close(Ended.COMPLETE)


class Counted(ApiModel):
    """An API that counts *records*, or answers *answer* instead."""

    records = 1_000
    answer: Reply | None = None

    async def post(self, body, api_key, request_id, path, leaves):
        if not path.endswith("/records/page"):
            return await super().post(body, api_key, request_id, path, leaves)
        counted = b'{"table_info": {}, "records": [], "total_count": %d}' % (self.records - len(self.applied))
        return self.answer or Reply(200, {}, counted)


async def test_the_table_is_counted_before_the_first_run_and_after_the_last(tmp_path):
    api = Counted()
    report = await job(api, plain_ids(30), tmp_path / "a.db", count=True, stop={"limit": 10}).run()
    assert (report.total_count_before, report.total_count_after) == (1_000, 990)
    report = await job(api, plain_ids(30), tmp_path / "a.db", count=True).run()
    assert (report.total_count_before, report.total_count_after) == (1_000, 970)
    assert report.requests == 2
    report = await job(api, plain_ids(30), tmp_path / "a.db", count=True).run()
    assert (report.total_count_before, report.total_count_after) == (1_000, 970)
    assert report.requests == 0


async def test_what_was_counted_before_more_was_sent_is_not_called_a_count_after(tmp_path):
    async def run(stop_after: int | None = None, **sections):
        doing = job(api, plain_ids(30), tmp_path / "a.db", **sections)
        if stop_after is not None:
            api.stops = len(api.requests) + stop_after, doing
        report = await doing.run()
        return report.acknowledged, report.total_count_after

    class Stopping(Counted):
        stops: tuple[int, Job] | None = None

        async def post(self, *arguments, **more):
            reply = await super().post(*arguments, **more)
            if self.stops is not None and len(self.requests) >= self.stops[0]:
                self.stops[1].stop("enough for now")
            return reply

    api, one_by_one = Stopping(), {"batch": {"size": 2}, "flow": {"concurrency": 1}}
    assert await run(count=True, stop={"limit": 4}, **one_by_one) == (4, 996)
    assert await run(count=True, stop={"limit": 0}, **one_by_one) == (4, 996)
    assert await run(stop={"max_records": 1}, **one_by_one) == (4, 996)
    stopped, counted = await run(2, count=True, **one_by_one)
    assert 8 <= stopped < 30
    assert counted is None
    assert await run(count=True, stop={"max_records": 1}, **one_by_one) == (stopped, None)
    api.stops = None
    assert await run(count=True, stop={"limit": 2}, **one_by_one) == (stopped + 2, 1_000 - stopped - 2)
    assert await run(stop={"limit": 2}, **one_by_one) == (stopped + 4, None)
    assert await run(count=True, stop={"limit": 0}, **one_by_one) == (stopped + 4, 1_000 - stopped - 4)
    api.answer = Reply(404, {}, b"<html>")
    assert await run(count=True, **one_by_one) == (30, None)


async def test_a_run_that_dies_leaves_no_count_from_before_it_sent(tmp_path):
    api = Counted()
    await job(api, plain_ids(30), tmp_path / "a.db", count=True, stop={"limit": 10}).run()
    api.hang_from = len(api.requests) + 1
    dying = job(api, plain_ids(30), tmp_path / "a.db", count=True, flow={"cancel_grace_seconds": 0})
    running = asyncio.create_task(dying.run())
    while len(api.requests) < api.hang_from:
        await asyncio.sleep(0.01)
    with read_ledger(tmp_path / "a.db") as reader:
        assert not reader.facts[COUNT_AFTER]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert dying.report is not None
    assert dying.report.total_count_after is None


async def test_what_is_counted_after_something_was_sent_is_not_called_a_count_before(tmp_path):
    api = Counted()
    await job(api, plain_ids(30), tmp_path / "a.db", stop={"limit": 10}).run()
    report = await job(api, plain_ids(30), tmp_path / "a.db", count=True).run()
    assert (report.total_count_before, report.total_count_after) == (None, 970)


async def test_a_count_in_the_wrapped_form_is_read_too():
    api = Counted()
    api.answer = Reply(200, {}, b'{"code": 0, "message": "OK", "data": {"total_count": 77}}')
    report = await job(api, plain_ids(3), None, count=True).run()
    assert (report.total_count_before, report.total_count_after) == (77, 77)


@pytest.mark.parametrize(
    "answer",
    [
        Reply(200, {}, b'{"code": 403131, "message": "No permission to access table"}'),
        Reply(404, {}, b"<html>"),
        Reply(200, {}, b'{"code": 0, "message": "OK"}'),
        Reply(200, {}, b'{"total_count": "many"}'),
        Reply(200, {}, b'{"total_count": true}'),
    ],
)
async def test_a_table_that_cannot_be_counted_harms_no_job(tmp_path, caplog, answer):
    api = Counted()
    api.answer = answer
    chosen = {"retry": {"max_attempts": 2, "first_backoff_seconds": 0}}
    report = await job(api, plain_ids(30), tmp_path / "a.db", count=True, **chosen).run()
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, 30)
    assert (report.total_count_before, report.total_count_after) == (None, None)
    assert "were not counted" in caplog.text


async def test_what_the_check_raises_arrives_as_it_is_with_the_account_so_far(tmp_path):
    async def fail(report) -> bool:
        raise LookupError("no such table to compare with")

    canary = {"canary": {"records": 10}, "batch": {"size": 5}}
    running = job(ApiModel(set()), plain_ids(30), tmp_path / "purge.db", fail, **canary)
    with pytest.raises(LookupError, match="to compare with") as raised:
        await running.run()
    report = raised.value.report
    assert report is running.report
    assert (report.ended, report.acknowledged, report.balanced) == (Ended.FAULT, 10, True)
    assert report.reason == "LookupError was raised"
    again = await job(ApiModel(set()), plain_ids(30), tmp_path / "purge.db", approve, **canary).run()
    assert (again.ended, again.acknowledged) == (Ended.COMPLETE, 30)


@pytest.mark.parametrize("error", [SettingsError("mine"), SourceChanged("mine")])
async def test_an_error_of_ours_that_the_check_raises_is_no_refusal(tmp_path, error):
    async def fail(report) -> bool:
        raise error

    running = job(ApiModel(set()), plain_ids(30), tmp_path / "purge.db", fail, canary={"records": 10})
    with pytest.raises(type(error), match="mine") as raised:
        await running.run()
    report = raised.value.report
    assert (report.ended, report.acknowledged, report.balanced) == (Ended.FAULT, 10, True)
    assert report.reason == f"{type(error).__name__} was raised"
