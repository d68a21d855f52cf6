"""The report: every fate by its name, what it means, and what to do next."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from bulkdelete.cli import reporting
from bulkdelete.records import FATES, Ended
from bulkdelete.reports import Report

MIXED = Report(
    table_id="673af861ed69656ac0895b07",
    rows=1_000_010,
    acknowledged=1_000_000,
    rejected=3,
    invalid=2,
    duplicate=1,
    unresolved=4,
    batches=1001,
    requests=1010,
    retries=6,
    elapsed_seconds=61.2,
    ended=Ended.QUOTA,
    reason="the API asks for \x1b[31ma pause",
    ledger="my purge.db",
    resume_at_unix_seconds=1e9,
)


def test_the_text_has_a_line_for_each_fate_and_says_what_to_do():
    text = reporting.as_text(MIXED, "bulkdelete run ids.csv")
    for fate in FATES:
        assert re.search(rf"^  {fate} +[\d,]+", text, re.MULTILINE), fate
    assert "1,000,000" in text
    assert "running again is useless" in text
    assert "bulkdelete failures 'my purge.db'" in text
    assert "bulkdelete run ids.csv" in text
    assert "1 min 1 s" in text
    assert "2001-09-" in text
    assert "\x1b" not in text


def test_the_digest_of_the_ledger_has_a_line_where_there_is_one():
    sealed = replace(MIXED, ledger_digest="sha256:00ff", ledger_run=3)
    assert re.search(r"^digest +sha256:00ff$", reporting.as_text(sealed), re.MULTILINE)
    assert "digest" not in reporting.as_text(MIXED)
    values = json.loads(reporting.as_json(sealed, 75))
    assert (values["ledger_digest"], values["ledger_run"]) == ("sha256:00ff", 3)


def test_a_fate_without_rows_needs_no_explanation():
    text = reporting.as_text(Report(table_id="t", rows=1, acknowledged=1, ledger="p.db"), "bulkdelete run x")
    assert "hold list" not in text
    assert "bulkdelete failures" not in text
    assert "bulkdelete run" not in text


def test_counts_that_do_not_add_up_are_printed_raw_with_the_fault():
    text = reporting.as_text(Report(table_id="t", rows=7, acknowledged=5))
    assert "DO NOT ADD UP" in text
    assert re.search(r"^rows +7$", text, re.MULTILINE)


def test_the_json_is_one_ascii_object_with_everything():
    line = reporting.as_json(MIXED, 75)
    assert line.isascii()
    values = json.loads(line)
    assert {name: values[name] for name in ("rows", "acknowledged", "batches", "requests", "retries")} == {
        "rows": 1_000_010,
        "acknowledged": 1_000_000,
        "batches": 1001,
        "requests": 1010,
        "retries": 6,
    }
    assert set(FATES) <= set(values)
    assert values["ended"] == "quota"
    assert values["reason"] == "the API asks for a pause"
    assert values["exit_code"] == 75
    assert {"table_id", "settled_before", "ledger", "resume_at_unix_seconds", "elapsed_seconds"} <= set(values)


def test_durations_are_said_in_their_two_largest_units():
    said = [reporting.duration(seconds) for seconds in (0.0321, 12.34, 245, 7_500, 200_000)]
    assert said == ["32 ms", "12.3 s", "4 min 5 s", "2 h 5 min", "2 d 7 h"]


def test_a_moment_is_said_in_words_and_as_local_time():
    assert re.fullmatch(r"in 2 h 5 min \(2001-09-\d\d \d\d:\d\d:\d\d.*\)", reporting.when(1e9, 1e9 - 7_500))
