"""The words as values: frozen, with fates that add up, and a report that says whether all went well."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkdelete import records
from bulkdelete.errors import BulkDeleteError, RecordsFailed
from bulkdelete.records import FATES, Batch, Ended, Fate, Filter, RowFate
from bulkdelete.reports import Report

COUNTS = st.fixed_dictionaries({fate: st.integers(0, 10**9) for fate in FATES})


@given(COUNTS)
def test_a_report_is_balanced_exactly_when_its_seven_fates_add_up_to_the_rows(counts):
    rows = sum(counts.values())
    assert Report(table_id="t", rows=rows, **counts).balanced
    assert not Report(table_id="t", rows=rows + 1, **counts).balanced


@given(COUNTS, st.sampled_from(FATES), st.sampled_from(FATES))
def test_no_report_is_balanced_with_a_count_below_zero(counts, less, more):
    counts[more] += counts[less] + 1
    counts[less] = -1
    assert not Report(table_id="t", rows=sum(counts.values()), **counts).balanced


@given(COUNTS)
def test_what_remains_is_what_running_again_may_settle(counts):
    assert Report(table_id="t", **counts).remaining == counts["unresolved"] + counts["pending"]


@given(COUNTS, st.sampled_from(Ended))
def test_failures_are_raised_unless_the_job_is_complete_and_every_row_acknowledged_held_or_duplicate(counts, ended):
    report = Report(table_id="t", ended=ended, **counts)
    bad = [counts[fate] for fate in ("rejected", "invalid", "unresolved", "pending")]
    if ended is Ended.COMPLETE and not any(bad):
        report.raise_for_failures()
        return
    with pytest.raises(RecordsFailed) as failed:
        report.raise_for_failures()
    assert failed.value.report is report


def test_the_error_of_failures_tells_the_counts_and_why_the_job_ended():
    report = Report(
        table_id="t", rows=9, acknowledged=2, rejected=3, invalid=1, unresolved=2, pending=1, ended=Ended.LIMIT
    )
    with pytest.raises(
        BulkDeleteError, match="of 9 rows 2 are acknowledged, 3 rejected, 1 invalid, 2 unresolved and 1 pending"
    ):
        report.raise_for_failures()


def test_a_report_as_a_dict_holds_every_fate_under_its_own_name_and_is_plain_json():
    row_fate = RowFate(0, Fate.REJECTED, "why", Filter("c", 1))
    plain = Report(table_id="t", rows=1, rejected=1, ended=Ended.LIMIT, failures=(row_fate,)).as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert {*FATES, "rows", "batches", "requests", "retries", "elapsed_seconds", "ended"} <= set(plain)
    assert "failures" not in plain
    assert type(plain["ended"]) is str
    assert (plain["ended"], plain["rejected"]) == ("limit", 1)


def test_a_report_of_a_thousand_failures_prints_as_one_line():
    report = Report(table_id="t", failures=(RowFate(0, Fate.INVALID, "why", "x"),) * 1000)
    assert len(repr(report)) < 1000


def test_the_open_records_of_a_batch_are_those_in_its_spans():
    batch = Batch(0, 9, list("abcdefghi"), range(9), b"", spans=(range(2), range(4, 5), range(7, 9)))
    assert batch.open_records == 5
    assert Batch(0, 1, [], [], b"").open_records == 0


VALUES = [
    getattr(records, name)
    for name in vars(records)
    if dataclasses.is_dataclass(getattr(records, name)) and name[0].isupper()
]


@pytest.mark.parametrize("value", VALUES)
def test_every_value_is_frozen_and_has_no_other_attributes(value):
    assert value.__dataclass_params__.frozen
    assert hasattr(value, "__slots__")


def test_the_seven_fates_are_those_of_the_design():
    assert FATES == ("acknowledged", "rejected", "invalid", "held", "duplicate", "unresolved", "pending")
    assert [f"{fate}" for fate in Fate] == list(FATES)
