"""A call of one batch has a head start, and nobody can tell: what it reports, tells, sends and leaves is the same."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import sys
import weakref
from contextvars import ContextVar
from dataclasses import asdict, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkdelete.errors import AnswerLost, BulkDeleteError, NotSent, SourceError
from bulkdelete.events import AttemptEnded, JobEnded, OutcomeReached, RetryPlanned
from bulkdelete.records import Ended, Filter
from bulkdelete.reports import Report
from tests.properties import often
from tests.unit import scripted
from tests.unit.scripted import (
    BAD_GATEWAY,
    FAILED,
    KEY,
    NO_KEY,
    NO_TABLE,
    OK,
    PAUSED,
    REFUSED,
    TABLE,
    TOO_LARGE,
    answer,
    ids,
    one_after_another,
)
from tests.virtual_time import VirtualTimeLoop, run

SECONDS = 0.05
"""How long the scripted API takes to answer."""


class Given(list):
    """A list of somebody's own, which may do anything when it is read: it has no head start."""


class Service(scripted.Service):
    """A service whose backoff is the same in each run; ``told`` are its events without what differs each time."""

    def __init__(self, script, seconds=SECONDS, key=KEY, *, listens=False, **sections) -> None:
        random.seed(7)  # the backoff's
        flow = {"max_outage_seconds": 60, **sections.pop("flow", {})}
        super().__init__(script, seconds, key, listens=listens, flow=flow, **sections)

    @property
    def told(self) -> list:
        return [_comparable(event) for event in self.events]


def _comparable(event) -> object:
    if isinstance(event, OutcomeReached):
        outcome = event.outcome
        batch = (list(outcome.batch.records), outcome.batch.digest, outcome.batch.set_aside, outcome.batch.spans)
        return "outcome", list(outcome.which), batch, outcome.fate, outcome.attempts, outcome.message, outcome.whole
    if isinstance(event, AttemptEnded | RetryPlanned):
        return replace(event, job="", request_id="")
    if isinstance(event, JobEnded):
        return "ended", event.ended, event.error, event.report and _counts(event.report)
    return type(event)


def _counts(report) -> dict:
    plain = asdict(report)
    plain["failures"] = [(one.row, one.fate, one.reason, one.record) for one in report.failures]
    del plain["elapsed_seconds"]
    return plain


WORDS = {
    "ok": OK,
    "failed": FAILED,
    "refused": REFUSED,
    "paused": PAUSED,
    "paused for 20 s": answer(40008, Retry_After="20"),
    "paused for long": answer(40008, Retry_After="7200"),
    "no table": NO_TABLE,
    "no key": NO_KEY,
    "too large": TOO_LARGE,
    "unknown": answer(12345),
    "bad gateway": BAD_GATEWAY,
    "lost": AnswerLost("the connection broke"),
    "not sent": NotSent("no connection"),
}
ANSWERS = st.lists(st.sampled_from(list(WORDS)), max_size=6)
ROWS = st.lists(
    st.sampled_from(
        [*ids(12), "", "two words", '"', "\\", "\u00dc", "x" * 300, Filter("n", 1), Filter("n", "x"), None]
    ),
    max_size=12,
)
ACTS = st.sampled_from(["stop", "close", "cancel", "cancel twice"])
MOMENTS = st.sampled_from([SECONDS / 2, 1.5 * SECONDS, 0.4, 3.0])


async def played(words, rows, act="", after=0.0, *, listens=True, **sections) -> tuple:
    """Return what came of a call for *rows* to which *act* is done *after* so many seconds, and all that others saw."""
    service = Service(one_after_another(*(WORDS[word] for word in words)), listens=listens, **sections)
    job, closing, loop = service.job(rows), [], asyncio.get_running_loop()
    call = asyncio.create_task(job.run())

    async def close_connections() -> None:
        pass

    def strike() -> None:
        if act == "stop":
            job.stop("somebody said so")
        elif act == "close":
            closing.append(asyncio.create_task(service.calls.close(close_connections, 0.01)))
        elif act:
            call.cancel("by somebody")
            if act == "cancel twice":
                loop.call_later(SECONDS / 4, call.cancel)

    loop.call_later(after, strike)
    try:
        came = await call
    except (BulkDeleteError, asyncio.CancelledError) as error:
        came = error
    await asyncio.gather(*closing)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert service.limiter.in_flight == 0
    report = job.report
    if isinstance(came, BaseException):
        assert getattr(came, "report", None) is report
    else:
        assert came is report
    assert report is None or report.balanced
    sent = [request.body for request in service.transport.requests]
    raised = (type(came), str(came)) if isinstance(came, BaseException) else None
    ended_at = round(loop.time(), 6)
    return raised, report and _counts(report), service.told, sent, job.snapshot().rows, ended_at


@given(ANSWERS, ROWS, st.booleans())
@example(words=[], rows=ids(10), listens=False)
@example(words=["failed", "refused", "ok", "refused"], rows=ids(10), listens=True)
@example(words=["no table"], rows=ids(1), listens=True)
@example(words=["refused", "refused"], rows=ids(1), listens=True)
@example(words=["paused for long"], rows=ids(1), listens=True)
@settings(max_examples=often(150), deadline=None)
def test_whatever_is_answered_a_call_with_a_head_start_is_one_without(words, rows, listens):
    with_one = run(played(words, list(rows), listens=listens))
    assert with_one == run(played(words, Given(rows), listens=listens))
    assert with_one == run(played(words, tuple(rows), listens=listens))


@given(ANSWERS, st.integers(1, 10), ACTS, MOMENTS)
@example([], 3, "cancel", SECONDS / 2)
@example([], 3, "cancel twice", SECONDS / 2)
@example([], 3, "stop", SECONDS / 2)
@example(["refused"], 1, "stop", SECONDS / 2)
@example(["refused"], 3, "close", SECONDS / 2)
@example(["lost"], 3, "stop", SECONDS / 2)
@example(["paused"], 3, "cancel", 1.5 * SECONDS)
@example(["paused for 20 s"], 3, "stop", 3.0)
@example(["not sent", "refused", "failed"], 2, "cancel twice", 0.4)  # the first attempt alone never left
@settings(max_examples=often(150), deadline=None)
def test_whatever_befalls_it_a_call_with_a_head_start_is_one_without(words, records, act, after):
    with_one = run(played(words, ids(records), act, after))
    assert with_one == run(played(words, Given(ids(records)), act, after))


def test_records_that_one_body_may_not_hold_are_sent_in_several():
    batch = {"size": 1000, "max_body_bytes": 4096}
    with_one = run(played(["failed"], ids(200), batch=batch))
    assert with_one == run(played(["failed"], Given(ids(200)), batch=batch))
    assert len(with_one[3]) > 2


@pytest.mark.parametrize("kind", [list, Given])
def test_a_job_whose_records_were_read_is_refused_a_second_time(kind):
    async def twice() -> None:
        job = Service(one_after_another()).job(kind(ids(3)))
        assert (await job.run()).acknowledged == 3
        with pytest.raises(SourceError, match="the iterable was read already"):
            await job.run()

    run(twice())


def test_a_list_that_changes_while_its_call_runs_is_sent_as_it_was():
    async def changed() -> None:
        service, records = Service(one_after_another(FAILED)), ids(3)
        call = asyncio.create_task(service.job(records).run())
        await asyncio.sleep(SECONDS / 2)
        records[0] = "another"
        assert (await call).acknowledged == 3
        assert [request.records for request in service.transport.requests] == [tuple(ids(3))] * 2

    run(changed())


def _told_of(report) -> tuple | None:
    return report and (report.ended, report.reason, report.rows, report.pending, report.unresolved, report.acknowledged)


@pytest.mark.parametrize("kind", [list, Given])
@pytest.mark.parametrize("steps", range(6))
def test_who_ends_the_loop_after_a_cancellation_gets_an_account_of_what_was_sent(kind, steps):
    async def main() -> None:
        job = kept["job"] = Service(one_after_another()).job(kind(ids(3)))
        call = kept["call"] = asyncio.create_task(job.run())
        await asyncio.sleep(SECONDS / 2)
        call.cancel()
        await _steps(steps)  # and the runner cancels every other task

    kept: dict = {}
    run(main())
    assert kept["call"].cancelled()
    report = kept["job"].report
    assert (report.ended, report.rows, report.unresolved, report.requests) == (Ended.CANCELLED, 3, 3, 1)


@pytest.mark.parametrize("kind", [list, Given])
@pytest.mark.parametrize("steps", range(6))
@pytest.mark.parametrize("before", [None, 1, 2])
def test_who_cancels_every_task_there_is_gets_an_account_too(kind, steps, before):
    async def all_cancelled() -> None:
        service = Service(one_after_another())
        job = service.job(kind(ids(3)))
        call = asyncio.create_task(job.run())
        if before is not None:
            await _steps(before)
            call.cancel()
        await _steps(steps if before else 1 + steps)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.wait({call})
        assert call.cancelled()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        report, sent = job.report, bool(service.transport.requests)
        assert (report.rows, report.unresolved) == ((3, 3) if sent else (report.pending, 0))

    run(all_cancelled())


def test_an_attempt_that_somebody_cancels_before_it_begins_is_made_by_the_engine():
    async def cancelled() -> None:
        call = asyncio.create_task(Service(one_after_another()).job(ids(3)).run())
        await _steps(1)
        [attempt] = [task for task in asyncio.all_tasks() if task.get_name() == "bulkdelete head start"]
        attempt.cancel()
        assert (await call).acknowledged == 3

    run(cancelled())


@pytest.mark.parametrize("kind", [list, Given])
@pytest.mark.parametrize("steps", range(1, 9))
def test_a_second_cancellation_ends_the_grace_however_soon_it_comes(kind, steps):
    async def cancelled() -> None:
        call = asyncio.create_task(Service(one_after_another(), 100.0).job(kind(ids(3))).run())
        await asyncio.sleep(1)
        call.cancel()
        await _steps(steps)
        call.cancel()
        await asyncio.wait({call})
        assert asyncio.get_running_loop().time() == 1

    run(cancelled())


@pytest.mark.parametrize("kind", [list, Given])
def test_a_call_whose_time_is_over_before_it_begins_sends_nothing(kind):
    async def late() -> None:
        service = Service(one_after_another())
        job = service.job(kind(ids(3)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await job.run()
        assert (service.transport.requests, job.report.pending) == ([], 3)

    run(late())


@pytest.mark.parametrize("act", ["stop", "cancel"])
def test_a_subscriber_that_ends_the_call_at_its_outcome_ends_it_as_any_other(act):
    async def ended(kind) -> tuple:
        service = Service(one_after_another(), listens=True)
        job, calls, seen = service.job(kind(ids(3))), [], ContextVar("seen", default=False)

        def end(event) -> None:
            if isinstance(event, OutcomeReached):
                seen.set(True)
                calls[0].cancel() if act == "cancel" else job.stop("enough")

        job.subscribe(end)
        calls.append(asyncio.create_task(job.run()))
        try:
            came = await calls[0]
        except asyncio.CancelledError as error:
            came = error.report
        assert came is job.report
        return _told_of(came), service.told, seen.get()

    with_one = run(ended(list))
    assert with_one == run(ended(Given))
    assert with_one[0][0] is (Ended.CANCELLED if act == "cancel" else Ended.SIGNAL)


@pytest.mark.parametrize("kind", [list, Given])
def test_a_job_that_is_run_twice_at_once_sends_its_records_once(kind):
    async def twice() -> None:
        service = Service(one_after_another())
        job = service.job(kind(ids(3)))
        came = await asyncio.gather(job.run(), job.run(), return_exceptions=True)
        assert {type(one) for one in came} == {Report, SourceError}
        assert len(service.transport.requests) == 1

    run(twice())


@pytest.mark.parametrize("kind", [list, Given])
def test_a_job_that_is_run_twice_and_stopped_sends_nothing_more(kind):
    async def stopped() -> None:
        service = Service(one_after_another(WORDS["paused for 20 s"]))
        job = service.job(kind(ids(3)))
        first = asyncio.create_task(job.run())
        await asyncio.sleep(1)
        with pytest.raises(SourceError):
            await job.run()
        job.stop("enough")
        report = await first
        assert (len(service.transport.requests), report.acknowledged) == (1, 0)
        assert asyncio.get_running_loop().time() == 1

    run(stopped())


@pytest.mark.parametrize("kind", [list, Given])
def test_what_was_sent_is_not_pending_where_the_process_is_told_to_exit_meanwhile(kind):
    async def main() -> None:
        service = kept["service"] = Service(one_after_another())
        send = service.transport.post

        async def exit_at_the_answer(*request, **more):
            await send(*request, **more)
            raise SystemExit(3)

        service.transport.post = exit_at_the_answer
        kept["job"] = service.job(kind(ids(3)))
        await kept["job"].run()

    kept: dict = {}
    with pytest.raises(SystemExit):
        run(main())
    assert len(kept["service"].transport.requests) == 1
    report = kept["job"].report
    assert (report.rows, report.unresolved) == (3, 3)


def test_an_attempt_that_told_the_process_to_exit_is_not_made_again():
    async def exits(*_, **more):
        calls.append(more)
        raise SystemExit(3)

    async def told() -> None:
        service = Service(one_after_another())
        service.transport.post = exits
        job = kept["job"] = service.job(ids(3))
        await asyncio.wait({asyncio.ensure_future(job.run())})

    calls: list = []
    kept: dict = {}
    loop = VirtualTimeLoop()
    call = loop.create_task(told())
    with pytest.raises(SystemExit):
        loop.run_until_complete(call)
    loop.run_until_complete(call)  # by somebody who goes on all the same
    loop.close()
    report = kept["job"].report
    assert (len(calls), report.ended, report.unresolved) == (1, Ended.FAULT, 3)


@pytest.mark.parametrize("steps", range(6))
def test_what_certainly_never_left_is_pending_also_where_no_time_is_left_to_say_so(steps):
    async def cancelled() -> None:
        flow = {"concurrency": 2, "cancel_grace_seconds": 0}
        service = Service(one_after_another(NotSent("no connection")), flow=flow)
        job = service.job(ids(3))
        call = asyncio.create_task(job.run())
        await asyncio.sleep(SECONDS)
        await _steps(steps)
        call.cancel()
        await asyncio.wait({call})
        known = service.transport.answers
        assert (job.report.pending, job.report.unresolved) == ((3, 0) if known else (0, 3))

    run(cancelled())


@pytest.mark.parametrize("kind", [list, Given])
def test_a_call_whose_coroutine_is_closed_sends_nothing_more(kind):
    async def closed() -> None:
        service = Service(one_after_another(WORDS["paused for 20 s"]))
        call = service.job(kind(ids(3))).run()
        call.send(None)
        await asyncio.sleep(1)
        try:
            call.close()
        except RuntimeError:  # the engine waits for its tasks, which a closed coroutine may not
            assert kind is Given
        await asyncio.sleep(100)
        assert len(service.transport.requests) == 1

    run(closed())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python has eager tasks since 3.12")
@pytest.mark.parametrize("kind", [list, Given])
@pytest.mark.parametrize("when", ["at the key", "at the answer"])
def test_nothing_more_is_sent_after_a_stop_also_where_tasks_begin_at_once(kind, when):
    async def stopped() -> None:
        def key() -> str:
            if when == "at the key":
                job.stop("enough")
            return KEY

        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        service = Service(one_after_another(REFUSED), key=key)
        job = service.job(kind(ids(8)))
        if when == "at the answer":
            job.subscribe(lambda event: job.stop("enough") if isinstance(event, AttemptEnded) else None)
        report = await job.run()
        sent = 0 if when == "at the key" else 1
        assert (len(service.transport.requests), report.ended, report.acknowledged) == (sent, Ended.SIGNAL, 0)

    run(stopped())


class Unbound:
    """A proxy to nothing, as of a web framework outside of a request."""

    @property
    def __class__(self):
        raise RuntimeError("outside of a request")


@pytest.mark.parametrize("kind", [list, Given])
def test_records_that_raise_when_they_are_looked_at_end_the_call_with_its_account(kind):
    async def looked_at() -> None:
        job = Service(one_after_another()).job(kind([*ids(2), Unbound()]))
        with pytest.raises(RuntimeError) as raised:
            await job.run()
        assert raised.value.report is job.report
        assert job.report.ended is Ended.FAULT

    run(looked_at())


@pytest.mark.parametrize("kind", [list, Given])
def test_a_table_whose_name_no_body_can_hold_ends_the_call_with_its_account(kind):
    async def sent() -> None:
        job = Service(one_after_another()).job(kind(ids(2)), table="\ud800")
        with pytest.raises(ValueError, match="surrogates") as raised:
            await job.run()
        assert raised.value.report is job.report

    run(sent())


@pytest.mark.parametrize("act", ["", "stop", "cancel"])
def test_a_call_that_has_ended_is_in_memory_no_more(act):
    async def ended() -> None:
        job = Service(one_after_another()).job(ids(3))
        call = asyncio.create_task(job.run())
        await asyncio.sleep(SECONDS / 2)
        if act == "stop":
            job.stop("enough")
        elif act == "cancel":
            call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        gone = weakref.ref(job)
        del job, call
        await _steps(2)
        assert gone() is None

    gc.collect()
    gc.disable()
    try:
        run(ended())
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", [list, Given])
def test_the_log_tells_of_the_call(kind, caplog):
    caplog.set_level(logging.DEBUG, "bulkdelete")
    run(Service(one_after_another()).job(kind(ids(3))).run())
    assert [record.getMessage() for record in caplog.records] == [
        f"a job on table {TABLE} begins: an iterable",
        "rows 0 to 2 are acknowledged",
        "3 of 3 rows are acknowledged; the job ended: complete ''",
    ]


@pytest.mark.parametrize("kind", [list, Given])
def test_what_breaks_once_a_request_was_answered_leaves_its_records_in_doubt(kind, caplog):
    class Broken(logging.Handler):
        def handle(self, record):
            if "(code" in record.msg:
                raise TypeError("a handler of somebody's")

    caplog.set_level(logging.INFO, "bulkdelete")
    logger, handler = logging.getLogger("bulkdelete"), Broken()
    logger.addHandler(handler)
    try:
        with pytest.raises(TypeError, match="a handler of somebody's") as raised:
            run(Service(one_after_another(FAILED)).job(kind(ids(3))).run())
    finally:
        logger.removeHandler(handler)
    report = raised.value.report
    assert (report.rows, report.pending, report.unresolved, report.requests) == (3, 0, 3, 1)


@pytest.mark.no_cover  # all 140 reach what the first few do
@pytest.mark.parametrize("words", [[], ["failed"], ["refused"], ["no table"], ["lost"]])
@pytest.mark.parametrize("again_after", [None, 0, 1, 2, 3, 5, 8])
@pytest.mark.parametrize("grace_seconds", [0, 30])
@pytest.mark.parametrize("answers", [0, 1], ids=["before an answer", "after one"])
def test_cancelled_at_any_step_it_raises_with_an_account_of_all_that_was_sent(
    words, again_after, grace_seconds, answers
):
    async def cancelled_at(step: int) -> None:
        flow = {"concurrency": 2, "cancel_grace_seconds": grace_seconds}
        service = Service(one_after_another(*(WORDS[word] for word in words)), listens=True, flow=flow)
        job = service.job(ids(3))
        call = asyncio.create_task(job.run())
        await asyncio.sleep(answers * SECONDS)
        await _steps(step)
        if call.done():
            await asyncio.gather(call, return_exceptions=True)
            return
        call.cancel("by somebody")
        if again_after is not None:
            await _steps(again_after)
            call.cancel("again")
        with pytest.raises(asyncio.CancelledError):
            await call
        report, requests = job.report, len(service.transport.requests)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert service.limiter.in_flight == 0
        if not service.events:  # it had not begun
            assert (report, requests) == (None, 0)
            return
        assert report.ended is Ended.CANCELLED or (report.ended is Ended.FATAL_ANSWER and "no table" in words)
        assert (report.balanced, report.requests) == (True, requests)
        acknowledged = sum(said is OK for said in service.transport.answers.values())
        if not acknowledged or (grace_seconds and again_after is None):
            assert bool(report.acknowledged) == bool(acknowledged)
        if requests:
            assert report.acknowledged + report.rejected + report.unresolved == 3
        if not requests:
            assert report.rows == report.pending

    for step in range(24):
        run(cancelled_at(step))


async def _steps(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)
