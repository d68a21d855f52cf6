"""Holds over the life of a job: however it is cut and resumed, and however the lists grow in between."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkdelete.attempts import Attempts
from bulkdelete.credentials import Credentials
from bulkdelete.errors import HoldsRefused, HoldViolated
from bulkdelete.job import Job
from bulkdelete.ledger import read_ledger
from bulkdelete.limiter import Limiter
from bulkdelete.orders import Order
from bulkdelete.records import FATES, Fate, Filter
from bulkdelete.settings import Settings
from bulkdelete.sources import from_iterable
from tests.api_model import ApiModel
from tests.properties import often

if TYPE_CHECKING:
    from bulkdelete.exchange import Reply

TABLE_ID = "673af861ed69656ac0895b07"
QUICK = {
    "retry": {"first_backoff_seconds": 0, "max_attempts": 50},
    "splitting": {"stop_when_wholly_wrong": False},
    "source": {"sanity_check": False},
    "holds": {"sanity_check": False},
    "stop": {"max_failures": 10_000},
}
INVALID = {"", "5.4e+17", "a b"}
IDS = st.integers(0, 60).map(lambda number: f"{number + 10**17}")
ROWS = st.lists(st.one_of(IDS, IDS, IDS, st.sampled_from(sorted(INVALID))), min_size=1, max_size=80)


def job(api, records, ledger=None, lists=(), **sections) -> Job:
    chosen = Settings.from_mapping({**QUICK, **sections})
    limiter = Limiter(chosen.flow)
    lists = tuple(map(from_iterable, lists))
    return Job(
        Order(TABLE_ID, from_iterable(records), ledger, lists),
        chosen,
        Attempts(api, limiter, Credentials("k")),
        limiter,
    )


def fates(report) -> dict[str, int]:
    assert report.balanced
    return {fate: getattr(report, fate) for fate in FATES if getattr(report, fate)}


async def run_until(job: Job, api: ApiModel, cut: int) -> None:
    """Run *job*, and let it die in the middle of its *cut*-th request, if it comes to that."""
    api.hang_from = len(api.requests) + cut
    task = asyncio.create_task(job.run())
    while not task.done() and len(api.requests) < api.hang_from:
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    api.hang_from = None


@given(ROWS, st.data(), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=often(50), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_request_holds_a_record_from_the_moment_that_it_is_on_hold(records, data, size, seed):
    valid = sorted(set(records) - INVALID)
    some = st.sets(st.sampled_from(valid), max_size=6) if valid else st.just(set())
    poisoned = data.draw(some, "poisoned")
    growth = data.draw(st.lists(some, min_size=1, max_size=3), "hold lists")
    cuts = [data.draw(st.integers(1, 12), "dies at request") for _ in growth[1:]]
    limits = [data.draw(st.none() | st.integers(1, 20), "limit") for _ in growth[1:]]
    api = ApiModel(poisoned, 0.2, seed)
    held: set[str] = set()
    lists: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "purge.db"
        for more, cut, limit in [*zip(growth[:-1], cuts, limits, strict=True), (growth[-1], None, None)]:
            held |= more
            lists += [sorted(more)] if more else []
            before = len(api.requests)
            sections = {"batch": {"size": size}, "flow": {"concurrency": 3, "cancel_grace_seconds": 0}}
            running = job(api, records, ledger, lists, **sections, stop={"max_failures": 10_000, "limit": limit})
            if cut is None:
                report = asyncio.run(running.run())
            else:
                asyncio.run(run_until(running, api, cut))
            assert all(held.isdisjoint(request) for request in api.requests[before:])
        assert report.balanced
        assert report.rows == len(records)
        assert (report.unresolved, report.pending) == (0, 0)
        assert set(valid) - poisoned - held <= api.acknowledged
        with read_ledger(ledger) as reader:
            kept_back = {one.record for one in reader.failures() if one.fate is Fate.HELD}
            assert reader.totals().held == report.held
        assert kept_back <= held
        assert growth[0] <= kept_back
        assert api.applied.isdisjoint(growth[0])


async def test_a_list_that_comes_to_name_nothing_as_the_source_does_makes_the_rest_invalid_and_not_held(tmp_path):
    records = [f"{number + 10**17}" for number in range(10)]
    api = ApiModel()
    first = await job(api, records, tmp_path / "purge.db", batch={"size": 2}, stop={"limit": 4}).run()
    assert fates(first) == {"acknowledged": 4}
    api.hang_from = 3
    sections = {"batch": {"size": 2}, "flow": {"concurrency": 1, "cancel_grace_seconds": 0}}
    await run_until(job(api, records, tmp_path / "purge.db", **sections), api, 1)
    by_mail = [[Filter("email", "a@example.com")]]
    last = await job(api, records, tmp_path / "purge.db", by_mail).run()
    assert fates(last) == {"acknowledged": 4, "invalid": 6}
    with read_ledger(tmp_path / "purge.db") as reader:
        assert {"not provable" in one.reason for one in reader.failures()} == {True}
        assert reader.totals().invalid == 6


async def test_a_batch_left_by_a_stop_is_settled_without_a_request_when_all_of_it_comes_to_be_on_hold(tmp_path):
    records = [f"{number + 10**17}" for number in range(6)]
    api = ApiModel()
    sections = {"batch": {"size": 2}, "flow": {"concurrency": 1, "cancel_grace_seconds": 0}}
    await run_until(job(api, records, tmp_path / "purge.db", **sections), api, 1)
    asked = len(api.requests)
    last = await job(api, records, tmp_path / "purge.db", [records]).run()
    assert fates(last) == {"held": 6}
    assert len(api.requests) == asked
    with read_ledger(tmp_path / "purge.db") as reader:
        reasons = [one.reason for one in reader.failures()]
    assert "a request that held it was sent before" in reasons[0]
    assert reasons[-1] == "on a hold list"


async def test_a_record_of_a_split_batch_that_comes_to_be_on_hold_is_not_sent_with_its_part(tmp_path):
    records = [f"{number + 10**17}" for number in range(16)]
    api = ApiModel({records[0]})
    sections = {"batch": {"size": 16}, "flow": {"concurrency": 1, "cancel_grace_seconds": 0}}
    await run_until(job(api, records, tmp_path / "purge.db", **sections), api, 4)
    asked, applied = len(api.requests), len(api.applied)
    assert 0 < applied < 16
    left = [one for one in records if one not in api.applied]
    last = await job(api, records, tmp_path / "purge.db", [[left[-1], records[4]]], **sections).run()
    assert all(left[-1] not in request for request in api.requests[asked:])
    assert fates(last)["held"] == 1 + (records[4] in left)
    assert last.rejected == 1


@pytest.mark.parametrize(("lists", "said"), [([], "has none"), ([["1"]], "2 hold lists, and this one has 1")])
async def test_a_resume_that_forgets_a_list_is_refused(tmp_path, lists, said):
    records = [f"{number + 10**17}" for number in range(6)]
    api = ApiModel()
    both = [[records[0]], [records[5]]]
    await job(api, records, tmp_path / "purge.db", both, stop={"limit": 2}).run()
    asked = len(api.requests)
    with pytest.raises(HoldsRefused, match=said):
        await job(api, records, tmp_path / "purge.db", lists).run()
    assert len(api.requests) == asked
    last = await job(api, records, tmp_path / "purge.db", [*both, [records[4]]]).run()
    assert fates(last) == {"acknowledged": 3, "held": 3}


async def test_a_list_may_be_dropped_by_an_empty_one_in_its_place(tmp_path):
    records = [f"{number + 10**17}" for number in range(6)]
    api = ApiModel()
    await job(api, records, tmp_path / "purge.db", [[records[0], records[5]]], stop={"limit": 2}).run()
    shorter = {"allow_empty": True, "may_shrink": True}
    last = await job(api, records, tmp_path / "purge.db", [[]], holds=shorter).run()
    assert fates(last) == {"acknowledged": 5, "held": 1}  # none is released for a range that is stored


class Sabotage(ApiModel):
    """Puts a record on hold behind the screen's back while the first request is answered."""

    def __init__(self, late: str) -> None:
        super().__init__()
        self.late = late
        self.job: Job | None = None

    async def post(self, body, api_key, request_id, path, leaves) -> Reply:
        assert self.job is not None
        assert self.job._sweeps._engine is not None
        self.job._sweeps._engine._deleter._holds.add([self.late])
        return await super().post(body, api_key, request_id, path, leaves)


async def test_the_last_look_stops_the_job_when_a_request_would_hold_a_record_on_hold(tmp_path):
    records = [f"{number + 10**17}" for number in range(40)]
    api = Sabotage(records[-1])
    api.job = job(api, records, tmp_path / "purge.db", [["9"]], batch={"size": 10}, flow={"concurrency": 1})
    with pytest.raises(HoldViolated, match=r"stood in a request that was about to be sent.*not sent") as raised:
        await api.job.run()
    assert all(records[-1] not in request for request in api.requests)
    report = raised.value.report
    assert report.balanced
    assert report.acknowledged == len(api.acknowledged)
