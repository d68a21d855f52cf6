"""What a job tells while it runs, over a scripted API and under a virtual clock: it is the same as its report."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkdelete.errors import AnswerLost, FatalAnswer, NotSent
from bulkdelete.events import (
    AttemptEnded,
    JobBegan,
    JobEnded,
    LimitChanged,
    OutageBegan,
    OutageEnded,
    OutcomeReached,
    PauseBegan,
    RetryPlanned,
)
from bulkdelete.records import Ended, Fate, VerdictKind
from tests.properties import often
from tests.unit.scripted import (
    BAD_GATEWAY,
    FAILED,
    KEY,
    NO_TABLE,
    OK,
    PAUSED,
    REFUSED,
    TABLE,
    Service,
    answer,
    ids,
    one_after_another,
)
from tests.virtual_time import run

pytestmark = pytest.mark.virtual_time


def seen(event) -> tuple:
    """What an attempt came to, in short."""
    return event.kind and event.kind.value, event.code, event.http_status, event.lost, event.calls_before


async def test_a_job_tells_that_it_begins_of_each_call_retry_and_outcome_and_that_it_ended():
    service = Service(one_after_another(FAILED, OK, OK))
    job = service.job(ids(15))
    report = await job.run()
    assert [type(event) for event in service.events] == [
        JobBegan,
        AttemptEnded,
        RetryPlanned,
        AttemptEnded,
        OutcomeReached,
        AttemptEnded,
        OutcomeReached,
        JobEnded,
    ]
    assert {event.job for event in service.events} == {job.id}
    assert {event.table_id for event in service.events} == {TABLE}
    failed, again, last = service.of(AttemptEnded)
    assert (failed.records, again.records, last.records) == (10, 10, 5)
    assert seen(failed) == ("retry", 50000, 200, "", 0)
    assert seen(again) == ("acknowledged", 0, 200, "", 1)
    assert failed.seconds == pytest.approx(0.05)
    assert [request.request_id for request in service.transport.requests] == [
        event.request_id for event in service.of(AttemptEnded)
    ]
    [retry] = service.of(RetryPlanned)
    assert (retry.request_id, retry.records, retry.attempts, retry.code) == (failed.request_id, 10, 1, 50000)
    assert again.kind is VerdictKind.ACKNOWLEDGED
    waited = service.transport.requests[1].began - service.transport.requests[0].began - failed.seconds
    assert retry.seconds == pytest.approx(waited)
    ended = service.events[-1]
    assert (ended.ended, ended.report, ended.error) == (Ended.COMPLETE, report, "")


WORDS = {
    "ok": OK,
    "failed": FAILED,
    "refused": REFUSED,
    "paused": PAUSED,
    "bad gateway": BAD_GATEWAY,
    "lost": AnswerLost("the connection broke"),
    "not sent": NotSent("no connection"),
}


@given(
    st.lists(st.sampled_from(list(WORDS)), max_size=12), st.integers(0, 35), st.lists(st.integers(0, 50), max_size=15)
)
@example([], 0, [0] * 12)
@settings(max_examples=often(40), deadline=None)
def test_whatever_is_answered_the_events_say_what_the_report_says_also_where_every_subscriber_raises(
    words, records, bad
):
    async def listened() -> None:
        service = Service(
            one_after_another(*(WORDS[word] for word in words)), splitting={"stop_when_wholly_wrong": False}
        )

        def broken(event):
            raise RuntimeError(event)

        service.hub.subscribe(broken)
        rows = ids(records)
        for place in bad:  # a row that can be no record, or one that is there twice
            rows.insert(place, "" if place % 2 or not rows else rows[min(place, len(rows) - 1)])
        report = await service.job(rows).run()
        assert report.balanced
        attempts, retries = service.of(AttemptEnded), service.of(RetryPlanned)
        assert len(attempts) == report.requests == len(service.transport.requests)
        assert len(retries) == report.retries
        final = Counter()
        for event in service.of(OutcomeReached):
            final[event.outcome.fate] += event.outcome.records
        for fate in (Fate.ACKNOWLEDGED, Fate.REJECTED, Fate.INVALID, Fate.DUPLICATE, Fate.HELD):
            assert final[fate] == getattr(report, fate.value)
        assert not report.remaining
        assert (type(service.events[0]), type(service.events[-1])) == (JobBegan, JobEnded)
        by_code = Counter(event.code for event in attempts)
        assert by_code[40000] == sum(said is REFUSED for said in service.transport.answers.values())

    run(listened())


async def test_a_call_that_ends_as_a_pause_is_told_and_the_pause_that_everybody_keeps_too():
    service = Service(one_after_another(answer(40008, Retry_After="30")))
    await service.job(ids(10)).run()
    assert [seen(event) for event in service.of(AttemptEnded)] == [
        ("pause", 40008, 200, "", 0),
        ("acknowledged", 0, 200, "", 1),
    ]
    [pause] = service.of(PauseBegan)
    assert (pause.by, pause.before_seconds) == ("api", 0)
    first, second = service.transport.requests
    assert pause.seconds == pytest.approx(second.began - first.began - 0.05)
    assert service.of(RetryPlanned) == []


async def test_a_pause_that_becomes_longer_is_told_with_what_was_known_of_it_before():
    waits = iter(("30", "60"))
    service = Service(
        lambda request: answer(40008, Retry_After=next(waits)) if request.number in {1, 2} else OK,
    )
    await service.job(ids(60)).run()
    begun, longer = service.of(PauseBegan)
    assert begun.before_seconds == 0
    assert longer.before_seconds == pytest.approx(begun.seconds)
    assert longer.seconds >= 60


async def test_a_quota_that_is_used_up_is_a_pause_by_the_quota():
    service = Service(one_after_another(), flow={"requests_per_minute": 2})
    await service.job(ids(30)).run()
    pauses = service.of(PauseBegan)
    assert {pause.by for pause in pauses} == {"quota"}
    waited = service.transport.requests[2].began - service.transport.requests[1].began
    assert pauses[0].before_seconds == 0
    assert max(pause.seconds for pause in pauses) == pytest.approx(waited, abs=0.1)


async def test_an_outage_is_told_when_it_begins_and_when_it_has_ended():
    service = Service(lambda _: FAILED if asyncio.get_running_loop().time() < 60 else OK)
    report = await service.job(ids(200)).run()
    assert report.acknowledged == 200
    assert service.of(OutageBegan, OutageEnded) == [OutageBegan("code 50000, HTTP 200"), OutageEnded()]


async def test_each_change_of_the_limit_is_told_from_the_first_to_the_present_one():
    service = Service(
        lambda request: PAUSED if request.number % 97 == 96 else OK,
        batch={"size": 1},
        flow={"concurrency": "adaptive", "min_concurrency": 1, "max_concurrency": 16},
    )
    before = service.limiter.limit
    await service.job(ids(800)).run()
    changes = service.of(LimitChanged)
    assert any(change.limit < change.before for change in changes)
    assert any(change.limit > change.before for change in changes)
    for change in changes:
        assert change.before == before
        before = change.limit
    assert before == service.limiter.limit


async def test_a_call_that_is_cancelled_is_told_and_so_is_the_end_of_its_job():
    service = Service(one_after_another(), flow={"cancel_grace_seconds": 0})
    task = asyncio.create_task(service.job(ids(10)).run())
    while not service.transport.in_flight:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    [attempt] = service.of(AttemptEnded)
    assert (attempt.kind, attempt.lost, attempt.ambiguous) == (None, "cancelled", True)
    assert service.of(OutcomeReached) == []
    ended = service.events[-1]
    assert (ended.ended, ended.error) == (Ended.CANCELLED, "CancelledError")
    assert ended.report is raised.value.report
    assert (ended.report.rows, ended.report.unresolved) == (10, 10)


async def test_what_a_job_raises_is_named_with_the_report_that_it_has():
    service = Service(one_after_another(then=NO_TABLE))
    with pytest.raises(FatalAnswer) as raised:
        await service.job(ids(100)).run()
    ended = service.events[-1]
    assert (ended.ended, ended.error) == (Ended.FATAL_ANSWER, "FatalAnswer")
    assert ended.report is raised.value.report
    told = sum(event.outcome.records for event in service.of(OutcomeReached))
    assert told == ended.report.rows  # also what was certainly not sent


async def test_two_jobs_can_be_told_apart_and_who_listens_to_one_hears_nothing_of_the_other():
    service = Service(one_after_another(answer(40008, Retry_After="1")))
    one, other = service.job(ids(40)), service.job(ids(70))
    heard: list = []
    one.subscribe(heard.append)
    await asyncio.gather(one.run(), other.run())
    assert one.id != other.id
    sent = Counter()
    for event in service.of(OutcomeReached):
        sent[event.job] += event.outcome.records
    assert sent == {one.id: 40, other.id: 70}
    assert heard == [event for event in service.events if getattr(event, "job", one.id) == one.id]
    assert any(isinstance(event, PauseBegan) for event in heard)


@pytest.mark.parametrize("script", [OK, NO_TABLE])
async def test_a_service_forgets_who_listened_to_a_job_when_that_has_ended(script):
    service, heard = Service(lambda _: script, listens=False), []

    class Listener:
        def hear(self, event) -> None:
            heard.append(type(event))

    async def one_call() -> weakref.ref:
        job, listener = service.job(ids(15)), Listener()
        job.subscribe(listener.hear)
        with suppress(FatalAnswer):
            await job.run()
        return weakref.ref(listener)

    forgotten = await one_call()
    gc.collect()
    assert forgotten() is None
    assert not service.hub
    assert heard[0] is JobBegan
    assert heard[-1] is JobEnded


async def test_who_listened_to_a_job_that_has_ended_may_leave_still_and_those_of_another_hear_that_to_its_end():
    service, heard = Service(one_after_another(), listens=False), []
    one, other = service.job(ids(15)), service.job(ids(15))
    leave = one.subscribe(heard.append)
    other.subscribe(heard.append)
    await one.run()
    leave()
    await other.run()
    of_other = [event for event in heard if getattr(event, "job", "") == other.id]
    assert [type(of_other[0]), type(of_other[-1])] == [JobBegan, JobEnded]
    assert not service.hub


async def test_no_event_but_an_outcome_and_a_report_names_a_record_or_what_the_api_says_and_none_the_key():
    def echo(request):
        said = f"{request.records[0]} {request.api_key}"
        return answer(50000, said) if request.number % 2 else answer(40000, said)

    service = Service(echo, splitting={"stop_when_wholly_wrong": False})
    await service.job(ids(40)).run()
    assert service.of(RetryPlanned)
    for event in service.events:
        assert KEY not in repr(event)
        if not isinstance(event, OutcomeReached | JobEnded):
            assert not [record for record in ids(40) if record in repr(event)]


class NoError(BaseException):
    """What is raised is not always an Exception: pytest.fail(), for one, is none."""


async def test_whatever_a_subscriber_raises_harms_no_job():
    service = Service(one_after_another())

    def fail(event):
        raise NoError

    service.hub.subscribe(fail)
    report = await service.job(ids(10)).run()
    assert (report.ended, report.acknowledged) == (Ended.COMPLETE, 10)


async def test_a_person_who_interrupts_a_subscriber_interrupts_the_job_before_it_begins():
    service = Service(one_after_another())

    def interrupted(event):
        raise SystemExit(3)

    service.hub.subscribe(interrupted)
    with pytest.raises(SystemExit):
        await service.job(ids(10)).run()
    assert not service.transport.requests
