"""One batch becomes its outcomes: what the API refuses is found exactly, and nothing is left unaccounted."""

from __future__ import annotations

import random
from itertools import chain, combinations

import pytest

from bulkdelete.records import Batch, Fate, Filter
from tests.unit.scripted import (
    OK,
    REFUSED,
    Sending,
    batch_of,
    one_after_another,
    refusing,
    rows_of,
)

pytestmark = pytest.mark.virtual_time

NEVER_SUSPICIOUS = {"splitting": {"stop_when_wholly_wrong": False}}


def subsets(records: int):
    return chain.from_iterable(combinations(range(records), bad) for bad in range(records + 1))


def singly_refused(sending: Sending) -> list[int]:
    """Return the records that were refused in a request of their own."""
    answers = sending.transport.answers
    return [int(one.records[0]) for one in sending.requests if len(one.records) == 1 and answers[one.number] is REFUSED]


# --- a batch that is acknowledged


async def test_an_acknowledged_batch_has_one_outcome_after_one_request():
    sending = Sending(one_after_another())
    (outcome,) = await sending.send(batch_of(1000))
    (request,) = sending.requests
    assert (outcome.fate, outcome.whole, outcome.records, outcome.attempts) == (Fate.ACKNOWLEDGED, True, 1000, 1)
    assert (outcome.code, outcome.http_status, outcome.message) == (0, 200, "OK")
    assert outcome.request_id == request.request_id != ""
    assert not outcome.ambiguous
    assert request.records == tuple(map(str, range(1000)))
    assert (sending.tally.requests, sending.tally.retries) == (1, 0)


async def test_records_keep_their_rows_where_rows_between_them_were_set_aside():
    rows = [2, 3, 7, 11, 12]
    batch = Batch(0, 20, ["a", Filter("c", 1), "b", "c", "d"], rows, b"", spans=(range(5),))
    outcomes = await Sending(refusing({Filter("c", 1), "c"})).send(batch)
    assert rows_of(outcomes, Fate.REJECTED) == {3, 11}
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == {2, 7, 12}
    assert {one.row_fate.record for one in outcomes if one.row_fate} == {Filter("c", 1), "c"}


async def test_of_a_batch_taken_up_again_only_what_is_open_is_sent():
    batch = batch_of(10, spans=(range(2), range(5, 6), range(8, 10)), stored=True)
    sending = Sending(refusing({"8"}))
    outcomes = await sending.send(batch)
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == {0, 1, 5, 9}
    assert rows_of(outcomes, Fate.REJECTED) == {8}
    assert {record for request in sending.requests for record in request.records} == {"0", "1", "5", "8", "9"}
    assert not any(outcome.whole for outcome in outcomes)


# --- finding what is refused


@pytest.mark.parametrize("records", range(1, 9))
async def test_every_set_of_refused_records_is_found_exactly_each_by_its_own_request(records):
    for bad in subsets(records):
        sending = Sending(refusing(set(map(str, bad))), **NEVER_SUSPICIOUS)
        outcomes = await sending.send(batch_of(records))
        assert rows_of(outcomes, Fate.REJECTED) == set(bad)
        assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(records)) - set(bad)
        assert sorted(singly_refused(sending)) == list(bad)
        for outcome in outcomes:
            if outcome.row_fate is not None:
                assert (outcome.row_fate.row, outcome.row_fate.code) == (outcome.first_row, 40000)
                assert outcome.row_fate.reason.startswith("Invalid parameters")
                assert outcome.row_fate.record == str(outcome.first_row)


@pytest.mark.parametrize("records", range(1, 9))
async def test_a_suspicious_batch_may_be_left_but_never_wrongly_judged(records):
    for bad in subsets(records):
        sending = Sending(refusing(set(map(str, bad))))
        outcomes = await sending.send(batch_of(records))
        assert rows_of(outcomes, Fate.REJECTED) == set(singly_refused(sending)) <= set(bad)
        assert rows_of(outcomes, Fate.ACKNOWLEDGED) <= set(range(records)) - set(bad)
        if left := rows_of(outcomes, Fate.UNRESOLVED):
            assert not rows_of(outcomes, Fate.ACKNOWLEDGED)
            assert len(singly_refused(sending)) >= 5
            assert len(left) <= 3


@pytest.mark.parametrize(("poisoned", "at_once"), [(1, 1), (2, 1), (37, 1), (1, 10), (2, 10), (37, 10)])
async def test_poisoned_records_among_10_000_are_found_exactly(poisoned, at_once):
    bad = set(random.Random(poisoned).sample(range(10_000), poisoned))
    sending = Sending(refusing(set(map(str, bad))))
    batches = [batch_of(1000, first_row=first_row) for first_row in range(0, 10_000, 1000)]
    outcomes = []
    for start in range(0, 10, at_once):
        outcomes += await sending.send_all(*batches[start : start + at_once])
    assert rows_of(outcomes, Fate.REJECTED) == bad
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(10_000)) - bad
    assert sorted(singly_refused(sending)) == sorted(bad)
    assert len(sending.requests) <= 10 + 20 * poisoned
    assert max(len(request.records) for request in sending.requests) == 1000
    assert not sending.suspicion.wholly_wrong


async def test_one_refused_record_among_1000_costs_at_most_21_requests_wherever_it_is():
    for at in range(0, 1000, 37):
        sending = Sending(refusing({str(at)}))
        assert rows_of(await sending.send(batch_of(1000)), Fate.REJECTED) == {at}
        assert len(sending.requests) <= 21


async def test_a_batch_that_is_refused_whole_and_whose_parts_all_pass_is_acknowledged():
    outcomes = await Sending(lambda request: REFUSED if len(request.records) > 300 else OK).send(batch_of(1000))
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == set(range(1000))


async def test_parts_are_acknowledged_one_by_one_so_that_each_can_be_made_durable():
    outcomes = await Sending(refusing({"0"})).send(batch_of(1000))
    assert [len(rows_of([outcome], Fate.ACKNOWLEDGED)) for outcome in outcomes[:3]] == [250, 250, 250]
    assert len(outcomes) > 5


async def test_at_most_two_batches_are_taken_apart_at_a_time_and_clean_ones_go_on():
    sending = Sending(refusing({str(row) for row in range(0, 10_000, 1000)}), before=1)
    clean = batch_of(1000, first_row=50_000)
    await sending.send_all(*(batch_of(1000, first_row=row) for row in range(0, 10_000, 1000)), clean)
    parts = [request for request in sending.requests if len(request.records) < 1000]
    at_once = [sum(other.began == one.began for other in parts) for one in parts]
    assert max(at_once) == 2
    assert next(one.began for one in sending.requests if "50000" in one.records) == 0


# --- bounds


async def test_splitting_a_batch_ends_at_its_bound_and_the_rest_is_unresolved():
    sending = Sending(refusing({"500"}), splitting={"max_requests_per_batch": 10})
    outcomes = await sending.send(batch_of(1000))
    assert len(sending.requests) <= 1 + 10
    assert not rows_of(outcomes, Fate.REJECTED)
    unresolved = rows_of(outcomes, Fate.UNRESOLVED)
    assert 500 in unresolved
    assert len(unresolved) + len(rows_of(outcomes, Fate.ACKNOWLEDGED)) == 1000
    assert all("not split further" in one.message for one in outcomes if one.fate is Fate.UNRESOLVED)
    assert sending.tally.failed == len(unresolved)


async def test_splitting_in_a_job_ends_at_its_bound_and_clean_batches_still_go():
    sending = Sending(refusing({str(row) for row in range(0, 5000, 1000)}), splitting={"max_requests_per_job": 30})
    outcomes = []
    for first_row in range(0, 6000, 1000):
        outcomes += await sending.send(batch_of(1000, first_row=first_row))
    assert sending.tally.split_requests <= 30
    assert rows_of(outcomes, Fate.UNRESOLVED)
    assert set(range(5000, 6000)) <= rows_of(outcomes, Fate.ACKNOWLEDGED)
    (whole,) = [outcome for outcome in outcomes if outcome.first_row == 4000]
    assert (whole.fate, whole.whole) == (Fate.UNRESOLVED, True)


# --- a wholly wrong file


async def test_three_wholly_refused_batches_are_a_wrong_file_within_30_requests():
    sending = Sending(one_after_another(then=REFUSED))
    for first_row, fate in ((0, Fate.UNRESOLVED), (1000, Fate.PENDING), (2000, Fate.PENDING)):
        assert not sending.suspicion.wholly_wrong
        outcomes = await sending.send(batch_of(1000, first_row=first_row))
        assert len(rows_of(outcomes, Fate.REJECTED)) == 5
        left = [outcome for outcome in outcomes if outcome.fate is fate]
        assert sum(outcome.records for outcome in left) == 995
        assert all("every record of its batch that was tried is refused" in outcome.message for outcome in left)
    assert sending.suspicion.wholly_wrong
    assert len(sending.requests) == 20


async def test_a_wrong_file_is_seen_within_30_requests_also_when_sixteen_batches_come_at_once():
    sending = Sending(one_after_another(then=REFUSED))

    def stop_as_the_job_does() -> None:
        if sending.suspicion.wholly_wrong:
            sending.stop.ask()

    batches = [batch_of(1000, first_row=first_row) for first_row in range(0, 16_000, 1000)]
    outcomes = await sending.send_all(*batches, each=stop_as_the_job_does)
    assert sending.suspicion.wholly_wrong
    assert len(sending.requests) <= 30
    tried = rows_of(outcomes, Fate.REJECTED)
    assert len(tried) == 15
    assert rows_of(outcomes, Fate.PENDING) == set(range(1000, 16_000)) - tried


async def test_a_small_wholly_wrong_file_is_seen_at_its_end():
    for records in (5, 7, 16, 100):
        sending = Sending(one_after_another(then=REFUSED))
        await sending.send(batch_of(records))
        assert not sending.suspicion.wholly_wrong
        assert sending.suspicion.nothing_but_suspects
        assert len(sending.requests) <= 10


async def test_a_few_refused_records_alone_in_a_small_file_are_no_wrong_file():
    sending = Sending(one_after_another(then=REFUSED))
    outcomes = await sending.send(batch_of(4))
    assert rows_of(outcomes, Fate.REJECTED) == {0, 1, 2, 3}
    assert not sending.suspicion.nothing_but_suspects


async def test_one_acknowledged_record_between_refused_ones_clears_the_suspicion():
    good = {"250", "1250"}
    sending = Sending(lambda request: OK if set(request.records) <= good else REFUSED, retry={"max_attempts": 1})
    outcomes = await sending.send(batch_of(6, first_row=248))
    outcomes += await sending.send(batch_of(6, first_row=1248))
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) == {250, 1250}
    assert len(rows_of(outcomes, Fate.REJECTED)) == 10
    assert not sending.suspicion.wholly_wrong


async def test_a_batch_acknowledged_between_refused_ones_clears_the_suspicion():
    sending = Sending(refusing(set(map(str, [*range(1000), *range(2000, 3000)]))))
    for first_row in (0, 1000, 2000):
        await sending.send(batch_of(1000, first_row=first_row))
    assert sending.tally.rejected == 10
    assert not sending.suspicion.wholly_wrong
    for _ in range(2):
        await sending.send(batch_of(1000, first_row=2000))
    assert sending.suspicion.wholly_wrong


async def test_probes_that_the_api_takes_let_the_batch_be_taken_apart_to_its_end():
    bad = set(range(1000)) - {0, 249, 499, 749, 999}
    sending = Sending(refusing(set(map(str, bad))))
    outcomes = await sending.send(batch_of(1000))
    assert rows_of(outcomes, Fate.REJECTED) == bad
    assert len(sending.requests) <= 1401
