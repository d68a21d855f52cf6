"""A report -> text for people, or one JSON object for machines; both on stdout."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any, Final

from bulkdelete.cli import invoking
from bulkdelete.records import FATES, Ended, Fate
from bulkdelete.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkdelete.reports import Report

_MEANINGS: Final = {
    Fate.ACKNOWLEDGED: "the API answered 0 to a request that held them",
    Fate.REJECTED: "the API refuses these very records; running again is useless",
    Fate.INVALID: "never sent: they cannot be records; correct the source",
    Fate.HELD: "never sent: they are on a hold list",
    Fate.DUPLICATE: "not sent again: already in the same batch",
    Fate.UNRESOLVED: "perhaps sent, without a final answer; running again settles them",
    Fate.PENDING: "read, certainly not sent; running again sends them",
}
_ENDINGS: Final = {
    Ended.COMPLETE: "every row of the source was read and tried",
    Ended.LIMIT: "the limit of records for this run was reached",
    Ended.LIMIT_TOO_SMALL: "the batch that comes next does not fit into the limit of a run",
    Ended.QUOTA: "the API asks to come back later",
    Ended.OUTAGE: "nothing but failures came back",
    Ended.DURATION: "max_duration_seconds is over",
    Ended.MAX_RECORDS: "the source holds more rows to send than max_records allows",
    Ended.UNEXPECTED: "the source does not hold exactly the number of rows with a record that is expected",
    Ended.CANARY: "nobody said that what the canary showed is right",
    Ended.SIGNAL: "it was asked to stop",
    Ended.CANCELLED: "it was stopped at once",
    Ended.FATAL_ANSWER: "the API refused the table, the key or the plan",
    Ended.MAX_FAILURES: "more rows failed than max_failures allows",
    Ended.WHOLLY_WRONG: "the API refuses whole batches",
    Ended.REFUSED: "it was refused before anything was sent",
    Ended.SOURCE_BROKEN: "the source broke while it was read; what was read before is accounted for",
    Ended.SOURCE_CHANGED: "the source is not the one whose rows the ledger holds",
    Ended.STORAGE: "the ledger could not be written; nothing more was sent",
    Ended.FAULT: "bulkdelete itself failed",
}
_GOES_ON: Final = frozenset(
    {Ended.SIGNAL, Ended.CANCELLED, Ended.LIMIT, Ended.DURATION, Ended.QUOTA, Ended.OUTAGE, Ended.COMPLETE}
)


def as_text(report: Report, resume_command: str = "") -> str:
    """Return *report* for people: each fate on a line of its own, what it means, and what to do next."""
    return "\n".join([*_head(report), *_counts(report), *_table(report), *_next(report, resume_command)])


def as_json(report: Report, exit_code: int | None = None, resume_command: str = "") -> str:
    """Return *report* as one JSON object in ASCII, with the process's *exit_code* where it has ended.

    Where there is a time to come back, it says when, in words, and gives *resume_command* for then.
    """
    values = report.as_dict()
    values["reason"] = harmless(report.reason, most=2000)
    if report.resume_at_unix_seconds is not None:
        values["resume_in_words"] = when(report.resume_at_unix_seconds, time.time())
        values["resume_command"] = _later(report, resume_command)
    return json.dumps(values if exit_code is None else {**values, "exit_code": exit_code})


def when(unix_seconds: float, now_unix_seconds: float) -> str:
    """Return a moment in words and as local time: ``in 2 h 5 min (2026-11-24 18:00:00 CET)``."""
    local = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(unix_seconds)).strip()
    return f"in {duration(max(0.0, unix_seconds - now_unix_seconds))} ({local})"


def duration(seconds: float) -> str:
    """Return *seconds* for people, in their two largest units: ``850 ms``, ``12.3 s``, ``4 min 5 s``, ``2 h 5 min``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    named = (f"{days} d", f"{hours} h") if days else (f"{hours} h", f"{minutes} min")
    return " ".join(named) if days or hours else f"{minutes} min {whole} s"


def _head(report: Report) -> Iterator[str]:
    yield f"table {harmless(report.table_id)}: {report.ended.value}, {_ENDINGS[report.ended]}"
    if report.reason:
        yield harmless(report.reason, most=1000)
    if not report.balanced:
        yield "THE COUNTS DO NOT ADD UP, a fault of bulkdelete. These are the raw counts; the ledger holds every row:"


def _counts(report: Report) -> Iterator[str]:
    counts: list[tuple[str, int, str]] = [("rows", report.rows, "")]
    for fate in FATES:
        rows: int = getattr(report, fate)
        counts.append((f"  {fate}", rows, _MEANINGS[Fate(fate)] if rows else ""))
    if report.settled_before:
        counts.append(("settled before", report.settled_before, "rows that earlier runs had settled already"))
    counts += [("batches", report.batches, ""), ("requests", report.requests, "in this run")]
    counts.append(("retries", report.retries, ""))
    width = max(len(f"{count:,}") for _, count, _ in counts)
    for name, count, meaning in counts:
        yield f"{name:<16}{count:>{width},}  {meaning}".rstrip()
    yield f"{'elapsed':<16}{duration(report.elapsed_seconds)}"


def _table(report: Report) -> Iterator[str]:
    """Say what the API counted, which proves nothing of single records: others may write to the table too."""
    before, after = report.total_count_before, report.total_count_after
    if before is not None:
        yield f"{'table before':<16}{before:,} records, as the API counted them before the first run"
    if after is not None:
        change = "" if before is None else f": {abs(before - after):,} {'fewer' if after <= before else 'more'}"
        yield f"{'table after':<16}{after:,} records{change}. Whoever else writes to the table changes that too"


def _next(report: Report, resume_command: str) -> Iterator[str]:
    if report.resume_at_unix_seconds is not None:
        yield f"{'come back':<16}{when(report.resume_at_unix_seconds, time.time())}; before then nothing is sent"
    if report.ledger is None:
        return
    yield f"{'ledger':<16}{harmless(report.ledger, most=4096)}"
    if report.ledger_digest:
        yield f"{'digest':<16}{report.ledger_digest}"
    if report.rejected or report.invalid or report.remaining:
        yield f"{'those rows':<16}{failures_command(report.ledger)}"
    if report.held:
        yield f"{'held rows':<16}{failures_command(report.ledger)} --all"
    if resume_command and (report.remaining or report.ended is not Ended.COMPLETE):
        word = "to go on" if report.ended in _GOES_ON else "once mended"
        yield f"{word:<16}{harmless(_later(report, resume_command), most=8192)}"


def _later(report: Report, resume_command: str) -> str:
    """Return *resume_command*, to be run when the API, or the quota, lets it."""
    if report.resume_at_unix_seconds is None:
        return resume_command
    seconds = max(0, math.ceil(report.resume_at_unix_seconds - time.time()))
    return f"sleep {seconds} && {resume_command}"


def failures_command(ledger: str) -> str:
    """Return the command that lists the rows of *ledger* that are not acknowledged."""
    return harmless(invoking.command("failures", ledger), most=4200)


def totals_as_dict(totals: Any) -> dict[str, int]:  # noqa: ANN401 - a Totals or a Report: both have the fates
    """Return the rows and their fates as plain values."""
    return {name: getattr(totals, name) for name in ("rows", *FATES)}
