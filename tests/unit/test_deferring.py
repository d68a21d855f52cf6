"""What is sent once more at the end of a run: all parts of a batch as one, and what never left is known among them."""

from __future__ import annotations

import pytest

from bulkdelete.deferring import Deferred
from bulkdelete.errors import AnswerLost, NotSent
from bulkdelete.events import OutcomeReached
from bulkdelete.records import Ended, Fate
from tests.unit.scripted import OK, REFUSED, Sending, batch_of, refusing, rows_of
from tests.unit.test_job_events import Service, ids

pytestmark = pytest.mark.virtual_time


class Server:
    """Refuses all, but answers nothing to whoever asks for row 1000; then *says* what is told."""

    def __init__(self) -> None:
        self.says = None

    def __call__(self, request):
        if self.says is not None:
            return self.says(request)
        return AnswerLost("lost") if request.records == ("1000",) else REFUSED


async def set_aside() -> tuple[Server, Sending, Deferred]:
    """Send a batch of 40 that a suspect one is before: of five probes the first has no answer, and 35 rows never left.

    They are set aside in the order in which they came.
    """
    server = Server()
    sending, deferred = Sending(server, retry={"max_attempts": 1}), Deferred()
    await sending.send(batch_of(40))
    outcomes = await sending.send(batch_of(40, first_row=1000))
    assert rows_of(outcomes, Fate.UNRESOLVED) == {1000}
    assert len(rows_of(outcomes, Fate.PENDING)) == 35
    assert sum(deferred.takes(outcome, 2) for outcome in outcomes) == 5
    return server, sending, deferred


async def test_the_parts_of_a_batch_are_one_batch_that_says_which_of_them_never_left():
    _, _, deferred = await set_aside()
    (batch,) = deferred.give_back()
    assert batch.spans == (range(1), range(1, 9), range(10, 19), range(20, 29), range(30, 39))
    assert batch.unsent == batch.spans[1:]
    assert (batch.ambiguous, batch.sent, batch.stored, batch.thorough) == (True, True, True, True)


async def test_what_never_left_is_pending_if_it_does_not_leave_and_comes_after_all_that_was_sent():
    server, sending, deferred = await set_aside()
    server.says = lambda request: OK if "1020" in request.records else NotSent("no connection")
    outcomes = await sending.send(*deferred.give_back())
    told = [(one.first_row, one.fate, one.ambiguous) for one in outcomes]
    assert told == [
        (1000, Fate.UNRESOLVED, True),
        (1020, Fate.ACKNOWLEDGED, False),
        (1001, Fate.PENDING, False),
        (1010, Fate.PENDING, False),
        (1030, Fate.PENDING, False),
    ]


async def test_a_lost_answer_of_one_part_is_no_doubt_of_another_that_never_left():
    server, sending, deferred = await set_aside()
    server.says = lambda request: REFUSED if {"1000", "1001"}.intersection(request.records) else OK
    outcomes = await sending.send(*deferred.give_back())
    reasons = {one.first_row: one.row_fate.reason for one in outcomes if one.row_fate is not None}
    assert set(reasons) == {1000, 1001}
    assert "got no final answer" in reasons[1000]
    assert "got no final answer" not in reasons[1001]


async def test_where_a_job_stops_before_it_is_their_turn_what_was_sent_is_told_before_what_never_left():
    """The first that is told makes the batch pending or not, for whoever reads the ledger of a job killed then."""
    records = ids(40)

    def script(request):
        row = records.index(request.records[0])
        if row == 1:  # the first of what is left of the first batch
            running.stop("SIGINT received")
        return AnswerLost("lost") if row == 19 else REFUSED if row < 20 else OK

    service = Service(script, flow={"max_concurrency_per_call": 1}, retry={"max_attempts": 1})
    running = service.job(records)
    report = await running.run()
    assert report.ended is Ended.SIGNAL
    outcomes = [event.outcome for event in service.of(OutcomeReached) if event.outcome.batch.thorough]
    told = [(one.first_row, one.fate, one.ambiguous) for one in outcomes if one.first_row >= 10]
    assert told == [
        (19, Fate.UNRESOLVED, True),
        (11, Fate.PENDING, False),
        (13, Fate.PENDING, False),
        (15, Fate.PENDING, False),
        (17, Fate.PENDING, False),
    ]


async def test_each_part_is_sent_whatever_the_search_for_refused_records_in_those_before_it_may_cost():
    sending = Sending(refusing({"1"}), before=1, splitting={"max_requests_per_batch": 1})
    outcomes = await sending.send(batch_of(12, spans=(range(4), range(4, 8), range(8, 12)), stored=True, thorough=True))
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(4, 12))
    assert [len(one.records) for one in sending.requests] == [4, 4, 4]
    assert rows_of(outcomes, Fate.UNRESOLVED) == set(range(4))
