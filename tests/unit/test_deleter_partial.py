"""A server may delete the good records of a request that it refuses, and then refuse them because they are gone.

Its refusals are doubted and make no file suspicious; what was in no request before tells a wrong file from it.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkdelete.deferring import once_more
from bulkdelete.records import Fate
from tests.properties import often
from tests.unit.scripted import OK, REFUSED, Sending, batch_of, one_after_another, rows_of
from tests.virtual_time import run

DOUBT = "may already be deleted"


class Server:
    """Holds ids; *deletes* of a request that it refuses ``none``, its ``good`` records, or those ``before`` a bad one.

    *strict*: it refuses an id that it does not hold.
    """

    def __init__(self, ids, poisoned, *, deletes: str, strict: bool) -> None:
        self.held = set(ids)
        self.poisoned = poisoned
        self.deletes, self.strict = deletes, strict

    def __call__(self, request):
        refuses = [one in self.poisoned or (self.strict and one not in self.held) for one in request.records]
        if True not in refuses:
            self.held.difference_update(request.records)
            return OK
        if self.deletes == "good":
            self.held -= {one for one, bad in zip(request.records, refuses, strict=True) if not bad}
        elif self.deletes == "before":
            self.held.difference_update(request.records[: refuses.index(True)])
        return REFUSED


async def sent_as_a_job_does(sending: Sending, *batches):
    """Send *batches* one after the other, and once more what was set aside, unless the file is wholly wrong."""
    outcomes = []
    for batch in batches:
        outcomes += await sending.send(batch)
        if sending.suspicion.wholly_wrong:
            return outcomes
    aside = [one for one in outcomes if one.again]
    if sending.suspicion.nothing_but_suspects:
        return outcomes
    outcomes = [one for one in outcomes if not one.again]
    for _, parts in groupby(aside, key=lambda one: one.batch.first_row):
        outcomes += await sending.send(once_more([*parts]))
    return outcomes


@settings(max_examples=often(150), deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]),
    st.randoms(use_true_random=False),
    st.sampled_from(["none", "good", "before"]),
    st.booleans(),
)
def test_what_is_rejected_without_a_doubt_was_never_deleted_and_a_wrong_file_is_wrong(
    sizes, share, chance, deletes, strict
):
    rows = [100 * at + row for at, size in enumerate(sizes) for row in range(size)]
    poisoned = {str(row) for row in rows if chance.random() < share}
    server = Server(map(str, rows), poisoned, deletes=deletes, strict=strict)

    async def play() -> None:
        sending = Sending(server)
        batches = [batch_of(size, first_row=100 * at) for at, size in enumerate(sizes)]
        outcomes = await sent_as_a_job_does(sending, *batches)
        rejected = {str(one.first_row): one.row_fate.reason for one in outcomes if one.row_fate is not None}
        assert {record for record, reason in rejected.items() if DOUBT not in reason} <= poisoned
        assert server.held >= poisoned
        assert rows_of(outcomes, Fate.PENDING) <= set(map(int, server.held))
        if sending.suspicion.wholly_wrong:
            assert len(poisoned.intersection(rejected)) >= 10
            assert len(sending.requests) <= 30 or share < 1
        elif not sending.suspicion.nothing_but_suspects:
            assert set(rejected) | {str(row) for row in rows_of(outcomes, Fate.ACKNOWLEDGED)} == set(map(str, rows))
            assert deletes != "none" or set(rejected) == poisoned

    run(play())


pytestmark = pytest.mark.virtual_time


@pytest.mark.no_cover  # long, and reaches nothing that others do not
@pytest.mark.parametrize("deletes", ["good", "before"])
@pytest.mark.parametrize("bad", [(500, 1500, 2500), (0, 1000, 2000, 3000), (999, 1999), (0,), (4999,)])
async def test_a_job_goes_on_where_a_server_that_deletes_what_it_refuses_refuses_batch_after_batch(deletes, bad):
    server = Server(map(str, range(5000)), set(map(str, bad)), deletes=deletes, strict=True)
    sending = Sending(server, splitting={"max_requests_per_job": 10_000})
    batches = [batch_of(1000, first_row=row) for row in range(0, 5000, 1000)]
    outcomes = await sent_as_a_job_does(sending, *batches)
    assert rows_of(outcomes, Fate.ACKNOWLEDGED) | rows_of(outcomes, Fate.REJECTED) == set(range(5000))
    assert server.held == set(map(str, bad))
    reasons = {one.first_row: one.row_fate.reason for one in outcomes if one.row_fate is not None}
    assert all(DOUBT in reason for row, reason in reasons.items() if row not in bad)


async def test_after_a_suspect_batch_the_next_is_asked_for_in_single_records_that_were_in_no_request_before():
    sending = Sending(one_after_another(then=REFUSED))
    await sending.send(batch_of(1000))
    outcomes = await sending.send(batch_of(1000, first_row=1000))
    assert [one.records for one in sending.requests[10:]] == [("1000",), ("1249",), ("1499",), ("1749",), ("1999",)]
    assert rows_of(outcomes, Fate.REJECTED) == {1000, 1249, 1499, 1749, 1999}
    assert all(DOUBT not in one.row_fate.reason for one in outcomes if one.row_fate is not None)
    assert rows_of(outcomes, Fate.PENDING) == set(range(1000, 2000)) - rows_of(outcomes, Fate.REJECTED)


async def test_a_refused_record_is_not_doubted_once_the_server_took_the_first_part_of_what_it_had_refused():
    refused = {"5", "1003"}
    sending = Sending(lambda request: REFUSED if refused.intersection(request.records) else OK)
    outcomes = await sending.send(batch_of(1000)) + await sending.send(batch_of(1000, first_row=1000))
    reasons = {one.first_row: one.row_fate.reason for one in outcomes if one.row_fate is not None}
    assert reasons == {5: "Invalid parameters", 1003: "Invalid parameters"}


async def test_the_first_record_of_all_is_doubted_for_nothing_was_seen_yet():
    sending = Sending(lambda request: REFUSED if "0" in request.records else OK)
    outcomes = await sending.send(batch_of(1000))
    (reason,) = [one.row_fate.reason for one in outcomes if one.row_fate is not None]
    assert reason.startswith("Invalid parameters; may already be deleted: an earlier request that held it and others")


async def test_what_an_earlier_run_sent_is_doubted_for_it_may_have_been_refused_in_part():
    sending = Sending(one_after_another(then=REFUSED))
    (outcome,) = await sending.send(batch_of(2, spans=(range(1, 2),), sent=True, stored=True))
    assert DOUBT in outcome.row_fate.reason
    assert not outcome.ambiguous


async def test_what_an_earlier_run_sent_with_a_record_that_is_on_hold_now_is_doubted_too():
    sending = Sending(one_after_another(then=REFUSED))
    (outcome,) = await sending.send(replace(batch_of(1, first_row=1, sent=True, stored=True), first_row=0))
    assert DOUBT in outcome.row_fate.reason


async def test_a_record_that_an_earlier_run_sent_alone_cannot_have_been_refused_in_part():
    sending = Sending(one_after_another(then=REFUSED))
    (outcome,) = await sending.send(batch_of(1, sent=True, stored=True))
    assert outcome.row_fate.reason == "Invalid parameters"
