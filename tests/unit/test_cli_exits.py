"""Every ending has its exit code, and where several apply the more urgent one wins."""

from __future__ import annotations

import signal

import pytest

from bulkdelete.cli import exits
from bulkdelete.errors import (
    CredentialsError,
    FatalAnswer,
    LedgerLocked,
    LedgerMismatch,
    LedgerStorageError,
    OutageTooLong,
    PauseTooLong,
    SettingsError,
    SourceChanged,
    SourceError,
    SourceRefused,
)
from bulkdelete.records import Ended
from bulkdelete.reports import Report


def report(ended: Ended = Ended.COMPLETE, **fates: int) -> Report:
    return Report(table_id="t", rows=sum(fates.values()), ended=ended, **fates)


@pytest.mark.parametrize(
    ("code", "given"),
    [
        (0, report(acknowledged=5, held=1, duplicate=2)),
        (1, report(acknowledged=5, rejected=1)),
        (1, report(acknowledged=5, invalid=1)),
        (75, report(acknowledged=5, rejected=1, unresolved=1)),
        (75, report(acknowledged=5, pending=1)),
        (75, report(Ended.LIMIT, acknowledged=5, rejected=1)),
        (3, report(Ended.LIMIT_TOO_SMALL, unresolved=5)),
        (75, report(Ended.QUOTA, pending=1)),
        (3, report(Ended.FATAL_ANSWER, pending=1)),
        (3, report(Ended.MAX_FAILURES, rejected=101)),
        (3, report(Ended.WHOLLY_WRONG, unresolved=5)),
        (3, report(Ended.SOURCE_BROKEN, acknowledged=5)),
        (3, report(Ended.STORAGE, unresolved=5)),
        (3, report(Ended.FAULT)),
        (2, report(Ended.SOURCE_CHANGED)),
        (3, Report(table_id="t", rows=7, acknowledged=5, pending=1)),
    ],
)
def test_a_report_has_its_exit_code(code, given):
    assert exits.of_report(given) == code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("ended", [Ended.SIGNAL, Ended.CANCELLED])
def test_a_signal_goes_before_everything(number, code, ended):
    assert exits.of_report(report(ended, rejected=1, pending=3), number) == code


def test_a_signal_that_came_too_late_changes_nothing():
    assert exits.of_report(report(acknowledged=1), signal.SIGINT) == 0


@pytest.mark.parametrize(("ended", "code"), [(Ended.CANARY, 3), (Ended.MAX_FAILURES, 3), (Ended.LIMIT, 75)])
def test_a_signal_that_came_when_the_job_had_ended_otherwise_hides_that_from_nobody(ended, code):
    assert exits.of_report(report(ended, acknowledged=1, pending=1), signal.SIGTERM) == code


def test_an_empty_source_is_refused_unless_allowed():
    assert exits.of_report(report(), allow_empty=False) == 2
    assert exits.of_report(report(), allow_empty=True) == 0


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (2, SettingsError("x")),
        (2, CredentialsError("x")),
        (2, SourceRefused("x")),
        (2, SourceChanged("x")),
        (2, LedgerMismatch("x")),
        (3, SourceError("x")),
        (2, LedgerStorageError("x")),
        (3, FatalAnswer("x", None)),
        (75, LedgerLocked("x")),
        (75, PauseTooLong("x", 0.0)),
        (75, OutageTooLong("x")),
        (130, KeyboardInterrupt()),
        (3, ZeroDivisionError()),
    ],
)
def test_an_error_has_its_exit_code(code, error):
    assert exits.of_error(error) == code


def test_a_key_lost_after_requests_were_sent_needs_a_person():
    error = CredentialsError("the key file is gone")
    error.report = Report(table_id="t", requests=3, ended=Ended.FATAL_ANSWER)
    assert exits.of_error(error) == 3
